"""Slots: the half-open stretches of time that bookings ask for and hold, always in UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

LONGEST = timedelta(days=31)
LONGEST_BUFFER = timedelta(days=1)
# datetime and zone arithmetic overflow near the ends of the calendar; no booking needs those years.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class BadSlot(ValueError):
    """The times given do not make a slot."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """`[start, end)` in UTC, longer than nothing and no longer than a slot with its buffers. Raises `BadSlot`."""

    longest: ClassVar = LONGEST + 2 * LONGEST_BUFFER
    beyond: ClassVar = LONGEST_BUFFER  # the years that slots may lie in

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            at: datetime = getattr(self, name)
            if at.tzinfo is None:
                raise BadSlot(f"{name} carries no offset from UTC")
            if at.tzinfo is not UTC:
                object.__setattr__(self, name, in_utc(at))
        if self.end <= self.start:
            raise BadSlot("the end is not after the start")
        if self.end - self.start > self.longest:
            raise BadSlot(f"longer than {self.longest.days} days")
        if self.start < EARLIEST - self.beyond or self.end > LATEST + self.beyond:
            raise BadSlot(f"outside the years {EARLIEST.year} to {LATEST.year - 1}")

    @property
    def duration(self) -> timedelta:
        """Elapsed time, whatever clocks on a wall did meanwhile."""
        return self.end - self.start

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end

    def touches(self, day: date) -> bool:
        """Whether any instant of it lies on the UTC date `day`."""
        return self.start.date() <= day <= self._last_date()

    def dates(self) -> list[date]:
        """The UTC dates it touches, in order; 1 to 34 of them."""
        first, last = self.start.date(), self._last_date()
        return [first] if first == last else [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def _last_date(self) -> date:
        return (self.end - datetime.resolution).date()


@dataclass(frozen=True, slots=True, order=True)
class Slot(Span):
    """What a booking is for: a span of at most 31 days."""

    longest = LONGEST
    beyond = timedelta(0)

    def with_buffers(self, before: timedelta = timedelta(0), after: timedelta = timedelta(0)) -> Span:
        """What a booking of it holds."""
        return Span(self.start - before, self.end + after)


def in_utc(at: datetime) -> datetime:
    """The same instant with `datetime.UTC`. Raises `BadSlot` where the calendar ends."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise BadSlot("outside the calendar") from None
