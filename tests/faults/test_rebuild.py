"""A rebuild that is killed: queries go on from the generation before, and the next run ends what the first began."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from daybook.embedded import Stores
from projections import bookings
from projections.generations import Keys, Mark
from projections.reading import Views
from tests.examples import ANA, MONDAY_8AM, ROOM, created, hours, space_created
from tests.journals import Place, a_journal, a_place
from tests.processes import environment
from tests.projections.seeing import contents, enter, folded, followed, settled

VIEW = bookings.VIEW
PAGES = 6
BOOKINGS = [created(hours(quarter / 4, (quarter + 1) / 4)) for quarter in range(500 * PAGES)]


@pytest.fixture
def place(stores: Stores) -> Iterator[Place]:
    with a_place(stores) as place:
        yield place


async def test_a_rebuild_killed_halfway_goes_unnoticed_and_the_next_run_ends_it(
    stores: Stores, place: Place, tmp_path: Path
) -> None:
    told, keys = environment(stores, place, tmp_path), Keys.of(VIEW.name, place.schema)
    command = [sys.executable, "-P", "-m", "daybook", "projections", "rebuild", VIEW.name]
    async with a_journal(place) as journal, Redis.from_url(stores.redis_url) as redis:
        await enter(journal, space_created(ROOM))
        for first in range(0, len(BOOKINGS), 500):
            await enter(journal, *BOOKINGS[first : first + 500])
        views = Views(stores.redis_url, place.schema, journal)
        async with followed(place, stores.redis_url):
            head = await settled(redis, journal)
            before = await contents(redis, place.schema, VIEW)
            killed = await asyncio.create_subprocess_exec(*command, env=told, stdout=subprocess.DEVNULL)
            async with asyncio.timeout(30):
                while await _filled(redis, keys) <= head // 3:
                    assert killed.returncode is None, "it was done before it could be killed"
            killed.kill()
            await killed.wait()
            begun: Any = await redis.get(keys.apart().building)
            of_ana = await bookings.of_user(views, ANA, limit=200, now=MONDAY_8AM)

            again = await asyncio.to_thread(
                subprocess.run, command, env=told, capture_output=True, timeout=60, check=True
            )

        assert (of_ana.position, len(of_ana.items)) == (head, 200)
        assert await redis.get(keys.active) == begun
        assert await contents(redis, place.schema, VIEW) == before == folded(VIEW, await journal.page(0, head))
        assert begun.decode() in again.stdout.decode()
        await views.close()


async def _filled(redis: Redis, keys: Keys) -> int:
    """How far the generation is that is being filled."""
    number: Any = await redis.get(keys.apart().building)
    mark: Any = await redis.get(keys.mark(number)) if number else None
    return Mark.of(mark).position if mark else 0
