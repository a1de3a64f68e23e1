"""Queries about bookings: one, and a user's in order, as they are at the moment of the question."""

from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import hypothesis
import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from booking.bookings import Booking, Status
from booking.events import BookingCreated, Event, UserErased
from booking.roles import Role
from daybook.embedded import Stores
from journal.connection import Unavailable
from journal.journal import Journal
from projections import bookings
from projections.generations import Keys
from projections.reading import SCANNED, BadCursor, Page, Views
from tests.examples import (
    ANA,
    BEN,
    CLEO,
    DESK,
    MONDAY,
    MONDAY_8AM,
    MONDAY_NOON,
    ROOM,
    TUESDAY,
    approved,
    at,
    cancelled,
    created,
    declined,
    expired,
    given,
    hours,
    rejected,
    rescheduled,
)
from tests.journals import Place, a_journal, a_place
from tests.projections.histories import histories
from tests.projections.seeing import Told, contents, enter, followed, keys_made, settled

MORNING = created(hours(9, 10), notes='tea, "status":"confirmed" and {"status":"confirmed"}')
EVENING = created(hours(18, 19))
NEXT_DAY = created(hours(9, 10, TUESDAY))
OPEN, REFUSED = (created(hours(n, n + 1, TUESDAY), decide_by=at(20)) for n in (11, 12))
LATE = created(hours(16, 17, TUESDAY), decide_by=at(10))
LAPSES = at(11)
ASKED = created(hours(14, 15, TUESDAY), decide_by=LAPSES, notes='"status":"pending"')


def read(json: bytes) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(json)
    return document


def ids(page: Page) -> list[UUID]:
    return [UUID(read(item)["id"]) for item in page.items]


async def all_pages(
    views: Views, user_id: UUID, *, limit: int, now: datetime, status: Status | None = None
) -> list[Page]:
    pages, cursor = [], None
    while not pages or cursor:
        pages.append(await bookings.of_user(views, user_id, status=status, limit=limit, cursor=cursor, now=now))
        cursor = pages[-1].cursor
    return pages


async def test_a_booking_is_found_with_what_is_needed_beside_it(told: Told, views: Views) -> None:
    position = await told(MORNING)

    found = await bookings.one(views, MORNING.booking_id)

    assert found
    assert (found.revision, found.user_id, found.ends_at, found.position) == (1, ANA, at(10), position)
    assert read(found.json(MONDAY_8AM)) == {
        "id": str(MORNING.booking_id),
        "space_id": str(MORNING.space_id),
        "user_id": str(ANA),
        "start": "2026-01-05T09:00:00Z",
        "end": "2026-01-05T10:00:00Z",
        "status": "confirmed",
        "decide_by": None,
        "notes": MORNING.notes,
        "reason": None,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }


async def test_nothing_is_found_where_there_is_no_booking(told: Told, views: Views) -> None:
    await told(MORNING)

    assert await bookings.one(views, uuid4()) is None


async def test_a_booking_is_expired_from_its_end_on(told: Told, views: Views) -> None:
    await told(MORNING)
    found = await bookings.one(views, MORNING.booking_id)
    assert found

    before, after = read(found.json(at(10) - timedelta(microseconds=1))), read(found.json(at(10)))

    assert (before["status"], after["status"]) == ("confirmed", "expired")
    assert {**before, "status": "expired"} == after


async def test_a_cancelled_booking_stays_cancelled_beyond_its_end(told: Told, views: Views) -> None:
    await told(MORNING, cancelled(MORNING))

    found = await bookings.one(views, MORNING.booking_id)

    assert found
    assert found.revision == 2
    assert read(found.json(MONDAY_NOON))["status"] == "cancelled"


async def test_a_users_bookings_come_newest_start_first(told: Told, views: Views) -> None:
    position = await told(EVENING, created(hours(9, 10), user_id=BEN), NEXT_DAY, MORNING)

    page = await bookings.of_user(views, ANA, now=MONDAY_NOON)

    assert ids(page) == [NEXT_DAY.booking_id, EVENING.booking_id, MORNING.booking_id]
    assert [read(item)["status"] for item in page.items] == ["confirmed", "confirmed", "expired"]
    assert (page.cursor, page.position) == (None, position)
    assert orjson.loads(page.json) == [read(item) for item in page.items]


