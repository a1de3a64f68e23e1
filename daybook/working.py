"""`daybook work`: what is due is taken from PostgreSQL, sent through Redis to dramatiq's actors, and carried out.

Actors run in threads, the journal in one asyncio loop: an actor hands its message to the loop and waits. What is lost
on the way, with a message, a thread or Redis, is due again when its loan ends. Each kind of work has a queue and
threads of its own: a mail server that hangs holds up mails alone. Webhooks are sent to in the loop.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.headerregistry import Address
from functools import partial
from typing import Any
from uuid import UUID

import dramatiq
from dramatiq import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError
from dramatiq.middleware import ShutdownNotifications
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

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
from journal.connection import Unavailable
from journal.folding import Aggregates
from journal.journal import Journal
from journal.troubles import Trouble

MAILS_AT_ONCE = 4

ANSWERED_WITHIN = 2.0
"""Seconds that Redis may take for an answer."""

POLL = 0.5
"""Seconds until one looks again where nothing was due."""

STOPPED_WITHIN = 5.0
"""Seconds for what is under way when we are told to stop; then it is broken off, and due again."""

ANSWERED_BEFORE = 35.0
"""Seconds for a mail server to say that it has what it was handed before we were told to stop: broken off, such a mail
may come twice. Whoever stops us has to wait for longer."""

Row = Sequence[str | int]
"""Some work as it stands in a message."""

log = logging.getLogger(__name__)


async def work(settings: Settings, journal: Journal) -> None:
    """Post, take and carry out what is due until SIGTERM or SIGINT."""
    deciding = Deciding(journal, Aggregates(journal))
    mailing = _mailing(settings, journal, deciding.aggregates)

    async def carry_out(rows: Sequence[Row]) -> None:
        works = [Work(str(kind), UUID(str(booking_id))) for kind, booking_id in rows]
        await deadlines.carry_out(deciding, works)

    async def send(rows: Sequence[Row]) -> None:
        ((notice_id, attempts),) = rows
        await mailing.send(Handed(UUID(str(notice_id)), int(attempts)))

    def hand_ends(works: Sequence[Work]) -> None:
        ends.send([(work.kind, str(work.booking_id)) for work in works])

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
        delivering.keep_delivering(
            posting=Trouble(log, "nothing new is posted for webhooks"),
            taking=Trouble(log, "webhooks are not sent anything"),
        ),
        keep_posting(
            journal,
            [due.post, notices.posting(remind_before=settings.remind_before).post],
            trouble=Trouble(log, "due work is not posted"),
        ),
        keep_handing_out(
            partial(due.take, journal, limit=deadlines.PER_MESSAGE),
            partial(due.wait_until_next, journal, at_most=POLL),
            hand_ends,
            taking=Trouble(log, "what is due is not known"),
            sending=Trouble(log, "due work is not handed out"),
        ),
        keep_handing_out(
            partial(notices.take, journal, limit=2 * MAILS_AT_ONCE),
            poll,
            hand_mails,
            taking=Trouble(log, "it is not known which notices are due"),
            sending=Trouble(log, "notices are not handed out"),
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
        mailing.stop()
        await asyncio.gather(ends.stop(within=STOPPED_WITHIN), mails.stop(within=ANSWERED_BEFORE))
        await sending.close()
        destinations.close()


def namespace(schema: str) -> str:
    """What the keys of a schema's queues begin with, before a colon."""
    return f"daybook:{schema}"


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
        self._good_for = good_for.total_seconds()
        self._trouble = Trouble(log, f"what the queue {name} holds is not carried out")
        self._under_way: set[Future[None]] = set()
        self._broker = _Broker(  # type: ignore[no-untyped-call]
            client=Redis.from_url(
                settings.redis_url.get_secret_value(),
                socket_timeout=ANSWERED_WITHIN,
                socket_connect_timeout=ANSWERED_WITHIN,
                retry=Retry(NoBackoff(), 1),
            ),
            namespace=namespace(settings.daybook_schema),
            middleware=[ShutdownNotifications()],
        )
        self._actor = dramatiq.actor(broker=self._broker, actor_name="carry_out", queue_name=name)(self._receive)
        self._worker = dramatiq.Worker(self._broker, worker_threads=threads)

    def start(self) -> None:
        self._worker.start()

    def send(self, rows: Sequence[Row]) -> None:
        """Put a message into Redis. Raises `OSError`."""
        try:
            self._actor.send(rows, time.time())
        except RedisError as error:
            raise OSError(str(error)) from error

    def _receive(self, rows: Sequence[Row], sent_at: float) -> None:
        # Not by dramatiq's own limit, which tells of each message that is too old and keeps it as a dead letter for a
        # week: behind a mail server that hangs there are many, and all of them are due again.
        if time.time() - sent_at >= self._good_for:
            return
        carried_out = asyncio.run_coroutine_threadsafe(self._try(rows), self._loop)
        self._under_way.add(carried_out)
        try:
            with suppress(CancelledError):
                carried_out.result()
        finally:
            self._under_way.discard(carried_out)

    async def _try(self, rows: Sequence[Row]) -> None:
        try:
            await self._carry_out(rows)
        except Unavailable as error:
            self._trouble.tell(error)
        else:
            self._trouble.over()

    async def stop(self, *, within: float) -> None:
        """Let what is under way end for so many seconds, and receive no more."""
        stopping = asyncio.create_task(asyncio.to_thread(self._worker.stop))
        await asyncio.wait([stopping], timeout=within)
        for late in list(self._under_way):
            late.cancel()
        with suppress(RedisError):  # what it would give back to Redis is due again anyway
            await stopping
            self._broker.close()


class _Broker(RedisBroker):
    """Redis as the broker, whose absence its consumers outlast."""

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        return _Patient(super().consume(queue_name, prefetch, timeout), queue_name)


class _Patient(Consumer):
    """Receives nothing while Redis is away or hangs, and tells so once.

    dramatiq's own tells of every try, and takes a Redis that hangs for a fault. What Redis cannot be told is done stays
    with this broker until it is gone, and is too old by then.
    """

    def __init__(self, receiving: Consumer, queue_name: str) -> None:
        self._receiving = receiving
        self._trouble = Trouble(log, f"nothing is received from the queue {queue_name}")

    def __next__(self) -> MessageProxy | None:
        try:
            message = next(self._receiving)
        except (RedisError, BrokerConnectionError) as error:
            self._trouble.tell(error)
            time.sleep(POLL)
            return None
        self._trouble.over()
        return message

    def ack(self, message: MessageProxy) -> None:
        with self._telling():
            self._receiving.ack(message)

    def nack(self, message: MessageProxy) -> None:
        with self._telling():
            self._receiving.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        with self._telling():
            self._receiving.requeue(messages)

    def close(self) -> None:
        self._receiving.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, BrokerConnectionError) as error:
            self._trouble.tell(error)


def _mailing(settings: Settings, journal: Journal, aggregates: Aggregates) -> Mailing:
    sender = mailbox(settings.mail_from) if settings.mail_from else Address("Daybook", "daybook", "localhost")
    url = settings.smtp_url.get_secret_value()
    server = MailServer(url, sender=sender.addr_spec) if url else LogAlone()
    return Mailing(journal, aggregates, server, sender=sender, keys=settings.secret_keys)
