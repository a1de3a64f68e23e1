"""Importing a timetable: its rows become the commands that everybody sends, in order, each with a verdict of its own.

A booking's id is made from its row, so a row that is imported again is known. Rows of one user cannot be decided side
by side, for all count against the same allowance; several share a command instead, and one read and one append.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid4, uuid5
from zoneinfo import ZoneInfo

from booking.allowances import Allowance
from booking.calendars import Calendar
from booking.opening_hours import OpeningHours
from booking.refusals import NotAllowed, Refused
from booking.roles import Role
from booking.spaces import Space
from booking.terms import Description, Rules
from booking.users import User
from booking.zones import zone
from commands.bookings import CreateBooking
from commands.command import Author, Command
from commands.deciding import Done, Request
from commands.spaces import CreateSpace
from commands.timetables import Objection, Row, Timetable, Unusable, Verdict
from commands.users import ChangeUser
from journal import folding, tags
from journal.folding import Aggregate, Aggregates, Kept, Named
from journal.journal import Journal

S = TypeVar("S", bound=Aggregate)

IMPORT = Author.system("import")

PER_COMMAND = 50
"""Rows that share a command: the head of the journal is held no longer than for a full batch of others' commands."""

_SPACES = UUID("0c4f8c9e-2c0b-5b43-9f0f-3f1c8f2f7a55")  # the name space of spaces made by their name
_ROWS = UUID("b8f6a7a2-6f0e-5a53-8d0b-7f3f6a0f9d1e")  # the name space of bookings made by their row
_MINUTE = timedelta(minutes=1)


class Carries(Protocol):
    """What carries commands out: `Deciding` in the journal, `Rehearsal` on paper."""

    aggregates: Aggregates

    async def do(self, command: Command[S], *, by: Author, request: Request) -> Done[S]:
        """Carry out `command` for its author."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Whose the bookings are, and how a missing space is; with `grant` the user is let do what the import needs."""

    user_id: UUID
    timezone: str
    opening_hours: OpeningHours
    grant: bool = False


@dataclass(slots=True)
class Report:
    """What came of a timetable. Rows are `there` whose booking an earlier import made, whatever became of it since."""

    verdicts: list[Verdict]
    booked: int = 0
    there: int = 0
    spaces: list[str] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        return sum(not verdict.skipped for verdict in self.verdicts)


@dataclass(eq=False, kw_only=True)
class CreateBookings(Command[User]):
    """Hold slots for a user one after the other: each is judged as those before it leave things.

    One that is refused leaves nothing; one whose booking exists is passed over. `made` and `refused` say which.
    """

    user_id: UUID
    commands: Sequence[CreateBooking]
    made: list[UUID] = field(default_factory=list)
    refused: dict[UUID, Refused] = field(default_factory=dict)

    names_by_reading = True

    def name(self) -> None:
        self.left: dict[str, Kept] = {}
        for one in self.commands:
            one.by = self.by
            one.prepare(self._as_left)
            self.written |= one.written
            self.reads(folding.booking(one.booking_id))

    def _as_left(self, one: Named[Any]) -> Kept:
        """An aggregate as earlier ones leave it: what may not be entered is folded into nothing that others look at."""
        left = self.left.get(one.tag)
        if left is None:
            aggregate = self.reads(one)
            if isinstance(aggregate, Calendar | Allowance):  # the facts of a booking change no others of them
                aggregate = aggregate.copy()
            left = self.left[one.tag] = Kept(aggregate)
        return left

    def subject(self) -> Named[User]:
        return folding.user(self.user_id)

    def execute(self) -> None:
        self.made.clear()
        self.refused.clear()
        for one in self.commands:
            if self.reads(folding.booking(one.booking_id)).revision:
                continue
            one.now = self.now
            try:
                one.execute()
            except Refused as refused:
                self.refused[one.booking_id] = refused
            else:
                self.made.append(one.booking_id)
                self.new_decisions += one.new_decisions
                for tagged in one.new_decisions:
                    for tag in tagged.tags:
                        if tag in self.left:
                            self.left[tag].aggregate.fold(tagged.decision.event)


