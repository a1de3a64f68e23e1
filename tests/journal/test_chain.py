"""The chain of hashes: SQL and Python make the same one, and whatever is changed afterwards is found where it is."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import hypothesis
import orjson
import psycopg
import pytest
from hypothesis import strategies as st

from daybook.embedded import Stores
from journal import chain
from journal.chain import COLUMNS, Broken, Row
from journal.journal import Journal
from tests.examples import BEN, DESK, ROOM, cancelled, created, events, hours, ids, texts
from tests.journals import Place, a_journal, a_place, activated, entry
from tests.keys import Everybody

FEW = hypothesis.settings(
    max_examples=40, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def shared(stores: Stores) -> Iterator[Place]:
    """One journal for all random facts: each example goes on from where the one before stopped."""
    with a_place(stores) as place:
        yield place


class Stored(NamedTuple):
    """What stands in the tables."""

    origin: bytes
    rows: list[Row]
    head: tuple[int, bytes]


def stored(connection: psycopg.Connection) -> Stored:
    rows = [Row(*row) for row in connection.execute(f"select {COLUMNS} from events order by position")]
    ((journal_id, position, hash),) = connection.execute("select journal_id, position, hash from journal_head")
    return Stored(chain.origin(journal_id), rows, (position, hash))


def verify(journal: Stored) -> None:
    """Raise `Broken` unless the chain holds from the journal's id to its head."""
    assert journal.head == (len(journal.rows), chain.check(journal.origin, 0, journal.rows))


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1f"), max_size=30)
facts = st.fixed_dictionaries(
    {"type": words, "version": st.integers(0, 2**31 - 1), "tags": st.lists(words, unique=True), "payload": texts}
)
batches = st.lists(
    st.fixed_dictionaries(
        {
            "id": ids,
            "after": st.just(0),
            "actor": words,
            "correlation_id": words,
            "causation_id": st.none() | ids,
            "digest": st.none() | st.binary(min_size=1, max_size=40).map(bytes.hex),
            "events": st.lists(facts, min_size=1, max_size=3),
        }
    ),
    max_size=3,
    unique_by=lambda command: command["id"],
)


ODD = {
    "id": UUID(int=1),
    "after": 0,
    "actor": "",
    "correlation_id": " ",
    "causation_id": None,
    "digest": None,
    "events": [{"type": "", "version": 0, "tags": ["", " ", "a b", "ü 1:x", "5:"], "payload": ""}],
}


@hypothesis.example([ODD])
@hypothesis.given(batches)
@FEW
def test_sql_and_python_make_the_same_chain_of_any_facts(shared: Place, batch: list[dict[str, Any]]):
    with shared.role() as role:
        role.execute("select journal_append(%s::json)", (orjson.dumps(batch).decode(),))

        verify(stored(role))


async def test_sql_and_python_make_the_same_chain_of_our_facts(place: Place, journal: Journal):
    drawn: list[Any] = []

    @hypothesis.given(st.lists(events, min_size=20, max_size=30))
    @hypothesis.settings(max_examples=1, database=None, suppress_health_check=list(hypothesis.HealthCheck))
    def draw(some: list[Any]) -> None:
        drawn.extend(some)

    draw()
    keys, people = Everybody(), {event.user_id for event in drawn if hasattr(event, "user_id")}
    with place.role() as role:
        role.cursor().executemany(
            "insert into sealing_keys values (%s, %s)", [(person, keys[person]) for person in people]
        )

    await journal.append(await entry(journal, *drawn, request_digest=b"\0" * 32, causation_id=uuid4()))

    with place.role() as role:
        verify(stored(role))
    assert [fact.event for fact in await journal.page(0, 100)] == drawn


def test_the_hash_of_a_row_is_the_same_for_ever():
    """Frozen, so that nobody changes both sides at once."""
    row = Row(
        position=7,
        type="BookingCreated",
        version=2,
        payload='{"notes":"für zwei"}',
        tags=["space:x", "calendar:x/2026-01-05"],
        recorded_at=datetime(2026, 1, 5, 8, 30, 15, 123456, tzinfo=UTC),
        actor="user:ß",
        correlation_id="",
        causation_id=None,
        command_id=UUID(int=1),
        command_seq=0,
        request_digest=bytes(range(32)),
        hash_format=1,
        hash=b"",
    )

    assert chain.origin(UUID(int=9)).hex() == "2d87a47576f9181cdd553fe57a31c1174093a296414ee185f44f3721777891e3"
    assert chain.link(b"\1" * 32, row).hex() == "2e03b442518ebfff4b89e023afc111be51d9715b64432e216bc2f536a53a89e7"
    caused = replace(row, causation_id=UUID(int=2), request_digest=None)
    assert chain.link(b"\1" * 32, caused).hex() == "c3a7f1ca0d704c2f92de24f450ba577d6a9f7b2c286b114996ac07f49c158dd4"


def test_a_row_hashed_under_an_unknown_format_is_not_taken_for_whole():
    row = Row(1, "", 1, "", [], datetime.now(UTC), "", "", None, UUID(int=1), 0, None, 99, b"")

    with pytest.raises(Broken, match="position 1: unknown hash format 99") as broken:
        chain.check(b"", 0, [row])
    assert broken.value.position == 1


