"""The journal is proven whole, or the first position at which it is not is named with the reason."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import fields
from typing import Any
from uuid import UUID, uuid4

import hypothesis
import orjson
import psycopg
import pytest

from audit import proof
from audit.proof import TAGS_AT_ONCE, CannotCheck, Head, verify
from daybook.embedded import Stores
from journal.chain import COLUMNS, Broken, Row
from journal.journal import Journal
from tests.examples import BEN, DESK, ROOM, cancelled, created, hours
from tests.journal.test_chain import FEW, FLIPS, ODD, batches
from tests.journals import Place, a_journal, a_place, activated, entry

PAGE = 3


@pytest.fixture(scope="module")
def history(stores: Stores) -> Iterator[Place]:
    """Eight facts in three pages, every column of which has something in it. Changes of it are rolled back."""
    with a_place(stores) as place:
        asyncio.run(_enter_facts(place))
        yield place


async def _enter_facts(place: Place) -> None:
    first = created(hours(10, 12), space_id=DESK, user_id=BEN)
    async with a_journal(place) as journal:
        for n in range(4):
            about_it = first if n == 0 else cancelled(first)
            one = await entry(
                journal, about_it, activated(ROOM), request_digest=bytes([n]) * 32, causation_id=UUID(int=n)
            )
            await journal.append(one)


def objection(place: Place, *changes: str, tags_at_once: int = TAGS_AT_ONCE) -> tuple[int, str] | None:
    """What is found after these statements of the owner, none of which does nothing."""
    with place.owner() as owner, owner.transaction(force_rollback=True):
        for change in changes:
            assert owner.execute(change).rowcount
        try:
            verify(owner, page=PAGE, tags_at_once=tags_at_once)
        except Broken as broken:
            return broken.position, broken.why
        return None


def bad_position(place: Place, *changes: str, tags_at_once: int = TAGS_AT_ONCE) -> int | None:
    found = objection(place, *changes, tags_at_once=tags_at_once)
    return found and found[0]


def whole(place: Place, *, page: int = PAGE, tags_at_once: int = TAGS_AT_ONCE) -> Head:
    with proof.reading(place.url, place.schema) as connection:
        return verify(connection, page=page, tags_at_once=tags_at_once)


def enter(place: Place, *commands: dict[str, Any]) -> None:
    with place.role() as role:
        role.execute("select journal_append(%s::json)", (orjson.dumps(commands).decode(),))


async def test_a_whole_journal_is_told_by_its_head(history: Place):
    async with a_journal(history) as journal:
        for page in (1, 2, 3, 4, 7, 8, 9, 1_000):
            head = whole(history, page=page)

            assert (head.journal_id, head.position, head.hash) == await journal.head()


def test_a_new_journal_is_whole(place: Place):
    assert whole(place).position == 0


def test_it_tells_how_far_it_is(history: Place):
    told: list[tuple[str, int, int | None]] = []

    with proof.reading(history.url, history.schema) as connection:
        verify(connection, lambda *so_far: told.append(so_far), page=PAGE)

    borne = sum(len(row.tags) for row in history.rows())
    assert told == [("tags", borne, None), ("facts", 3, 8), ("facts", 6, 8), ("facts", 8, 8)]


async def test_what_is_recorded_meanwhile_is_no_objection(place: Place, journal: Journal):
    for _ in range(40):
        await journal.append(await entry(journal))
    writing = True

    async def write() -> None:
        while writing:
            await journal.append(await entry(journal, created(hours(10, 12)), activated()))

    writers = [asyncio.create_task(write()) for _ in range(4)]
    heads = [await asyncio.to_thread(whole, place, page=page) for page in (1, 7, 50)]
    writing = False
    await asyncio.gather(*writers)

    assert heads[0].position < heads[-1].position


@pytest.fixture(scope="module")
def shared(stores: Stores) -> Iterator[Place]:
    """One journal for all random facts: each example goes on from where the one before stopped."""
    with a_place(stores) as place:
        yield place


@hypothesis.example([ODD])
@hypothesis.given(batches)
@hypothesis.settings(FEW, max_examples=20)
def test_whatever_is_recorded_is_whole(shared: Place, batch: list[dict[str, Any]]):
    enter(shared, *batch)

    whole(shared)


def test_unusual_tags_are_whole(place: Place):
    unusual = [[], [""], ["\x1f"], ["a\x1fb", "c"], ["a", "b\x1fc"], ["", "\x1f\x1f"], ["NULL"], ["{}"], ["ü", '"']]
    for tags in unusual:
        enter(place, ODD | {"id": uuid4(), "events": [{"type": "T", "version": 1, "tags": tags, "payload": "{}"}]})

    assert whole(place).position == len(unusual)


def test_every_column_is_flipped_below():
    assert FLIPS.keys() == {field.name for field in fields(Row)}


@pytest.mark.parametrize("column", sorted(FLIPS.keys() - {"hash_format"}))
def test_a_change_of_any_column_is_found_where_it_is(history: Place, column: str):
    for position in (1, 3, 4, 8):
        change = f"update events set {column} = {FLIPS[column]} where position = {position}"

        assert bad_position(history, change) == position


@pytest.mark.parametrize("value", ["infinity", "-infinity"])
def test_a_time_that_is_none_is_found(history: Place, value: str):
    assert bad_position(history, f"update events set recorded_at = '{value}' where position = 4") == 4
    assert bad_position(history, f"update journal_head set recorded_at = '{value}'") == 8


@pytest.mark.parametrize("column", [field.name for field in fields(Row) if field.name != "position"])
def test_an_emptied_column_is_found(history: Place, column: str):
    with history.owner() as owner, owner.transaction(force_rollback=True):
        owner.execute(f"alter table events alter column {column} drop not null")
        owner.execute(f"update events set {column} = null where position = 4")

        with pytest.raises((Broken, CannotCheck), match="position 4"):
            verify(owner, page=PAGE)


def test_two_tags_cannot_be_read_as_one_nor_a_text_as_its_neighbour(history: Place):
    moves = [
        "tags = array[tags[1] || tags[2]] || tags[3:]",
        "tags = array[tags[1] || ' ', tags[2]] || tags[3:]",
        "tags = array[tags[2], tags[1]] || tags[3:]",
        "tags = array[tags]",
        "tags = array[tags[1] || chr(31) || tags[2]] || tags[3:]",
        "tags = array[tags[1] || chr(31) || tags[2], null] || tags[3:]",
        "tags = array[null, tags[2]] || tags[3:]",
        "actor = left(actor, -1), correlation_id = right(actor, 1) || correlation_id",
        "tags = tags[:3], payload = tags[4] || payload",
    ]
    indexed_alike = [
        "delete from event_tags where position = 1",
        "insert into event_tags select coalesce(tag, ''), 1 from events, unnest(tags) tag where position = 1",
    ]
    for move in moves:
        change = f"update events set {move} where position = 1"

        assert bad_position(history, change) == 1
        assert bad_position(history, change, *indexed_alike) == 1


def test_a_missing_row_is_found_where_it_was(history: Place):
    for position in range(1, 9):
        assert bad_position(history, f"delete from events where position = {position}") == position


def test_a_missing_tail_is_found_where_it_began(history: Place):
    for position in range(1, 9):
        assert objection(history, f"delete from events where position >= {position}") == (
            position,
            "missing: the head is further on",
        )


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations((1, 2, 4, 8), 2)))
def test_two_rows_that_changed_places_are_found_at_the_first(history: Place, one: int, other: int):
    swap = (
        f"update events set position = position + 100 where position in ({one}, {other})",
        f"update events set position = {one} + {other} + 100 - position where position > 100",
    )

    assert bad_position(history, *swap) == one


def test_facts_outside_the_journal_are_found(history: Place):
    for position in (-1, 0, 9, 12):
        columns = COLUMNS.replace("position", str(position)).replace("command_id", "gen_random_uuid()")
        added = f"insert into events select {columns} from events where position = 8"

        assert bad_position(history, added) == position


def test_a_forged_head_is_found(history: Place):
    forged = {
        "hash = sha256('')": 8,
        "recorded_at = recorded_at + interval '1 microsecond'": 8,
        "recorded_at = 'epoch'": 8,
        "position = 7": 7,
        "position = 9": 9,
        "position = 0": 0,
        "journal_id = gen_random_uuid()": 1,
        "position = 7, hash = (select e.hash from events e where e.position = 7)": 8,
        "position = 9, hash = hash": 9,
    }
    for change, position in forged.items():
        assert bad_position(history, f"update journal_head set {change}") == position
    assert bad_position(history, "delete from journal_head") == 0
    with history.owner() as owner, owner.transaction(force_rollback=True):
        owner.execute("alter table journal_head drop constraint journal_head_single_check")
        owner.execute(
            "insert into journal_head select false, journal_id, position, hash, recorded_at from journal_head"
        )
        with pytest.raises(Broken, match="there are 2 heads"):
            verify(owner)


async def test_a_new_journal_with_a_forged_head_is_found(place: Place):
    assert bad_position(place, "update journal_head set hash = sha256('')") == 0
    assert bad_position(place, "update journal_head set recorded_at = now()") == 0
    assert bad_position(place, "update journal_head set position = 1") == 1


def test_a_fact_hidden_from_any_of_its_tags_is_found(history: Place):
    for row in history.rows():
        for tag in row.tags:
            hidden = f"delete from event_tags where position = {row.position} and tag = '{tag}'"

            assert objection(history, hidden) == (row.position, f"it is not found by its tag {tag!r}")


def test_a_fact_found_by_a_tag_that_is_not_its_own_is_found(history: Place):
    for position in range(1, 9):
        for tag in ("", "a", f"space:{ROOM}x", "z"):
            added = f"insert into event_tags values ('{tag}', {position})"

            assert objection(history, added) == (position, f"it is found by the tag {tag!r}, which is not its own")


def test_a_tag_put_in_the_place_of_another_is_found(history: Place):
    assert (
        bad_position(history, "update event_tags set tag = 'space:x' where position = 5 and tag like 'booking:%'") == 5
    )
    exchanged = (
        f"update event_tags set tag = 'x' where position = 2 and tag = 'space:{ROOM}'",
        f"update event_tags set position = 2 where position = 3 and tag = 'allowance:{BEN}'",
        f"update event_tags set position = 3, tag = 'space:{ROOM}' where tag = 'x'",
    )
    assert bad_position(history, *exchanged) == 2


def test_a_tag_of_no_fact_is_found(history: Place):
    for position in (-5, 0, 9, 10**12):
        assert objection(history, f"insert into event_tags values ('space:{ROOM}', {position})") == (
            position,
            "event_tags has a row for a fact that is not there",
        )


def test_the_same_tag_twice_is_found(history: Place):
    with history.owner() as owner, owner.transaction(force_rollback=True):
        owner.execute("alter table event_tags drop constraint event_tags_pkey")
        owner.execute("insert into event_tags select * from event_tags where position = 4 limit 1")

        with pytest.raises(Broken, match="position 4: here or up to 6 event_tags has the same row twice"):
            verify(owner, page=PAGE)


def test_the_first_of_several_wrong_tags_is_named(history: Place):
    wrong = (
        "delete from event_tags where position = 7",
        "delete from event_tags where position = 5",
        "insert into event_tags values ('a', 6), ('b', 4)",
    )

    assert bad_position(history, *wrong) == 4


def test_many_tags_are_read_a_stretch_at_a_time(history: Place):
    for at_once in (1, 2, 5, sum(len(row.tags) for row in history.rows())):
        whole(history, tags_at_once=at_once)
        assert bad_position(history, "delete from event_tags where position = 8", tags_at_once=at_once) == 8
        assert bad_position(history, "insert into event_tags values ('z', 2)", tags_at_once=at_once) == 2


def test_a_format_yet_to_come_is_no_verdict(history: Place):
    with history.owner() as owner, owner.transaction(force_rollback=True):
        owner.execute("update events set hash_format = 2 where position >= 5")

        with pytest.raises(CannotCheck, match="position 5: unknown hash format 2"):
            verify(owner, page=PAGE)


def test_a_format_before_an_older_one_is_a_change(history: Place):
    assert bad_position(history, "update events set hash_format = 2 where position = 5") == 5


def test_without_a_journal_there_is_no_verdict(place: Place):
    with proof.reading(place.url, "nowhere") as connection, pytest.raises(CannotCheck, match="daybook migrate"):
        verify(connection)
    with pytest.raises(CannotCheck), proof.reading("postgresql:///x?host=/nowhere", place.schema):
        pass


def test_a_lost_connection_is_no_verdict(history: Place):
    with proof.reading(history.url, history.schema) as connection, history.role() as role:

        def hang_up(*_: Any) -> None:
            role.execute("select pg_terminate_backend(%s)", (connection.info.backend_pid,))

        with pytest.raises(CannotCheck):
            verify(connection, hang_up, page=PAGE)


def test_rights_to_read_are_enough(history: Place):
    with pytest.raises(psycopg.errors.InsufficientPrivilege), history.role() as role:
        role.execute("update events set actor = ''")

    assert whole(history).position == 8
