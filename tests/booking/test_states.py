"""The states of a booking: one table in the code, the same one in the docs, and the life of a booking keeps to it."""

import re
from pathlib import Path

import pytest

from booking import events
from booking.bookings import HELD, MOVES, Booking, Status
from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingNotesChanged,
    BookingRejected,
    BookingRescheduled,
)
from booking.refusals import BookingNotActive, BookingNotPending
from tests.examples import (
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    approved,
    at,
    cancelled,
    created,
    declined,
    expired,
    given,
    hours,
    notes_changed,
    rejected,
    rescheduled,
)

Move = tuple[Status | None, type[BookingEvent], Status]

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "states.md"
ROW = re.compile(r"\| (–|\w+) \| `(\w+)` \| (\w+) \|")

TO = hours(14, 15, THURSDAY)
CONFIRMED, PENDING = created(hours(10, 12, THURSDAY)), created(hours(10, 12, THURSDAY), decide_by=at(8, WEDNESDAY))
UNTIL = {Status.PENDING: PENDING, Status.CONFIRMED: CONFIRMED}
"""What makes a booking of either state."""
HAPPENING: dict[tuple[type[BookingEvent], Status], list[BookingEvent]] = {
    (BookingCreated, Status.PENDING): [PENDING],
    (BookingCreated, Status.CONFIRMED): [CONFIRMED],
    (BookingApproved, Status.CONFIRMED): [approved(PENDING)],
    (BookingRejected, Status.REJECTED): [rejected(PENDING)],
    (BookingDeclined, Status.DECLINED): [declined(PENDING, at=at(8, WEDNESDAY))],
    (BookingRescheduled, Status.PENDING): [rescheduled(PENDING, TO, decide_by=at(8, WEDNESDAY))],
    (BookingRescheduled, Status.CONFIRMED): [rescheduled(PENDING, TO)],
    (BookingNotesChanged, Status.PENDING): [notes_changed(PENDING, "Tea.")],
    (BookingNotesChanged, Status.CONFIRMED): [notes_changed(CONFIRMED, "Tea.")],
    (BookingCancelled, Status.CANCELLED): [cancelled(PENDING)],
    (BookingExpired, Status.EXPIRED): [expired(CONFIRMED, at=at(12, THURSDAY))],
}


def test_the_docs_have_the_same_moves_as_the_code() -> None:
    told = [ROW.match(line) for line in DOCS.read_text().splitlines()]
    rows = [(None if row[1] == "–" else Status(row[1]), getattr(events, row[2]), Status(row[3])) for row in told if row]

    assert len(rows) == len(set(rows))
    assert set(rows) == MOVES


@pytest.mark.parametrize("move", sorted(MOVES, key=str), ids=lambda move: f"{move[0]} {move[1].__name__} {move[2]}")
def test_each_fact_leads_to_where_the_table_says(move: Move) -> None:
    before, fact, after = move
    (happens,) = HAPPENING[fact, after]
    booking = Booking(PENDING.booking_id)
    if before is not None:
        given(booking, UNTIL[before])

    given(booking, happens)

    assert booking.recorded_status is after
    assert (booking.decide_by is not None) is (after in (Status.PENDING, Status.DECLINED))


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("fact", sorted({fact for _, fact, _ in MOVES} - {BookingCreated}, key=str))
def test_nothing_happens_to_a_booking_that_the_table_does_not_have(status: Status, fact: type[BookingEvent]) -> None:
    booking = given(Booking(PENDING.booking_id), PENDING)
    booking.recorded_status = status
    booking.decide_by = PENDING.decide_by if status is Status.PENDING else None

    objections = list(booking.objections(fact, now=at(8, TUESDAY)))

    if any(row[:2] == (status, fact) for row in MOVES):
        assert objections == []
    elif fact in (BookingApproved, BookingRejected):
        assert objections == [BookingNotPending(status)]
    else:
        assert objections == [BookingNotActive(status)]


def test_what_is_over_stays_so() -> None:
    assert {before for before, _, _ in MOVES if before} == HELD