async def test_a_user_without_bookings_has_an_empty_page(told: Told, views: Views) -> None:
    await told(MORNING)

    page = await bookings.of_user(views, BEN, now=MONDAY_NOON)

    assert (page.json, page.cursor) == (b"[]", None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.CONFIRMED, [NEXT_DAY.booking_id, EVENING.booking_id]),
        (Status.EXPIRED, [MORNING.booking_id]),
        (Status.CANCELLED, [created(hours(20, 21)).booking_id]),
        (Status.PENDING, [OPEN.booking_id]),
        (Status.REJECTED, [REFUSED.booking_id]),
        (Status.DECLINED, [LATE.booking_id, ASKED.booking_id]),
    ],
)
async def test_a_users_bookings_are_picked_by_what_they_are_now(
    told: Told, views: Views, status: Status, expected: list[UUID]
) -> None:
    given_back = created(hours(20, 21))
    requests = (ASKED, OPEN, REFUSED, rejected(REFUSED), LATE, declined(LATE, at=at(10)))
    await told(MORNING, EVENING, NEXT_DAY, given_back, cancelled(given_back), *requests)

    page = await bookings.of_user(views, ANA, status=status, now=MONDAY_NOON)

    assert ids(page) == expected
    assert {read(item)["status"] for item in page.items} == {status}


async def test_a_listed_booking_is_expired_from_its_end_on(told: Told, views: Views) -> None:
    await told(MORNING)

    for now, status, other in (
        (at(10) - timedelta(microseconds=1), Status.CONFIRMED, Status.EXPIRED),
        (at(10), Status.EXPIRED, Status.CONFIRMED),
    ):
        every, fitting, none = [
            await bookings.of_user(views, ANA, status=wanted, now=now) for wanted in (None, status, other)
        ]
        assert [read(item)["status"] for item in every.items] == [status]
        assert (fitting.items, none.items) == (every.items, [])


async def test_a_listed_request_is_declined_from_the_instant_it_lapses_on(told: Told, views: Views) -> None:
    await told(ASKED)

    for now, status, other in (
        (LAPSES - timedelta(microseconds=1), Status.PENDING, Status.DECLINED),
        (LAPSES, Status.DECLINED, Status.PENDING),
    ):
        every, fitting, none = [
            await bookings.of_user(views, ANA, status=wanted, now=now) for wanted in (None, status, other)
        ]
        one = await bookings.one(views, ASKED.booking_id)
        assert one
        assert [read(item)["status"] for item in (*every.items, one.json(now))] == [status] * 2
        assert (fitting.items, none.items) == (every.items, [])
        held, _ = await bookings.of_space(views, ROOM, ASKED.slot, now=now)
        assert [read(mark.json)["id"] for mark in held] == [str(ASKED.booking_id)] * (status is Status.PENDING)


async def test_requests_come_by_deadline_and_in_pages(told: Told, views: Views) -> None:
    asked = [
        created(hours(12 + n, 13 + n, TUESDAY), user_id=user, space_id=space, decide_by=at(9 + n % 3))
        for n, (user, space) in enumerate(product((ANA, BEN, CLEO), (ROOM, DESK)))
    ]
    await told(*asked, MORNING, approved(asked[0]), rejected(asked[1]))
    open_ones = sorted(asked[2:], key=lambda one: (one.decide_by, str(one.booking_id)))

    async def listed(now: datetime, *spaces: UUID, limit: int = 50) -> list[list[UUID]]:
        pages, cursor = [], None
        while not pages or cursor:
            page = await bookings.requests(views, of_spaces=spaces or None, limit=limit, cursor=cursor, now=now)
            pages.append(ids(page))
            cursor = page.cursor
        return pages

    def of(*spaces: UUID, after: datetime = MONDAY_8AM) -> list[UUID]:
        return [one.booking_id for one in open_ones if one.space_id in spaces and one.decide_by > after]

    assert await listed(MONDAY_8AM) == [of(ROOM, DESK)]
    assert await listed(at(9)) == [of(ROOM, DESK, after=at(9))]
    assert await listed(MONDAY_8AM, DESK) == [of(DESK)]
    for spaces in ((), (ROOM, DESK)):
        pages = await listed(MONDAY_8AM, *spaces, limit=1)
        assert [one for page in pages for one in page] == of(ROOM, DESK)
        assert {len(page) for page in pages} == {1}


async def test_a_moved_request_waits_until_its_new_deadline(told: Told, views: Views) -> None:
    await told(ASKED, rescheduled(ASKED, hours(12, 13, TUESDAY), decide_by=at(20)))

    page = await bookings.requests(views, now=LAPSES)

    assert ids(page) == [ASKED.booking_id]
    assert read(page.items[0])["decide_by"] == "2026-01-05T20:00:00Z"
    assert ids(await bookings.requests(views, now=at(20))) == []


