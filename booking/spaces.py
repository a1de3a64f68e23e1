"""Spaces: what one is, and what it asks of the slots that would be booked in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from booking.events import (
    BookingRulesChanged,
    Event,
    OpeningHoursChanged,
    SpaceActivated,
    SpaceCreated,
    SpaceDeactivated,
    SpaceDescribed,
    SpaceManagersNamed,
    SpecialHoursCleared,
    SpecialHoursSet,
)
from booking.opening_hours import WEEKDAYS, OpeningHours, Special, Stretch, Window, one_covers
from booking.refusals import (
    NotFound,
    OutsideOpeningHours,
    Refusal,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    TooFarAhead,
    TooLittleNotice,
)
from booking.roles import Role
from booking.slots import Slot, Span
from booking.terms import Description, Rules
from booking.users import User
from booking.users import known as known_user
from booking.zones import zone

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_UNDESCRIBED = Description(name="", capacity=0, price_per_hour=Decimal(0))


@dataclass(frozen=True, slots=True)
class SpecialHours:
    """What one local date keeps instead of its weekday's windows, and why."""

    windows: tuple[Window, ...]
    reason: str


NO_SPECIAL_HOURS: Mapping[date, SpecialHours] = {}


@dataclass(slots=True)
class Space:
    """One space. `revision` counts its facts: 0 means there is none."""

    id: UUID
    revision: int = 0
    is_active: bool = False
    description: Description = _UNDESCRIBED
    timezone: str = "UTC"
    rules: Rules = field(default_factory=Rules)
    opening_hours: OpeningHours = field(default_factory=OpeningHours)
    special_hours: dict[date, SpecialHours] = field(default_factory=dict)
    created_at: datetime | None = None
    managers: tuple[UUID, ...] = ()

    def fold(self, event: Event) -> None:
        match event:
            case SpaceCreated():
                self.is_active, self.created_at = True, event.at
                self.description, self.timezone = event.description, event.timezone
                self.rules, self.opening_hours = event.rules, event.opening_hours
            case SpaceDescribed():
                self.description = event.description
            case BookingRulesChanged():
                self.rules = event.rules
            case OpeningHoursChanged():
                self.opening_hours = event.opening_hours
            case SpecialHoursSet():
                hours = SpecialHours(event.windows, event.reason)
                self.special_hours = {**self.special_hours, event.date: hours}  # copies of a space share the old one
            case SpecialHoursCleared():
                self.special_hours = {day: hours for day, hours in self.special_hours.items() if day != event.date}
            case SpaceManagersNamed():
                self.managers = event.managers
            case SpaceDeactivated():
                self.is_active = False
            case SpaceActivated():
                self.is_active = True
            case _:
                return
        self.revision += 1

    def objections(
        self, slot: Slot, *, now: datetime, at_once: bool = False, open: Sequence[Stretch] | None = None
    ) -> Iterator[Refusal]:
        """Why the space's rules do not admit a booking of `slot`, made at `now`; `at_once` needs no approval.

        `open` is what `open_during` says of a span around the slot, from whoever asks about many slots.
        """
        tz = zone(self.timezone)
        yield from self.objections_to_any(slot.duration)
        if slot.start < (earliest := self.earliest_start(now, at_once=at_once)):
            yield TooLittleNotice(earliest)
        if slot.start.astimezone(tz).date() > (latest := self.last_date(now)):
            yield TooFarAhead(latest, self.timezone)
        if open is None:
            is_open = self.opening_hours.cover(slot, tz, self.special)
        else:
            is_open = one_covers(open, slot.start, slot.end)
        if not is_open:
            yield OutsideOpeningHours(self.timezone, tuple(self.open_during(slot)))

    def objections_to_any(self, duration: timedelta) -> Iterator[Refusal]:
        """Why the space's rules admit no slot of this length, whenever it begins."""
        if not self.is_active:
            yield SpaceInactive()
        if duration < self.rules.min_duration:
            yield SlotTooShort(self.rules.min_duration // _MINUTE)
        if duration > self.rules.max_duration:
            yield SlotTooLong(self.rules.max_duration // _MINUTE)

    def earliest_start(self, now: datetime, *, at_once: bool = False) -> datetime:
        """When a booking made at `now` may begin: early enough that there is time left to approve it."""
        earliest = now + self.rules.min_advance
        if self.rules.requires_approval and not at_once:
            earliest = max(earliest, now + self.rules.approval_deadline + timedelta.resolution)
        return earliest

    def last_date(self, now: datetime) -> date:
        """The last local date on which a booking made at `now` may begin."""
        return now.astimezone(zone(self.timezone)).date() + timedelta(days=self.rules.max_advance_days)

    def decide_by(self, slot: Slot, *, now: datetime, at_once: bool = False) -> datetime | None:
        """Until when a booking of `slot` made at `now` waits for an approval; None if it needs none."""
        if at_once or not self.rules.requires_approval:
            return None
        return min(now + self.rules.approval_ttl, slot.start - self.rules.approval_deadline)

    def is_run_by(self, user: User) -> bool:
        """Whether the user acts as STAFF here: by their role, or because this space names them a manager."""
        if user.id in self.managers and user.role is not Role.AUDITOR:
            return user.is_active
        return user.is_any(Role.STAFF, Role.ADMIN)

    @property
    def special(self) -> Special:
        """The windows of the local dates that do not keep their weekday's."""
        return {day: hours.windows for day, hours in self.special_hours.items()} if self.special_hours else {}

    def open_during(self, span: Span) -> list[Stretch]:
        """When the space is open on the span's local dates and the day before."""
        return self.opening_hours.open_during(span, zone(self.timezone), self.special)

    def hold(self, slot: Slot) -> Span:
        """What a booking of `slot` made now holds: the slot with the buffers in force."""
        return slot.with_buffers(self.rules.buffer_before, self.rules.buffer_after)

    def document(self) -> dict[str, Any]:
        """The space as its readers see it, with all its rules; `price_per_hour` is a plain number."""
        about, rules, hours = self.description, self.rules, self.opening_hours
        return {
            "id": self.id,
            "name": about.name,
            "description": about.description,
            "capacity": about.capacity,
            "price_per_hour": float(about.price_per_hour),
            "timezone": self.timezone,
            "is_active": self.is_active,
            "concurrent_bookings": rules.concurrent_bookings,
            "min_duration_minutes": rules.min_duration // _MINUTE,
            "max_duration_minutes": rules.max_duration // _MINUTE,
            "min_advance_minutes": rules.min_advance // _MINUTE,
            "max_advance_days": rules.max_advance_days,
            "cancellation_deadline_hours": rules.cancellation_deadline // _HOUR,
            "opening_hours": {day: _windows(getattr(hours, day)) for day in WEEKDAYS},
            "buffer_before_minutes": rules.buffer_before // _MINUTE,
            "buffer_after_minutes": rules.buffer_after // _MINUTE,
            "requires_approval": rules.requires_approval,
            "approval_ttl_hours": rules.approval_ttl // _HOUR,
            "approval_deadline_hours": rules.approval_deadline // _HOUR,
            "managers": self.managers,
            "special_hours": [
                {"date": day, "windows": _windows(hours.windows), "reason": hours.reason}
                for day, hours in sorted(self.special_hours.items())
            ],
            "created_at": self.created_at,
        }


def _windows(windows: tuple[Window, ...]) -> list[dict[str, str]]:
    return [{"opens": window.opens, "closes": window.closes} for window in windows]


def create(
    space: Space,
    *,
    description: Description,
    timezone: str,
    rules: Rules,
    opening_hours: OpeningHours,
    special_hours: Mapping[date, SpecialHours] = NO_SPECIAL_HOURS,
    managers: Sequence[User] = (),
    now: datetime,
) -> Iterator[Event]:
    """The facts that there is such a space, or nothing if there already is one of this id.

    Raises `UnknownZone`, and `NotFound` for a manager.
    """
    zone(timezone)
    if not space.revision:
        yield SpaceCreated(
            space_id=space.id,
            description=description,
            timezone=timezone,
            rules=rules,
            opening_hours=opening_hours,
            at=now,
        )
        yield from _special_hours(space, special_hours, now)
        yield from _managers(space, managers, now)


def change(
    space: Space,
    *,
    description: Description | None = None,
    rules: Rules | None = None,
    opening_hours: OpeningHours | None = None,
    special_hours: Mapping[date, SpecialHours] | None = None,
    managers: Sequence[User] | None = None,
    is_active: bool | None = None,
    now: datetime,
) -> Iterator[Event]:
    """A fact for each part that is given and differs; None leaves a part as it is.

    Raises `NotFound` for the space and for a manager.
    """
    known(space)
    if description not in (None, space.description):
        yield SpaceDescribed(space_id=space.id, description=description, at=now)
    if rules not in (None, space.rules):
        yield BookingRulesChanged(space_id=space.id, rules=rules, at=now)
    if opening_hours not in (None, space.opening_hours):
        yield OpeningHoursChanged(space_id=space.id, opening_hours=opening_hours, at=now)
    if special_hours is not None:
        yield from _special_hours(space, special_hours, now)
    if managers is not None:
        yield from _managers(space, managers, now)
    if is_active is True and not space.is_active:
        yield SpaceActivated(space_id=space.id, at=now)
    if is_active is False and space.is_active:
        yield SpaceDeactivated(space_id=space.id, at=now)


def _special_hours(space: Space, wanted: Mapping[date, SpecialHours], now: datetime) -> Iterator[Event]:
    """One fact for each local date that is to keep other hours than it does."""
    for day in sorted(space.special_hours.keys() - wanted.keys()):
        yield SpecialHoursCleared(space_id=space.id, date=day, at=now)
    for day, hours in sorted(wanted.items()):
        if space.special_hours.get(day) != hours:
            yield SpecialHoursSet(space_id=space.id, date=day, windows=hours.windows, reason=hours.reason, at=now)


def _managers(space: Space, wanted: Sequence[User], now: datetime) -> Iterator[Event]:
    """The fact that these users, without those erased since, manage the space, or nothing if they do already."""
    for user in wanted:
        if not (user.is_erased and user.id in space.managers):  # whoever sends back what they read names them again
            known_user(user)
    if (managers := tuple(sorted({user.id for user in wanted if user.exists}))) != space.managers:
        yield SpaceManagersNamed(space_id=space.id, managers=managers, at=now)


def known(space: Space) -> None:
    """Raise `NotFound` unless the space is one."""
    if not space.revision:
        raise NotFound("space", space.id)
