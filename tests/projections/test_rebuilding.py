"""A rebuild goes unnoticed by writers and readers, goes on where it was broken off, and is undone in one step."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from daybook.embedded import Stores
from journal.journal import Journal
from projections import bookings, rebuilding, spaces
from projections.following import VIEWS
from projections.generations import Keys
from projections.reading import Views
from projections.rebuilding import Busy, NoWayBack, Rebuilder
from projections.verifying import NothingToVerify, differences
from projections.views import View
from tests.examples import ANA, DESK, MONDAY_8AM, ROOM, cancelled, created, erased, hours, space_created
from tests.journals import Place
from tests.processes import eventually
from tests.projections.seeing import PATIENCE, Told, answering, contents, enter, folded, followed, settled

VIEW = bookings.VIEW
BOOKINGS = [created(hours(quarter / 4, (quarter + 1) / 4)) for quarter in range(120)]


def nothing(reached: int, last: int) -> None:
    """Progress nobody follows."""


@pytest.fixture
async def rebuilder(stores: Stores, place: Place, journal: Journal) -> AsyncIterator[Rebuilder]:
    rebuilder = Rebuilder(stores.redis_url, place.schema, journal)
    yield rebuilder
    await rebuilder.close()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a short history takes many."""
    monkeypatch.setattr(rebuilding, "PAGE", 10)


@pytest.mark.usefixtures("small_pages")
async def test_a_rebuild_under_a_writer_and_readers_is_unnoticed(
    told: Told, views: Views, rebuilder: Rebuilder, journal: Journal, redis: Redis, place: Place
) -> None:
    await told(space_created(ROOM), *BOOKINGS)
    before = await answering(redis, place.schema, VIEW)
    done = asyncio.Event()
    positions: list[int] = []
    counts: list[int] = []

    async def write() -> None:
        for booking in [created(hours(day * 24 + 40, day * 24 + 41)) for day in range(30)]:
            await enter(journal, booking)

    async def read() -> None:
        while not done.is_set():
            page = await bookings.of_user(views, ANA, limit=200, now=MONDAY_8AM)
            positions.append(page.position)
            counts.append(len(page.items))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        writing = tasks.create_task(write())
        number = await rebuilder.rebuild(VIEW, nothing)
        await writing
        head = await settled(redis, journal)
        done.set()

    after = await answering(redis, place.schema, VIEW)
    assert before
    assert after
    assert int(after.number) == number > int(before.number)
    assert positions == sorted(positions)
    assert counts == [position - 1 for position in positions]
    assert await contents(redis, place.schema, VIEW) == folded(VIEW, await journal.page(0, head))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
async def test_every_view_is_the_same_after_a_rebuild(
    told: Told, rebuilder: Rebuilder, redis: Redis, place: Place, view: View
) -> None:
    await told(space_created(ROOM), *BOOKINGS[:20], cancelled(BOOKINGS[3], reason="rain"))
    before = await contents(redis, place.schema, view)

    await rebuilder.rebuild(view, nothing)

    assert before
    assert await contents(redis, place.schema, view) == before


@pytest.mark.usefixtures("small_pages")
async def test_a_rebuild_that_was_broken_off_is_gone_on_with(
    told: Told, rebuilder: Rebuilder, redis: Redis, place: Place
) -> None:
    head = await told(space_created(ROOM), *BOOKINGS)
    before = await contents(redis, place.schema, VIEW)
    keys = Keys.of(VIEW.name, place.schema)
    reached: list[int] = []

    def break_off(position: int, last: int) -> None:
        reached.append(position)
        if len(reached) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await rebuilder.rebuild(VIEW, break_off)
    assert await contents(redis, place.schema, VIEW) == before
    begun = await redis.get(keys.apart().building)
    await redis.delete(keys.apart().owner)  # as it runs out by itself

    number = await rebuilder.rebuild(VIEW, lambda position, last: reached.append(position))

    assert begun == str(number).encode()
    assert reached == [*range(10, head, 10), head]
    assert await contents(redis, place.schema, VIEW) == before


async def break_off_a_rebuild(rebuilder: Rebuilder) -> None:
    def break_off(position: int, last: int) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await rebuilder.rebuild(VIEW, break_off)


