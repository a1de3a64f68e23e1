"""Named values and facts the specs are told with, and Hypothesis strategies for every value and fact of the rules.

The story is set on Monday 5 January 2026, in UTC unless a spec names a zone.
"""

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar, get_args
from uuid import UUID, uuid5

from hypothesis import strategies as st

from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingExpired,
    BookingNotesChanged,
    BookingRejected,
    BookingRescheduled,
    Event,
    SpaceCreated,
    SpaceManagersNamed,
    SpecialHoursCleared,
    SpecialHoursSet,
    UserErased,
    UserRegistered,
)
from booking.opening_hours import WEEKDAYS, OpeningHours, Window
from booking.refusals import SlotTaken
from booking.roles import Role, Scope
from booking.slots import EARLIEST, LATEST, LONGEST, LONGEST_BUFFER, Slot, Span
from booking.terms import Description, Rules
from booking.zones import names

SUNDAY, MONDAY, TUESDAY = date(2026, 1, 4), date(2026, 1, 5), date(2026, 1, 6)
WEDNESDAY, THURSDAY, FRIDAY = date(2026, 1, 7), date(2026, 1, 8), date(2026, 1, 9)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MONDAY_8AM = datetime(2026, 1, 5, 8, tzinfo=UTC)
MONDAY_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOTHING, INSTANT, HALF_HOUR, HOUR = timedelta(0), timedelta(microseconds=1), timedelta(minutes=30), timedelta(hours=1)

ROOM, DESK = UUID(int=0xA1), UUID(int=0xA2)
ANA, BEN, CLEO = UUID(int=0xB1), UUID(int=0xB2), UUID(int=0xB3)
"""The users: two who book, and one who runs things."""

MEETING_ROOM = Description(name="Meeting Room", capacity=10, price_per_hour=Decimal("25.00"))
OFFICE_HOURS = OpeningHours.daily("08:00", "22:00")
ALWAYS_OPEN = OpeningHours.daily("00:00", "24:00")


