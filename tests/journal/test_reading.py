"""Reading: by page, by tag, by command, shared by all who wait; and the bell that says when to."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from booking.events import UserRegistered
from journal import tags
from journal.codec import UnknownFact
from journal.connection import Unavailable
from journal.grouping import SHARED_BY, Asked, Grouping
from journal.journal import Journal
from tests.examples import ANA, BEN, CLEO, DESK, MONDAY_8AM, ROOM, created, hours, registered, space_created
from tests.journals import Place, activated, entry, rings


@pytest.fixture
async def ten(journal: Journal) -> Journal:
    """Ten facts, the even ones about the room and the odd ones about the desk."""
    for n in range(1, 11):
        space_id = DESK if n % 2 else ROOM
        await journal.append(await entry(journal, activated(space_id), tags=[tags.space(space_id)]))
    return journal


async def test_pages_follow_each_other_without_a_gap(ten: Journal):
    pages = [[fact.position for fact in await ten.page(after, 4)] for after in (0, 4, 8, 10)]

    assert pages == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]
    assert [row.position for row in await ten.rows(7, 2)] == [8, 9]


async def test_a_fact_comes_with_its_place(place: Place, ten: Journal):
    (fact,) = await ten.page(4, 1)

    row = place.rows()[4]
    assert (fact.position, fact.event, fact.hash, fact.recorded_at) == (5, activated(DESK), row.hash, row.recorded_at)
    assert fact.recorded_at.utcoffset() == timedelta(0)


async def test_the_facts_of_a_tag_are_read_between_two_positions(ten: Journal):
    async def positions(**between: int) -> list[int]:
        return [fact.position for fact in await ten.of_tag(tags.space(ROOM), **between)]

    assert await positions() == [2, 4, 6, 8, 10]
    assert await positions(after=4) == [6, 8, 10]
    assert await positions(after=2, to=8) == [4, 6, 8]
    assert await positions(after=2, limit=1) == [4]


async def test_the_calendars_of_a_space_are_read_from_a_date_on_each_fact_once(journal: Journal):
    """Ordered by code point: the space's own dates, and no other space's."""
    slots = [hours(10, 12), hours(22, 26), hours(34, 35)]
    others = [UUID(int=ROOM.int - 1), UUID(int=ROOM.int + 1)]
    facts = [created(slot, space_id=space_id) for slot in slots for space_id in (ROOM, *others)]
    await journal.append(await entry(journal, *facts))

    async def since(day: int) -> list[int]:
        first = tags.calendar(ROOM, MONDAY_8AM.date().replace(day=day))
        return [fact.position for fact in await journal.of_tags_between(first, tags.calendar_end(ROOM))]

    assert await since(1) == [1, 4, 7]
    assert await since(6) == [4, 7]
    assert await since(7) == []


async def test_a_reading_is_one_snapshot_of_what_was_wanted(ten: Journal):
    command_id = uuid4()
    await ten.append(await entry(ten, activated(DESK), activated(ROOM), command_id=command_id, request_digest=b"\1"))

    reading = await ten.read({tags.space(ROOM): 6, tags.space(DESK): 11, "nothing": 0}, [command_id, uuid4()])

    assert {tag: [position for position, _ in facts] for tag, facts in reading.facts.items()} == {
        tags.space(ROOM): [8, 10, 12]
    }
    assert reading.head == 12
    assert reading.journal_id == (await ten.head())[0]
    assert list(reading.known) == [command_id]
    known = reading.known[command_id]
    assert [fact.position for fact in known.facts] == [11, 12]
    assert known.request_digest == b"\1"


async def test_whoever_waits_shares_one_reading(ten: Journal):
    first = asyncio.create_task(ten.read({"a": 0}))
    await asyncio.sleep(0)  # it is under way

    shared = await asyncio.gather(*(ten.read({tags.space(ROOM): after}) for after in (0, 6, 3)))

    assert all(reading is shared[0] for reading in shared)
    assert shared[0] is not await first
    assert [position for position, _ in shared[0].facts[tags.space(ROOM)]] == [2, 4, 6, 8, 10]


async def test_nothing_wanted_is_answered_with_the_head_and_the_time(journal: Journal):
    reading = await journal.read({})

    assert (reading.head, dict(reading.facts), dict(reading.known)) == (0, {}, {})
    assert abs(reading.now - datetime.now(UTC)) < timedelta(minutes=1)


async def test_now_never_runs_behind_what_is_recorded(place: Place, journal: Journal):
    place.set_clock(MONDAY_8AM)
    await journal.append(await entry(journal))
    place.set_clock(MONDAY_8AM - timedelta(days=1))

    assert (await journal.read({})).now == MONDAY_8AM


async def test_the_facts_about_users_since_a_position(journal: Journal):
    await journal.append(await entry(journal, registered(ANA), space_created(), registered(BEN), registered(CLEO)))

    news = await journal.user_facts(after=1)

    assert (news.head, news.complete, news.journal_id) == (4, True, (await journal.head())[0])
    assert [(position, event.user_id) for position, event in news.facts] == [(3, BEN), (4, CLEO)]
    assert all(isinstance(event, UserRegistered) for _, event in news.facts)
    assert (await journal.user_facts(after=4)).facts == []
    assert not (await journal.user_facts(after=5)).complete  # this journal has not come so far: it is another one


async def test_a_fact_from_a_newer_daybook_fails_whoever_reads_it_by_name(place: Place, ten: Journal):
    with place.owner() as owner:
        owner.execute("update events set version = 99 where position = 10")

    with pytest.raises(UnknownFact, match="SpaceActivated version 99"):
        await ten.page(0, 10)
    assert len(await ten.page(0, 9)) == 9


async def test_a_fact_nobody_can_read_fails_only_whoever_wants_it(place: Place, ten: Journal):
    with place.owner() as owner:
        owner.execute("update events set version = 99 where position = 10")
    first = asyncio.create_task(ten.read({"a": 0}))
    await asyncio.sleep(0)

    others, its = await asyncio.gather(
        ten.read({tags.space(DESK): 0}), ten.read({tags.space(ROOM): 0}), return_exceptions=True
    )

    assert isinstance(its, UnknownFact)
    assert not isinstance(others, BaseException)
    await first


async def test_a_statement_that_postgresql_gave_up_is_not_carried_out_and_the_connection_stays(journal: Journal):
    with pytest.raises(Unavailable, match="did not carry it out: canceling statement") as given_up:
        await journal.query("select pg_cancel_backend(pg_backend_pid()), pg_sleep(9)", {})

    assert not given_up.value.unknown
    assert await journal.query("select 1", {}) == [(1,)]
    assert journal.era == 1


async def test_the_bell_rings_for_what_is_entered_and_else_lets_one_wait_no_longer_than_wished(journal: Journal):
    bell = journal.bell()
    while not await rings(bell, 0.1):
        await journal.append(await entry(journal))

    assert not await rings(bell, 0.05)
    await bell.wait(0.01)

    await journal.append(await entry(journal))
    await journal.append(await entry(journal))
    assert await rings(bell, 5)
    await bell.close()


async def test_a_bell_nobody_listened_to_is_closed_as_well(journal: Journal):
    await journal.bell().close()


Group = list[Asked[int, int]]


def grouping(carry_out: Callable[[str, Group], Awaitable[None]], *, lanes: str = "a") -> Grouping[int, int, str]:
    """With a lane for each letter."""
    return Grouping(carry_out, lanes=lanes, at_most=4 if len(lanes) == 1 else 64)


async def everybody_had_a_turn() -> None:
    """Return when tasks that were ready have asked, and the calls that this begins have begun."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_asked_while_a_call_is_under_way_shares_the_next_one():
    groups: list[list[int]] = []

    async def carry_out(_: str, group: Group) -> None:
        groups.append([asked.question for asked in group])
        await asyncio.sleep(0)
        for asked in group:
            asked.succeed(-asked.question)

    asking = grouping(carry_out)
    first = asyncio.create_task(asking.ask(0))
    await asyncio.sleep(0)

    assert await asyncio.gather(*(asking.ask(n) for n in range(1, 10))) == [-n for n in range(1, 10)]
    assert await first == 0
    assert groups == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]
    await asking.finish()


