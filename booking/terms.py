"""What a space is made of: how it is described, and the rules it sets for its bookings."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from booking.slots import LONGEST, LONGEST_BUFFER


class BadRules(ValueError):
    """The values given are no rules a booking could keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a space is called, offers (`capacity` in people) and costs."""

    name: str
    description: str = ""
    capacity: int
    price_per_hour: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a booking of the space has to keep. Raises `BadRules`.

    `max_advance_days` counts calendar days on the space's wall clock; the other spans are elapsed time. What requires
    an approval waits for it at most `approval_ttl`, and no longer than `approval_deadline` before it begins.
    """

    min_duration: timedelta = timedelta(minutes=30)
    max_duration: timedelta = timedelta(minutes=480)
    min_advance: timedelta = timedelta(minutes=60)
    max_advance_days: int = 365
    cancellation_deadline: timedelta = timedelta(hours=24)
    concurrent_bookings: int = 1
    buffer_before: timedelta = timedelta(0)
    buffer_after: timedelta = timedelta(0)
    requires_approval: bool = False
    approval_ttl: timedelta = timedelta(hours=48)
    approval_deadline: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if not timedelta(minutes=1) <= self.min_duration <= self.max_duration <= LONGEST:
            raise BadRules(f"a booking lasts 1 minute to {LONGEST.days} days, its minimum not over its maximum")
        if not timedelta(0) <= self.min_advance <= timedelta(days=365):
            raise BadRules("notice is 0 minutes to 365 days")
        if not 0 <= self.max_advance_days <= 3650:
            raise BadRules("the horizon is 0 to 3650 days")
        if not timedelta(0) <= self.cancellation_deadline <= timedelta(days=365):
            raise BadRules("the cancellation deadline is 0 hours to 365 days")
        if not 1 <= self.concurrent_bookings <= 1000:
            raise BadRules("1 to 1000 bookings are held at once")
        if not all(timedelta(0) <= buffer <= LONGEST_BUFFER for buffer in (self.buffer_before, self.buffer_after)):
            raise BadRules("a buffer is 0 minutes to a day")
        if not timedelta(hours=1) <= self.approval_ttl <= timedelta(days=365):
            raise BadRules("an approval may take 1 hour to 365 days")
        if not timedelta(0) <= self.approval_deadline <= timedelta(days=365):
            raise BadRules("the approval deadline is 0 hours to 365 days")
