"""Looking for a slot: whatever is found the command accepts, and what a space holds is told with its buffers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import orjson
import pytest

from booking.events import BookingRulesChanged, SpaceDeactivated
from booking.opening_hours import WEEKDAYS, OpeningHours, Window
from booking.refusals import NotFound, Refused
from booking.slots import LONGEST, Slot, Span
from booking.spaces import Space
from commands.bookings import CancelBooking, CreateBooking
from commands.command import Author
from commands.deciding import Deciding, Request
from daybook.embedded import Stores
from journal import folding
from journal.folding import Aggregates
from journal.journal import Journal
from projections import bookings, finding
from projections.reading import Page, Views
from projections.views import View
from tests.examples import (
    ALWAYS_OPEN,
    ANA,
    BEN,
    DESK,
    HALF_HOUR,
    HOUR,
    MONDAY,
    MONDAY_8AM,
    NEW_YEAR,
    NOTHING,
    OFFICE_HOURS,
    ROOM,
    TUESDAY,
    at,
    cancelled,
    created,
    expired,
    held,
    hours,
    registered,
    rescheduled,
    space_created,
    special,
)
from tests.journals import Place
from tests.pieces import counted
from tests.projections.seeing import Told

CLOSED = UUID(int=0xA3)
BUFFERED = space_created(
    ROOM,
    opening_hours=ALWAYS_OPEN,
    buffer_before=HALF_HOUR,
    buffer_after=HOUR,
    cancellation_deadline=NOTHING,
    max_advance_days=30,
)
"""A booking of it holds half an hour before and an hour after its slot."""


@pytest.fixture
def deciding(place: Place, journal: Journal) -> Deciding:
    place.set_clock(MONDAY_8AM)
    return Deciding(journal, Aggregates(journal))


async def is_accepted(deciding: Deciding, slot: Slot) -> bool:
    """Whether a booking of the slot is; it is given back at once."""
    booking_id, ana = uuid4(), Author.person(ANA)
    command = CreateBooking(booking_id=booking_id, space_id=ROOM, user_id=ANA, slot=slot)
    try:
        await deciding.do(command, by=ana, request=Request(command_id=uuid4(), correlation_id="a test"))
    except Refused:
        return False
    given_back = CancelBooking(booking_id=booking_id)
    await deciding.do(given_back, by=ana, request=Request(command_id=uuid4(), correlation_id="a test"))
    return True


async def test_exactly_what_is_offered_is_accepted_with_buffers_across_midnight(
    told: Told, views: Views, deciding: Deciding
) -> None:
    noon = created(hours(12, 13), user_id=BEN, before=HALF_HOUR, after=HOUR)
    night = created(hours(0.5, 1.5, TUESDAY), user_id=BEN, before=HALF_HOUR, after=HOUR)
    position = await told(BUFFERED, registered(ANA), noon, night)

    found = await finding.bookable(views, ROOM, MONDAY, duration=None, step=None, now=MONDAY_8AM)

    assert [(slot.start - at(0)) / HOUR for slot in found.slots] == [9, 9.5, 10, *(14.5 + n / 2 for n in range(17))]
    assert found.position == position
    grid = [hours(half / 2, half / 2 + 0.5) for half in range(48)]
    assert [slot for slot in grid if await is_accepted(deciding, slot)] == found.slots


class Overtaken(Views):
    """Views between whose first two answers something happens."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def documents(self, view: View, names: Sequence[str]) -> tuple[list[bytes | None], int]:
        answer = await super().documents(view, names)
        happening, self.meanwhile = self.meanwhile, None
        if happening:
            await happening()
        return answer


async def test_buffers_that_grow_while_a_slot_is_looked_for_are_heeded(
    stores: Stores, place: Place, journal: Journal, told: Told
) -> None:
    plain = space_created(ROOM, opening_hours=ALWAYS_OPEN, cancellation_deadline=NOTHING)
    night = created(hours(24, 25), user_id=BEN)
    await told(plain, registered(ANA), night)
    grown = replace(plain.rules, buffer_before=2 * HOUR, buffer_after=20 * HOUR)
    views = Overtaken(stores.redis_url, place.schema, journal)
    views.meanwhile = lambda: told(BookingRulesChanged(space_id=ROOM, rules=grown, at=NEW_YEAR))
    try:
        found = await finding.bookable(views, ROOM, TUESDAY, duration=None, step=None, now=MONDAY_8AM)
    finally:
        await views.close()

    assert found.slots[0] == hours(3, 3.5, TUESDAY)  # the first that holds nothing of the hour after midnight