async def generations_telling(redis: Redis, place: Place, words: str) -> set[int]:
    """The numbers of the generations in a document of which the words stand."""
    (start,) = Keys.of(VIEW.name, place.schema).of_generation(b"", ("",))
    found = set()
    async for key in redis.scan_iter(match=f"{start[:-1]}*:booking:*"):
        if words.encode() in (await redis.get(key) or b""):
            found.add(int(key.removeprefix(start[:-1].encode()).partition(b":")[0]))
    return found


@pytest.mark.usefixtures("small_pages")
async def test_a_rebuild_that_was_broken_off_keeps_no_words_of_somebody_erased(
    told: Told, rebuilder: Rebuilder, redis: Redis, place: Place
) -> None:
    await told(created(hours(9, 10), notes="for Ana's eyes"), *BOOKINGS)
    keys = Keys.of(VIEW.name, place.schema)
    await break_off_a_rebuild(rebuilder)
    filler = await redis.get(keys.apart().owner)
    filled = int(await redis.get(keys.apart().building))
    assert filled in await generations_telling(redis, place, "for Ana's eyes")

    await told(erased(ANA))

    assert filler
    assert await generations_telling(redis, place, "for Ana's eyes") == {filled}  # as long as somebody may go on
    await redis.delete(keys.apart().owner)  # as it runs out by itself

    async def forgotten() -> bool:
        return not await generations_telling(redis, place, "for Ana's eyes")

    await eventually(forgotten)
    await rebuilder.rebuild(VIEW, nothing)
    assert await forgotten()


@pytest.mark.usefixtures("small_pages")
async def test_a_rebuild_that_goes_on_after_an_erasure_is_fed_it(
    told: Told, rebuilder: Rebuilder, redis: Redis, place: Place
) -> None:
    await told(created(hours(9, 10), notes="for Ana's eyes"), *BOOKINGS)
    erasing: list[asyncio.Task[int]] = []

    def erase(position: int, last: int) -> None:
        if not erasing:
            erasing.append(asyncio.create_task(told(erased(ANA))))

    number = await rebuilder.rebuild(VIEW, erase)
    await erasing[0]

    answering_now = await answering(redis, place.schema, VIEW)
    assert answering_now
    assert int(answering_now.number) == number
    assert await generations_telling(redis, place, "for Ana's eyes") == set()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_older_version_keeps_no_words_of_somebody_erased_before_or_after_it_was_replaced(
    stores: Stores, journal: Journal, redis: Redis, place: Place, when: str
) -> None:
    newer = replace(VIEW, version=VIEW.version + 1)
    await enter(journal, created(hours(9, 10), notes="for Ana's eyes"))
    async with followed(place, stores.redis_url, views=[VIEW]):
        await settled(redis, journal, views=[VIEW])
    assert len(await generations_telling(redis, place, "for Ana's eyes")) == 1

    async def forgotten() -> bool:
        return not await generations_telling(redis, place, "for Ana's eyes")

    if when == "before":
        await enter(journal, erased(ANA))
    async with followed(place, stores.redis_url, views=[newer]):
        await settled(redis, journal, views=[newer])
        if when == "after":

            async def replaced() -> bool:
                active = await answering(redis, place.schema, newer)
                return active is not None and active.mark.version == newer.version

            await eventually(replaced)
            assert len(await generations_telling(redis, place, "for Ana's eyes")) == 2
            await enter(journal, erased(ANA))
        await eventually(forgotten)


async def test_a_view_is_rebuilt_by_one_at_a_time(told: Told, rebuilder: Rebuilder, redis: Redis, place: Place) -> None:
    await told(space_created(ROOM))
    await redis.set(Keys.of(VIEW.name, place.schema).apart().owner, "somebody else")

    with pytest.raises(Busy):
        await rebuilder.rebuild(VIEW, nothing)


