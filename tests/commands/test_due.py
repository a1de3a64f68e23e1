"""Due work on the real journal: posted once however many post, lent to one worker at a time, and to do until done."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from booking.events import BookingCreated, Event
from booking.slots import Slot
from commands import due
from commands.due import DECLINE, EXPIRE, LENT, Work
from journal.journal import Journal, Recorded
from tests.commands.people import enter
from tests.examples import (
    HOUR,
    INSTANT,
    MONDAY_8AM,
    MONDAY_NOON,
    approved,
    at,
    cancelled,
    created,
    declined,
    expired,
    hours,
    notes_changed,
    registered,
    rejected,
    rescheduled,
    space_created,
)
from tests.journals import Place, a_journal

MORNING = created(hours(9, 10))
LATER = created(hours(10, 11))
LAST = created(hours(14, 16))

Row = tuple[UUID, datetime, int]


def posted(place: Place) -> list[Row]:
    """The table of due work, by time."""
    with place.role() as role:
        return role.execute("select booking_id, at, position from due where kind = 'expire' order by at").fetchall()


async def post_all(journal: Journal, *, limit: int = 500) -> None:
    while await due.post(journal, limit=limit):
        pass


def expiry(booking: BookingCreated) -> Work:
    return Work(EXPIRE, booking.booking_id)


async def test_a_booking_is_due_when_its_slot_ends(place: Place, journal: Journal) -> None:
    enter(place, space_created(), registered(), LATER, MORNING, notes_changed(MORNING, None))

    assert await due.post(journal) == 5
    assert await due.post(journal) == 0

    assert posted(place) == [(MORNING.booking_id, at(10), 4), (LATER.booking_id, at(11), 3)]


@pytest.mark.parametrize("limit", [1, 500])
async def test_what_was_moved_is_due_at_its_new_end_alone(place: Place, journal: Journal, limit: int) -> None:
    enter(place, MORNING, rescheduled(MORNING, hours(12, 13)))
    await post_all(journal, limit=limit)
    assert posted(place) == [(MORNING.booking_id, at(13), 2)]


@pytest.mark.parametrize("limit", [1, 2, 500])
@pytest.mark.parametrize("end", [cancelled(MORNING), expired(MORNING, at=at(10))])
async def test_of_what_was_ended_nothing_is_due(place: Place, journal: Journal, end: Any, limit: int) -> None:
    enter(place, MORNING, LATER, end)
    await post_all(journal, limit=limit)
    assert posted(place) == [(LATER.booking_id, at(11), 2)]


async def test_a_booking_made_and_given_back_in_one_page_leaves_nothing(place: Place, journal: Journal) -> None:
    enter(place, MORNING, rescheduled(MORNING, hours(12, 13)), cancelled(MORNING))
    assert await due.post(journal) == 3
    assert posted(place) == []


async def test_what_is_moved_while_it_is_lent_is_due_at_its_new_end(place: Place, journal: Journal) -> None:
    place.set_clock(at(10))
    enter(place, MORNING)
    await post_all(journal)
    assert await due.take(journal, limit=10) == [expiry(MORNING)]

    enter(place, rescheduled(MORNING, hours(9, 10)))  # to where it was, so that it is due at once
    await post_all(journal)

    assert await due.take(journal, limit=10) == [expiry(MORNING)]


async def test_many_who_post_at_once_post_once(place: Place, journal: Journal) -> None:
    bookings = [created(Slot(at(n), at(n + 1))) for n in range(60)]
    moved = [rescheduled(one, Slot(at(n + 100), at(n + 101))) for n, one in enumerate(bookings[:20])]
    enter(place, *bookings, *moved, *(cancelled(one) for one in moved[:10]))
    expected = [(one.booking_id, one.slot.end, n) for n, one in enumerate(bookings, 1) if n > 20]
    expected += [(one.booking_id, one.slot.end, n) for n, one in enumerate(moved, 61) if n > 70]

    async with a_journal(place, name="second") as second, a_journal(place, name="third") as third:

        async def poster(of: Journal) -> None:
            # Whoever finds nothing has come to the end, or has seen another one begin: only the head tells.
            while await due.post(of, limit=7) or not end_is_posted(place):
                pass

        await asyncio.gather(*(poster(of) for of in (journal, second, third) * 2))

    assert posted(place) == expected


def end_is_posted(place: Place) -> bool:
    with place.role() as role:
        query = (
            "select 1 from due_posted p, journal_head h where p.journal_id = h.journal_id and p.position = h.position"
        )
        return role.execute(query).fetchone() is not None


async def test_of_another_journal_everything_begins_anew(place: Place, journal: Journal) -> None:
    enter(place, MORNING, LATER, LAST)
    await post_all(journal)

    place.begin_anew()
    enter(place, space_created(), LATER)
    await post_all(journal)

    assert posted(place) == [(LATER.booking_id, at(11), 2)]


async def test_a_page_of_the_journal_before_is_not_posted_to_this_one(place: Place, journal: Journal) -> None:
    class ReadThenReset(Journal):
        """Its reader gets a page, and by the time it is posted there is another journal that somebody began with."""

        async def page(self, after: int, limit: int) -> list[Recorded]:
            page = await super().page(after, limit)
            place.begin_anew()
            assert await due.post(journal) == 0
            return page

    enter(place, MORNING, LATER)
    slow = ReadThenReset(place.url, place.schema)
    try:
        await due.post(slow)
    finally:
        await slow.close()
    assert posted(place) == []

    enter(place, LAST)
    await post_all(journal)
    assert posted(place) == [(LAST.booking_id, at(16), 1)]


async def test_what_is_due_is_lent_in_the_order_of_its_times(place: Place, journal: Journal) -> None:
    enter(place, LAST, LATER, MORNING)
    await post_all(journal)

    place.set_clock(at(10) - INSTANT)
    assert await due.take(journal, limit=10) == []

    place.set_clock(at(20))
    assert await due.take(journal, limit=1) == [expiry(MORNING)]
    assert await due.take(journal, limit=1) == [expiry(LATER)]
    assert await due.take(journal, limit=10) == [expiry(LAST)]
    assert await due.take(journal, limit=10) == []


async def test_what_was_lent_and_not_done_is_due_again(place: Place, journal: Journal) -> None:
    enter(place, MORNING)
    await post_all(journal)
    place.set_clock(at(10))
    taken = await due.take(journal, limit=10)
    place.set_clock(at(10) + LENT - INSTANT)
    assert await due.take(journal, limit=10) == []
    place.set_clock(at(10) + LENT)
    assert await due.take(journal, limit=10) == taken == [expiry(MORNING)]


async def test_no_more_is_lent_than_will_be_done_before_the_loan_ends(place: Place, journal: Journal) -> None:
    enter(place, *(created(Slot(at(n / 4), at((n + 1) / 4))) for n in range(due.LENT_AT_ONCE + 20)))
    await post_all(journal)
    place.set_clock(at(200))

    lent = [len(await due.take(journal, limit=due.LENT_AT_ONCE - 10)) for _ in range(3)]
    place.set_clock(at(200) + LENT)

    assert lent == [due.LENT_AT_ONCE - 10, 10, 0]
    assert len(await due.take(journal, limit=10)) == 10


async def test_of_many_who_take_at_once_each_has_other_work(place: Place, journal: Journal) -> None:
    bookings = [created(Slot(at(n), at(n + 1))) for n in range(due.LENT_AT_ONCE)]
    enter(place, *bookings)
    await post_all(journal)
    place.set_clock(at(200))

    async with a_journal(place, name="second") as second, a_journal(place, name="third") as third:

        async def taker(of: Journal) -> list[Work]:
            taken: list[Work] = []
            while works := await due.take(of, limit=7):
                assert len(works) <= 7
                taken += works
            return taken

        shares: Sequence[list[Work]] = await asyncio.gather(*(taker(of) for of in (journal, second, third) * 2))

    assert Counter(work for share in shares for work in share) == {expiry(one): 1 for one in bookings}


async def test_how_long_until_something_is_due(place: Place, journal: Journal) -> None:
    place.set_clock(MONDAY_8AM)
    assert await due.wait_until_next(journal, at_most=0.5) == 0.5

    enter(place, MORNING, LAST)
    await post_all(journal)
    assert await due.wait_until_next(journal, at_most=0.5) == 0.5
    assert await due.wait_until_next(journal, at_most=100_000) == (2 * HOUR).total_seconds()

    place.set_clock(MONDAY_NOON)
    assert await due.wait_until_next(journal, at_most=100_000) == 0
    await due.take(journal, limit=1)
    assert await due.wait_until_next(journal, at_most=100_000) == LENT.total_seconds()


async def test_what_is_lent_hides_nothing_that_is_due_before_it_is_again(place: Place, journal: Journal) -> None:
    enter(place, MORNING, LATER, LAST)
    await post_all(journal)
    soon = LAST.slot.end - LENT / 2
    place.set_clock(soon)

    await due.take(journal, limit=1)
    assert await due.wait_until_next(journal, at_most=100_000) == 0
    await due.take(journal, limit=1)
    assert await due.wait_until_next(journal, at_most=100_000) == LENT.total_seconds() / 2
    assert await due.backlog(journal) == (2, (soon - MORNING.slot.end).total_seconds())

    place.set_clock(LAST.slot.end)
    await due.take(journal, limit=1)
    assert await due.wait_until_next(journal, at_most=100_000) == LENT.total_seconds() / 2
    assert (await due.backlog(journal))[0] == 3


DECIDED_BY = at(8)
ASKED = created(hours(9, 10), decide_by=DECIDED_BY)


@pytest.mark.parametrize(
    ("then", "left"),
    [
        ([], [("decline", DECIDED_BY, 1)]),
        ([notes_changed(ASKED, None)], [("decline", DECIDED_BY, 1)]),
        ([approved(ASKED)], [("expire", at(10), 2)]),
        ([rejected(ASKED)], []),
        ([declined(ASKED, at=DECIDED_BY)], []),
        ([cancelled(ASKED)], []),
        ([rescheduled(ASKED, hours(14, 16), decide_by=at(9))], [("decline", at(9), 2)]),
        ([rescheduled(ASKED, hours(14, 16))], [("expire", at(16), 2)]),
        ([approved(ASKED), rescheduled(ASKED, hours(14, 16), decide_by=at(9))], [("decline", at(9), 3)]),
    ],
)
@pytest.mark.parametrize("limit", [1, 500])
async def test_of_a_request_one_thing_is_due_by_what_became_of_it(
    place: Place, journal: Journal, then: list[Event], left: list[tuple[str, datetime, int]], limit: int
) -> None:
    enter(place, ASKED, *then)

    await post_all(journal, limit=limit)

    with place.role() as role:
        found = role.execute("select kind, at, position from due where booking_id = %s", (ASKED.booking_id,)).fetchall()
    assert found == left


async def test_a_request_is_taken_when_it_lapses(place: Place, journal: Journal) -> None:
    enter(place, ASKED)
    await post_all(journal)
    place.set_clock(DECIDED_BY - INSTANT)
    assert await due.take(journal, limit=10) == []

    place.set_clock(DECIDED_BY)
    assert await due.take(journal, limit=10) == [Work(DECLINE, ASKED.booking_id)]
