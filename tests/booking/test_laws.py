"""Laws: what no sequence of commands breaks, whoever asks for what and when, while rules change and time passes.

Each decision is compared with a timetable drawn by hand: a box for each quarter of an hour, a mark for each booking.
Time is counted in quarters since Monday midnight; both spaces are in UTC.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from booking import spaces, users
from booking.events import (
    AllowanceChanged,
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingRejected,
    BookingRescheduled,
    BookingRulesChanged,
    Event,
    SpaceCreated,
    UserRegistered,
)
from booking.opening_hours import Window
from booking.refusals import NotAllowed, Refused
from booking.slots import Slot, Span
from booking.spaces import SpecialHours
from booking.terms import Rules
from booking.users import Admins, User
from journal import tags
from tests.booking import asking
from tests.booking.asking import Tagged
from tests.examples import ALWAYS_OPEN, ANA, BEN, CLEO, DESK, HOUR, MONDAY, ROOM, at, registered, space_created

QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
A_DAY, AN_HOUR = 96, 4  # in quarters


def instant(quarter: int) -> datetime:
    return at(0) + quarter * QUARTER


def slot_of(quarters: range) -> Slot:
    return Slot(instant(quarters.start), instant(quarters.stop))


def answer(decision: Callable[..., list[Event]], *about: Any, **terms: Any) -> tuple[list[Any], list[str]]:
    """The facts decided on, and the codes of what speaks against any."""
    try:
        return decision(*about, **terms), []
    except Refused as refused:
        return [], [refusal.code for refusal in refused.refusals]


@dataclass(frozen=True)
class Terms:
    """The rules of a space, in quarters."""

    at_once: int
    shortest: int
    longest: int
    notice: int
    days_ahead: int
    deadline: int
    before: int
    after: int
    asks: bool
    hours_to_decide: int
    hours_before_start: int

    def rules(self) -> Rules:
        return Rules(
            concurrent_bookings=self.at_once,
            min_duration=self.shortest * QUARTER,
            max_duration=self.longest * QUARTER,
            min_advance=self.notice * QUARTER,
            max_advance_days=self.days_ahead,
            cancellation_deadline=self.deadline * QUARTER,
            buffer_before=self.before * QUARTER,
            buffer_after=self.after * QUARTER,
            requires_approval=self.asks,
            approval_ttl=self.hours_to_decide * HOUR,
            approval_deadline=self.hours_before_start * HOUR,
        )

    def hold(self, quarters: range) -> range:
        return range(quarters.start - self.before, quarters.stop + self.after)

    def until(self, quarters: range, now: int, at_once: bool) -> int | None:
        """Until when somebody has to decide on a booking made now; None where nobody has to."""
        if at_once or not self.asks:
            return None
        return min(now + self.hours_to_decide * AN_HOUR, quarters.start - self.hours_before_start * AN_HOUR)


@dataclass
class Premises:
    """A space on the timetable: its rules, and on which days it is open at other times than always."""

    terms: Terms
    is_active: bool = True
    other_days: dict[int, list[range]] = field(default_factory=dict)

    def windows(self, day: int) -> list[range]:
        """The open quarters of a day, in stretches."""
        start = day * A_DAY
        return [range(start + one.start, start + one.stop) for one in self.other_days.get(day, [range(A_DAY)])]

    def is_open(self, quarters: range) -> bool:
        return all(any(one in window for window in self.windows(one // A_DAY)) for one in quarters)


@dataclass(frozen=True)
class Mark:
    """That a user has a space in these quarters, and holds it with buffers; `until` somebody decides, if need be."""

    space: UUID
    user: UUID
    quarters: range
    hold: range
    until: int | None


terms = st.builds(
    Terms,
    at_once=st.sampled_from([2, 1, 1, 3]),
    shortest=st.integers(1, 3),
    longest=st.sampled_from([8, 8, 200]),
    notice=st.integers(0, 4),
    days_ahead=st.sampled_from([365, 1, 0]),
    deadline=st.integers(0, 8),
    before=st.sampled_from([0, 0, 1, 3]),
    after=st.sampled_from([0, 0, 2, 9]),
    asks=st.booleans(),
    hours_to_decide=st.integers(1, 6),
    hours_before_start=st.sampled_from([0, 1, 1, 2]),
)
limits = st.sampled_from([6, 3, 2, 1])
some_space = st.sampled_from([ROOM, ROOM, DESK])
some_user = st.sampled_from([ANA, BEN])
aheads = st.sampled_from([*range(4, 24), *range(-1, 4), 60, 100])
lengths = st.sampled_from([4, 4, 4, 3, 5, 6, 7, 8, 2, 1, 9, 200])
rarely = st.sampled_from([False, False, False, True])
stretches = st.lists(
    st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda hours: hours[0] < hours[1]), max_size=2
)
which = st.integers(0, 10_000)
books = st.tuples(st.just("book"), some_space, some_user, aheads, lengths, rarely)
shifts = st.tuples(st.just("shift"), which, st.integers(-6, 6), st.integers(-4, 4), st.booleans())
errands = st.lists(
    st.one_of(
        books,
        books,
        books,
        shifts,
        shifts,
        st.tuples(st.just("move"), which, aheads, lengths, st.booleans()),
        st.tuples(st.just("cancel"), which, st.booleans()),
        st.tuples(st.just("decide"), which, st.sampled_from([CLEO, CLEO, None, ANA]), st.booleans()),
        st.tuples(st.just("change_notes"), which, st.sampled_from([None, "", "Tea."])),
    ),
    min_size=1,
    max_size=8,
)
"""What people ask for before anything else changes: the name of a method of the machine, and what it is given."""
changes = st.one_of(
    st.tuples(st.just("pass_time"), st.integers(1, 40)),
    st.tuples(st.just("pass_time"), st.integers(1, 40)),
    st.tuples(st.just("expire_all")),
    st.tuples(st.just("change_rules"), some_space, terms),
    st.tuples(st.just("keep_other_hours"), some_space, st.integers(-1, 2), stretches, rarely),
    st.tuples(st.just("take_into_or_out_of_use"), some_space, rarely),
    st.tuples(st.just("change_limit"), some_user, limits),
    st.tuples(st.just("stop_or_let_act"), some_user, rarely),
)


class Commands(RuleBasedStateMachine):
    """Two users and two spaces. `timetable` has everything that was ever made, where it is or last was."""

    @initialize(
        rooms=st.fixed_dictionaries({ROOM: terms, DESK: terms}),
        most=st.fixed_dictionaries({ANA: limits, BEN: limits}),
    )
    def begin(self, rooms: dict[UUID, Terms], most: dict[UUID, int]) -> None:
        self.now = 8 * AN_HOUR
        self.limits, self.stopped = most, set[UUID]()
        self.premises = {space: Premises(given) for space, given in rooms.items()}
        self.timetable: dict[UUID, Mark] = {}
        self.given_back: set[UUID] = set()
        self.rejected: set[UUID] = set()
        self.written_off: set[UUID] = set()
        self.history: list[Event] = [registered(user, max_active_bookings=limit) for user, limit in most.items()]
        for space, given in rooms.items():
            self.history.append(replace(space_created(space, opening_hours=ALWAYS_OPEN), rules=given.rules()))

    def pass_time(self, quarters: int) -> None:
        self.now += quarters

    @rule(asked=errands, change=changes)
    def people_come_and_something_changes(self, asked: list[tuple[Any, ...]], change: tuple[Any, ...]) -> None:
        for errand, *given in asked:
            if errand == "book":
                self.book(*given)
            elif (id := self.one(given[0])) is not None:
                getattr(self, errand)(id, *given[1:])
        what, *given = change
        getattr(self, what)(*given)

    def book(self, space: UUID, user: UUID, ahead: int, length: int, at_once: bool) -> None:
        asked = range(self.now + ahead, self.now + ahead + length)
        id, now = UUID(int=len(self.timetable)), instant(self.now)
        reasons = self.against(space, user, asked, at_once)
        about = {"of": space, "by": user, "booking_id": id, "at_once": at_once}

        facts, codes = answer(asking.create, self.history, slot_of(asked), now=now, **about)

        assert codes == reasons
        self.history += facts
        if facts:
            self.timetable[id] = self.mark(space, user, asked, at_once)

    def move(self, id: UUID, ahead: int, length: int, at_any_time: bool) -> None:
        self._move(id, range(self.now + ahead, self.now + ahead + length), at_any_time)

    def shift(self, id: UUID, later: int, longer: int, at_any_time: bool) -> None:
        before = self.timetable[id].quarters
        start = before.start + later
        self._move(id, range(start, start + max(1, len(before) + longer)), at_any_time)

    def _move(self, id: UUID, asked: range, at_any_time: bool) -> None:
        before = self.timetable[id]
        reasons = self.against_change(id)
        at_once = at_any_time  # whoever runs the space is bound by neither
        if asked != before.quarters:
            reasons += self.against_giving_up(id, at_any_time)
            reasons += self.against(before.space, before.user, asked, at_once, moving=id)

        facts, codes = answer(
            asking.reschedule,
            self.history,
            id,
            slot_of(asked),
            of=before.space,
            held_by=before.user,
            at_any_time=at_any_time,
            at_once=at_once,
            now=instant(self.now),
        )

        assert codes == reasons
        assert len(facts) == (not reasons and asked != before.quarters)
        self.history += facts
        if facts:
            self.timetable[id] = self.mark(before.space, before.user, asked, at_once)

    def cancel(self, id: UUID, at_any_time: bool) -> None:
        space, now = self.timetable[id].space, instant(self.now)
        reasons = self.against_change(id) + self.against_giving_up(id, at_any_time)

        facts, codes = answer(asking.cancel, self.history, id, of=space, at_any_time=at_any_time, now=now)

        assert codes == reasons
        self.history += facts
        self.given_back |= {fact.booking_id for fact in facts}

    def decide(self, id: UUID, by: UUID | None, approve: bool) -> None:
        mark, now = self.timetable[id], instant(self.now)
        if by == mark.user:
            with pytest.raises(NotAllowed):
                (asking.approve if approve else asking.reject)(self.history, id, by=by, now=now)
            return

        facts, codes = answer(asking.approve if approve else asking.reject, self.history, id, by=by, now=now)

        assert codes == ([] if self.waits(id) else ["booking-not-pending"])
        self.history += facts
        if facts and approve:
            self.timetable[id] = replace(mark, until=None)
        elif facts:
            self.rejected.add(id)

    def change_notes(self, id: UUID, notes: str | None) -> None:
        facts, codes = answer(asking.change_notes, self.history, id, notes, now=instant(self.now))

        assert codes == self.against_change(id)
        self.history += facts

    def expire_all(self) -> None:
        for id in self.timetable:
            is_due = self.is_over(id) and id not in self.given_back | self.rejected | self.written_off

            facts = asking.expire(self.history, id, now=instant(self.now))

            assert len(facts) == is_due
            self.history += facts
            self.written_off |= {id for _ in facts}

    def change_rules(self, space: UUID, given: Terms) -> None:
        self.premises[space].terms = given
        self._change(space, rules=given.rules())

    def keep_other_hours(self, space: UUID, ahead: int, open: list[tuple[int, int]], as_usual: bool) -> None:
        days = self.premises[space].other_days
        if as_usual:
            days.clear()
        else:
            days[self.now // A_DAY + ahead] = [range(opens * AN_HOUR, closes * AN_HOUR) for opens, closes in open]
        self._change(space, special_hours={MONDAY + day * DAY: special_hours(windows) for day, windows in days.items()})

    def take_into_or_out_of_use(self, space: UUID, out_of_use: bool) -> None:
        self.premises[space].is_active = not out_of_use
        self._change(space, is_active=not out_of_use)

    def _change(self, space: UUID, **parts: Any) -> None:
        self.history += spaces.change(Tagged(self.history).space(space), now=instant(self.now), **parts)

    def change_limit(self, user: UUID, limit: int) -> None:
        self.limits[user] = limit
        self._change_user(user, max_active_bookings=limit)

    def stop_or_let_act(self, user: UUID, stopped: bool) -> None:
        if stopped:
            self.stopped.add(user)
            self._change_user(user, is_active=False)
        else:
            self.stopped.discard(user)
            self._change_user(user, is_active=True)

    def _change_user(
        self, user: UUID, *, max_active_bookings: int | None = None, is_active: bool | None = None
    ) -> None:
        self.history += users.change(
            self._user(user),
            Admins(),
            role=None,
            max_active_bookings=max_active_bookings,
            is_active=is_active,
            now=instant(self.now),
        )

    def _user(self, user: UUID) -> User:
        return Tagged(self.history).fold(User(user), tags.user(user))

    @rule(space=some_space, ahead=st.integers(0, 1), length=st.integers(1, 12))
    def look_for_a_slot(self, space: UUID, ahead: int, length: int) -> None:
        day, duration = self.now // A_DAY + ahead, length * QUARTER
        on, now = MONDAY + day * DAY, instant(self.now)
        starts = {start for window in self.premises[space].windows(day) for start in window[::AN_HOUR]}
        asked = [range(start, start + length) for start in sorted(starts)]

        found = asking.offered(self.history, on, duration=duration, step=HOUR, now=now, of=space)

        assert found == [slot_of(one) for one in asked if not self.against_holding(space, one, False)]

    @invariant()
    def nothing_is_overbooked(self) -> None:
        for space in self.premises:
            for at_once in each_held_with(self.history, space, instant(self.now)).values():
                assert all(place <= most for place, most in enumerate(at_once, 1))

    @invariant()
    def no_allowance_is_exceeded(self) -> None:
        for user in self.limits:
            limits = each_made_with(self.history, user, instant(self.now))
            assert all(place <= most for place, most in enumerate(limits, 1))

    @invariant()
    def each_booking_is_what_happened_to_it(self) -> None:
        tagged, now = Tagged(self.history), instant(self.now)
        for id, mark in self.timetable.items():
            booking = tagged.booking(id)
            assert (booking.slot, booking.hold) == (slot_of(mark.quarters), slot_of(mark.hold).with_buffers())
            assert booking.status(now) == self.status(id)

    @invariant()
    def each_booking_ends_once_and_nothing_happens_to_it_afterwards(self) -> None:
        ended: set[UUID] = set()
        for fact in self.history:
            if isinstance(fact, BookingEvent):
                assert fact.booking_id not in ended
            if isinstance(fact, BookingCancelled | BookingRejected | BookingDeclined | BookingExpired):
                ended.add(fact.booking_id)
        assert ended == self.given_back | self.rejected | self.written_off

    def one(self, which: int) -> UUID | None:
        """A booking that is held, or now and then one that is over or was given back."""
        held = [id for id in self.timetable if not self.against_change(id)]
        offered = [*self.timetable] if which % 10 == 0 else held
        return offered[which % len(offered)] if offered else None

    def against(self, space: UUID, user: UUID, asked: range, at_once: bool, moving: UUID | None = None) -> list[str]:
        """Why the user cannot hold the space then."""
        others = sum(
            mark.user == user and id != moving and not self.against_change(id) for id, mark in self.timetable.items()
        )
        return [
            *(["user-inactive"] if user in self.stopped else []),
            *self.against_holding(space, asked, at_once, moving),
            *(["allowance-used-up"] if others >= self.limits[user] else []),
        ]

    def against_holding(self, space: UUID, asked: range, at_once: bool, moving: UUID | None = None) -> list[str]:
        """Why nobody can hold the space then."""
        premises = self.premises[space]
        given = premises.terms
        crowd = Counter(
            quarter
            for id, mark in self.timetable.items()
            if mark.space == space and id != moving and self.keeps_its_hold(id)
            for quarter in mark.hold
        )
        until = given.until(asked, self.now, at_once)
        has_no_time = until is not None and asked.start <= self.now + given.hours_before_start * AN_HOUR
        reasons = {
            "space-inactive": not premises.is_active,
            "slot-too-short": len(asked) < given.shortest,
            "slot-too-long": len(asked) > given.longest,
            "too-little-notice": asked.start - self.now < given.notice or has_no_time,
            "too-far-ahead": asked.start // A_DAY - self.now // A_DAY > given.days_ahead,
            "outside-opening-hours": not premises.is_open(asked),
            "slot-taken": any(crowd[quarter] >= given.at_once for quarter in given.hold(asked)),
        }
        return [code for code, stands in reasons.items() if stands]

    def against_change(self, id: UUID) -> list[str]:
        return [] if self.status(id) in ("pending", "confirmed") else ["booking-not-active"]

    def against_giving_up(self, id: UUID, at_any_time: bool) -> list[str]:
        mark = self.timetable[id]
        is_late = mark.quarters.start - self.now < self.premises[mark.space].terms.deadline
        return ["deadline-passed"] if is_late and not at_any_time else []

    def mark(self, space: UUID, user: UUID, asked: range, at_once: bool) -> Mark:
        given = self.premises[space].terms
        return Mark(space, user, asked, given.hold(asked), given.until(asked, self.now, at_once))

    def status(self, id: UUID) -> str:
        if id in self.given_back:
            return "cancelled"
        if id in self.rejected:
            return "rejected"
        if self.timetable[id].until is not None:
            return "declined" if self.is_over(id) else "pending"
        return "expired" if self.is_over(id) else "confirmed"

    def waits(self, id: UUID) -> bool:
        return self.status(id) == "pending"

    def keeps_its_hold(self, id: UUID) -> bool:
        """Whether it holds what it was given; what has expired does, for the buffer after it."""
        return self.status(id) in ("pending", "confirmed", "expired")

    def is_over(self, id: UUID) -> bool:
        mark = self.timetable[id]
        return (mark.quarters.stop if mark.until is None else mark.until) <= self.now


def special_hours(windows: list[range]) -> SpecialHours:
    clock = [(f"{one.start // AN_HOUR:02}:00", f"{one.stop // AN_HOUR:02}:00") for one in windows]
    return SpecialHours(tuple(Window(opens, closes) for opens, closes in clock), "")


def each_held_with(history: Iterable[Event], space: UUID, now: datetime) -> dict[datetime, list[int]]:
    """For each quarter of an hour, how many could be held at once when each that holds it took it, in that order.

    What has waited for an approval in vain is left out: whoever came after it lapsed may be beside it.
    """
    at_once = 0
    held: dict[UUID, tuple[Span, int]] = {}
    waiting: dict[UUID, datetime] = {}
    for fact in history:
        match fact:
            case SpaceCreated(space_id=id) | BookingRulesChanged(space_id=id) if id == space:
                at_once = fact.rules.concurrent_bookings
            case BookingCreated(space_id=id) | BookingRescheduled(space_id=id) if id == space:
                held.pop(fact.booking_id, None)
                waiting.pop(fact.booking_id, None)
                held[fact.booking_id] = fact.held, at_once
                if fact.decide_by is not None:
                    waiting[fact.booking_id] = fact.decide_by
            case BookingApproved(space_id=id) if id == space:
                waiting.pop(fact.booking_id)
            case BookingCancelled(space_id=id) | BookingRejected(space_id=id) | BookingDeclined(space_id=id) if (
                id == space
            ):
                held.pop(fact.booking_id)
                waiting.pop(fact.booking_id, None)
    result: dict[datetime, list[int]] = {}
    for span, most in (one for id, one in held.items() if id not in waiting or now < waiting[id]):
        for n in range((span.end - span.start) // QUARTER):
            result.setdefault(span.start + n * QUARTER, []).append(most)
    return result


def each_made_with(history: Iterable[Event], user: UUID, now: datetime) -> list[int]:
    """How many the user could hold when they took each slot that they hold and that is not over, in that order."""
    limit = 0
    held: dict[UUID, tuple[datetime, int]] = {}
    for fact in history:
        match fact:
            case UserRegistered(user_id=id) | AllowanceChanged(user_id=id) if id == user:
                limit = fact.max_active_bookings
            case BookingCreated(user_id=id) | BookingRescheduled(user_id=id) if id == user:
                held.pop(fact.booking_id, None)
                held[fact.booking_id] = fact.decide_by or fact.slot.end, limit
            case BookingApproved(user_id=id) if id == user:
                held[fact.booking_id] = fact.slot.end, held[fact.booking_id][1]
            case BookingCancelled() | BookingRejected() | BookingDeclined() | BookingExpired() if fact.user_id == user:
                held.pop(fact.booking_id)
    return [most for end, most in held.values() if now < end]


TestNoSequenceOfCommandsBreaksARule = Commands.TestCase
TestNoSequenceOfCommandsBreaksARule.settings = hypothesis.settings(
    max_examples=80, stateful_step_count=20, deadline=None
)
