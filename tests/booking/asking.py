"""The decisions about bookings, asked of a plain list of facts: each aggregate folds those that bear its tag."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

from booking import bookings, finding
from booking.allowances import Allowance
from booking.bookings import Booking
from booking.calendars import Calendar
from booking.events import Event
from booking.slots import Slot
from booking.spaces import Space
from booking.users import User
from journal import tags
from tests.examples import ANA, CLEO, MONDAY_8AM, ROOM, Folded, given


def create(
    history: Iterable[Event],
    slot: Slot,
    *,
    of: UUID = ROOM,
    by: UUID = ANA,
    booking_id: UUID | None = None,
    now: datetime = MONDAY_8AM,
    notes: str | None = None,
    at_once: bool = False,
) -> list[Event]:
    """The facts of a request for `slot`, or `Refused`; the id, unless given, follows from what is asked and when."""
    tagged = Tagged(history)
    space = tagged.space(of)
    return list(
        bookings.create(
            space,
            tagged.fold(User(by), tags.user(by)),
            tagged.calendars(of, space.hold(slot).dates()),
            tagged.fold(Allowance(), tags.allowance(by)),
            booking_id=booking_id or uuid5(of, f"{by} {slot.start} {slot.end} {now}"),
            slot=slot,
            notes=notes,
            at_once=at_once,
            now=now,
        )
    )


def reschedule(
    history: Iterable[Event],
    booking_id: UUID,
    slot: Slot,
    *,
    of: UUID = ROOM,
    held_by: UUID = ANA,
    by: UUID | None = ANA,
    at_any_time: bool = False,
    at_once: bool = False,
    now: datetime = MONDAY_8AM,
) -> list[Event]:
    """The facts of moving a booking of the space `of`, `held_by` a user, to `slot`, or `Refused`."""
    tagged = Tagged(history)
    space = tagged.space(of)
    return list(
        bookings.reschedule(
            tagged.booking(booking_id),
            space,
            tagged.fold(User(held_by), tags.user(held_by)),
            tagged.calendars(of, space.hold(slot).dates()),
            tagged.fold(Allowance(), tags.allowance(held_by)),
            slot=slot,
            by=by,
            at_any_time=at_any_time,
            at_once=at_once,
            now=now,
        )
    )


def change_notes(
    history: Iterable[Event], booking_id: UUID, notes: str | None, *, now: datetime = MONDAY_8AM
) -> list[Event]:
    """The facts of giving a booking other notes, or `Refused`."""
    return list(bookings.change_notes(Tagged(history).booking(booking_id), notes=notes, now=now))


def cancel(
    history: Iterable[Event],
    booking_id: UUID,
    *,
    of: UUID = ROOM,
    by: UUID | None = ANA,
    at_any_time: bool = False,
    now: datetime = MONDAY_8AM,
    reason: str | None = None,
) -> list[Event]:
    """The facts of giving a booking of the space `of` back, or `Refused`."""
    tagged = Tagged(history)
    return list(
        bookings.cancel(
            tagged.booking(booking_id), tagged.space(of), by=by, at_any_time=at_any_time, reason=reason, now=now
        )
    )


def approve(
    history: Iterable[Event], booking_id: UUID, *, by: UUID | None = CLEO, now: datetime = MONDAY_8AM
) -> list[Event]:
    """The facts of confirming a booking, or `Refused` or `NotAllowed`."""
    return list(bookings.approve(Tagged(history).booking(booking_id), by=by, now=now))


def reject(
    history: Iterable[Event],
    booking_id: UUID,
    *,
    by: UUID | None = CLEO,
    now: datetime = MONDAY_8AM,
    reason: str | None = None,
) -> list[Event]:
    """The facts of refusing a booking that waits for an approval, or `Refused` or `NotAllowed`."""
    return list(bookings.reject(Tagged(history).booking(booking_id), by=by, reason=reason, now=now))


def expire(history: Iterable[Event], booking_id: UUID, *, now: datetime) -> list[Event]:
    """The facts of recording that a booking ended by itself."""
    return list(bookings.expire(Tagged(history).booking(booking_id), now=now))


class Tagged:
    """A history by the tags its facts bear."""

    def __init__(self, history: Iterable[Event]) -> None:
        self._facts: dict[str, list[Event]] = {}
        for fact in history:
            for tag in tags.of(fact):
                self._facts.setdefault(tag, []).append(fact)

    def fold(self, aggregate: Folded, tag: str) -> Folded:
        return given(aggregate, *self._facts.get(tag, ()))

    def space(self, id: UUID) -> Space:
        return self.fold(Space(id), tags.space(id))

    def booking(self, id: UUID) -> Booking:
        return self.fold(Booking(id), tags.booking(id))

    def calendars(self, space_id: UUID, dates: Iterable[date]) -> list[Calendar]:
        return [self.fold(Calendar(day), tags.calendar(space_id, day)) for day in dates]


def search(
    history: Iterable[Event], days: Iterable[date], *, duration: timedelta, now: datetime, of: UUID = ROOM
) -> finding.Search:
    """A search for slots of the space `of` that begin on these days, from no more calendars than it asks for."""
    tagged, days = Tagged(history), list(days)
    space = tagged.space(of)
    dates = {held for day in days for held in finding.dates_of(space, day, duration)}
    at_most = space.rules.concurrent_bookings
    full = [stretch for one in tagged.calendars(of, sorted(dates)) for stretch in one.full(at_most=at_most, now=now)]
    return finding.Search(space, days, full, duration=duration, now=now)


def offered(
    history: Iterable[Event],
    day: date,
    *,
    duration: timedelta,
    step: timedelta,
    now: datetime,
    of: UUID = ROOM,
    beside: int = 0,
) -> list[Slot]:
    """The slots of a date that are offered, looked for together with those of so many days before and after it."""
    days = [day + n * timedelta(days=1) for n in range(-beside, beside + 1)]
    found = search(history, days, duration=duration, now=now, of=of)
    return list(found.judged(found.starts(day, step)))
