"""A journal and its views, of their own for each test that asks for them."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from booking.events import Event
from daybook.embedded import Stores
from journal.journal import Journal
from projections.asking import Asking
from projections.reading import Views
from tests.journals import Place, a_journal, a_place
from tests.projections.seeing import Told, enter, followed, keys_made, settled


@pytest.fixture
def place(stores: Stores) -> Iterator[Place]:
    with a_place(stores) as place:
        keys_made(place)
        yield place


@pytest.fixture
async def journal(place: Place) -> AsyncIterator[Journal]:
    async with a_journal(place) as journal:
        yield journal


@pytest.fixture
async def redis(stores: Stores) -> AsyncIterator[Redis]:
    async with Redis.from_url(stores.redis_url) as redis:
        yield redis


@pytest.fixture
async def asking(stores: Stores) -> AsyncIterator[Asking]:
    asking = Asking(stores.redis_url, within=5)
    yield asking
    await asking.close()


@pytest.fixture
async def views(stores: Stores, place: Place, journal: Journal) -> AsyncIterator[Views]:
    views = Views(stores.redis_url, place.schema, journal)
    yield views
    await views.close()


@pytest.fixture
async def follower(stores: Stores, place: Place) -> AsyncIterator[asyncio.Task[None]]:
    async with followed(place, stores.redis_url) as task:
        yield task


@pytest.fixture
async def told(follower: asyncio.Task[None], journal: Journal, redis: Redis) -> Told:
    """Records facts and returns once the views show them; their position."""

    async def tell(*events: Event) -> int:
        await enter(journal, *events)
        return await settled(redis, journal)

    return tell
