"""Whether a slot can be booked: the view's answer is the one the command gives."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from booking.calendars import TOLD
from booking.events import OpeningHoursChanged, SpaceDeactivated
from booking.refusals import NotFound, OutsideOpeningHours, Refusal, Refused, SlotTaken, SpaceInactive, TooLittleNotice
from booking.slots import LONGEST, Slot
from commands.bookings import CreateBooking
from commands.command import Author
from commands.deciding import Deciding, Request
from daybook.embedded import Stores
from journal.folding import Aggregates
from journal.journal import Journal
from projections import availability
from projections.generations import Keys
from projections.reading import Views
from tests.examples import (
    ALWAYS_OPEN,
    ANA,
    BEN,
    DESK,
    INSTANT,
    MONDAY,
    MONDAY_8AM,
    NOTHING,
    OFFICE_HOURS,
    ROOM,
    TUESDAY,
    approved,
    at,
    cancelled,
    created,
    hours,
    registered,
    space_created,
    taken,
)
from tests.journals import Place, a_journal, a_place
from tests.pieces import counted
from tests.projections.seeing import Told, enter, followed, keys_made, settled

NIGHT = created(hours(22, 26))
OPEN = space_created(ROOM, opening_hours=ALWAYS_OPEN)


async def test_a_free_slot_is_available(told: Told, views: Views) -> None:
    position = await told(OPEN, created(hours(9, 10)), created(hours(11, 12)))

    found = await availability.of(views, ROOM, hours(10, 11), now=MONDAY_8AM)

    assert found == availability.Availability((), [], position)
    assert found.is_available


async def test_what_is_held_conflicts_on_every_date_it_touches(told: Told, views: Views) -> None:
    await told(OPEN, NIGHT)

    for slot in (hours(23, 24), hours(0, 1, TUESDAY), hours(20, 27)):
        found = await availability.of(views, ROOM, slot, now=MONDAY_8AM)
        assert not found.is_available
        assert found.conflicting_slots == [NIGHT.held]
        assert found.refusals == (taken(NIGHT.slot),)
    assert (await availability.of(views, ROOM, hours(2, 3, TUESDAY), now=MONDAY_8AM)).is_available


async def test_slots_that_only_touch_do_not_conflict(told: Told, views: Views) -> None:
    await told(OPEN, created(hours(10, 11)))
    around = [hours(9, 10), hours(9.25, 10.25), hours(10.25, 10.75), hours(9, 12), hours(10.75, 11.75), hours(11, 12)]

    found = [await availability.of(views, ROOM, slot, now=MONDAY_8AM - timedelta(hours=1)) for slot in around]

    assert [one.is_available for one in found] == [True, False, False, False, False, True]


async def test_a_long_slot_is_judged_in_small_pieces_and_only_so_much_is_told(told: Told, views: Views) -> None:
    room = space_created(ROOM, opening_hours=ALWAYS_OPEN, max_duration=LONGEST)
    held = [created(hours(n / 10, (n + 1) / 10), booking_id=UUID(int=n)) for n in range(200, 2_200)]
    await told(room, *held)

    done = await counted(availability.of(views, ROOM, hours(18, 18 + 30 * 24), now=MONDAY_8AM))

    assert done.result.conflicting_slots == [one.held for one in held[:TOLD]]
    assert done.calls < 20_000
    free = await counted(availability.of(views, ROOM, hours(24 * 10, 24 * 40), now=MONDAY_8AM))
    assert free.result.is_available
    assert free.longest < 20_000


async def test_what_was_given_back_is_free_on_every_date(told: Told, views: Views) -> None:
    await told(OPEN, NIGHT, cancelled(NIGHT))

    assert (await availability.of(views, ROOM, hours(20, 27), now=MONDAY_8AM)).is_available


async def test_a_request_is_in_the_way_until_the_instant_it_lapses_and_an_approved_one_afterwards(
    told: Told, views: Views, redis: Redis, place: Place
) -> None:
    lapses = at(10)
    asked = created(hours(9, 10, TUESDAY), decide_by=lapses)
    kept = created(hours(11, 12, TUESDAY), decide_by=lapses)
    await told(OPEN, asked, kept, approved(kept))

    async def refusals(now: datetime) -> list[tuple[Refusal, ...]]:
        return [tuple((await availability.of(views, ROOM, one.slot, now=now)).refusals) for one in (asked, kept)]

    async def spaces(now: datetime) -> list[UUID]:
        found, _, _ = await availability.active_spaces(views, limit=1, cursor=None)
        free, _ = await availability.without_conflict(views, asked.slot, found, now=now)
        assert [one.id for one in found] == [ROOM]
        return [one.id for one in free]

    async def full(now: datetime) -> list[Slot]:
        _, stretches, _ = await availability.full(views, ROOM, [TUESDAY], now=now)
        return [Slot(*stretch) for stretch in stretches]

    assert await spaces(lapses - INSTANT) == []
    assert await spaces(lapses) == [ROOM]
    for _ in range(2):  # from the view, and from the journal
        assert await refusals(lapses - INSTANT) == [(taken(asked.slot),), (taken(kept.slot),)]
        assert await refusals(lapses) == [(), (taken(kept.slot),)]
        assert await full(lapses - INSTANT) == [asked.slot, kept.slot]
        assert await full(lapses) == [kept.slot]
        await redis.delete(Keys.of("availability", place.schema).active)


async def test_a_slot_that_leaves_no_time_to_decide_is_not_available(told: Told, views: Views) -> None:
    await told(space_created(ROOM, requires_approval=True, min_advance=NOTHING))

    found = await availability.of(views, ROOM, hours(9, 10), now=MONDAY_8AM)

    assert found.refusals == (TooLittleNotice(at(9) + INSTANT),)


async def test_another_space_is_another_matter(told: Told, views: Views) -> None:
    await told(OPEN, space_created(DESK, opening_hours=ALWAYS_OPEN), NIGHT)

    assert (await availability.of(views, DESK, NIGHT.slot, now=MONDAY_8AM)).is_available


async def test_every_rule_that_fails_is_told(told: Told, views: Views) -> None:
    changed = OpeningHoursChanged(space_id=ROOM, opening_hours=OFFICE_HOURS, at=MONDAY_8AM)
    held = created(hours(8, 9, TUESDAY))
    await told(OPEN, changed, SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM), held)

    found = await availability.of(views, ROOM, hours(7.5, 8.5, TUESDAY), now=held.slot.start)

    assert [type(refusal) for refusal in found.refusals] == [
        SpaceInactive,
        TooLittleNotice,
        OutsideOpeningHours,
        SlotTaken,
    ]


async def test_there_is_no_availability_of_no_space(told: Told, views: Views) -> None:
    await told(OPEN)

    with pytest.raises(NotFound):
        await availability.of(views, DESK, hours(10, 11), now=MONDAY_8AM)


async def test_without_its_view_it_is_judged_from_the_journal(journal: Journal, views: Views) -> None:
    position = await enter(journal, OPEN, NIGHT)

    found = await availability.of(views, ROOM, hours(23, 25), now=MONDAY_8AM)

    assert found == availability.Availability((taken(NIGHT.slot),), [NIGHT.held], position)
    with pytest.raises(NotFound):
        await availability.of(views, DESK, hours(10, 11), now=MONDAY_8AM)


async def test_a_view_and_the_journal_give_the_same_answer(
    told: Told, views: Views, redis: Redis, place: Place
) -> None:
    await told(OPEN, NIGHT)
    from_view = await availability.of(views, ROOM, hours(0, 31 * 24, MONDAY), now=MONDAY_8AM)

    await redis.delete(Keys.of("availability", place.schema).active)

    assert await availability.of(views, ROOM, hours(0, 31 * 24, MONDAY), now=MONDAY_8AM) == from_view


slots = st.builds(lambda start, length: hours(start / 4, (start + length) / 4), st.integers(34, 90), st.integers(1, 16))
"""From Monday 8:30 on, by quarters of an hour, close enough to meet at every edge."""


@settings(max_examples=15, deadline=None)
@hypothesis.given(
    zone=st.sampled_from(("UTC", "Europe/Berlin", "Pacific/Apia")),
    opening_hours=st.sampled_from((ALWAYS_OPEN, ALWAYS_OPEN, OFFICE_HOURS)),
    at_once=st.integers(1, 2),
    held=st.lists(slots, max_size=4),
    wanted=st.lists(slots, min_size=1, max_size=8),
)
async def test_whatever_is_offered_is_accepted_and_whatever_is_not_is_refused_alike(
    stores: Stores, zone: str, opening_hours: object, at_once: int, held: list[Slot], wanted: list[Slot]
) -> None:
    space = space_created(
        ROOM,
        timezone=zone,
        opening_hours=opening_hours,
        concurrent_bookings=at_once,
        max_duration=timedelta(hours=3),
        min_advance=timedelta(minutes=45),
    )
    with a_place(stores) as place:
        keys_made(place)
        place.set_clock(MONDAY_8AM)
        async with (
            a_journal(place) as journal,
            Redis.from_url(stores.redis_url) as redis,
            followed(place, stores.redis_url),
        ):
            views = Views(stores.redis_url, place.schema, journal)
            deciding = Deciding(journal, Aggregates(journal))
            await enter(journal, space, registered(ANA, max_active_bookings=1_000))
            for slot in held:
                await enter(journal, created(slot, user_id=BEN, booking_id=uuid4()))
            for slot in wanted:
                await settled(redis, journal)
                offered = await availability.of(views, ROOM, slot, now=MONDAY_8AM)
                assert await refusals(deciding, ROOM, slot) == offered.refusals
            await views.close()


async def refusals(deciding: Deciding, space_id: UUID, slot: Slot) -> tuple[object, ...]:
    """What the command says when the slot is booked: nothing when it is accepted."""
    command = CreateBooking(booking_id=uuid4(), space_id=space_id, user_id=ANA, slot=slot)
    try:
        await deciding.do(command, by=Author.person(ANA), request=Request(command_id=uuid4(), correlation_id="a test"))
    except Refused as refused:
        return refused.refusals
    return ()