async def test_the_length_and_the_step_asked_for_are_kept(told: Told, views: Views) -> None:
    await told(space_created(ROOM, opening_hours=OFFICE_HOURS), special(TUESDAY, Window("10:00", "13:00")))

    found = await finding.bookable(views, ROOM, TUESDAY, duration=2 * HOUR, step=HALF_HOUR, now=MONDAY_8AM)

    assert found.slots == [hours(10, 12, TUESDAY), hours(10.5, 12.5, TUESDAY), hours(11, 13, TUESDAY)]


async def test_the_next_free_slot_is_the_first_that_is_accepted(told: Told, views: Views, deciding: Deciding) -> None:
    full = created(hours(9, 24 * 20), user_id=BEN, before=HALF_HOUR, after=HOUR)
    await told(BUFFERED, registered(ANA), full)

    found = await finding.next_available(views, ROOM, duration=HOUR, after=MONDAY_8AM, now=MONDAY_8AM)

    (slot,) = found.slots
    assert slot == hours(24 * 20 + 1.5, 24 * 20 + 2.5)
    assert await is_accepted(deciding, slot)
    assert not await is_accepted(deciding, hours(24 * 20 + 1, 24 * 20 + 2))


async def test_beyond_the_horizon_there_is_no_next_free_slot(told: Told, views: Views) -> None:
    await told(BUFFERED, created(hours(0, 24 * 30)), created(hours(24 * 30, 24 * 32)))

    found = await finding.next_available(views, ROOM, duration=None, after=MONDAY_8AM, now=MONDAY_8AM)

    assert found.slots == []
    with pytest.raises(NotFound):
        await finding.next_available(views, DESK, duration=None, after=MONDAY_8AM, now=MONDAY_8AM)


async def test_the_next_free_slot_is_looked_for_in_a_year_from_where_one_asks(told: Told, views: Views) -> None:
    later = (MONDAY_8AM + timedelta(days=400)).date()
    rare = space_created(ROOM, opening_hours=OpeningHours(), max_advance_days=3650)
    await told(rare, special(later, Window("10:00", "12:00")))

    async def found(after: datetime) -> Sequence[Slot]:
        return (await finding.next_available(views, ROOM, duration=HOUR, after=after, now=MONDAY_8AM)).slots

    assert await found(MONDAY_8AM) == []
    assert await found(MONDAY_8AM + timedelta(days=35)) == [hours(10, 11, later)]
    assert await found(MONDAY_8AM + timedelta(days=34)) == []


async def test_days_known_to_be_full_are_not_looked_at_again(
    stores: Stores, place: Place, journal: Journal, told: Told
) -> None:
    months = [created(hours(31 * 24 * n, 31 * 24 * (n + 1)), user_id=BEN) for n in range(6)]
    await told(space_created(ROOM, opening_hours=ALWAYS_OPEN, max_duration=LONGEST), *months)
    views = Asked(stores.redis_url, place.schema, journal)
    try:
        found = await finding.next_available(views, ROOM, duration=LONGEST, after=MONDAY_8AM, now=MONDAY_8AM)
    finally:
        await views.close()

    assert found.slots == [hours(31 * 24 * 6, 31 * 24 * 7)]
    calendars = [name for name in views.names if name.startswith("calendar:")]
    assert len(calendars) < 1.2 * len({*calendars})


async def test_nothing_is_read_to_look_for_a_slot_of_a_length_the_space_does_not_take(
    stores: Stores, place: Place, journal: Journal, told: Told
) -> None:
    await told(space_created(ROOM, opening_hours=ALWAYS_OPEN))
    views = Asked(stores.redis_url, place.schema, journal)
    try:
        first = await finding.next_available(views, ROOM, duration=LONGEST, after=MONDAY_8AM, now=MONDAY_8AM)
        day = await finding.bookable(views, ROOM, MONDAY, duration=LONGEST, step=None, now=MONDAY_8AM)
    finally:
        await views.close()

    assert first.slots == day.slots == []
    assert {*views.names} == {folding.space(ROOM).tag}


async def test_slots_are_looked_for_in_small_pieces_however_many_bookings_and_windows_there_are(
    told: Told, views: Views
) -> None:
    all_day = tuple(Window(f"{hour:02}:{2 * hour:02}", f"{hour:02}:{2 * hour:02}") for hour in range(24))
    busy = space_created(
        ROOM,
        opening_hours=OpeningHours(**dict.fromkeys(WEEKDAYS, all_day)),
        concurrent_bookings=20,
        max_duration=LONGEST,
    )
    month = created(hours(0, 24 * 31), user_id=BEN)
    await told(busy, *(replace(month, booking_id=UUID(int=n)) for n in range(20)))
    five_days, minutes = 120 * HOUR, timedelta(minutes=5)
    for _ in range(2):  # windows of a date are reckoned with once
        done = await counted(finding.bookable(views, ROOM, TUESDAY, duration=five_days, step=minutes, now=MONDAY_8AM))

    assert done.result.slots == []
    assert done.calls < 20_000
    assert done.longest < 10_000