async def test_those_who_ask_at_once_are_parted_among_the_lanes_and_nobody_waits_for_two_calls():
    groups: list[tuple[str, int]] = []
    under_way = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def carry_out(lane: str, group: Group) -> None:
        groups.append((lane, len(group)))
        await under_way[lane].wait()
        for asked in group:
            asked.succeed(asked.question)

    asking = grouping(carry_out, lanes="ab")
    first = [asyncio.create_task(asking.ask(n)) for n in range(20)]
    await everybody_had_a_turn()
    late = [asyncio.create_task(asking.ask(n)) for n in range(20, 28)]
    await everybody_had_a_turn()
    assert groups == [("a", 10), ("b", 10)]

    under_way["b"].set()

    assert await asyncio.gather(*first[10:], *late) == list(range(10, 28))
    assert groups == [("a", 10), ("b", 10), ("b", 8)]
    assert not any(task.done() for task in first[:10])
    under_way["a"].set()
    assert await asyncio.gather(*first[:10]) == list(range(10))
    await asking.finish()


async def test_a_few_wait_for_the_next_call_though_another_lane_is_free():
    groups: list[int] = []
    answering = asyncio.Event()

    async def carry_out(_: str, group: Group) -> None:
        groups.append(len(group))
        await answering.wait()
        for asked in group:
            asked.succeed(asked.question)

    asking = grouping(carry_out, lanes="ab")
    tasks = [asyncio.create_task(asking.ask(0))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(asking.ask(n)) for n in range(1, SHARED_BY)]
    await everybody_had_a_turn()
    assert groups == [1]

    answering.set()

    assert await asyncio.gather(*tasks) == list(range(SHARED_BY))
    assert groups == [1, SHARED_BY - 1]


