"""The same command on what `eventsourcing` ships: its application, its recorder for PostgreSQL, our slice and codec."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.application import DCBApplication
from eventsourcing.dcb.domain import Tagged
from eventsourcing.dcb.persistence import DCBMapper
from eventsourcing.persistence import IntegrityError

from benchmarks.measuring import Work
from benchmarks.places import Place, Wish
from booking.events import Event
from commands.bookings import CreateBooking
from commands.command import Author, Fact
from journal import codec
from journal.folding import Kept

CALLERS = 16


class FactMapper(DCBMapper[Fact]):
    """Our facts in our JSON, as the library wants them."""

    def to_dcb_event(self, event: Tagged[Fact]) -> DCBEvent:
        name, version, payload = codec.encode(event.decision.event, {})
        return DCBEvent(type=f"{name} {version}", data=payload.encode(), tags=event.tags)

    def to_domain_event(self, event: DCBEvent) -> Tagged[Fact]:
        name, version = event.type.split()
        return Tagged(event.tags, Fact(codec.decode(name, int(version), event.data)))


@contextmanager
def application(place: Place) -> Iterator[DCBApplication]:
    """The library's application with the facts that `place` begins with.

    Its tables are in the schema `public`: in another one it does not find them, for one reference is not qualified.
    """
    postgres = place.stores.postgres
    assert postgres
    with place.owner() as connection:
        found = connection.execute("select type, version, payload, tags from events order by position").fetchall()
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.dcb.postgres_tt",
        "MAPPER_TOPIC": f"{__name__}:FactMapper",
        "POSTGRES_DBNAME": "daybook",
        "POSTGRES_HOST": str(postgres.premises.sockets),
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": "daybook_owner",
        "POSTGRES_PASSWORD": "none is asked for",
        "POSTGRES_POOL_SIZE": str(CALLERS),
        "POSTGRES_MAX_OVERFLOW": "0",
    }
    with DCBApplication(environment) as app:
        app.recorder.append(
            [DCBEvent(type=f"{name} {version}", data=data.encode(), tags=tags) for name, version, data, tags in found]
        )
        yield app


def create(app: DCBApplication, wish: Wish) -> None:
    """Carry out the wish as the library would: read the boundary's whole history, decide, append, again if need be."""
    while True:
        command = CreateBooking(
            booking_id=uuid4(), space_id=wish.space_id, user_id=wish.user_id, slot=wish.slot, notes=None
        )
        command.by = Author.person(wish.user_id)
        command.prepare(lambda one: Kept(one.unfolded()))
        app.repository.advance(command)
        command.now = datetime.now(UTC)
        command.execute()
        try:
            app.repository.save(command)
        except IntegrityError:
            continue
        return


def append(app: DCBApplication, fact: tuple[Event, list[str]], read: Sequence[str], after: int) -> int:
    """Append one fact, with the tags it bears, by the library's recorder, unless one of the tags read has a newer one;
    the fact's position.
    """
    condition = DCBAppendCondition(DCBQuery(items=[DCBQueryItem(types=[], tags=[tag]) for tag in read]), after=after)
    event, borne = fact
    return app.recorder.append([app.mapper.to_dcb_event(Tagged(borne, Fact(event)))], condition)


def in_threads(caller: Callable[[int, float], int]) -> Work:
    """Run `caller` in so many threads, as the library is synchronous; it is given its number and when to stop."""
    threads = ThreadPoolExecutor(CALLERS)

    async def work(seconds: float) -> int:
        loop = asyncio.get_running_loop()
        until = time.perf_counter() + seconds
        calls = [loop.run_in_executor(threads, caller, number, until) for number in range(CALLERS)]
        return sum(await asyncio.gather(*calls))

    return work