async def test_the_longer_a_slot_the_fewer_spaces_are_looked_at_for_a_page(told: Told, views: Views) -> None:
    spaces = [
        space_created(UUID(int=n), opening_hours=ALWAYS_OPEN, max_duration=LONGEST, max_advance_days=60)
        for n in range(1, 9)
    ]
    await told(*spaces)

    async def found(slot: Slot, cursor: str | None = None) -> tuple[int, str | None]:
        page = await finding.spaces(views, slot, fits=lambda space: True, limit=8, cursor=cursor, now=MONDAY_8AM)
        return len(page.items), page.cursor

    assert await found(hours(10, 11)) == (8, None)
    number, cursor = await found(hours(10, 10 + 30 * 24))
    assert number == 6
    assert await found(hours(10, 10 + 30 * 24), cursor) == (2, None)


class Asked(Views):
    """Views that know which documents they were asked for."""

    names: Sequence[str] = ()

    async def documents(self, view: View, names: Sequence[str]) -> tuple[list[bytes | None], int]:
        self.names = [*self.names, *names]
        return await super().documents(view, names)


async def test_spaces_are_found_that_fit_and_would_take_the_booking(told: Told, views: Views) -> None:
    await told(
        BUFFERED,
        space_created(DESK, opening_hours=ALWAYS_OPEN),
        created(hours(10, 11), space_id=DESK),
        created(hours(14, 15), before=HALF_HOUR, after=HOUR),
        space_created(CLOSED, opening_hours=ALWAYS_OPEN),
        SpaceDeactivated(space_id=CLOSED, at=NEW_YEAR),
    )

    async def found(slot: Slot, fits: Callable[[Space], bool] = lambda space: True) -> set[str]:
        page = await finding.spaces(views, slot, fits=fits, limit=10, cursor=None, now=MONDAY_8AM)
        return {orjson.loads(item)["id"] for item in page.items}

    assert await found(hours(9, 10)) == {str(ROOM), str(DESK)}
    assert await found(hours(10, 11)) == {str(ROOM)}
    assert await found(hours(12.5, 13)) == {str(DESK)}
    assert await found(hours(9, 10), lambda space: space.id == DESK) == {str(DESK)}
    assert await found(hours(8.5, 9.5)) == set()


async def test_spaces_are_found_page_by_page(told: Told, views: Views) -> None:
    await told(BUFFERED, space_created(DESK, opening_hours=ALWAYS_OPEN))
    pages: list[Page] = []
    cursor = None
    while not pages or cursor:
        pages.append(
            await finding.spaces(views, hours(9, 10), fits=lambda space: True, limit=1, cursor=cursor, now=MONDAY_8AM)
        )
        cursor = pages[-1].cursor

    assert sorted(orjson.loads(item)["id"] for page in pages for item in page.items) == [str(ROOM), str(DESK)]


async def test_what_a_space_holds_is_told_in_order_with_buffers(told: Told, views: Views) -> None:
    early = created(hours(9, 10), after=HALF_HOUR)
    late = created(hours(12, 13), user_id=BEN, before=HOUR)
    given_back, moved = created(hours(14, 15)), created(hours(16, 17))
    position = await told(
        BUFFERED,
        late,
        early,
        given_back,
        moved,
        created(hours(9, 10), space_id=DESK),
        cancelled(given_back),
        rescheduled(moved, hours(18, 19)),
        expired(early, at=at(10)),
    )

    async def found(span: Span) -> list[Span]:
        return [one.span for one in (await bookings.of_space(views, ROOM, span, now=at(11)))[0]]

    every, seen_at = await bookings.of_space(views, ROOM, held(0, 24), now=at(11))
    assert [(one.span, one.user_id) for one in every] == [
        (held(9, 10.5), ANA),
        (held(11, 13), BEN),
        (held(18, 19), ANA),
    ]
    assert [orjson.loads(one.json)["status"] for one in every] == ["expired", "confirmed", "confirmed"]
    assert seen_at == position
    assert await found(held(10, 11)) == [held(9, 10.5)]
    assert await found(held(11, 11.5)) == [held(11, 13)]
    assert await found(held(10.5, 11)) == []


async def test_what_is_held_for_longest_is_found_from_its_last_instant(told: Told, views: Views) -> None:
    longest = created(hours(0, 24 * 31), before=24 * HOUR, after=24 * HOUR)
    await told(BUFFERED, longest)

    for span in (held(-24, -23.5), held(24 * 32 - 0.5, 24 * 32 + 5)):
        ((one,), _) = await bookings.of_space(views, ROOM, span, now=MONDAY_8AM)
        assert one.span == longest.held