def at(hour: float, day: date = MONDAY) -> datetime:
    """The UTC instant so many hours after midnight of `day`."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)


def hours(start: float, end: float, day: date = MONDAY) -> Slot:
    """The slot between two hours of a UTC date; hours beyond 24 lie on the dates after it."""
    return Slot(at(start, day), at(end, day))


def held(start: float, end: float, day: date = MONDAY) -> Span:
    """What is held between two hours of a UTC date, buffers and all."""
    return Span(at(start, day), at(end, day))


def taken(*slots: Span) -> SlotTaken:
    """That bookings hold these, without buffers."""
    return SlotTaken(tuple(Span(slot.start, slot.end) for slot in slots))


class Folds(Protocol):
    def fold(self, event: Event) -> None: ...


Folded = TypeVar("Folded", bound=Folds)


def given(aggregate: Folded, *history: Event) -> Folded:
    """The aggregate after `history`, all of which has to bear its tag."""
    for event in history:
        aggregate.fold(event)
    return aggregate


def space_created(
    space_id: UUID = ROOM,
    *,
    description: Description = MEETING_ROOM,
    timezone: str = "UTC",
    opening_hours: OpeningHours = OFFICE_HOURS,
    at: datetime = NEW_YEAR,
    **rules: Any,
) -> SpaceCreated:
    """There is a space; `rules` are those of `Rules` that are not its defaults."""
    return SpaceCreated(
        space_id=space_id,
        description=description,
        timezone=timezone,
        rules=Rules(**rules),
        opening_hours=opening_hours,
        at=at,
    )


def registered(
    user_id: UUID = ANA, *, role: Role = Role.STUDENT, max_active_bookings: int = 5, at: datetime = NEW_YEAR
) -> UserRegistered:
    return UserRegistered(user_id=user_id, role=role, max_active_bookings=max_active_bookings, at=at)


def erased(user_id: UUID = ANA, *, role: Role = Role.STUDENT, at: datetime = MONDAY_8AM) -> UserErased:
    return UserErased(user_id=user_id, role=role, at=at)


def created(
    slot: Slot,
    *,
    space_id: UUID = ROOM,
    user_id: UUID = ANA,
    booking_id: UUID | None = None,
    before: timedelta = NOTHING,
    after: timedelta = NOTHING,
    notes: str | None = None,
    decide_by: datetime | None = None,
    at: datetime = NEW_YEAR,
) -> BookingCreated:
    """A slot is held, with buffers `before` and `after` it; with `decide_by` it waits for an approval.

    Without a `booking_id` the same space, user and slot are the same booking.
    """
    return BookingCreated(
        booking_id=booking_id or uuid5(space_id, f"{user_id} {slot.start} {slot.end}"),
        space_id=space_id,
        user_id=user_id,
        slot=slot,
        hold=slot.with_buffers(before, after),
        notes=notes,
        decide_by=decide_by,
        at=at,
    )


def rescheduled(
    booking: BookingCreated | BookingRescheduled,
    slot: Slot,
    *,
    by: UUID | None = None,
    before: timedelta = NOTHING,
    after: timedelta = NOTHING,
    decide_by: datetime | None = None,
    at: datetime = MONDAY_8AM,
) -> BookingRescheduled:
    """The booking was moved from where that fact had put it, by its user unless `by` somebody else."""
    return BookingRescheduled(
        booking_id=booking.booking_id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=slot,
        hold=slot.with_buffers(before, after),
        slot_before=booking.slot,
        hold_before=booking.held,
        rescheduled_by=by or booking.user_id,
        decide_by=decide_by,
        at=at,
    )


def approved(
    booking: BookingCreated | BookingRescheduled, *, by: UUID | None = CLEO, at: datetime = MONDAY_8AM
) -> BookingApproved:
    """The booking that fact had asked for is confirmed."""
    return BookingApproved(
        booking_id=booking.booking_id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=booking.slot,
        hold=booking.held,
        approved_by=by,
        at=at,
    )


def rejected(
    booking: BookingCreated | BookingRescheduled,
    *,
    by: UUID | None = CLEO,
    reason: str | None = None,
    at: datetime = MONDAY_8AM,
) -> BookingRejected:
    """The booking that fact had asked for is not to be."""
    return BookingRejected(
        booking_id=booking.booking_id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=booking.slot,
        hold=booking.held,
        rejected_by=by,
        reason=reason,
        at=at,
    )


def declined(booking: BookingCreated | BookingRescheduled, *, at: datetime) -> BookingDeclined:
    """Nobody decided in time on the booking that fact had asked for."""
    return BookingDeclined(
        booking_id=booking.booking_id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=booking.slot,
        hold=booking.held,
        at=at,
    )


def notes_changed(booking: BookingCreated, notes: str | None, *, at: datetime = MONDAY_8AM) -> BookingNotesChanged:
    return BookingNotesChanged(
        booking_id=booking.booking_id, space_id=booking.space_id, user_id=booking.user_id, notes=notes, at=at
    )


def cancelled(
    booking: BookingCreated | BookingRescheduled,
    *,
    by: UUID | None = None,
    reason: str | None = None,
    at: datetime = MONDAY_8AM,
) -> BookingCancelled:
    """The booking was given back where that fact had put it, by its user unless `by` somebody else."""
    return BookingCancelled(
        booking_id=booking.booking_id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=booking.slot,
        hold=booking.hold,
        cancelled_by=by or booking.user_id,
        reason=reason,
        at=at,
    )


def expired(booking: BookingCreated | BookingRescheduled, *, at: datetime) -> BookingExpired:
    """The slot that fact had given the booking is over."""
    return BookingExpired(
        booking_id=booking.booking_id, space_id=booking.space_id, user_id=booking.user_id, slot=booking.slot, at=at
    )


def managed(*managers: UUID, space_id: UUID = ROOM, at: datetime = NEW_YEAR) -> SpaceManagersNamed:
    """These users, and no others, manage the space."""
    return SpaceManagersNamed(space_id=space_id, managers=tuple(sorted(managers)), at=at)


def special(day: date, *windows: Window, space_id: UUID = ROOM, reason: str = "Holiday") -> SpecialHoursSet:
    """The space keeps other windows on a local date; without any it is closed."""
    return SpecialHoursSet(space_id=space_id, date=day, windows=windows, reason=reason, at=NEW_YEAR)


def as_usual(day: date, *, space_id: UUID = ROOM) -> SpecialHoursCleared:
    """The space keeps its weekday's windows again on a local date."""
    return SpecialHoursCleared(space_id=space_id, date=day, at=NEW_YEAR)


