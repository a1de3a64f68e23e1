"""The library's own conformance tests, on our table."""

from collections.abc import Iterator

import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.tests import DCBRecorderTestCase
from eventsourcing.persistence import IntegrityError, ProgrammingError

from journal import chain
from journal.recorder import JournalRecorder
from tests.journals import Place


@pytest.fixture
def recorder(place: Place) -> Iterator[JournalRecorder]:
    recorder = JournalRecorder(place.url, place.schema, actor="system:conformance")
    yield recorder
    recorder.close()


@pytest.fixture
def conformance() -> DCBRecorderTestCase:
    return DCBRecorderTestCase()


def test_appending_and_reading_conform(conformance: DCBRecorderTestCase, recorder: JournalRecorder):
    conformance._test_append_read(recorder)


def test_subscribing_conforms(conformance: DCBRecorderTestCase, recorder: JournalRecorder):
    conformance._test_append_subscribe(recorder)


def event(*tags: str, type: str = "Thing") -> DCBEvent:
    return DCBEvent(type=type, data=b'{"n": 1}', tags=list(tags))


def test_what_the_library_appends_is_part_of_the_chain_in_its_authors_name(place: Place, recorder: JournalRecorder):
    assert recorder.append([event("a"), event("b", "c")]) == 2
    assert recorder.append([event("a")]) == 3

    rows = place.rows()
    assert {row.actor for row in rows} == {"system:conformance"}
    assert [row.command_seq for row in rows] == [0, 1, 0]
    with place.role() as role:
        ((journal_id, hash),) = role.execute("select journal_id, hash from journal_head").fetchall()
    assert chain.check(chain.origin(journal_id), 0, rows) == hash


@pytest.mark.parametrize(
    ("condition", "fails"),
    [
        (DCBQuery([DCBQueryItem(tags=["a"])]), True),
        (DCBQuery([DCBQueryItem(tags=["z"])]), False),
        (DCBQuery([DCBQueryItem(tags=["z"]), DCBQueryItem(tags=["b"])]), True),
        (DCBQuery([DCBQueryItem(tags=["a", "b"])]), True),
        (DCBQuery([DCBQueryItem(tags=["a", "z"])]), False),
        (DCBQuery([DCBQueryItem(types=["Thing"])]), True),
        (DCBQuery([DCBQueryItem(types=["Other"], tags=["a"])]), False),
        (DCBQuery(), True),
    ],
)
def test_a_condition_holds_for_what_came_after_the_position_it_names(
    recorder: JournalRecorder, condition: DCBQuery, fails: bool
):
    recorder.append([event("a", "b")])

    if fails:
        with pytest.raises(IntegrityError):
            recorder.append([event("new")], DCBAppendCondition(condition))
    else:
        recorder.append([event("new")], DCBAppendCondition(condition))
    assert recorder.append([event("new")], DCBAppendCondition(condition, after=2))


def test_there_has_to_be_something_to_append(recorder: JournalRecorder):
    with pytest.raises(ProgrammingError):
        recorder.append([])
