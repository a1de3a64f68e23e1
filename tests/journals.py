"""Journals for tests: each in a schema of its own, made by the migrations and gone with the test."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

import orjson
import psycopg

from booking.events import Event, SpaceActivated
from daybook.embedded import Stores
from daybook.migrations.run import migrate
from journal.bell import Bell
from journal.chain import COLUMNS, Row
from journal.connection import conninfo
from journal.journal import Entry, Journal
from journal.tags import of as borne_by
from journal.tags import space
from tests.examples import NEW_YEAR, ROOM

ROLE = "daybook"  # the one the processes act in
NEWER = 99
"""A version that no fact has yet."""

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a journal stands, as its owner and as the processes reach it."""

    url: str
    owner_url: str
    schema: str

    def begin(self) -> None:
        """Make the schema, with a new journal."""
        migrate(self.owner_url, self.schema, role=ROLE)

    def end(self) -> None:
        with self.owner() as owner:
            owner.execute(f"drop schema {self.schema} cascade")

    def begin_anew(self) -> None:
        """A new journal with nothing in it, in less time than a new schema takes."""
        tables = ("events", "event_tags", "journal_head", "accounts", "sealing_keys")
        with self.owner() as owner:
            owner.execute("; ".join([*(f"delete from {table}" for table in tables), "call journal_begin()"]))

    def owner(self) -> psycopg.Connection:
        return self._connection(self.owner_url)

    def role(self) -> psycopg.Connection:
        return self._connection(self.url)

    def rows(self) -> list[Row]:
        """Every fact with every column, in order."""
        with self.role() as role:
            return [Row(*row) for row in role.execute(f"select {COLUMNS} from events order by position")]

    def enter_newer(self) -> None:
        """Enter a space's activation as a newer Daybook might: of a version that this one does not know."""
        with self.role() as role:
            ((journal_id, head),) = role.execute("select journal_id, position from journal_head").fetchall()
            fact = {
                "type": "SpaceActivated",
                "version": NEWER,
                "tags": [space(ROOM)],
                "payload": orjson.dumps({"space_id": ROOM, "at": NEW_YEAR}).decode(),
            }
            command = {
                "id": str(uuid4()),
                "journal": str(journal_id),
                "after": head,
                "tags": [],
                "actor": "system:test",
                "correlation_id": "a test",
                "causation_id": None,
                "digest": None,
                "events": [fact],
            }
            role.execute("select journal_append(%s::json)", (orjson.dumps([command]).decode(),))

    def set_clock(self, at: datetime) -> None:
        """From now on the journal's clock stands at `at`."""
        with self.owner() as owner:
            owner.execute(
                "create or replace function journal_now() returns timestamptz language sql as "
                f"$$ select timestamptz '{at.isoformat()}' $$"
            )

    def put_clock_forward(self, by: timedelta) -> None:
        """From now on the journal's clock is that much ahead, and goes on."""
        with self.owner() as owner:
            owner.execute(
                "create or replace function journal_now() returns timestamptz language sql as "
                f"$$ select clock_timestamp() + interval '{by.total_seconds()} seconds' $$"
            )

    def wait_for_a_lock(self, *, the_owner: bool = False) -> None:
        """Return when a statement of the processes, or of the owner, waits for a lock: nobody sees others' waits."""
        waiting = (
            "select pid from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'daybook %'"
        )
        with self.owner() if the_owner else self.role() as watching:
            while not watching.execute(waiting).fetchone():
                pass

    def _connection(self, url: str) -> psycopg.Connection:
        return psycopg.connect(conninfo(url, self.schema, name="test", plans=False), autocommit=True)


@contextmanager
def a_place(stores: Stores) -> Iterator[Place]:
    place = Place(stores.database_url, stores.database_owner_url, f"test_{next(_numbers)}")
    place.begin()
    try:
        yield place
    finally:
        place.end()


@asynccontextmanager
async def a_journal(place: Place, *, url: str | None = None, name: str = "journal") -> AsyncIterator[Journal]:
    journal = Journal(url or place.url, place.schema, name=name)
    try:
        yield journal
    finally:
        await journal.close()


async def rings(bell: Bell, within: float) -> bool:
    """Whether the bell rang since it was asked last, or rings in time."""
    try:
        async with asyncio.timeout(within):
            await bell.wait(60)
    except TimeoutError:
        return False
    return True


def activated(space_id: UUID = ROOM, at: datetime = NEW_YEAR) -> SpaceActivated:
    """The plainest fact there is: it bears one tag and holds nothing secret."""
    return SpaceActivated(space_id=space_id, at=at)


async def entry(
    journal: Journal,
    *events: Event,
    command_id: UUID | None = None,
    after: int | None = None,
    tags: Sequence[str] = (),
    correlation_id: str = "a test",
    causation_id: UUID | None = None,
    request_digest: bytes | None = None,
) -> Entry:
    """What a command would ask to record, having read all there is unless `after` says otherwise."""
    journal_id, head, _ = await journal.head()
    return Entry(
        command_id=command_id or uuid4(),
        journal_id=journal_id,
        after=head if after is None else after,
        tags=tags or [space(ROOM)],
        facts=[(event, borne_by(event)) for event in events or [activated()]],
        actor="system:test",
        correlation_id=correlation_id,
        causation_id=causation_id,
        request_digest=request_digest,
    )