@pytest.fixture(scope="module")
def history(stores: Stores) -> Iterator[Place]:
    """Eight facts, every column of which has something in it. What is changed below is always taken back."""
    with a_place(stores) as place:
        asyncio.run(write_history(place))
        yield place


async def write_history(place: Place) -> None:
    first = created(hours(10, 12), space_id=DESK, user_id=BEN)
    async with a_journal(place) as journal:
        for n in range(4):
            await journal.append(
                await entry(
                    journal,
                    first if n == 0 else cancelled(first),
                    activated(ROOM),
                    request_digest=bytes([n]) * 32,
                    causation_id=UUID(int=n),
                )
            )


FLIPS = {
    "position": "9",
    "type": "type || 'x'",
    "version": "version + 1",
    "payload": "overlay(payload placing chr(ascii(substr(payload, 5, 1)) # 1) from 5 for 1)",
    "tags": "tags[2:]",
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "actor": "actor || ' '",
    "correlation_id": "''",
    "causation_id": "null",
    "command_id": "gen_random_uuid()",
    "command_seq": "command_seq + 7",
    "request_digest": "set_bit(request_digest, 100, 1 - get_bit(request_digest, 100))",
    "hash_format": "2",
    "hash": "set_bit(hash, 255, 1 - get_bit(hash, 255))",
}


def changed(place: Place, *changes: str) -> Stored:
    """The tables as they would be after these statements of the owner."""
    with place.owner() as owner, owner.transaction(force_rollback=True):
        for change in changes:
            assert owner.execute(change).rowcount
        return stored(owner)


def first_bad_position(journal: Stored) -> int:
    with pytest.raises(Broken) as broken:
        chain.check(journal.origin, 0, journal.rows)
    return broken.value.position


def test_every_column_is_flipped_below():
    assert FLIPS.keys() == {field.name for field in fields(Row)}


@pytest.mark.parametrize("column", FLIPS)
def test_a_change_of_any_column_is_found_where_it_is(history: Place, column: str):
    for position in (1, 3, 8):
        after = changed(history, f"update events set {column} = {FLIPS[column]} where position = {position}")

        assert first_bad_position(after) == position


def test_two_tags_cannot_be_read_as_one_nor_a_text_as_its_neighbour(history: Place):
    moved = [
        "tags = array[tags[1] || tags[2]] || tags[3:]",
        "tags = array[tags[1] || ' ', tags[2]] || tags[3:]",
        "tags = array[tags[2], tags[1]] || tags[3:]",
        "actor = left(actor, -1), correlation_id = right(actor, 1) || correlation_id",
        "tags = tags[:3], payload = tags[4] || payload",
    ]
    for move in moved:
        assert first_bad_position(changed(history, f"update events set {move} where position = 1")) == 1


async def test_nothing_and_an_empty_digest_are_not_the_same(place: Place, journal: Journal):
    await journal.append(await entry(journal, request_digest=None))

    assert first_bad_position(changed(place, "update events set request_digest = ''")) == 1


def test_a_missing_row_is_found_where_it_was(history: Place):
    for position in range(1, 8):
        assert first_bad_position(changed(history, f"delete from events where position = {position}")) == position


def test_rows_missing_at_the_end_are_found_by_the_head(history: Place):
    after = changed(history, "delete from events where position = 8")

    assert after.head != (7, chain.check(after.origin, 0, after.rows))


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations((1, 2, 5, 8), 2)))
def test_two_rows_that_changed_places_are_found_at_the_first(history: Place, one: int, other: int):
    after = changed(
        history,
        f"update events set position = position + 100 where position in ({one}, {other})",
        f"update events set position = {one} + {other} + 100 - position where position > 100",
    )

    assert len(after.rows) == 8
    assert first_bad_position(after) == one


def test_a_row_added_afterwards_is_found(history: Place):
    columns = COLUMNS.replace("position", "9").replace("command_id", "gen_random_uuid()")

    assert (
        first_bad_position(changed(history, f"insert into events select {columns} from events where position = 8")) == 9
    )


def test_a_journal_under_another_name_is_found_at_once(history: Place):
    after = changed(history, "update journal_head set journal_id = gen_random_uuid()")

    assert first_bad_position(after) == 1


def test_a_chain_is_checked_in_pages(history: Place):
    with history.role() as role:
        journal = stored(role)
    end = chain.check(journal.origin, 0, journal.rows[:3])

    assert chain.check(end, 3, journal.rows[3:]) == journal.head[1]
    assert chain.check(end, 3, []) == end


async def test_recorded_at_never_runs_backwards(place: Place, journal: Journal):
    now = datetime(2026, 1, 5, 8, tzinfo=UTC)
    for at in (now, now - timedelta(hours=1), now + timedelta(microseconds=1)):
        place.set_clock(at)
        await journal.append(await entry(journal))

    rows = place.rows()

    assert [row.recorded_at for row in rows] == [now, now, now + timedelta(microseconds=1)]
    chain.check(chain.origin((await journal.head())[0]), 0, rows)
