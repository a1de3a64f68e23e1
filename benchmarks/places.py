"""A journal of its own with spaces and users in it, and histories of any length entered at once."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from itertools import count, islice
from random import getrandbits
from uuid import UUID, uuid4

import psycopg

from booking.events import BookingCreated, Event, SpaceCreated, UserRegistered
from booking.opening_hours import OpeningHours
from booking.roles import Role
from booking.slots import Slot
from booking.terms import Description, Rules
from commands.bookings import CreateBooking
from commands.command import Author
from commands.deciding import Deciding, Request
from daybook.embedded import Stores
from daybook.migrations.run import migrate
from journal import chain, codec, tags
from journal.chain import Row
from journal.connection import conninfo
from journal.folding import Aggregates
from journal.journal import Journal

SCHEMAS = count(1)
DAYS, QUARTER = 360, timedelta(minutes=15)
PER_DAY = timedelta(days=1) // QUARTER
PER_SPACE = DAYS * PER_DAY
"""How many bookings fit into a space within its horizon."""

WITHOUT_LIMIT = 1_000_000
RULES = Rules(min_duration=QUARTER, min_advance=timedelta(0))
ROLE = "daybook"
ACTOR = "system:bench"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Stored = tuple[str, int, str, list[str]]
"""A fact as it is entered: name, version, payload, tags."""


@dataclass(frozen=True, slots=True)
class Place:
    """A journal in a schema of its own, and who and what there is to book in it."""

    stores: Stores
    schema: str
    spaces: list[UUID] = field(default_factory=list)
    users: list[UUID] = field(default_factory=list)

    def journal(self) -> Journal:
        return Journal(self.stores.database_url, self.schema, name="bench")

    def checkpoint(self) -> None:
        """So that nobody pays later for what a bulk load left to be written."""
        assert self.stores.postgres
        sockets = self.stores.postgres.premises.sockets
        with psycopg.connect(
            host=str(sockets), port=5432, user="postgres", dbname="daybook", autocommit=True
        ) as connection:
            connection.execute("checkpoint")

    def owner(self) -> psycopg.Connection:
        """A connection that may do anything in the schema and takes all the time it needs."""
        address = conninfo(self.stores.database_owner_url, self.schema, name="bench owner", plans=False)
        connection = psycopg.connect(address)
        connection.execute("set statement_timeout = 0")
        connection.execute("set maintenance_work_mem = '512MB'")
        return connection

    def furnish(self, *, spaces: int, users: int, allowance: int = WITHOUT_LIMIT) -> None:
        """Add spaces open day and night without notice, and users who may book as much as they like."""
        now = datetime.now(UTC)
        new_spaces, new_users = [uuid4() for _ in range(spaces)], [uuid4() for _ in range(users)]
        made = (space_created(id, now) for id in new_spaces)
        registered = (
            UserRegistered(user_id=id, role=Role.STUDENT, max_active_bookings=allowance, at=now) for id in new_users
        )
        facts: list[Event] = [*made, *registered]
        self.enter(map(stored, facts))
        self.spaces.extend(new_spaces)
        self.users.extend(new_users)

    def enter(self, facts: Iterable[Stored]) -> None:
        """Add facts to the journal, as they would stand there had they been appended one after the other."""
        at = datetime.now(UTC)
        micros, recorded = (at - EPOCH) // timedelta(microseconds=1), at.isoformat()
        with self.owner() as connection:
            head = connection.execute("select position, hash from journal_head for update").fetchone() or (0, b"")
            first, hash = position, _ = head
            with connection.cursor() as cursor, cursor.copy(f"copy events ({chain.COLUMNS}) from stdin") as copy:
                for position, (name, version, payload, labels) in enumerate(facts, first + 1):
                    id = _new_id()
                    header = f"{chain.FORMAT} {position} {version} {micros} {id} 0 - - {len(labels)}"
                    texts = (name, ACTOR, "bench", *labels, payload)  # nothing in them is more than ASCII
                    body = "".join([f" {len(text)}:{text}" for text in texts])
                    hash = sha256(hash + (header + body).encode()).digest()
                    copy.write(
                        f"{position}\t{name}\t{version}\t{payload}\t{{{','.join(labels)}}}\t{recorded}\t{ACTOR}\tbench\t\\N\t"
                        f"{id}\t0\t\\N\t{chain.FORMAT}\t\\\\x{hash.hex()}\n"
                    )
            many = position - first > 50_000
            if many:  # sorting the tags once is several times quicker than placing each
                connection.execute("alter table event_tags drop constraint event_tags_pkey")
            connection.execute(
                "insert into event_tags select unnest(tags), position from events where position > %s", (first,)
            )
            if many:
                connection.execute("alter table event_tags add primary key (tag, position)")
            connection.execute(
                "update journal_head set position = %s, hash = %s, recorded_at = %s", (position, hash, at)
            )
        with self.owner() as connection:
            connection.execute("analyze events, event_tags")
        self.checkpoint()

    def put_clock_forward(self, by: timedelta) -> None:
        """From now on the journal's clock is that much ahead, and goes on."""
        with self.owner() as connection:
            connection.execute(
                "create or replace function journal_now() returns timestamptz language sql as "
                f"$$ select clock_timestamp() + interval '{by.total_seconds()} seconds' $$"
            )

    def proven(self, last: int = 5_000) -> bool:
        """Whether the chain holds over the newest facts, so that what was entered at once is followed on."""
        with self.owner() as connection:
            head = connection.execute("select position, hash from journal_head").fetchone() or (0, b"")
            found = connection.execute(
                f"select {chain.COLUMNS} from events where position >= %s order by position", (head[0] - last,)
            ).fetchall()
        rows = [Row(*row) for row in found]
        newest: bytes = head[1]
        return chain.check(rows[0].hash, rows[0].position, rows[1:]) == newest