async def test_a_users_bookings_of_one_status_come_in_pages(told: Told, views: Views) -> None:
    await told(MORNING, EVENING, cancelled(EVENING), NEXT_DAY)

    pages = await all_pages(views, ANA, limit=1, now=MONDAY_8AM, status=Status.CONFIRMED)

    assert [ids(page) for page in pages] == [[NEXT_DAY.booking_id], [MORNING.booking_id]]


@settings(max_examples=10, deadline=None)
@hypothesis.given(histories(), st.integers(0, 500), st.integers(1, 4), st.none() | st.sampled_from(Status))
async def test_the_pages_hold_each_booking_once_and_as_its_facts_say(
    stores: Stores, history: list[Event], quarters: int, limit: int, status: Status | None
) -> None:
    now = MONDAY_8AM + quarters * timedelta(minutes=15)
    expected = [
        booking
        for begun in history
        if isinstance(begun, BookingCreated) and begun.user_id == ANA
        for booking in [
            given(Booking(begun.booking_id), *(e for e in history if getattr(e, "booking_id", 0) == begun.booking_id))
        ]
        if status in (None, booking.status(now))
    ]
    expected.sort(key=lambda booking: (-booking.slot.start.timestamp(), str(booking.id)))
    with a_place(stores) as place:
        keys_made(place)
        async with a_journal(place) as journal, followed(place, stores.redis_url):
            await enter(journal, *history)
            views = Views(stores.redis_url, place.schema, journal)
            async with Redis.from_url(stores.redis_url) as redis:
                await settled(redis, journal)
            pages = await all_pages(views, ANA, limit=limit, now=now, status=status)
            await views.close()

    found = [read(item) for page in pages for item in page.items]
    assert [one["id"] for one in found] == [str(booking.id) for booking in expected]
    assert [one["status"] for one in found] == [booking.status(now) for booking in expected]
    assert [one["notes"] for one in found] == [booking.notes for booking in expected]
    assert all(len(page.items) <= limit for page in pages)


async def test_paging_skips_and_repeats_nothing_while_bookings_are_added(told: Told, views: Views) -> None:
    def on(day: int, hour: int) -> BookingCreated:
        return created(hours(hour, hour + 1, MONDAY + timedelta(days=day)))

    there = [on(day, 9) for day in range(12)]
    await told(*there)
    seen: list[UUID] = []
    cursor = None
    for day in range(12):
        page = await bookings.of_user(views, ANA, limit=3, cursor=cursor, now=MONDAY_8AM)
        seen += ids(page)
        cursor = page.cursor
        if cursor is None:
            break
        await told(on(day, 8), on(11 - day, 10))

    assert len(set(seen)) == len(seen)
    assert [id for id in seen if id in {one.booking_id for one in there}] == [one.booking_id for one in reversed(there)]


async def test_paging_goes_on_behind_a_booking_that_was_given_back_meanwhile(told: Told, views: Views) -> None:
    await told(MORNING, EVENING, NEXT_DAY)
    first = await bookings.of_user(views, ANA, limit=2, now=MONDAY_8AM)
    await told(cancelled(EVENING))

    second = await bookings.of_user(views, ANA, limit=2, cursor=first.cursor, now=MONDAY_8AM)

    assert ids(second) == [MORNING.booking_id]


