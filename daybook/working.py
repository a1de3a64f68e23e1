"""`daybook work`: what is due is taken from PostgreSQL, sent through Redis to dramatiq's actors, and carried out.

Actors run in threads, the journal in one asyncio loop: an actor hands its message to the loop and waits. What is lost
on the way, with a message, a thread or Redis, is due again when its loan ends.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, ShutdownNotifications
from redis import RedisError

from commands import deadlines
from commands.deciding import Deciding
from commands.delivering import Delivering, Sending
from commands.destinations import Destinations
from commands.due import LENT, Work
from commands.webhooks import Secrets
from daybook.settings import Settings
from journal.folding import Aggregates
from journal.journal import Journal

THREADS = 1
"""Messages carried out at the same time. Each is one command, whose time is the journal's more than the thread's."""

CARRIED_OUT_WITHIN = 30.0  # seconds for one message

log = logging.getLogger(__name__)


async def work(settings: Settings, journal: Journal) -> None:
    """Post, take and carry out what is due until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    schema = settings.daybook_schema
    deciding = Deciding(journal, Aggregates(journal))
    broker = RedisBroker(  # type: ignore[no-untyped-call]
        url=settings.redis_url.get_secret_value(),
        namespace=f"daybook:{schema}",
        middleware=[AgeLimit(max_age=int(LENT.total_seconds() * 1000)), ShutdownNotifications()],
    )

    def carry_out(rows: list[tuple[str, str, int]]) -> None:
        works = [Work(kind, UUID(booking_id), position) for kind, booking_id, position in rows]
        asyncio.run_coroutine_threadsafe(deadlines.carry_out(deciding, works), loop).result(CARRIED_OUT_WITHIN)

    actor = dramatiq.actor(broker=broker, actor_name="carry_out", queue_name="due")(carry_out)
    destinations = Destinations(private=settings.webhooks_to_private_addresses)
    sending = Sending(destinations)
    delivering = Delivering(journal, deciding, Secrets(settings.secret_keys), sending)
    running = asyncio.gather(
        deadlines.keep_posting(journal, on_trouble=_told_once("due work is not posted")),
        deadlines.keep_handing_out(journal, _sending(actor), on_trouble=_told_once("due work is not handed out")),
        delivering.keep_delivering(on_trouble=_told_once("webhooks are not sent anything")),
    )
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, running.cancel)
    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    worker.start()
    try:
        with suppress(asyncio.CancelledError):
            await running
    finally:
        await sending.close()
        destinations.close()
        with suppress(RedisError):  # what it would give back to Redis is due again anyway
            await asyncio.to_thread(worker.stop)
            broker.close()


def _sending(actor: "dramatiq.Actor[[list[tuple[str, str, int]]], None]") -> Callable[[Sequence[Work]], None]:
    def send(works: Sequence[Work]) -> None:
        try:
            actor.send([(work.kind, str(work.booking_id), work.position) for work in works])
        except RedisError as error:
            raise OSError(str(error)) from error

    return send


def _told_once(what: str) -> Callable[[Exception], None]:
    """Logs a trouble when it is another one than last time, not at every try."""
    told = ""

    def tell(trouble: Exception) -> None:
        nonlocal told
        if str(trouble) != told:
            told = str(trouble)
            log.warning("%s: %s", what, told)

    return tell
