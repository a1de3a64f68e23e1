"""A journal of its own with spaces and users in it, and histories of any length entered at once."""

import asyncio
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, islice
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
        self.enter([*made, *registered])
        self.spaces.extend(new_spaces)
        self.users.extend(new_users)

    def enter(self, events: Iterable[Event]) -> None:
        """Add facts to the journal as the append function would have, a few ten thousand a second."""
        with self.owner() as connection:
            (position, hash) = connection.execute("select position, hash from journal_head for update").fetchone() or (
                0,
                b"",
            )
            first = position
            at = datetime.now(UTC)
            copying = f"copy events ({chain.COLUMNS}) from stdin"
            with connection.cursor() as cursor, cursor.copy(copying) as copy:
                pending = io.StringIO()
                for position, event in enumerate(events, first + 1):
                    row = _row(position, event, at)
                    hash = chain.link(hash, row)
                    pending.write(_line(row, hash))
                    if pending.tell() > 1 << 18:
                        copy.write(pending.getvalue())
                        pending = io.StringIO()
                copy.write(pending.getvalue())
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


def history(place: Place, length: int) -> Iterator[Event]:
    """The facts of the first `length` wishes."""
    now = datetime.now(UTC)
    return (wish.created(now) for wish in islice(wishes(place.spaces, place.users), length))


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


def _row(position: int, event: Event, at: datetime) -> Row:
    name, version, payload = codec.encode(event, {})
    return Row(
        position=position,
        type=name,
        version=version,
        payload=payload,
        tags=tags.of(event),
        recorded_at=at,
        actor="system:bench",
        correlation_id="bench",
        causation_id=None,
        command_id=uuid4(),
        command_seq=0,
        request_digest=None,
        hash_format=chain.FORMAT,
        hash=b"",
    )


def _line(row: Row, hash: bytes) -> str:
    """The row in the text format of COPY; nothing in what is entered here needs more escaping than its backslashes."""
    payload = row.payload.replace("\\", "\\\\")
    labels = ",".join(row.tags)
    return (
        f"{row.position}\t{row.type}\t{row.version}\t{payload}\t{{{labels}}}\t{row.recorded_at.isoformat()}\t{row.actor}\t"
        f"{row.correlation_id}\t\\N\t{row.command_id}\t{row.command_seq}\t\\N\t{row.hash_format}\t\\\\x{hash.hex()}\n"
    )