async def test_of_two_rebuilds_right_behind_each_other_both_end_with_the_later_one(
    rebuilder: Rebuilder, journal: Journal, redis: Redis, place: Place
) -> None:
    await enter(journal, space_created(ROOM), *BOOKINGS[:3])
    keys = Keys.of(VIEW.name, place.schema)
    await redis.set(keys.owner, "a follower that is in no hurry")
    first = asyncio.create_task(rebuilder.rebuild(VIEW, nothing))

    async def handed_over(number: bytes) -> bool:
        return await redis.get(keys.building) == number

    await eventually(lambda: handed_over(b"1"))
    second = asyncio.create_task(rebuilder.rebuild(VIEW, nothing))
    await eventually(lambda: handed_over(b"2"))
    await redis.delete(keys.owner)

    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(first, second) == [2, 2]


async def test_a_view_that_nobody_follows_is_rebuilt_all_the_same(
    rebuilder: Rebuilder, journal: Journal, redis: Redis, place: Place
) -> None:
    await enter(journal, space_created(ROOM), *BOOKINGS[:3])

    await rebuilder.rebuild(VIEW, nothing)

    assert await contents(redis, place.schema, VIEW) == folded(VIEW, await journal.page(0, 10))


async def test_going_back_is_one_step_to_what_was_fed_meanwhile(
    told: Told, views: Views, rebuilder: Rebuilder, journal: Journal, redis: Redis, place: Place
) -> None:
    await told(space_created(ROOM))
    before = await answering(redis, place.schema, spaces.VIEW)
    rebuilt = await rebuilder.rebuild(spaces.VIEW, nothing)
    await told(space_created(DESK))
    look = await rebuilder.looked_at(spaces.VIEW)
    assert before
    assert (look.active, look.previous) == (rebuilt, int(before.number))

    assert await rebuilder.roll_back(spaces.VIEW) == int(before.number)
    assert len((await spaces.active(views)).items) == 2

    assert await rebuilder.roll_back(spaces.VIEW) == rebuilt
    assert await contents(redis, place.schema, spaces.VIEW) == folded(spaces.VIEW, await journal.page(0, 10))


async def test_there_is_no_way_back_from_the_first_generation(told: Told, rebuilder: Rebuilder) -> None:
    await told(space_created(ROOM))

    with pytest.raises(NoWayBack):
        await rebuilder.roll_back(spaces.VIEW)


async def test_there_is_no_way_back_to_another_version(
    told: Told, rebuilder: Rebuilder, redis: Redis, place: Place
) -> None:
    await told(space_created(ROOM))
    keys = Keys.of(VIEW.name, place.schema)
    number = await rebuilder.rebuild(VIEW, nothing)
    previous: Any = await redis.get(keys.previous)
    mark: Any = await redis.get(keys.mark(previous))
    await redis.set(keys.mark(previous), mark.replace(b" %d " % VIEW.version, b" 99 ", 1))

    with pytest.raises(NoWayBack):
        await rebuilder.roll_back(VIEW)

    assert await redis.get(keys.active) == str(number).encode()


async def test_exactly_what_was_tampered_with_is_named_while_a_writer_goes_on(
    told: Told, stores: Stores, journal: Journal, redis: Redis, place: Place
) -> None:
    await told(space_created(ROOM), *BOOKINGS[:30])
    active = await answering(redis, place.schema, VIEW)
    assert active
    names = f"booking:{BOOKINGS[4].booking_id}", f"of-space:{ROOM}", "booking:made-up"
    document, in_order, made_up = Keys.of(VIEW.name, place.schema).of_generation(active.number, names)

    async def found() -> list[str]:
        return list(await differences(stores.redis_url, place.schema, journal, VIEW))

    async def found_under_a_writer() -> list[str]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            finding = tasks.create_task(found())
        await settled(redis, journal)
        return finding.result()

    async def write() -> None:
        for _ in range(20):
            await enter(journal, upcoming.pop())

    upcoming = BOOKINGS[30:]
    assert await found_under_a_writer() == []

    await redis.append(document, b" ")
    assert await found_under_a_writer() == [names[0]]

    await redis.zadd(in_order, {"nothing": 0})
    await redis.set(made_up, b"nothing")
    assert await found_under_a_writer() == sorted(names)


async def test_of_a_view_that_does_not_answer_nothing_is_verified(
    stores: Stores, journal: Journal, place: Place
) -> None:
    await enter(journal, space_created(ROOM))

    with pytest.raises(NothingToVerify):
        await differences(stores.redis_url, place.schema, journal, VIEW)
