"""An import as one user, beside what one connection inserts and commits alone: they take turns group by group."""

import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg

from benchmarks import floors
from benchmarks.measuring import Bench, Figure
from benchmarks.places import Place, new_place, new_request
from booking.opening_hours import OpeningHours
from booking.slots import Slot
from commands.accounts import Account
from commands.command import Author
from commands.deciding import Deciding
from commands.importing import Import, Wish
from commands.timetables import Row, Timetable
from commands.users import RegisterUser
from journal.connection import conninfo
from journal.folding import Aggregates
from journal.journal import Journal

ROWS, HALLS, HALF_AN_HOUR = 1_000, 4, timedelta(minutes=30)
_INSERT = "insert into floor (payload) values (%s)"
_PAYLOAD = "x" * 400  # about as long as a booking's fact


@dataclass
class Floor:
    """One connection that inserts and commits a row for each that was imported."""

    connection: psycopg.Connection
    seconds: float = field(default=0.0)

    def insert(self, rows: int) -> None:
        began = time.perf_counter()
        for _ in range(rows):
            self.connection.execute(_INSERT, (_PAYLOAD,))
            self.connection.commit()
        self.seconds += time.perf_counter() - began


async def book(bench: Bench) -> AsyncIterator[Figure]:
    """Import as one user / INSERT + COMMIT on one connection."""
    place = new_place(bench.stores)
    floors.make_table(place)
    ratios, rates, rows = [], [], bench.many(ROWS)
    address = conninfo(place.stores.database_url, place.schema, name="bench floor", plans=False)
    with psycopg.connect(address) as connection:
        for number in range(bench.rounds + 1):
            floor = Floor(connection)
            seconds = await _import(place, rows, number, floor)
            ratios.append(floor.seconds / seconds)
            rates.append(rows / seconds)
    yield Figure(
        f"import {rows:,} rows as one user / INSERT + COMMIT",
        statistics.median(ratios[1:]),  # the first round warms both up
        at_least=0.4,
        note=f"{statistics.median(rates[1:]):,.0f} rows/s",
    )


async def _import(place: Place, rows: int, number: int, floor: Floor) -> float:
    """Import a timetable of a new user as a process would that knows nothing yet; the seconds that took."""
    user_id = uuid4()
    journal = place.journal()
    try:
        await _register(journal, user_id)
        began = time.perf_counter()
        hours = OpeningHours.daily("00:00", "24:00")
        wish = Wish(user_id=user_id, timezone="Europe/Berlin", opening_hours=hours, grant=True)
        carries = Deciding(journal, Aggregates(journal))
        report = await Import(journal, carries, wish, advance=floor.insert).book(_timetable(rows, number))
        assert report.booked == rows, report
        return time.perf_counter() - began - floor.seconds
    finally:
        await journal.close()


async def _register(journal: Journal, user_id: UUID) -> None:
    account = Account(email=f"{user_id}@example.org", full_name="Somebody", password_hash="x")
    command = RegisterUser(user_id=user_id, account=account)
    await Deciding(journal, Aggregates(journal)).do(command, by=Author.system("bench"), request=new_request())


def _timetable(rows: int, number: int) -> Timetable:
    """Half-hours in four halls, on days that no other round has."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + timedelta(days=2 + number * 7)
    starts = (first + nth // HALLS * HALF_AN_HOUR for nth in range(rows))
    slots = (Slot(start, start + HALF_AN_HOUR) for start in starts)
    return Timetable([Row(nth, f"Hall {nth % HALLS}", slot, f"Talk {nth}") for nth, slot in enumerate(slots)], [])