async def test_a_call_that_breaks_is_made_for_each_alone_so_that_only_the_bad_one_fails():
    groups: list[list[int]] = []

    async def carry_out(_: str, group: Group) -> None:
        groups.append([asked.question for asked in group])
        for asked in group:
            asked.succeed(60 // asked.question)

    asking = grouping(carry_out)
    first = asyncio.create_task(asking.ask(1))
    await asyncio.sleep(0)

    outcomes = await asyncio.gather(*(asking.ask(n) for n in (2, 3, 0, 4)), return_exceptions=True)

    assert isinstance(outcomes.pop(2), ZeroDivisionError)
    assert outcomes == [30, 20, 15]
    assert groups == [[1], [2, 3, 0, 4], [0], [4]]
    await first


async def test_a_store_that_is_away_is_away_for_all_who_wait():
    groups: list[list[int]] = []

    async def carry_out(_: str, group: Group) -> None:
        groups.append([asked.question for asked in group])
        await asyncio.sleep(0)
        raise Unavailable("gone")

    asking = grouping(carry_out)
    tasks = [asyncio.create_task(asking.ask(n)) for n in range(10)]

    assert {str(error) for error in await asyncio.gather(*tasks, return_exceptions=True)} == {"gone"}
    assert groups == [[0, 1, 2, 3]]
    await asking.finish()


async def test_who_went_away_before_a_call_is_not_asked_for():
    groups: list[list[int]] = []

    async def carry_out(_: str, group: Group) -> None:
        groups.append([asked.question for asked in group])
        await asyncio.sleep(0)
        for asked in group:
            asked.succeed(asked.question)

    asking = grouping(carry_out)
    tasks = [asyncio.create_task(asking.ask(n)) for n in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()

    assert await asyncio.gather(tasks[0], tasks[2]) == [0, 2]
    assert groups == [[0, 2]]
    await asking.finish()