def new_place(stores: Stores) -> Place:
    """An empty journal."""
    place = Place(stores, f"bench_{next(SCHEMAS)}")
    migrate(stores.database_owner_url, place.schema, role=ROLE)
    return place


def space_created(id: UUID, now: datetime) -> SpaceCreated:
    return SpaceCreated(
        space_id=id,
        description=Description(name=f"Room {id}", capacity=4, price_per_hour=Decimal(10)),
        timezone="UTC",
        rules=RULES,
        opening_hours=OpeningHours.daily("00:00", "24:00"),
        at=now,
    )


@lru_cache(maxsize=PER_SPACE)
def nth_slot(number: int) -> Slot:
    """The slots of one space, all distinct: one on each day of the horizon, then the next on each."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    quarter, day = divmod(number % PER_SPACE, DAYS)
    start = today + timedelta(days=2 + day) + quarter * QUARTER
    return Slot(start, start + QUARTER)


@dataclass(frozen=True, slots=True)
class Wish:
    """A booking that can be had."""

    space_id: UUID
    user_id: UUID
    slot: Slot

    def created(self, at: datetime) -> BookingCreated:
        return BookingCreated(
            booking_id=uuid4(), space_id=self.space_id, user_id=self.user_id, slot=self.slot, at=at, notes=None
        )


def wishes(spaces: Sequence[UUID], users: Sequence[UUID], *, begin: int = 0) -> Iterator[Wish]:
    """Bookings that go together, space after space and user after user, until the horizon is full."""
    for number in range(begin, len(spaces) * PER_SPACE):
        nth, at = divmod(number, len(spaces))
        yield Wish(spaces[at], users[(number + nth) % len(users)], nth_slot(nth))


def stored(event: Event) -> Stored:
    """The event as the codec has it stored."""
    return (*codec.encode(event, {}), list(tags.of(event)))


def history(place: Place, length: int) -> Iterator[Stored]:
    """The facts of the first `length` wishes, all made after one: to encode a million events would take minutes."""
    example = Wish(uuid4(), uuid4(), nth_slot(0)).created(datetime.now(UTC))
    name, version, payload, labels = stored(example)
    pattern = "\n".join((payload, *labels)).replace("%", "%%")
    its = {
        "booking": str(example.booking_id),
        "space": str(example.space_id),
        "user": str(example.user_id),
        **_written(example.slot),
    }
    for part, text in its.items():
        pattern = pattern.replace(text, f"%({part})s")
    told = {id: str(id) for id in (*place.spaces, *place.users)}
    for wish in islice(wishes(place.spaces, place.users), length):
        parts = {"booking": _new_id(), "space": told[wish.space_id], "user": told[wish.user_id]}
        payload, *labels = (pattern % {**parts, **_written(wish.slot)}).split("\n")
        yield name, version, payload, labels


@lru_cache(maxsize=PER_SPACE)
def _written(slot: Slot) -> dict[str, str]:
    """The parts of a slot as they stand in a fact, the longer ones first."""
    start, end = (at.isoformat().replace("+00:00", "Z") for at in (slot.start, slot.end))
    return {"start": start, "end": end, "day": slot.start.date().isoformat()}


def _new_id() -> str:
    """A random UUID, at a third of the usual price."""
    digits = f"{getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_request() -> Request:
    return Request(command_id=uuid4(), correlation_id="bench")


class Booker:
    """Carries out `CreateBooking` over a journal, as a process of the product does."""

    def __init__(self, journal: Journal, wanted: Iterator[Wish], *, deciding: Deciding | None = None) -> None:
        self.journal = journal
        self.deciding = deciding or Deciding(journal, Aggregates(journal))
        self._wanted = wanted

    async def book(self) -> int:
        """Carry out the next wish; the position of its fact."""
        return await self.carry_out(next(self._wanted))

    async def carry_out(self, wish: Wish) -> int:
        """Book what is wished for; the position of its fact."""
        command = CreateBooking(
            booking_id=uuid4(), space_id=wish.space_id, user_id=wish.user_id, slot=wish.slot, notes=None
        )
        done = await self.deciding.do(command, by=Author.person(wish.user_id), request=new_request())
        return done.position

    async def book_many(self, number: int, *, callers: int = 16) -> None:
        """Carry out so many wishes, and have what they were decided from kept for the next."""
        left = count(number, -1)

        async def caller() -> None:
            while next(left) > 0:
                await self.book()

        await asyncio.gather(*(caller() for _ in range(callers)))

    async def work(self, seconds: float, *, callers: int = 16) -> int:
        """Book with so many callers for so long; how many bookings were made."""
        clock = asyncio.get_running_loop().time
        until = clock() + seconds

        async def caller() -> int:
            made = 0
            while clock() < until:
                await self.book()
                made += 1
            return made

        return sum(await asyncio.gather(*(caller() for _ in range(callers))))
