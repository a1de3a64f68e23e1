"""What holds for every query: one generation, one position, no waiting for what is away, no more than is known."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from booking.events import Event
from daybook.embedded import Store, Stores
from journal import chain
from journal.connection import Unavailable
from journal.journal import Journal
from projections import availability, bookings, reading, spaces
from projections.asking import Asking
from projections.generations import Keys, Lease, Mark
from projections.reading import ANSWER_WITHIN, FOLD_AT_ONCE, Page, Views
from tests.examples import ANA, MEETING_ROOM, MONDAY_8AM, ROOM, created, hours, space_created
from tests.journals import Place, a_journal, a_place
from tests.projections.seeing import PATIENCE, Told, answering, enter, followed, keys_made, settled

MORNING = created(hours(9, 10))
SOON = 2.0  # seconds


async def test_the_views_have_caught_up_once_they_show_a_position(
    follower: asyncio.Task[None], journal: Journal, redis: Redis, views: Views
) -> None:
    position = await settled(redis, journal)
    for day in range(20):
        position = await enter(journal, created(hours(9, 10, (MONDAY_8AM + timedelta(days=day)).date())))

        assert await views.caught_up(position, within=SOON)

        page = await bookings.of_user(views, ANA, limit=1, now=MONDAY_8AM)
        assert page.position >= position


async def test_many_wait_at_once_for_different_positions(told: Told, journal: Journal, views: Views) -> None:
    await told(space_created(ROOM))

    async def write_and_wait(day: int) -> bool:
        position = await enter(journal, created(hours(9, 10, (MONDAY_8AM + timedelta(days=day)).date())))
        return await views.caught_up(position, within=SOON)

    assert all(await asyncio.gather(*(write_and_wait(day) for day in range(30))))


async def test_a_view_that_nobody_feeds_keeps_nobody_waiting_twice(
    stores: Stores, place: Place, journal: Journal, redis: Redis, views: Views
) -> None:
    async with followed(place, stores.redis_url):
        position = await enter(journal, MORNING)
        await settled(redis, journal)
        assert await views.caught_up(position, within=SOON)
    clock = asyncio.get_running_loop().time

    assert not await views.caught_up(position + 1, within=SOON / 2)
    began = clock()
    assert not await views.caught_up(position + 1, within=SOON / 2)
    assert clock() - began < SOON / 4
    assert await views.caught_up(position, within=SOON)

    async with followed(place, stores.redis_url):
        await enter(journal, created(hours(11, 12)))
        await settled(redis, journal)
        assert await views.caught_up(position + 1, within=SOON)


async def test_whoever_would_wait_longer_than_somebody_did_in_vain_is_not_sent_away(
    stores: Stores, place: Place, journal: Journal, redis: Redis, views: Views
) -> None:
    async with followed(place, stores.redis_url):
        await enter(journal, MORNING)
        await settled(redis, journal)
    position = await enter(journal, created(hours(11, 12)))
    assert not await views.caught_up(position, within=0.05)

    waiting = asyncio.create_task(views.caught_up(position, within=60))
    async with followed(place, stores.redis_url):
        await settled(redis, journal)

        assert await waiting


async def test_a_view_that_is_not_there_is_not_waited_for(views: Views) -> None:
    async with asyncio.timeout(SOON):
        assert not await views.caught_up(1, within=60)


async def test_of_views_one_of_which_is_not_there_the_others_are_waited_for(
    stores: Stores, place: Place, journal: Journal, redis: Redis, views: Views
) -> None:
    two = [availability.VIEW, spaces.VIEW]
    async with followed(place, stores.redis_url, views=two):
        await settled(redis, journal, views=two)
        position = await enter(journal, space_created(ROOM))

        assert not await views.caught_up(position, within=SOON)

        found = await spaces.one(views, ROOM)
        assert found
        assert found.position == position


async def test_readers_learn_that_views_were_lost_and_built_anew(
    told: Told, journal: Journal, redis: Redis, views: Views
) -> None:
    position = await told(space_created(ROOM))
    assert await views.caught_up(position, within=SOON)

    await redis.flushdb()
    await settled(redis, journal)

    position = await enter(journal, MORNING)
    assert await views.caught_up(position, within=SOON)
    assert (await bookings.of_user(views, ANA, now=MONDAY_8AM)).position == position


async def test_readers_whose_word_from_redis_goes_astray_ask_for_it_anew(
    told: Told, stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    async with a_go_between(stores.redis_url) as (url, falls_silent):
        views = Views(url, place.schema, journal)
        position = await told(space_created(ROOM))
        assert await views.caught_up(position, within=SOON)

        falls_silent()
        position = await told(MORNING)

        async with asyncio.timeout(PATIENCE):
            while not await views.caught_up(position, within=SOON):
                await settled(redis, journal)
        await views.close()


@asynccontextmanager
async def a_go_between(redis_url: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Where Redis is reached through a go-between, and what makes it carry nothing more for those connected so far."""
    silent: list[asyncio.Event] = []

    async def pour(source: asyncio.StreamReader, target: asyncio.StreamWriter, is_silent: asyncio.Event) -> None:
        while said := await source.read(65_536):
            if not is_silent.is_set():
                target.write(said)

    async def carry(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        silent.append(asyncio.Event())
        server, to_server = await asyncio.open_unix_connection(urlsplit(redis_url).path)
        with suppress(ConnectionError):
            await asyncio.gather(pour(client, to_server, silent[-1]), pour(server, to_client, silent[-1]))

    def falls_silent() -> None:
        for one in silent:
            one.set()

    with tempfile.TemporaryDirectory(prefix="between-") as directory:
        async with await asyncio.start_unix_server(carry, path := f"{directory}/redis"):
            yield f"unix://{path}", falls_silent


async def test_one_answer_is_of_one_position_while_facts_are_posted(told: Told, journal: Journal, views: Views) -> None:
    await told(space_created(ROOM))
    writing = True

    async def write() -> None:
        nonlocal writing
        for day in range(40):
            date = (MONDAY_8AM + timedelta(days=day)).date()
            await enter(journal, *(created(hours(hour, hour + 1, date)) for hour in range(8, 12)))
        writing = False

    async def read() -> list[tuple[int, int]]:
        answers = []
        while writing:
            page = await bookings.of_user(views, ANA, limit=200, now=MONDAY_8AM)
            answers.append((page.position, len(page.items)))
        return answers

    _, *read_by = await asyncio.gather(write(), *(read() for _ in range(4)))

    answers = {answer for answers in read_by for answer in answers}
    assert len(answers) > 2
    assert all(held == position - 1 for position, held in answers)  # every fact but the first is a booking
    assert all([position for position, _ in one] == sorted(position for position, _ in one) for one in read_by)


async def test_queries_go_on_while_another_generation_is_built_and_takes_over(
    stores: Stores, place: Place, journal: Journal, redis: Redis, asking: Asking, views: Views
) -> None:
    names = [f"Booth {n:02}" for n in range(40)]
    facts = [space_created(uuid4(), description=replace(MEETING_ROOM, name=name)) for name in names]
    async with followed(place, stores.redis_url):
        await enter(journal, *facts)
        await settled(redis, journal)
    lease = Lease(asking, Keys.of("spaces", place.schema), lasts=timedelta(minutes=1))
    await lease.take()
    journal_id, _, _ = await journal.head()
    building = await lease.begin(Mark(0, spaces.VIEW.version, journal_id, chain.origin(journal_id)))
    await lease.release()

    answers: list[Page] = []

    async def read() -> None:
        while (await answering(redis, place.schema, spaces.VIEW) or building).number != building.number:
            answers.append(await spaces.all(views, limit=200))
        answers.append(await spaces.all(views, limit=200))

    async with followed(place, stores.redis_url, page=1):
        await read()

    assert len(answers) > 10
    assert {(page.position, len(page.items)) for page in answers} == {(40, 40)}


async def test_queries_shared_in_one_round_trip_get_each_their_own_answer(told: Told, views: Views) -> None:
    events: list[Event] = [space_created(ROOM)]
    made = [created(hours(9, 10, (MONDAY_8AM + timedelta(days=day)).date())) for day in range(50)]
    await told(*events, *made)

    found = await asyncio.gather(*(bookings.one(views, one.booking_id) for one in made))

    assert [one and one.ends_at for one in found] == [one.slot.end for one in made]


@contextmanager
def hung(store: Store) -> Iterator[None]:
    """The store takes connections and answers nothing."""
    processes = store.processes()
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


async def test_after_a_failure_no_query_waits_for_redis_again_for_a_while(own_stores: Stores) -> None:
    assert own_stores.redis
    clock = asyncio.get_running_loop().time
    with a_place(own_stores) as place:
        keys_made(place)
        async with a_journal(place) as journal, followed(place, own_stores.redis_url):
            views = Views(own_stores.redis_url, place.schema, journal)
            position = await enter(journal, space_created(ROOM), MORNING)
            async with Redis.from_url(own_stores.redis_url) as redis:
                await settled(redis, journal)
            assert await spaces.active(views)

            with hung(own_stores.redis):
                began = clock()
                found = await bookings.one(views, MORNING.booking_id)
                assert clock() - began < ANSWER_WITHIN + 1
                assert found
                assert found.position == position

                began = clock()
                assert (await availability.of(views, ROOM, hours(10, 11), now=MONDAY_8AM)).is_available
                with pytest.raises(Unavailable):
                    await spaces.active(views)
                assert not await views.caught_up(position + 1, within=0.01)
                assert clock() - began < ANSWER_WITHIN
            await views.close()


async def test_one_query_tries_redis_again_and_no_other_waits_for_it(
    own_stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_stores.redis
    monkeypatch.setattr(reading, "ANSWER_WITHIN", 2 * PATIENCE)
    with a_place(own_stores) as place:
        keys_made(place)
        async with a_journal(place) as journal:
            views = Views(own_stores.redis_url, place.schema, journal)
            await enter(journal, MORNING)
            own_stores.redis.kill()
            monkeypatch.setattr(reading, "LEFT_ALONE", 0.0)  # so that it is tried again from now on
            assert await bookings.one(views, MORNING.booking_id)
            monkeypatch.setattr(reading, "LEFT_ALONE", 2 * PATIENCE)
            own_stores.redis.start()

            with hung(own_stores.redis):
                answers = [asyncio.ensure_future(bookings.one(views, MORNING.booking_id)) for _ in range(8)]
                for answered in islice(asyncio.as_completed(answers, timeout=PATIENCE), 7):
                    assert await answered
                assert [answer.done() for answer in answers].count(False) == 1
            await asyncio.wait(answers)
            await views.close()


async def test_only_so_many_queries_wait_for_the_journal_at_once(journal: Journal, views: Views) -> None:
    await enter(journal, MORNING)

    answers = await asyncio.gather(
        *(bookings.one(views, MORNING.booking_id) for _ in range(2 * FOLD_AT_ONCE)), return_exceptions=True
    )

    turned_away = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(turned_away) == FOLD_AT_ONCE
    assert await bookings.one(views, MORNING.booking_id)


async def test_a_view_of_another_version_does_not_answer(told: Told, views: Views, redis: Redis, place: Place) -> None:
    position = await told(space_created(ROOM))
    keys = Keys.of("spaces", place.schema)
    mark = await redis.get(keys.mark(b"1"))
    assert mark

    await redis.set(keys.mark(b"1"), mark.replace(b" %d " % spaces.VIEW.version, b" 99 ", 1))

    with pytest.raises(Unavailable):
        await spaces.active(views)
    found = await spaces.one(views, ROOM)
    assert found
    assert found.position == position