instants = st.datetimes(
    min_value=EARLIEST.replace(tzinfo=None), max_value=LATEST.replace(tzinfo=None) - LONGEST, timezones=st.just(UTC)
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
"""Free text as the door lets it in: no lone surrogates, no NUL."""
ids = st.uuids()
roles = st.sampled_from(Role)
zone_names = st.sampled_from(sorted(names()))
limits = st.integers(1, 1000)

slots = st.builds(
    lambda start, duration: Slot(start, start + duration),
    instants,
    st.timedeltas(INSTANT, LONGEST),
)

spans = st.builds(
    lambda slot, before, after: slot.with_buffers(before, after),
    slots,
    *[st.timedeltas(NOTHING, LONGEST_BUFFER)] * 2,
)

clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
windows = st.builds(Window, clocks, clocks | st.just("24:00"))
opening_hours = st.builds(OpeningHours, **dict.fromkeys(WEEKDAYS, st.lists(windows, max_size=2).map(tuple)))


def minutes(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda n: timedelta(minutes=n))


rules = st.builds(
    lambda durations, **others: Rules(min_duration=min(durations), max_duration=max(durations), **others),
    st.tuples(*[minutes(1, LONGEST // timedelta(minutes=1))] * 2),
    min_advance=minutes(0, 365 * 24 * 60),
    max_advance_days=st.integers(0, 3650),
    cancellation_deadline=st.integers(0, 365 * 24).map(lambda n: timedelta(hours=n)),
    concurrent_bookings=st.integers(1, 1000),
    buffer_before=minutes(0, 24 * 60),
    buffer_after=minutes(0, 24 * 60),
    requires_approval=st.booleans(),
    approval_ttl=st.integers(1, 365 * 24).map(lambda n: timedelta(hours=n)),
    approval_deadline=st.integers(0, 365 * 24).map(lambda n: timedelta(hours=n)),
)
descriptions = st.builds(
    Description,
    name=texts,
    description=texts,
    capacity=st.integers(1, 100_000),
    price_per_hour=st.decimals(min_value=0, max_value=1_000_000, places=2),
)

_fields: dict[str, st.SearchStrategy[Any]] = {
    "approved_by": st.none() | ids,
    "at": instants,
    "booking_id": ids,
    "cancelled_by": st.none() | ids,
    "decide_by": st.none() | instants,
    "date": st.dates(MONDAY, date(2100, 1, 1)),
    "description": descriptions,
    "events": st.lists(st.sampled_from(["BookingCreated", "SpaceCreated"]), unique=True).map(tuple),
    "from_position": st.integers(1, 2**40),
    "gone": st.booleans(),
    "host": texts,
    "hold": st.none() | spans,
    "hold_before": spans,
    "is_active": st.booleans(),
    "managers": st.lists(ids, max_size=3).map(tuple),
    "key_id": ids,
    "max_active_bookings": limits,
    "notes": st.none() | texts,
    "opening_hours": opening_hours,
    "reason": st.none() | texts,
    "reset": st.booleans(),
    "rejected_by": st.none() | ids,
    "role": roles,
    "role_before": roles,
    "rules": rules,
    "scopes": st.lists(st.sampled_from(Scope), unique=True).map(tuple),
    "slot": slots,
    "slot_before": slots,
    "space_id": ids,
    "timezone": zone_names,
    "user_id": ids,
    "webhook_id": ids,
    "windows": st.lists(windows, max_size=2).map(tuple),
}
_fields_of: dict[type[Event], dict[str, st.SearchStrategy[Any]]] = {
    BookingApproved: {"hold": spans},
    BookingDeclined: {"hold": spans},
    BookingRejected: {"hold": spans},
    BookingRescheduled: {"hold": spans, "rescheduled_by": st.none() | ids},
    SpecialHoursSet: {"reason": texts},
}
EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)


def events_of(*types: type[Event]) -> st.SearchStrategy[Any]:
    """Facts of these classes, every field of which varies."""
    return st.one_of(*(_events_of(one) for one in types))


def _events_of(one: type[Event]) -> st.SearchStrategy[Any]:
    given = _fields | _fields_of.get(one, {})
    return st.builds(one, **{field.name: given[field.name] for field in fields(one)})


events: st.SearchStrategy[Event] = events_of(*EVENT_TYPES)