@pytest.mark.parametrize("cursor", ["x", "Ä", "\0", "====", "AAAA", "M" * 72, "a" * 10_000])
async def test_a_cursor_that_no_page_came_with_is_refused(views: Views, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await bookings.of_user(views, ANA, cursor=cursor, now=MONDAY_8AM)


async def test_a_rare_status_in_a_long_history_is_found_by_following_the_cursor(told: Told, views: Views) -> None:
    given_back = created(hours(9, 10))
    others = [created(hours(9, 10, MONDAY + timedelta(days=1 + day))) for day in range(SCANNED)]
    await told(given_back, *others, cancelled(given_back))

    pages = await all_pages(views, ANA, limit=2, now=MONDAY_8AM, status=Status.CANCELLED)

    assert [id for page in pages for id in ids(page)] == [given_back.booking_id]
    assert len(pages) == 2


async def test_what_has_expired_is_found_at_once_behind_all_that_is_to_come(told: Told, views: Views) -> None:
    upcoming = [created(hours(9, 10, TUESDAY + timedelta(days=day))) for day in range(SCANNED)]
    await told(MORNING, *upcoming)

    page = await bookings.of_user(views, ANA, status=Status.EXPIRED, limit=2, now=MORNING.slot.end)

    assert ids(page) == [MORNING.booking_id]


async def test_without_its_view_a_booking_is_folded_from_the_journal_and_a_list_is_unavailable(
    journal: Journal, views: Views
) -> None:
    position = await enter(journal, MORNING, cancelled(MORNING))

    found = await bookings.one(views, MORNING.booking_id)

    assert found
    assert (found.revision, found.user_id, found.ends_at, found.position) == (2, ANA, at(10), position)
    assert read(found.json(MONDAY_8AM))["notes"] == MORNING.notes
    assert await bookings.one(views, uuid4()) is None
    with pytest.raises(Unavailable):
        await bookings.of_user(views, ANA, now=MONDAY_8AM)


async def test_a_view_and_the_journal_give_the_same_answer(
    told: Told, views: Views, redis: Redis, place: Place
) -> None:
    await told(MORNING, EVENING, cancelled(MORNING))
    from_view = await bookings.one(views, MORNING.booking_id)

    await redis.delete(Keys.of("bookings", place.schema).active)

    assert await bookings.one(views, MORNING.booking_id) == from_view


async def test_of_somebody_who_was_erased_the_texts_are_gone_and_nothing_else(
    told: Told, views: Views, redis: Redis, journal: Journal
) -> None:
    others = created(hours(12, 13), user_id=BEN, notes="mine")
    await told(MORNING, EVENING, others, cancelled(EVENING, reason="rain"))
    before = await contents(redis, journal.schema, bookings.VIEW)

    await told(UserErased(user_id=ANA, role=Role.STUDENT, at=MONDAY_8AM), created(hours(14, 15), user_id=BEN))

    found = await bookings.one(views, MORNING.booking_id)
    assert found
    assert (read(found.json(MONDAY_8AM))["notes"], found.revision) == (None, 1)
    after = await contents(redis, journal.schema, bookings.VIEW)
    changed = {name for name in before if after[name] != before[name] and name.startswith("booking:")}
    assert changed == {f"booking:{MORNING.booking_id}", f"booking:{EVENING.booking_id}"}
    given_back = await bookings.one(views, EVENING.booking_id)
    assert given_back
    assert read(given_back.json(MONDAY_8AM))["reason"] is None


async def test_bookings_are_counted_by_what_they_are_at_the_moment(told: Told, views: Views) -> None:
    given_back = created(hours(12, 13))
    await told(MORNING, EVENING, NEXT_DAY, given_back, cancelled(given_back), expired(MORNING, at=at(10)))

    async def counts(now: datetime) -> dict[str, int]:
        counts, _ = await bookings.counted(views, now=now)
        return {status: number for status, number in counts.items() if number}

    assert await counts(at(12)) == {"confirmed": 2, "cancelled": 1, "expired": 1}
    assert await counts(EVENING.slot.end) == {"confirmed": 1, "cancelled": 1, "expired": 2}


async def test_a_feed_holds_what_begins_from_a_month_ago_on_in_order_and_of_too_many_the_nearest(
    told: Told, views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookings, "LIMIT", 3)  # so that a short feed is read in many pages
    far = [-31, -29, -1, 0, 1, 6, 8, 29, 31, 89, 91, 399, 401, 3_650]
    days = {day: created(hours(9 + 24 * day, 10 + 24 * day)) for day in far}
    other = created(hours(11, 12), user_id=BEN)
    position = await told(*days.values(), other, cancelled(days[1]))

    async def feed(at_most: int) -> list[int]:
        found, shown_at = await bookings.feed_of_user(views, ANA, now=MONDAY_8AM, at_most=at_most)
        assert shown_at == position
        return [(one.slot.start - MONDAY_8AM).days for one in found]

    assert await feed(1_000) == far[1:]
    assert await feed(7) == [-29, -1, 0, 1, 6, 8, 29]
    assert await feed(5) == [-1, 0, 1, 6, 8]
    of_space, _ = await bookings.feed_of_space(views, ROOM, now=MONDAY_8AM)
    assert len(of_space) == len(far[1:]) + 1
    revisions = {one.id: (one.revision, one.status(MONDAY_8AM)) for one in of_space}
    assert revisions[days[1].booking_id] == (2, Status.CANCELLED)
    assert revisions[other.booking_id] == (1, Status.CONFIRMED)
