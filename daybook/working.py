"""`daybook work`: what is due is taken from PostgreSQL, sent through Redis to dramatiq's actors, and carried out.

Actors run in threads, the journal in one asyncio loop: an actor hands its message to the loop and waits. What is lost
on the way, with a message, a thread or Redis, is due again when its loan ends. Each kind of work has a queue and
threads of its own: a mail server that hangs holds up mails alone. Webhooks are sent to in the loop.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from datetime import timedelta
from email.headerregistry import Address
from functools import partial
from typing import Any
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, ShutdownNotifications
from redis import RedisError

from commands import deadlines, due, notices
from commands.deadlines import keep_handing_out
from commands.deciding import Deciding
from commands.delivering import Delivering, Sending
from commands.destinations import Destinations
from commands.due import Work
from commands.mail_server import LogAlone, MailServer
from commands.mailing import Mailing, mailbox
from commands.notices import Handed
from commands.posting import keep_posting
from commands.webhooks import Secrets
from daybook.settings import Settings
from journal.folding import Aggregates
from journal.journal import Journal

MAILS_AT_ONCE = 4

POLL = 0.5
"""Seconds until one looks again where nothing was due."""

STOPPED_WITHIN = 5.0
"""Seconds for what is under way when we are told to stop; then it is broken off, and due again."""

Row = Sequence[str | int]
"""Some work as it stands in a message."""

log = logging.getLogger(__name__)


async def work(settings: Settings, journal: Journal) -> None:
    """Post, take and carry out what is due until SIGTERM or SIGINT."""
    deciding = Deciding(journal, Aggregates(journal))
    mailing = _mailing(settings, journal, deciding.aggregates)

    async def carry_out(rows: Sequence[Row]) -> None:
        works = [Work(str(kind), UUID(str(booking_id)), int(position)) for kind, booking_id, position in rows]
        await deadlines.carry_out(deciding, works)

    async def send(rows: Sequence[Row]) -> None:
        ((notice_id, attempts),) = rows
        await mailing.send(Handed(UUID(str(notice_id)), int(attempts)))

    def hand_ends(works: Sequence[Work]) -> None:
        ends.send([(work.kind, str(work.booking_id), work.position) for work in works])

    def hand_mails(handed: Sequence[Handed]) -> None:
        for one in handed:
            mails.send([(str(one.notice_id), one.attempts)])

    async def poll() -> float:
        return POLL

    # One thread for ends: each message is a command, whose time is the journal's more than the thread's.
    ends = Queue(settings, "due", carry_out, threads=1, good_for=due.LENT)
    mails = Queue(settings, "notices", send, threads=MAILS_AT_ONCE, good_for=notices.HANDED)
    destinations = Destinations(private=settings.webhooks_to_private_addresses)
    sending = Sending(destinations)
    delivering = Delivering(journal, deciding, Secrets(settings.secret_keys), sending)
    running = asyncio.gather(
        delivering.keep_delivering(on_trouble=_told_once("webhooks are not sent anything")),
        keep_posting(
            journal,
            [due.post, notices.posting(remind_before=settings.remind_before).post],
            on_trouble=_told_once("due work is not posted"),
        ),
        keep_handing_out(
            partial(due.take, journal, limit=deadlines.PER_MESSAGE),
            partial(due.wait_until_next, journal, at_most=POLL),
            hand_ends,
            on_trouble=_told_once("due work is not handed out"),
        ),
        keep_handing_out(
            partial(notices.take, journal, limit=2 * MAILS_AT_ONCE),
            poll,
            hand_mails,
            on_trouble=_told_once("notices are not handed out"),
        ),
    )
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, running.cancel)
    ends.start()
    mails.start()
    try:
        with suppress(asyncio.CancelledError):
            await running
    finally:
        await asyncio.gather(ends.stop(), mails.stop())
        await sending.close()
        destinations.close()


class Queue:
    """Messages on their way through Redis, none older than it is `good_for`, and the threads that receive them and have
    them carried out in the loop that made the queue.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        carry_out: Callable[[Sequence[Row]], Coroutine[Any, Any, None]],
        *,
        threads: int,
        good_for: timedelta,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._carry_out = carry_out
        self._under_way: set[Future[None]] = set()
        self._broker = RedisBroker(  # type: ignore[no-untyped-call]
            url=settings.redis_url.get_secret_value(),
            namespace=f"daybook:{settings.daybook_schema}",
            middleware=[AgeLimit(max_age=int(good_for.total_seconds() * 1000)), ShutdownNotifications()],
        )
        self._actor = dramatiq.actor(broker=self._broker, actor_name="carry_out", queue_name=name)(self._receive)
        self._worker = dramatiq.Worker(self._broker, worker_threads=threads)

    def start(self) -> None:
        self._worker.start()

    def send(self, rows: Sequence[Row]) -> None:
        """Put a message into Redis. Raises `OSError`."""
        try:
            self._actor.send(rows)
        except RedisError as error:
            raise OSError(str(error)) from error

    def _receive(self, rows: Sequence[Row]) -> None:
        carried_out = asyncio.run_coroutine_threadsafe(self._carry_out(rows), self._loop)
        self._under_way.add(carried_out)
        try:
            with suppress(CancelledError):
                carried_out.result()
        finally:
            self._under_way.discard(carried_out)

    async def stop(self) -> None:
        """Let what is under way end, for a while, and receive no more."""
        stopping = asyncio.create_task(asyncio.to_thread(self._worker.stop))
        await asyncio.wait([stopping], timeout=STOPPED_WITHIN)
        for late in list(self._under_way):
            late.cancel()
        with suppress(RedisError):  # what it would give back to Redis is due again anyway
            await stopping
            self._broker.close()


def _mailing(settings: Settings, journal: Journal, aggregates: Aggregates) -> Mailing:
    sender = mailbox(settings.mail_from) if settings.mail_from else Address("Daybook", "daybook", "localhost")
    url = settings.smtp_url.get_secret_value()
    server = MailServer(url, sender=sender.addr_spec) if url else LogAlone()
    return Mailing(journal, aggregates, server, sender=sender, keys=settings.secret_keys)


def _told_once(what: str) -> Callable[[Exception], None]:
    """Logs a trouble when it is another one than last time, not at every try."""
    told = ""

    def tell(trouble: Exception) -> None:
        nonlocal told
        if str(trouble) != told:
            told = str(trouble)
            log.warning("%s: %s", what, told)

    return tell
