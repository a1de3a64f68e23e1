"""What goes through Redis: too late, or in trouble that passes, it is let go without a word, for it is due again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr
from redis import Redis

from daybook.embedded import Stores
from daybook.settings import Settings
from daybook.working import STOPPED_WITHIN, Queue, Row
from journal.connection import Unavailable

NAMESPACE = "of_this_test"


class Carried:
    """What was carried out, and what goes wrong with it meanwhile."""

    def __init__(self) -> None:
        self.rows: asyncio.Queue[Row] = asyncio.Queue()
        self.trouble: Exception | None = None

    async def out(self, rows: Sequence[Row]) -> None:
        self.rows.put_nowait(rows[0])
        if self.trouble:
            raise self.trouble


@asynccontextmanager
async def a_queue(stores: Stores, carried: Carried, *, good_for: timedelta) -> AsyncIterator[Queue]:
    settings = Settings(redis_url=SecretStr(stores.redis_url), daybook_schema=NAMESPACE)
    queue = Queue(settings, "mails", carried.out, threads=1, good_for=good_for)
    yield queue
    await queue.stop(within=STOPPED_WITHIN)


def kept(stores: Stores) -> list[bytes]:
    """What Redis holds of messages after all."""
    with Redis.from_url(stores.redis_url) as redis:
        return [key for key in redis.keys(f"daybook:{NAMESPACE}:*") if b"heartbeats" not in key]


async def test_what_waited_too_long_is_let_go_without_a_word_and_without_a_dead_letter(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    carried = Carried()
    good_for = timedelta(seconds=3)  # in which a worker that is busy with all that is over has to come to the rest
    async with a_queue(stores, carried, good_for=good_for) as queue:
        for n in range(20):
            queue.send([(n,)])
        await asyncio.sleep(good_for.total_seconds())
        queue.send([("fresh",)])
        queue.start()
        assert list(await asyncio.wait_for(carried.rows.get(), 10)) == ["fresh"]

    assert carried.rows.empty()
    assert kept(stores) == []
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_journal_that_is_away_is_told_of_once_and_that_it_is_back(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "daybook")
    carried = Carried()
    carried.trouble = Unavailable("it is away")
    async with a_queue(stores, carried, good_for=timedelta(minutes=1)) as queue:
        queue.start()
        for n in range(5):
            queue.send([(n,)])
            await asyncio.wait_for(carried.rows.get(), 10)
        carried.trouble = None
        queue.send([("last",)])
        await asyncio.wait_for(carried.rows.get(), 10)

    told = [
        record.message for record in caplog.records if record.levelno >= logging.WARNING or "over" in record.message
    ]
    what = "what the queue mails holds is not carried out"
    assert told == [f"{what}: it is away", f"{what}: this is over"]
