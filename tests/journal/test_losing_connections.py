"""Connections that are lost at the worst moment: what was recorded is known by its id, never reported as a conflict."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID, uuid4

import psycopg
import pytest

from journal import chain, tags
from journal.connection import Unavailable
from journal.journal import Journal
from tests.examples import ANA, DESK, MONDAY_8AM, ROOM
from tests.journal.go_between import WHATEVER, GoBetween
from tests.journals import Place, a_journal, activated, entry


@pytest.fixture
async def between(place: Place) -> AsyncIterator[GoBetween]:
    async with GoBetween(place.url) as between:
        yield between


@pytest.fixture
async def far(place: Place, between: GoBetween) -> AsyncIterator[Journal]:
    """The journal over the go-between."""
    async with a_journal(place, url=between.url) as journal:
        yield journal


async def test_what_was_recorded_before_its_answer_was_lost_is_settled_by_its_id(
    place: Place, between: GoBetween, far: Journal
):
    one = await entry(far)
    between.lose_answer(str(one.command_id))

    assert abs(await far.append(one)) == 1
    assert len(place.rows()) == 1


async def test_what_never_arrived_is_sent_again(place: Place, between: GoBetween, far: Journal):
    one = await entry(far)
    between.lose_question(str(one.command_id))

    assert await far.append(one) == 1
    assert len(place.rows()) == 1


async def test_what_is_recorded_is_no_conflict_though_others_wrote_before_its_answer(
    place: Place, journal: Journal, between: GoBetween, far: Journal
):
    async def somebody_writes_there_too() -> None:
        await journal.append(await entry(journal, activated(ROOM)))

    one = await entry(far, activated(ROOM))
    between.lose_answer(str(one.command_id), somebody_writes_there_too)

    assert await far.append(one) == -1
    assert [row.command_id == one.command_id for row in place.rows()] == [True, False]


async def test_each_of_a_batch_of_unknown_outcome_is_settled_for_itself(
    place: Place, journal: Journal, between: GoBetween, far: Journal
):
    late = await entry(far, activated(ROOM))
    fine = [await entry(far, activated(UUID(int=n)), tags=[tags.space(UUID(int=n))]) for n in range(3)]
    bad = await entry(far, correlation_id="\0")
    await far.append(await entry(far, activated(ROOM)))
    first = await entry(far, activated(DESK), tags=[tags.space(DESK)])
    between.lose_answer(str(first.command_id))
    between.lose_question(str(fine[1].command_id))

    outcomes = await asyncio.gather(
        *(far.append(one) for one in (first, fine[0], late, fine[1], bad, fine[2])), return_exceptions=True
    )

    assert isinstance(outcomes.pop(4), psycopg.DataError)
    assert [outcome if outcome == 0 else abs(outcome) for outcome in outcomes] == [2, 3, 0, 4, 5]
    assert [row.position for row in place.rows()] == [1, 2, 3, 4, 5]


async def test_who_was_not_answered_is_told_whether_it_may_be_recorded_all_the_same(place: Place, journal: Journal):
    async def asked(lost: bool) -> Unavailable:
        one = await entry(journal, activated(UUID(int=lost)), tags=[tags.space(UUID(int=lost))])
        async with GoBetween(place.url) as between, a_journal(place, url=between.url) as far:
            if lost:
                await far.head()
                between.lose_answer(str(one.command_id), between.lets_nobody_in)
            else:
                await between.lets_nobody_in()
            with pytest.raises(Unavailable) as unavailable:
                await far.append(one)
        return unavailable.value

    after_sending, before_sending = await asyncio.gather(asked(True), asked(False))

    assert after_sending.unknown
    assert not before_sending.unknown
    assert len(place.rows()) == 1


async def test_a_reader_does_not_notice_a_connection_lost_once(between: GoBetween, far: Journal):
    await far.append(await entry(far))
    between.lose_answer("a lost tag")

    reading = await far.read({tags.space(ROOM): 0, "a lost tag": 0})

    assert [position for position, _ in reading.facts[tags.space(ROOM)]] == [1]
    assert far.era == 2


async def test_other_readers_do_not_notice_it_either(place: Place, between: GoBetween, far: Journal):
    place.set_clock(MONDAY_8AM)
    await far.append(await entry(far))
    readers: list[Callable[[], Awaitable[object]]] = [
        far.head,
        lambda: far.page(0, 10),
        lambda: far.rows(0, 10),
        lambda: far.of_tag(tags.space(ROOM)),
        lambda: far.of_tags_between("a", "z"),
        lambda: far.user_facts(after=0),
        lambda: far.ages([1]),
        lambda: far.origins(0, 1),
        lambda: far.keys.of([ANA]),
    ]

    for reads in readers:
        found = await reads()
        between.lose_answer(WHATEVER)
        assert await reads() == found

    assert far.era == 1 + len(readers)


async def test_who_asks_what_may_change_something_is_told(between: GoBetween, far: Journal):
    await far.head()
    between.lose_answer("delete from due")

    with pytest.raises(Unavailable) as lost:
        await far.query("delete from due", {})

    assert lost.value.unknown
    assert await far.query("delete from due", {}) == []


async def test_a_caller_that_went_away_is_not_asked_for_again(place: Place, between: GoBetween, far: Journal):
    one = await entry(far)
    heard = asyncio.Event()

    async def the_caller_goes_away() -> None:
        asking.cancel()
        heard.set()

    between.lose_answer(str(one.command_id), the_caller_goes_away)
    asking = asyncio.create_task(far.append(one))
    await heard.wait()

    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await far.append(await entry(far, activated(DESK), tags=[tags.space(DESK)])) == 2
    assert [row.command_id == one.command_id for row in place.rows()] == [True, False]


WRITERS, EACH, SPACES = 16, 20, 4


async def test_writers_with_conflicts_and_killed_connections_while_somebody_follows(place: Place):
    """Every command is recorded exactly once, nothing recorded is called a conflict, and the follower sees 1..N."""
    chance = random.Random(20260105)
    recorded: dict[UUID, int] = {}
    progress: asyncio.Queue[UUID] = asyncio.Queue()
    conflicts = gave_up = 0

    async with a_journal(place, name=f"{place.schema} w1") as one, a_journal(place, name=f"{place.schema} w2") as two:

        async def write(writer: int) -> None:
            nonlocal conflicts, gave_up
            journal = (one, two)[writer % 2]
            for _ in range(EACH):
                command_id, space_id = uuid4(), UUID(int=chance.randrange(SPACES))
                while True:
                    try:
                        reading = await journal.read({tags.space(space_id): 0}, [command_id])
                        if command_id in reading.known:  # only ever after an outcome nobody could tell
                            assert gave_up
                            recorded[command_id] = reading.known[command_id].facts[0].position
                            break
                        outcome = await journal.append(
                            await entry(
                                journal,
                                activated(space_id),
                                command_id=command_id,
                                after=reading.head,
                                tags=[tags.space(space_id)],
                            )
                        )
                    except Unavailable:
                        gave_up += 1
                        continue
                    if outcome == 0:
                        conflicts += 1
                        assert not await is_known(journal, command_id)
                        continue
                    recorded[command_id] = abs(outcome)
                    break
                progress.put_nowait(command_id)

        async def kill() -> int:
            kills = 0
            with place.role() as role:
                for _ in range(WRITERS * EACH // 8):
                    for _ in range(8):
                        await progress.get()
                    kills += role.execute(
                        "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like %s",
                        (f"daybook {place.schema}%",),
                    ).fetchone()[0]  # type: ignore[index]
            return kills

        async def follow() -> list[int]:
            seen: list[int] = []
            async with a_journal(place, name=f"{place.schema} follower") as journal:
                bell = journal.bell()
                while len(seen) < WRITERS * EACH:
                    try:
                        page = await journal.page(seen[-1] if seen else 0, 50)
                    except Unavailable:
                        continue
                    seen += [fact.position for fact in page]
                    if not page:
                        await bell.wait(0.5)
                await bell.close()
            return seen

        async with asyncio.timeout(60):
            following, killing = asyncio.create_task(follow()), asyncio.create_task(kill())
            await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
            seen, kills = await following, await killing

    async with a_journal(place) as journal:
        journal_id, head, hash = await journal.head()
    rows = place.rows()
    assert seen == list(range(1, WRITERS * EACH + 1))
    assert [row.position for row in rows] == seen
    assert {row.command_id: row.position for row in rows} == recorded
    assert set(Counter(row.command_id for row in rows).values()) == {1}
    assert (head, hash) == (len(rows), chain.check(chain.origin(journal_id), 0, rows))
    assert conflicts > WRITERS
    assert kills > WRITERS


async def is_known(journal: Journal, command_id: UUID) -> bool:
    """Whether a command is recorded, as soon as anybody can say."""
    while True:
        with suppress(Unavailable):
            return command_id in (await journal.read({}, [command_id])).known