class Import:
    """One import into a journal, in the name of its user."""

    def __init__(self, journal: Journal, carries: Carries, wish: Wish, *, advance: Callable[[int], None]) -> None:
        self._journal = journal
        self._carries = carries
        self._aggregates = carries.aggregates
        self._wish = wish
        self._advance = advance
        self._id = uuid4()

    async def book(self, timetable: Timetable) -> Report:
        """Book every row that is not there yet; `advance` is told as rows are done with.

        Raises `Unusable` before anything is written, and `Unavailable`, after which another run does the rest.
        """
        report = Report(list(timetable.verdicts))
        new = await self._not_there(timetable.rows)
        space_ids, missing = await self._spaces(new.values())
        report.there = len(timetable.rows) - len(new)
        self._advance(report.there)
        if self._wish.grant and new:
            report.granted = await self._grant(len(new))
        closed = await self._make({name: space_ids[name] for name in missing}, list(new.values()), report)
        wanted = {id: row for id, row in new.items() if row.space not in closed}
        for id in new.keys() - wanted.keys():
            report.verdicts.append(self._verdict(new[id], [closed[new[id].space]]))
        self._advance(len(new) - len(wanted))
        for ids in _parts(list(wanted)):
            await self._book({id: wanted[id] for id in ids}, space_ids, report)
            self._advance(len(ids))
        report.verdicts.sort(key=lambda verdict: verdict.line)
        return report

    async def _spaces(self, rows: Iterable[Row]) -> tuple[dict[str, UUID], list[str]]:
        """The space of each name, and the names of which there is none yet. Raises `Unusable`.

        What an earlier import made is found by its id, whatever it is called now; any other that is active, by name.
        """
        everything = tags.space(UUID(int=0)), tags.space(UUID(int=2**128 - 1)) + "0"
        spaces: dict[UUID, Space] = {}
        for fact in await self._journal.of_tags_between(*everything):
            id: UUID = fact.event.space_id  # type: ignore[union-attr]  # only facts about spaces bear their tag
            spaces.setdefault(id, Space(id)).fold(fact.event)
        found, missing = {}, []
        for name in dict.fromkeys(row.space for row in rows):
            made = uuid5(_SPACES, name)
            called = [space.id for space in spaces.values() if space.description.name == name and space.is_active]
            if made not in spaces and len(called) > 1:
                raise Unusable(f"{len(called)} spaces are called {name}")
            found[name] = made if made in spaces or not called else called[0]
            if found[name] not in spaces:
                missing.append(name)
        return found, missing

    async def _not_there(self, rows: Sequence[Row]) -> dict[UUID, Row]:
        """The rows that have no booking yet, by its id."""
        by_id = dict(zip(_booking_ids(self._wish.user_id, rows), rows, strict=True))
        new = {}
        for ids in _parts(list(by_id), 500):
            bookings, _ = await self._aggregates.all_fresh([folding.booking(id) for id in ids])
            new.update({booking.id: by_id[booking.id] for booking in bookings if not booking.revision})
        return new

    async def _grant(self, bookings: int) -> list[str]:
        """Let the user run spaces and hold so many more bookings, where that is not so; what was granted."""
        user_id = self._wish.user_id
        (user, allowance), now = await self._aggregates.all_fresh([folding.user(user_id), folding.allowance(user_id)])
        needed = len(allowance.holding(now)) + bookings
        role = Role.STAFF if user.role not in (Role.STAFF, Role.ADMIN) else None
        limit = needed if needed > user.max_active_bookings else None
        if role is not None or limit is not None:
            await self._do(ChangeUser(user_id=user_id, role=role, max_active_bookings=limit), by=IMPORT)
        granted = [f"the role {role}"] if role else []
        if limit:
            granted.append(f"an allowance of {limit}")
        return granted

    async def _make(self, missing: Mapping[str, UUID], rows: Iterable[Row], report: Report) -> dict[str, Objection]:
        """Make the missing spaces; why those that could not be made could not."""
        if not missing:
            return {}
        _, now = await self._aggregates.fresh(folding.user(self._wish.user_id))
        rules = _rules(rows, now, zone(self._wish.timezone))
        closed = {}
        for name, space_id in missing.items():
            try:
                await self._do(
                    CreateSpace(
                        space_id=space_id,
                        description=Description(name=name, capacity=1, price_per_hour=Decimal(0)),
                        timezone=self._wish.timezone,
                        rules=rules,
                        opening_hours=self._wish.opening_hours,
                    )
                )
                report.spaces.append(name)
            except NotAllowed:
                why = "There is no such space, and only STAFF and ADMINs who are active make one."
                closed[name] = Objection("not-allowed", why)
        return closed

    async def _book(self, rows: Mapping[UUID, Row], space_ids: Mapping[str, UUID], report: Report) -> None:
        """Book rows with one command."""
        user_id = self._wish.user_id
        command = CreateBookings(
            user_id=user_id,
            commands=[
                CreateBooking(
                    booking_id=id,
                    space_id=space_ids[row.space],
                    user_id=user_id,
                    slot=row.slot,
                    notes=row.title or None,
                )
                for id, row in rows.items()
            ],
        )
        await self._do(command)
        for id, refused in command.refused.items():
            objections = [Objection(refusal.code, refusal.detail) for refusal in refused.refusals]
            report.verdicts.append(self._verdict(rows[id], objections))
        report.booked += len(command.made)
        report.there += len(rows) - len(command.made) - len(command.refused)

    def _verdict(self, row: Row, objections: Iterable[Objection]) -> Verdict:
        return Verdict(row.line, row.what(zone(self._wish.timezone)), tuple(objections))

    async def _do(self, command: Command[S], *, by: Author | None = None) -> Done[S]:
        request = Request(command_id=uuid4(), correlation_id=f"import:{self._id}", causation_id=self._id)
        return await self._carries.do(command, by=by or Author.person(self._wish.user_id), request=request)


def _booking_ids(user_id: UUID, rows: Iterable[Row]) -> Iterator[UUID]:
    """An id for each row, the same whenever the user's timetable says it; rows that are alike are counted."""
    alike: Counter[str] = Counter()
    for row in rows:
        told = [str(user_id), row.space, row.slot.start.isoformat(), row.slot.end.isoformat(), row.title]
        content = json.dumps(told)
        yield uuid5(_ROWS, f"{content} {alike[content]}")
        alike[content] += 1


def _rules(rows: Iterable[Row], now: datetime, tz: ZoneInfo) -> Rules:
    """The usual rules without notice, made wide enough for every row as far as rules go."""
    usual = Rules()
    durations = [row.slot.duration for row in rows]
    last = max(row.slot.start.astimezone(tz).date() for row in rows)
    return Rules(
        min_duration=max(_MINUTE, min(usual.min_duration, min(durations) // _MINUTE * _MINUTE)),
        max_duration=max(usual.max_duration, -(-max(durations) // _MINUTE) * _MINUTE),
        min_advance=timedelta(0),
        max_advance_days=min(3_650, max(usual.max_advance_days, (last - now.astimezone(tz).date()).days)),
    )


def _parts(ids: Sequence[UUID], size: int = PER_COMMAND) -> Iterator[Sequence[UUID]]:
    return (ids[begin : begin + size] for begin in range(0, len(ids), size))
