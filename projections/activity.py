"""The view of activity: how many bookings were made, decided on and ended on each UTC date, and how far ahead."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta

import orjson

from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingExpired,
    BookingRejected,
    Event,
)
from journal.folding import Named
from projections.reading import Views
from projections.views import Documents, Form, Lists, View

_DAY = timedelta(days=1)
_COUNTED = (
    BookingCreated,
    BookingApproved,
    BookingRejected,
    BookingDeclined,
    BookingCancelled,
    BookingExpired,
)
LEAD_TIMES = (1, 24, 72, 168, 720)
"""Hours that bound the groups of lead times from above; the last group has no bound."""


@dataclass(slots=True)
class Day:
    """What happened on one UTC date. Lead time is from the making of a booking to its start."""

    made: int = 0
    approved: int = 0
    rejected: int = 0
    declined: int = 0
    cancelled: int = 0
    expired: int = 0
    lead_seconds: int = 0
    lead_times: list[int] = field(default_factory=lambda: [0] * (len(LEAD_TIMES) + 1))

    def fold(self, event: Event) -> None:
        match event:
            case BookingCreated():
                lead = event.slot.start - event.at
                self.made += 1
                self.lead_seconds += int(lead.total_seconds())
                self.lead_times[sum(lead >= timedelta(hours=hours) for hours in LEAD_TIMES)] += 1
            case BookingApproved():
                self.approved += 1
            case BookingRejected():
                self.rejected += 1
            case BookingDeclined():
                self.declined += 1
            case BookingCancelled():
                self.cancelled += 1
            case BookingExpired():
                self.expired += 1


def touches(event: Event) -> Iterator[Named[Day]]:
    """The day on which it happened."""
    if isinstance(event, _COUNTED):
        yield _named(event.at.date())


def project(event: Event, one: Named[Day], documents: Documents, to: Lists) -> None:
    """Count it."""
    documents.fold(event, one)


async def between(views: Views, first: date, last: date) -> tuple[Sequence[tuple[date, Day]], int]:
    """Every UTC date from `first` to `last`, both included, and the position. Raises `Unavailable`."""
    days = [first + n * _DAY for n in range((last - first).days + 1)]
    stored, position = await views.documents(VIEW, [_named(day).tag for day in days])
    return [(day, _load(one) if one else Day()) for day, one in zip(days, stored, strict=True)], position


def _named(day: date) -> Named[Day]:
    return Named(f"day:{day.isoformat()}", Day)


def _dump(day: Day) -> bytes:
    return orjson.dumps(asdict(day))


def _load(stored: bytes) -> Day:
    return Day(**orjson.loads(stored))


VIEW = View("activity", 2, {"day": Form(_dump, _load)}, touches, project)
