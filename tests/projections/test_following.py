"""The views end up as the journal says, whoever follows it and whatever happens to follower, Redis or journal."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from booking.events import Event, SpaceDescribed
from daybook.embedded import Stores
from journal import chain, codec
from journal.folding import Named
from journal.journal import Journal, Recorded
from projections import bookings, spaces
from projections.asking import Asking
from projections.following import VIEWS, Follower, post
from projections.generations import Keys, Lease, Mark
from projections.views import Documents, Lists
from tests.examples import ANA, BEN, DESK, MEETING_ROOM, MONDAY_8AM, ROOM, cancelled, created, hours, space_created
from tests.journal.go_between import GoBetween
from tests.journals import NEWER, Place, a_journal, a_place
from tests.projections.histories import histories
from tests.projections.seeing import answering, contents, enter, folded, followed, keys_made, settled

HISTORY = [
    space_created(ROOM),
    space_created(DESK),
    (morning := created(hours(9, 10), notes="tea")),
    created(hours(12, 13), user_id=BEN),
    cancelled(morning, reason="rain"),
    created(hours(20, 30), space_id=DESK),
]
LATER = [created(hours(14, 15)), created(hours(16, 17)), created(hours(18, 19))]


async def assert_all_is_posted(redis: Redis, journal: Journal, schema: str | None = None) -> None:
    await settled(redis, journal, schema=schema)
    journal_id, _, _ = await journal.head()
    facts = await journal.page(0, 10_000)
    for view in VIEWS:
        active = await answering(redis, schema or journal.schema, view)
        assert active
        assert active.mark.journal_id == journal_id
        assert await contents(redis, schema or journal.schema, view) == folded(view, facts)


@settings(max_examples=15, deadline=None)
@given(histories(), st.integers(1, 4), st.integers(1, 9))
async def test_followed_rebuilt_and_folded_views_are_the_same(
    stores: Stores, history: list[Event], step: int, page: int
) -> None:
    with a_place(stores) as place:
        keys_made(place)
        async with a_journal(place) as journal, Redis.from_url(stores.redis_url) as redis:
            async with followed(place, stores.redis_url):
                for first in range(0, len(history), step):
                    await enter(journal, *history[first : first + step])
                await assert_all_is_posted(redis, journal)
            again = f"{place.schema}_again"
            async with followed(place, stores.redis_url, schema=again, page=page):
                await assert_all_is_posted(redis, journal, again)


async def test_what_was_entered_before_anybody_followed_is_posted(
    stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, *HISTORY)

    async with followed(place, stores.redis_url, page=2):
        await assert_all_is_posted(redis, journal)


async def test_a_follower_goes_on_where_the_last_one_stopped(
    stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    async with followed(place, stores.redis_url):
        await enter(journal, *HISTORY)
        await settled(redis, journal)
    before = [await answering(redis, place.schema, view) for view in VIEWS]
    await enter(journal, *LATER)

    async with followed(place, stores.redis_url):
        await assert_all_is_posted(redis, journal)

    after = [await answering(redis, place.schema, view) for view in VIEWS]
    assert [one and one.number for one in after] == [one and one.number for one in before]


async def test_a_build_that_was_broken_off_is_resumed(
    stores: Stores, place: Place, journal: Journal, redis: Redis, asking: Asking
) -> None:
    await enter(journal, *HISTORY)
    journal_id, _, _ = await journal.head()
    lease = Lease(asking, Keys.of("bookings", place.schema), lasts=timedelta(minutes=1))
    await lease.take()
    broken_off = await lease.begin(Mark(0, bookings.VIEW.version, journal_id, chain.origin(journal_id)))
    await post(await journal.page(0, 3), bookings.VIEW, lease, broken_off)
    await lease.release()

    async with followed(place, stores.redis_url):
        await assert_all_is_posted(redis, journal)

    resumed = await answering(redis, place.schema, bookings.VIEW)
    assert resumed
    assert resumed.number == broken_off.number


async def test_two_journals_share_one_redis(
    stores: Stores, place: Place, journal: Journal, redis: Redis, follower: asyncio.Task[None]
) -> None:
    with a_place(stores) as another_place:
        keys_made(another_place)
        async with a_journal(another_place) as another_journal, followed(another_place, stores.redis_url):
            await enter(journal, *HISTORY)
            await enter(another_journal, *LATER)

            await assert_all_is_posted(redis, journal)
            await assert_all_is_posted(redis, another_journal)


async def test_a_follower_that_is_told_to_stop_leaves_its_leases(
    stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    async with followed(place, stores.redis_url):
        await enter(journal, *HISTORY)
        await settled(redis, journal)
        assert await redis.exists(Keys.of("bookings", place.schema).owner)

    assert not await redis.exists(*(Keys.of(view.name, place.schema).owner for view in VIEWS))


async def test_followers_that_keep_losing_their_leases_post_each_fact_once(
    stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    owners = [Keys.of(view.name, place.schema).owner for view in VIEWS]
    async with (
        followed(place, stores.redis_url, page=2),
        followed(place, stores.redis_url, page=3),
        followed(place, stores.redis_url, page=5),
    ):
        for day in range(30):
            moved = timedelta(days=day)
            first, second = (created(hours(at, at + 1, (MONDAY_8AM + moved).date())) for at in (9, 12))
            await enter(journal, first, second, cancelled(first))
            await redis.delete(*owners)
        await assert_all_is_posted(redis, journal)


def follow(redis_url: str, url: str, schema: str) -> None:
    """What a process of its own does."""

    async def until_told() -> None:
        follower = asyncio.ensure_future(
            Follower(redis_url, schema, Journal(url, schema), lease=timedelta(seconds=1)).run()
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, follower.cancel)
        with suppress(asyncio.CancelledError):
            await follower

    asyncio.run(until_told())


@pytest.fixture
def process(stores: Stores, place: Place) -> Iterator[multiprocessing.process.BaseProcess]:
    process = multiprocessing.get_context("spawn").Process(
        target=follow, args=(stores.redis_url, place.url, place.schema), daemon=True
    )
    process.start()
    yield process
    assert process.pid
    os.kill(process.pid, signal.SIGCONT)
    process.terminate()
    process.join(10)
    assert process.exitcode == 0


async def test_an_owner_stopped_past_its_lease_is_relieved_and_does_no_harm_when_it_wakes(
    process: multiprocessing.process.BaseProcess, stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, *HISTORY)
    await settled(redis, journal)
    owner = Keys.of("bookings", place.schema).owner
    first = await redis.get(owner)
    assert process.pid
    os.kill(process.pid, signal.SIGSTOP)
    await enter(journal, *LATER)

    async with followed(place, stores.redis_url):
        await assert_all_is_posted(redis, journal)
        assert await redis.get(owner) not in (first, None)
        os.kill(process.pid, signal.SIGCONT)
        for day in range(30):
            await enter(journal, created(hours(9, 10, (MONDAY_8AM + timedelta(days=1 + day)).date())))
        await assert_all_is_posted(redis, journal)


async def test_views_come_back_by_themselves_after_redis_was_emptied(
    follower: asyncio.Task[None], place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, *HISTORY)
    await settled(redis, journal)

    await redis.flushdb()

    await assert_all_is_posted(redis, journal)
    await enter(journal, *LATER)
    await assert_all_is_posted(redis, journal)


async def test_a_follower_outlives_redis(own_stores: Stores) -> None:
    assert own_stores.redis
    with a_place(own_stores) as place:
        keys_made(place)
        async with a_journal(place) as journal, followed(place, own_stores.redis_url):
            async with Redis.from_url(own_stores.redis_url) as redis:
                await enter(journal, *HISTORY)
                await settled(redis, journal)
            own_stores.redis.kill()
            await enter(journal, *LATER)
            own_stores.redis.start()
            async with Redis.from_url(own_stores.redis_url) as redis:
                await assert_all_is_posted(redis, journal)


async def test_a_follower_outlives_its_connections_to_the_journal(
    follower: asyncio.Task[None], place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, *HISTORY)
    await settled(redis, journal)

    with place.role() as role:
        role.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'daybook follow%'"
        )
    await enter(journal, *LATER)

    await assert_all_is_posted(redis, journal)


async def test_who_does_not_reach_the_journal_leaves_its_views_to_whoever_does(
    stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    async with GoBetween(place.url) as between, followed(replace(place, url=between.url), stores.redis_url):
        await enter(journal, *HISTORY)
        await settled(redis, journal)
        async with followed(place, stores.redis_url):
            await between.is_gone()
            await enter(journal, *LATER)

            await assert_all_is_posted(redis, journal)


def restore(place: Place, position: int) -> None:
    """Have the journal be as a backup of that position has it."""
    with place.owner() as owner, owner.transaction():
        owner.execute("delete from event_tags where position > %s", (position,))
        owner.execute("delete from events where position > %s", (position,))
        owner.execute(
            "update journal_head set position = e.position, hash = e.hash from events e where e.position = %s",
            (position,),
        )


async def test_a_view_from_a_lost_future_is_built_anew(
    follower: asyncio.Task[None], place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, *HISTORY, *LATER)
    await settled(redis, journal)

    restore(place, len(HISTORY))
    await enter(journal, *reversed(LATER))

    await assert_all_is_posted(redis, journal)


async def test_a_view_ahead_of_its_journal_is_built_anew(
    follower: asyncio.Task[None], place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, *HISTORY, *LATER)
    await settled(redis, journal)

    restore(place, len(HISTORY))

    await assert_all_is_posted(redis, journal)


@pytest.mark.parametrize("before", [HISTORY, []], ids=["with facts", "empty"])
async def test_a_view_of_another_journal_is_built_anew(
    follower: asyncio.Task[None], place: Place, journal: Journal, redis: Redis, before: list[Event]
) -> None:
    if before:
        await enter(journal, *before)
    await settled(redis, journal)

    with place.owner() as owner:
        owner.execute("truncate journal_head, events, event_tags; call journal_begin()")

    await assert_all_is_posted(redis, journal)
    await enter(journal, *LATER)
    await assert_all_is_posted(redis, journal)


async def test_what_is_built_anew_leaves_nothing_old_behind(
    follower: asyncio.Task[None], stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, *HISTORY, *LATER)
    await settled(redis, journal)
    old = await answering(redis, place.schema, bookings.VIEW)
    assert old
    (start,) = Keys.of("bookings", place.schema).of_generation(old.number, ("",))

    restore(place, len(HISTORY))
    await settled(redis, journal)

    async with asyncio.timeout(10):
        while [key async for key in redis.scan_iter(match=f"{start}*")]:
            pass  # sweeping tells nobody when it is done


async def test_a_view_of_an_older_version_is_built_anew(
    stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, *HISTORY)
    async with followed(place, stores.redis_url, views=[bookings.VIEW]):
        await settled(redis, journal, views=[bookings.VIEW])

    newer = replace(bookings.VIEW, version=bookings.VIEW.version + 1)
    async with followed(place, stores.redis_url, views=[newer]):
        await built(redis, place.schema, newer.version)

    assert await contents(redis, place.schema, newer) == folded(newer, await journal.page(0, 100))


async def built(redis: Redis, schema: str, version: int) -> None:
    """Return once the view of bookings answers in this version."""
    async with asyncio.timeout(10), redis.pubsub() as told:
        await told.subscribe(Keys.of("bookings", schema).channel)
        await told.get_message(timeout=None)
        while (found := await answering(redis, schema, bookings.VIEW)) is None or found.mark.version != version:
            await told.get_message(timeout=None)


async def test_a_view_of_a_newer_version_is_left_alone(
    stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, *HISTORY)
    newer = replace(bookings.VIEW, version=bookings.VIEW.version + 1)
    async with followed(place, stores.redis_url, views=[newer]):
        await settled(redis, journal, views=[newer])
    before = await answering(redis, place.schema, newer)
    await enter(journal, *LATER)

    async with followed(place, stores.redis_url):
        await settled(redis, journal, views=[view for view in VIEWS if view.name != "bookings"])

    assert await answering(redis, place.schema, newer) == before


class Newer(Journal):
    """What a newer Daybook reads: the fact that is not known here as well."""

    async def page(self, after: int, limit: int) -> list[Recorded]:
        return [
            Recorded(
                row.position,
                codec.decode(row.type, 1 if row.version == NEWER else row.version, row.payload),
                row.hash,
                row.recorded_at,
            )
            for row in await self.rows(after, limit)
        ]


async def test_views_that_are_to_be_fed_a_newer_fact_are_left_to_a_newer_follower(
    stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, space_created(ROOM))
    async with followed(place, stores.redis_url):
        await settled(redis, journal)
        place.enter_newer()

        newer = Newer(place.url, place.schema)
        following = asyncio.create_task(Follower(stores.redis_url, place.schema, newer).run())
        try:
            await settled(redis, journal)
            await enter(journal, *LATER)
            await assert_all_is_posted(redis, newer)
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            await newer.close()


async def test_a_view_that_fails_stops_no_other(stores: Stores, place: Place, journal: Journal, redis: Redis) -> None:
    def stumble(event: Event, one: Named[object], documents: Documents, to: Lists) -> None:
        if isinstance(event, SpaceDescribed):
            raise LookupError
        spaces.project(event, one, documents, to)

    others = [view for view in VIEWS if view.name != "spaces"]
    async with followed(place, stores.redis_url, views=[replace(spaces.VIEW, project=stumble), *others]):
        await enter(journal, *HISTORY)
        reached = await settled(redis, journal)
        await enter(journal, SpaceDescribed(space_id=ROOM, description=MEETING_ROOM, at=MONDAY_8AM), *LATER)
        await settled(redis, journal, views=others)

    stopped = await answering(redis, place.schema, spaces.VIEW)
    assert stopped
    assert stopped.mark.position == reached


async def test_notes_are_posted_open_and_are_gone_from_a_view_built_after_their_key(
    stores: Stores, place: Place, journal: Journal, redis: Redis
) -> None:
    await enter(journal, created(hours(9, 10), user_id=ANA, notes="for Ana's eyes"))
    async with followed(place, stores.redis_url):
        await settled(redis, journal)
        assert any(b"for Ana's eyes" in one for one in (await contents(redis, place.schema, bookings.VIEW)).values())

    with place.role() as role:
        role.execute("delete from sealing_keys where user_id = %s", (ANA,))
    async with followed(place, stores.redis_url, schema=f"{place.schema}_again"):
        await settled(redis, journal, schema=f"{place.schema}_again")
        rebuilt = await contents(redis, f"{place.schema}_again", bookings.VIEW)
        assert any(b'"notes":null' in one for one in rebuilt.values())
