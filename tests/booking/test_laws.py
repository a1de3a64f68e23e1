"""Laws: what no sequence of bookings and cancellations breaks, whoever asks for what and when.

Each decision is compared with a timetable drawn by hand: a box for each quarter of an hour, a mark for each booking.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from booking.events import BookingCreated, Event
from booking.refusals import Refused
from booking.slots import Slot
from tests.booking import asking
from tests.examples import ALWAYS_OPEN, ANA, BEN, DESK, MONDAY_8AM, ROOM, registered, space_created

QUARTER = timedelta(minutes=15)


def instant(quarter: int) -> datetime:
    """Time is counted in quarters of an hour since Monday 8:00."""
    return MONDAY_8AM + quarter * QUARTER


def answer(decision: Callable[..., list[Event]], *about: Any, **terms: Any) -> tuple[list[Any], list[str]]:
    """The facts decided on, and the codes of what speaks against any."""
    try:
        return decision(*about, **terms), []
    except Refused as refused:
        return [], [refusal.code for refusal in refused.refusals]


@dataclass(frozen=True)
class Mark:
    """That a user holds a space in these quarters."""

    space: UUID
    user: UUID
    quarters: range


class Commands(RuleBasedStateMachine):
    """Two users and two spaces. `timetable` has what was made and not given back, whether it is over or not."""

    made = Bundle("made")

    @initialize(
        at_once=st.fixed_dictionaries({ROOM: st.integers(1, 3), DESK: st.integers(1, 2)}),
        limits=st.fixed_dictionaries({ANA: st.integers(1, 8), BEN: st.integers(1, 8)}),
        notice=st.integers(0, 4),
        deadline=st.integers(0, 8),
    )
    def begin(self, at_once: dict[UUID, int], limits: dict[UUID, int], notice: int, deadline: int) -> None:
        self.at_once, self.limits, self.notice, self.deadline = at_once, limits, notice, deadline
        self.now = 0
        self.timetable: dict[UUID, Mark] = {}
        self.history: list[Event] = [registered(user, max_active_bookings=limit) for user, limit in limits.items()]
        for space, most in at_once.items():
            self.history.append(
                space_created(
                    space,
                    opening_hours=ALWAYS_OPEN,
                    concurrent_bookings=most,
                    min_duration=QUARTER,
                    max_duration=200 * QUARTER,
                    min_advance=notice * QUARTER,
                    cancellation_deadline=deadline * QUARTER,
                )
            )

    @rule(quarters=st.integers(1, 40))
    def time_passes(self, quarters: int) -> None:
        self.now += quarters

    @rule(
        target=made,
        space=st.sampled_from([ROOM, ROOM, DESK]),
        user=st.sampled_from([ANA, BEN]),
        ahead=st.integers(-1, 30),
        length=st.integers(1, 24) | st.just(200),
    )
    def create(self, space: UUID, user: UUID, ahead: int, length: int) -> object:
        start, end = self.now + ahead, self.now + ahead + length
        asked = Mark(space, user, range(start, end))
        slot, reasons = Slot(instant(start), instant(end)), self.against(asked)

        facts, codes = answer(asking.create, self.history, slot, of=space, by=user, now=instant(self.now))

        assert codes == reasons
        self.history += facts
        for fact in facts:
            self.timetable[fact.booking_id] = asked
        return multiple(*facts)

    @rule(booking=made, at_any_time=st.booleans())
    def cancel(self, booking: BookingCreated, at_any_time: bool) -> None:
        id, mark = booking.booking_id, self.timetable.get(booking.booking_id)
        is_held = mark is not None and self.now < mark.quarters.stop
        is_late = mark is not None and mark.quarters.start - self.now < self.deadline and not at_any_time

        facts, codes = answer(
            asking.cancel, self.history, id, of=booking.space_id, at_any_time=at_any_time, now=instant(self.now)
        )

        assert bool(codes) == (is_late or not is_held)
        assert ("booking-not-active" in codes) == (not is_held)
        self.history += facts
        if facts:
            del self.timetable[id]

    @invariant()
    def nothing_is_overbooked(self) -> None:
        for space, most in self.at_once.items():
            assert max(self.crowds(space).values(), default=0) <= most

    @invariant()
    def no_allowance_is_exceeded(self) -> None:
        for user, most in self.limits.items():
            assert self.holding(user) <= most

    def against(self, asked: Mark) -> list[str]:
        """Why there can be no such mark."""
        crowds = self.crowds(asked.space)
        reasons = {
            "too-little-notice": asked.quarters.start - self.now < self.notice,
            "slot-taken": any(crowds[quarter] >= self.at_once[asked.space] for quarter in asked.quarters),
            "allowance-used-up": self.holding(asked.user) >= self.limits[asked.user],
        }
        return [code for code, stands in reasons.items() if stands]

    def crowds(self, space: UUID) -> Counter[int]:
        """How many hold the space in each quarter."""
        return Counter(quarter for mark in self.timetable.values() if mark.space == space for quarter in mark.quarters)

    def holding(self, user: UUID) -> int:
        """How many bookings the user holds that are not over."""
        return sum(mark.user == user and self.now < mark.quarters.stop for mark in self.timetable.values())


TestNoSequenceOfCommandsOverbooksOrExceedsAnAllowance = Commands.TestCase
TestNoSequenceOfCommandsOverbooksOrExceedsAnAllowance.settings = hypothesis.settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
