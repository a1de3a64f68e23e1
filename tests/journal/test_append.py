"""Entering facts: in order, under a condition, once per command, and nobody pays for a neighbour's mistake."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest

from booking.events import Event
from journal import sealing, tags
from journal.journal import Along, Entry, Journal
from tests.examples import ANA, BEN, DESK, ROOM, cancelled, created, hours, registered, space_created
from tests.journals import Place, a_journal, activated, entry


async def together(journal: Journal, entries: Sequence[Entry]) -> list[int | BaseException]:
    """The outcome of each of a few entries that share one call, for they are asked for at once."""
    return await asyncio.gather(*(journal.append(one) for one in entries), return_exceptions=True)


async def test_facts_are_numbered_densely_from_one(place: Place, journal: Journal):
    assert await journal.append(await entry(journal, activated(), activated(), activated())) == 1
    assert await journal.append(await entry(journal, activated())) == 4

    assert [(row.position, row.command_seq) for row in place.rows()] == [(1, 0), (2, 1), (3, 2), (4, 0)]
    assert (await journal.head())[1] == 4


async def test_every_column_is_filled_in(place: Place, journal: Journal):
    at, command_id, cause = datetime(2026, 1, 5, 8, tzinfo=UTC), uuid4(), uuid4()
    place.set_clock(at)
    fact = registered(ANA)

    await journal.append(
        await entry(
            journal,
            fact,
            command_id=command_id,
            correlation_id="X-Request-ID ü",
            causation_id=cause,
            request_digest=b"\1" * 32,
        )
    )

    (row,) = place.rows()
    assert (row.type, row.version, row.tags) == ("UserRegistered", 1, [f"user:{ANA}"])
    assert (row.recorded_at, row.actor, row.correlation_id, row.causation_id) == (
        at,
        "system:test",
        "X-Request-ID ü",
        cause,
    )
    assert (row.command_id, row.request_digest, row.hash_format) == (command_id, b"\1" * 32, 1)
    assert orjson.loads(row.payload)["user_id"] == str(ANA)


async def test_a_fact_under_the_condition_since_it_was_read_is_a_conflict(place: Place, journal: Journal):
    read_before = await entry(journal, tags=[tags.space(ROOM), "something else"])
    await journal.append(await entry(journal, activated(ROOM)))

    assert await journal.append(read_before) == 0
    assert len(place.rows()) == 1


async def test_a_fact_elsewhere_is_no_conflict(journal: Journal):
    read_before = await entry(journal, tags=[tags.space(ROOM)])
    await journal.append(await entry(journal, activated(DESK), tags=[tags.space(DESK)]))

    assert await journal.append(read_before) == 2


async def test_a_fact_that_was_read_is_no_conflict(journal: Journal):
    await journal.append(await entry(journal, activated(ROOM)))

    assert await journal.append(await entry(journal, activated(ROOM), after=1)) == 2
    assert await journal.append(await entry(journal, activated(ROOM), after=1)) == 0


async def test_commands_of_one_call_count_for_those_after_them(journal: Journal):
    same = [await entry(journal, activated(ROOM), tags=[tags.space(ROOM)]) for _ in range(5)]
    other = await entry(journal, activated(DESK), tags=[tags.space(DESK)])

    assert await together(journal, [*same, other]) == [1, 0, 0, 0, 0, 2]


async def test_a_conflict_of_one_never_fails_its_neighbours(place: Place, journal: Journal):
    late = await entry(journal, activated(ROOM), tags=[tags.space(ROOM)])
    await journal.append(await entry(journal, activated(ROOM)))
    fine = [await entry(journal, activated(UUID(int=n)), tags=[tags.space(UUID(int=n))]) for n in range(4)]

    assert await together(journal, [fine[0], late, fine[1], late, fine[2], fine[3]]) == [2, 0, 3, 0, 4, 5]
    assert [row.position for row in place.rows()] == [1, 2, 3, 4, 5]


async def test_a_known_command_is_answered_with_minus_its_position(place: Place, journal: Journal):
    once = await entry(journal, activated(), activated(), command_id=UUID(int=1))
    await journal.append(await entry(journal, activated(DESK), tags=[tags.space(DESK)]))

    assert await journal.append(once) == 2
    assert await journal.append(once) == -2
    # Known comes before moved: what was recorded is never a conflict.
    assert await journal.append(await entry(journal, command_id=UUID(int=1), after=0)) == -2
    assert len(place.rows()) == 3


async def test_one_command_asked_many_times_at_once_is_recorded_once(place: Place, journal: Journal):
    once = await entry(journal, command_id=UUID(int=1))

    assert await together(journal, [once] * 10) == [1, *[-1] * 9]
    assert len(place.rows()) == 1


async def test_a_conflict_and_then_the_same_command_anew_in_one_call(place: Place, journal: Journal):
    late = await entry(journal, activated(ROOM), command_id=UUID(int=1))
    await journal.append(await entry(journal, activated(ROOM)))
    anew = await entry(journal, activated(ROOM), command_id=UUID(int=1))

    assert await together(journal, [late, anew, anew]) == [0, 2, -2]
    assert len(place.rows()) == 2


@pytest.mark.parametrize("correlation_id", ["a\0b", "\ud800"], ids=["NUL", "surrogate"])
async def test_a_bad_command_fails_alone(place: Place, journal: Journal, correlation_id: str):
    good = [await entry(journal, activated(UUID(int=n)), tags=[tags.space(UUID(int=n))]) for n in range(4)]
    bad = await entry(journal, tags=["bad"], correlation_id=correlation_id)

    outcomes = await together(journal, [good[0], good[1], bad, good[2], good[3]])

    assert isinstance(outcomes.pop(2), Exception)
    assert outcomes == [1, 2, 3, 4]
    assert [row.position for row in place.rows()] == [1, 2, 3, 4]


async def test_a_command_that_breaks_a_constraint_fails_alone(place: Place, journal: Journal):
    good = [await entry(journal, activated(UUID(int=n)), tags=[tags.space(UUID(int=n))]) for n in range(2)]
    with place.owner() as owner:
        owner.execute("alter table events add check (correlation_id <> 'odd')")
    bad = await entry(journal, tags=["bad"], correlation_id="odd")

    outcomes = await together(journal, [good[0], bad, good[1]])

    assert isinstance(outcomes[1], psycopg.errors.CheckViolation)
    assert outcomes[::2] == [1, 2]


async def test_a_number_too_large_for_its_column_fails_alone(place: Place, journal: Journal):
    good = await entry(journal, activated(DESK), tags=[tags.space(DESK)])
    bad = await entry(journal, tags=["bad"], after=2**63)

    outcomes = await together(journal, [bad, good])

    assert isinstance(outcomes[0], psycopg.DataError)
    assert outcomes[1] == 1


async def test_positions_stay_dense_whatever_fails(place: Place, journal: Journal):
    impossible = (
        "keyed as (insert into sealing_keys select %(user)s::uuid, int8send(1 / (position - position)) from recorded)"
    )
    for n in range(4):
        late = await entry(journal, activated(ROOM))
        bad = await entry(journal, tags=["bad"], correlation_id="\0")
        good = await entry(journal, activated(ROOM))
        twice = await entry(journal, registered(UUID(int=n)), tags=[tags.user(UUID(int=n))])
        await together(journal, [good, late, bad, twice, twice])
        with pytest.raises(psycopg.errors.DivisionByZero):
            await journal.append(
                Entry(
                    command_id=uuid4(),
                    journal_id=good.journal_id,
                    after=good.after,
                    tags=[],
                    facts=[(activated(), [])],
                    actor="system:test",
                    correlation_id="",
                    along=Along(impossible, {"user": ANA}),
                )
            )

    rows = place.rows()
    assert [row.position for row in rows] == list(range(1, 9))
    assert (await journal.head())[1] == 8


async def test_a_change_along_stands_or_falls_with_the_facts(place: Place, journal: Journal):
    keyed = "stored as (insert into sealing_keys select %(user)s::uuid, '\\x00' from recorded)"

    async def along(user: UUID, after: int) -> int:
        one = await entry(journal, registered(user), after=after, tags=[tags.user(user)])
        return await journal.append(
            Entry(
                command_id=one.command_id,
                journal_id=one.journal_id,
                after=after,
                tags=one.tags,
                facts=one.facts,
                actor=one.actor,
                correlation_id="",
                along=Along(keyed, {"user": user}),
            )
        )

    assert sorted(await asyncio.gather(along(ANA, 0), along(BEN, 0))) == [1, 2]
    assert await along(ANA, 0) == 0
    with pytest.raises(psycopg.errors.UniqueViolation):
        await along(ANA, 2)

    assert [row.type for row in place.rows()] == ["UserRegistered"] * 2
    with place.role() as role:
        assert role.execute("select user_id from sealing_keys order by 1").fetchall() == [(ANA,), (BEN,)]


async def test_a_command_meant_for_another_journal_is_a_conflict(journal: Journal):
    here = await entry(journal)

    elsewhere = Entry(
        command_id=uuid4(),
        journal_id=uuid4(),
        after=0,
        tags=here.tags,
        facts=here.facts,
        actor="system:test",
        correlation_id="",
    )
    assert await journal.append(elsewhere) == 0
    assert await journal.append(await entry(journal, after=1)) == 0  # from a future this journal has not reached


async def test_what_was_entered_while_a_batch_waited_for_the_head_counts(place: Place, journal: Journal):
    await journal.append(await entry(journal))
    late, repeated = await entry(journal, activated(ROOM)), await entry(journal, activated(BEN))
    free = await entry(journal, activated(DESK), tags=[tags.space(DESK)])
    fact = {"type": "SpaceActivated", "version": 1, "payload": "{}"}
    first = {
        "id": repeated.command_id,
        "after": 1,
        "tags": [],
        "actor": "",
        "correlation_id": "",
        "events": [{**fact, "tags": ["other"]}, {**fact, "tags": [tags.space(ROOM)]}],
    }
    with place.owner() as owner, owner.transaction():
        owner.execute("select position from journal_head for update")
        waiting = asyncio.create_task(together(journal, [late, repeated, free]))
        await asyncio.to_thread(place.wait_for_a_lock)
        owner.execute("select journal_append(%s::json)", (orjson.dumps([first]).decode(),))

    assert await waiting == [0, -2, 4]


async def test_a_caller_that_goes_away_leaves_nothing_half_awaited(place: Place, journal: Journal):
    entries = [await entry(journal, activated(UUID(int=n)), tags=[tags.space(UUID(int=n))]) for n in range(20)]
    with place.owner() as owner, owner.transaction():
        owner.execute("select position from journal_head for update")  # every append has to wait
        asking = [asyncio.create_task(journal.append(one)) for one in entries]
        await asyncio.to_thread(place.wait_for_a_lock)
        for task in asking[::2]:
            task.cancel()
        gone = await asyncio.gather(*asking[::2], return_exceptions=True)

    assert {type(outcome) for outcome in gone} == {asyncio.CancelledError}
    stayed = await asyncio.gather(*asking[1::2])
    rows = place.rows()
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert {row.position for row in rows if row.command_id in {one.command_id for one in entries[1::2]}} == set(stayed)
    # Whether those were recorded who went away is known by their ids, and asking again is harmless.
    again = await asyncio.gather(*(journal.append(one) for one in entries))
    assert sorted(abs(position) for position in again) == list(range(1, 21))


async def test_closing_answers_everything_that_was_asked(place: Place):
    journal = Journal(place.url, place.schema)
    entries = [await entry(journal, activated(UUID(int=n)), tags=[tags.space(UUID(int=n))]) for n in range(100)]
    asking = [asyncio.create_task(journal.append(one)) for one in entries]
    await asyncio.sleep(0)

    await journal.close()

    assert sorted([task.result() for task in asking]) == list(range(1, 101))


@pytest.fixture
async def written(place: Place, journal: Journal) -> list[Event]:
    """Facts with texts of two people."""
    with place.role() as role:
        for user in (ANA, BEN):
            role.execute("insert into sealing_keys values (%s, %s)", (user, sealing.new_key()))
    mine = created(hours(10, 12), notes="MARMALADE for two")
    theirs = created(hours(13, 14), user_id=BEN, notes="MARMALADE for one")
    facts = [
        space_created(),
        mine,
        theirs,
        cancelled(mine, reason="MARMALADE is out"),
        cancelled(theirs, by=ANA, reason="MARMALADE"),
    ]
    await journal.append(await entry(journal, *facts, correlation_id="a request"))
    return facts


async def test_texts_stand_in_plain_in_no_column_of_any_table(place: Place, journal: Journal, written: list[Event]):
    with place.owner() as owner:
        tables = owner.execute("select tablename from pg_tables where schemaname = current_schema").fetchall()
        stored = "".join(
            str(row) for (table,) in tables for row in owner.execute(f"select {table}::text from {table}").fetchall()
        )

    assert {"events", "event_tags", "journal_head", "sealing_keys", "accounts"} <= {table for (table,) in tables}
    assert str(ROOM) in stored
    assert "MARMALADE" not in stored


async def test_texts_are_read_back_by_whoever_reads(journal: Journal, written: list[Event]):
    assert [fact.event for fact in await journal.page(0, 10)] == written
    assert [fact.event for fact in await journal.of_tag(tags.allowance(ANA))] == [written[1], written[3]]
    assert [event for _, event in (await journal.read({tags.allowance(BEN): 0})).facts[tags.allowance(BEN)]] == [
        written[2],
        written[4],
    ]


async def test_without_the_key_texts_are_gone_and_the_chain_is_whole(
    place: Place, journal: Journal, written: list[Event]
):
    with place.role() as role:
        role.execute("delete from sealing_keys where user_id = %s", (ANA,))
    after = Journal(place.url, place.schema)

    read = [fact.event for fact in await after.page(0, 10)]

    assert [getattr(event, "notes", None) for event in read] == [None, None, "MARMALADE for one", None, None]
    assert [getattr(event, "reason", None) for event in read] == [None, None, None, None, "MARMALADE"]
    await after.close()


async def test_after_a_reset_texts_are_sealed_and_opened_under_the_new_keys(
    place: Place, journal: Journal, written: list[Event]
):
    await journal.page(0, 10)  # both keys are kept now
    place.begin_anew()
    with place.role() as role:
        role.execute("insert into sealing_keys values (%s, %s)", (ANA, sealing.new_key()))
    here, there = created(hours(10, 12), notes="here"), created(hours(13, 14), notes="there")

    async with a_journal(place, name="another process") as other:
        await other.append(await entry(other, there))
        assert [fact.event for fact in await journal.page(0, 10)] == [there]
        await journal.read({})  # as every command does before it appends
        await journal.append(await entry(journal, here))

        assert [fact.event for fact in await other.page(0, 10)] == [there, here]
    assert [fact.event for fact in await journal.page(0, 10)] == [there, here]


async def test_a_person_whose_journal_was_reset_has_other_keys_for_whoever_reads_first(
    place: Place, journal: Journal, written: list[Event]
):
    await journal.read({})
    await journal.page(0, 10)
    place.begin_anew()

    await journal.read({})

    assert await journal.keys.of([ANA, BEN]) == {}
