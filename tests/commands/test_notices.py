"""Notices on the real journal: each fact leads to its own, posted once however many post, lent to one at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking.events import Event, UserErased
from booking.roles import Role
from commands import notices
from commands.deciding import Deciding
from commands.letters import Kind as LetterKind
from commands.letters import Letters
from commands.notices import HANDED, LENT, LENT_AT_ONCE, Begun, Handed, Kind, State
from journal.connection import Line
from journal.journal import Journal
from tests.commands.people import book, enter, offer, register, request
from tests.examples import (
    ANA,
    HOUR,
    INSTANT,
    MONDAY_8AM,
    TUESDAY,
    WEDNESDAY,
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

BOOKED = created(hours(10, 11, WEDNESDAY))
ASKED = created(hours(10, 11, WEDNESDAY), decide_by=at(9, WEDNESDAY))
DAY = timedelta(days=1)
BEFORE = at(10, TUESDAY)
"""When one is reminded of them a day before."""

Row = tuple[str, datetime, int]


@pytest.fixture(autouse=True)
def monday(place: Place) -> None:
    place.set_clock(MONDAY_8AM)


def posted(place: Place) -> list[Row]:
    with place.role() as role:
        query = "select kind, at, position from notices order by position, kind = 'reminder'"
        return role.execute(query).fetchall()


def post_anew(place: Place) -> None:
    """Have everything posted once more."""
    with place.owner() as owner:
        owner.execute("delete from notices; update notices_posted set position = 0")


async def post_all(journal: Journal, *, limit: int = 500, remind_before: timedelta = DAY) -> None:
    post = notices.posting(remind_before=remind_before).post
    while await post(journal, limit=limit):
        pass


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ([BOOKED], [("confirmation", MONDAY_8AM, 1), ("reminder", BEFORE, 1)]),
        ([BOOKED, notes_changed(BOOKED, None)], [("confirmation", MONDAY_8AM, 1), ("reminder", BEFORE, 1)]),
        (
            [BOOKED, moved := rescheduled(BOOKED, hours(12, 13, WEDNESDAY))],
            [("confirmation", MONDAY_8AM, 1), ("change", MONDAY_8AM, 2), ("reminder", at(12, TUESDAY), 2)],
        ),
        ([BOOKED, cancelled(BOOKED)], [("confirmation", MONDAY_8AM, 1), ("cancellation", MONDAY_8AM, 2)]),
        (
            [BOOKED, moved, cancelled(moved)],
            [("confirmation", MONDAY_8AM, 1), ("change", MONDAY_8AM, 2), ("cancellation", MONDAY_8AM, 3)],
        ),
        ([BOOKED, expired(BOOKED, at=at(11, WEDNESDAY))], [("confirmation", MONDAY_8AM, 1)]),
        ([ASKED], [("request", MONDAY_8AM, 1)]),
        ([ASKED, approved(ASKED)], [("request", MONDAY_8AM, 1), ("approval", MONDAY_8AM, 2), ("reminder", BEFORE, 2)]),
        ([ASKED, rejected(ASKED)], [("request", MONDAY_8AM, 1), ("rejection", MONDAY_8AM, 2)]),
        ([ASKED, declined(ASKED, at=at(9, WEDNESDAY))], [("request", MONDAY_8AM, 1), ("decline", MONDAY_8AM, 2)]),
        (
            [BOOKED, rescheduled(BOOKED, hours(12, 13, WEDNESDAY), decide_by=at(11, WEDNESDAY))],
            [("confirmation", MONDAY_8AM, 1), ("request", MONDAY_8AM, 2)],
        ),
        ([BOOKED, UserErased(user_id=ANA, role=Role.STUDENT, at=MONDAY_8AM)], []),
    ],
)
async def test_a_fact_leads_to_its_notice_and_the_latest_to_a_reminder(
    place: Place, journal: Journal, history: list[Event], told: list[Row]
) -> None:
    enter(place, *history)
    await post_all(journal)
    assert posted(place) == told

    post_anew(place)
    await post_all(journal, limit=1)
    assert posted(place) == told


async def test_of_slots_that_are_over_nothing_is_told_and_of_those_soon_none_is_reminded(
    place: Place, journal: Journal
) -> None:
    over, under_way, soon = created(hours(6, 8)), created(hours(7, 9)), created(hours(9, 10))
    enter(place, over, under_way, soon, created(hours(9, 10, TUESDAY)), cancelled(over))

    await post_all(journal)

    confirmed = [("confirmation", MONDAY_8AM, position) for position in (2, 3, 4)]
    assert posted(place) == [*confirmed, ("reminder", at(9), 4)]


async def test_nobody_is_reminded_where_that_is_not_wanted(place: Place, journal: Journal) -> None:
    enter(place, BOOKED)
    await post_all(journal, remind_before=timedelta(0))
    assert posted(place) == [("confirmation", MONDAY_8AM, 1)]


async def test_what_an_import_enters_is_told_by_its_report_and_reminders_and_later_changes_as_usual(
    place: Place, journal: Journal, deciding: Deciding
) -> None:
    await offer(deciding)
    await register(deciding, ANA)
    made = await book(deciding, hours(10, 11, WEDNESDAY), asked=request(causation_id=uuid4()))
    await post_all(journal)
    assert [(kind, at) for kind, at, _ in posted(place)] == [("reminder", BEFORE)]

    event = created(hours(10, 11, WEDNESDAY), booking_id=made.subject.id)
    enter(place, rescheduled(event, hours(12, 13, WEDNESDAY)))
    await post_all(journal)
    assert [kind for kind, _, _ in posted(place)] == ["change", "reminder"]


async def test_what_happened_before_there_were_notices_is_not_told(place: Place, journal: Journal) -> None:
    enter(place, BOOKED)
    with place.owner() as owner:
        owner.execute(
            "drop table notices, notices_posted; drop index due_lent, deliveries_dead; drop type journal_entry"
        )
        owner.execute("update alembic_version set version_num = '0007'")
    place.begin()
    enter(place, later := created(hours(14, 15, WEDNESDAY)))

    await post_all(journal, remind_before=timedelta(0))

    assert posted(place) == [("confirmation", MONDAY_8AM, 2)]
    assert [row.booking_id for row in await notices.listed(journal, limit=9)] == [later.booking_id]


async def test_many_who_post_at_once_post_once_under_the_same_ids(place: Place, journal: Journal) -> None:
    bookings = [created(hours(n, n + 1, WEDNESDAY)) for n in range(30)]
    enter(place, *bookings, *(cancelled(one) for one in bookings[:10]))
    await post_all(journal)
    alone = await notices.listed(journal, limit=100)
    post_anew(place)

    async with a_journal(place, name="second") as second, a_journal(place, name="third") as third:
        await asyncio.gather(*(post_all(of, limit=7) for of in (journal, second, third) * 2))
        await post_all(journal)

    together = await notices.listed(journal, limit=100)
    assert sorted(together, key=lambda one: one.id) == sorted(alone, key=lambda one: one.id)
    assert len(together) == 60


async def test_a_fact_where_another_stood_before_a_restore_is_told_under_an_id_of_its_own(place: Place) -> None:
    ids: list[UUID] = []
    for booked in (BOOKED, created(hours(14, 15, WEDNESDAY)), BOOKED):
        with place.owner() as owner:
            (before,) = owner.execute("select position, hash, recorded_at from journal_head")
        enter(place, booked)
        async with a_journal(place) as journal:
            await post_all(journal)
            ids += [row.id for row in await notices.listed(journal, limit=9)]
        with place.owner() as owner:
            owner.execute("delete from events; delete from event_tags")
            owner.execute("update journal_head set position = %s, hash = %s, recorded_at = %s", before)
        post_anew(place)

    assert len(set(ids)) == len(ids) == 6


async def test_of_another_journal_everything_begins_anew_and_letters_stay(
    place: Place, journal: Journal, deciding: Deciding
) -> None:
    enter(place, space_created(), registered(), BOOKED)
    await post_all(journal)
    place.begin_anew()
    await register(deciding, ANA)
    line = Line(place.url, place.schema, name="letters")
    await Letters(line, "a key", writing=line, told=lambda _: None).write(LetterKind.VERIFICATION, f"{ANA}@example.com")
    await line.close()
    enter(place, BOOKED)

    await post_all(journal, remind_before=timedelta(0))

    assert posted(place) == [("verification", MONDAY_8AM, 0), ("confirmation", MONDAY_8AM, 2)]


async def begin(journal: Journal, handed: Handed) -> Begun:
    begun = await notices.begin(journal, handed)
    assert begun
    return begun


async def test_notices_of_one_booking_go_out_in_order_and_others_beside_them(place: Place, journal: Journal) -> None:
    moved = rescheduled(BOOKED, hours(12, 13, WEDNESDAY))
    enter(place, BOOKED, moved, cancelled(moved), created(hours(14, 15, WEDNESDAY)))
    await post_all(journal, remind_before=timedelta(0))

    begun = [await begin(journal, one) for one in await notices.take(journal, limit=10)]
    first, other = sorted(begun, key=lambda one: one.position)
    assert [(one.kind, one.position) for one in (first, other)] == [("confirmation", 1), ("confirmation", 4)]
    await notices.note_sent(journal, other)
    assert await notices.take(journal, limit=10) == []

    await notices.note_failed(journal, first, "later", again_after=HOUR)
    assert await notices.take(journal, limit=10) == [], "what waits longer still comes first"

    place.set_clock(MONDAY_8AM + HOUR)
    (again,) = await notices.take(journal, limit=1)
    await notices.note_sent(journal, await begin(journal, again))
    second = await begin(journal, (await notices.take(journal, limit=10))[0])
    assert (second.kind, second.attempts) == ("change", 1)
    await notices.note_failed(journal, second, "refused", again_after=None)
    third = await begin(journal, (await notices.take(journal, limit=10))[0])
    assert third.kind == Kind.CANCELLATION, "what is dead holds nothing up"


async def test_a_notice_is_begun_once_and_comes_again_when_nothing_came_of_it(place: Place, journal: Journal) -> None:
    enter(place, BOOKED)
    await post_all(journal, remind_before=timedelta(0))
    (handed,) = await notices.take(journal, limit=10)
    assert await notices.take(journal, limit=10) == []

    place.set_clock(MONDAY_8AM + HANDED)
    assert await notices.take(journal, limit=10) == [handed], "the message was lost"

    begun = [one for one in await asyncio.gather(*(notices.begin(journal, handed) for _ in range(4))) if one]
    assert [one.attempts for one in begun] == [1]

    place.set_clock(MONDAY_8AM + HANDED + LENT - INSTANT)
    assert await notices.take(journal, limit=10) == []
    place.set_clock(MONDAY_8AM + HANDED + LENT)
    (again,) = await notices.take(journal, limit=10)
    later = await begin(journal, again)
    await notices.note_failed(journal, begun[0], "too late to say so", again_after=None)
    await notices.drop(journal, begun[0])
    await notices.note_sent(journal, later)
    (row,) = await notices.listed(journal, limit=10)
    assert (row.state, row.attempts, row.error) == ("sent", 2, None)


async def test_how_long_one_is_due_counts_from_when_it_first_was_however_often_it_is_put_off(
    place: Place, journal: Journal
) -> None:
    enter(place, BOOKED, created(hours(14, 15, WEDNESDAY)))
    await post_all(journal)
    for tried in range(3):
        place.set_clock(MONDAY_8AM + tried * HOUR)
        for handed in await notices.take(journal, limit=10):
            await notices.note_failed(journal, await begin(journal, handed), "it is down", again_after=HOUR)
        _, seconds = await notices.standing(journal)
        assert seconds == tried * HOUR.total_seconds(), "its next try is an hour away"

    assert await notices.retry(journal) == 2
    assert (await notices.standing(journal))[1] == 2 * HOUR.total_seconds(), "nobody has it yet"
    for handed in await notices.take(journal, limit=10):
        await notices.note_failed(journal, await begin(journal, handed), "refused", again_after=None)
    assert (await notices.standing(journal))[1] == 0, "those dead are due no more, and the reminders are not yet"
    assert await notices.retry(journal) == 2
    place.set_clock(MONDAY_8AM + 3 * HOUR)
    assert (await notices.standing(journal))[1] == HOUR.total_seconds(), "one that was dead is due anew"


async def test_no_more_is_handed_out_than_is_being_sent(place: Place, journal: Journal) -> None:
    enter(place, *(created(hours(n, n + 1, WEDNESDAY)) for n in range(LENT_AT_ONCE + 5)))
    await post_all(journal, remind_before=timedelta(0))

    taken: list[Any] = [len(await notices.take(journal, limit=20)) for _ in range(3)]

    assert taken == [20, LENT_AT_ONCE - 20, 0]


@pytest.mark.parametrize("note", [notices.note_sent, notices.note_logged])
async def test_what_was_sent_or_logged_is_remembered_for_a_time(
    place: Place, journal: Journal, note: Callable[[Journal, Begun], Awaitable[None]]
) -> None:
    enter(place, created(hours(1, 2, WEDNESDAY)), created(hours(800, 801, WEDNESDAY)))
    await post_all(journal, remind_before=timedelta(0))
    for days in (0, 31):
        place.set_clock(MONDAY_8AM + days * DAY)
        (handed,) = await notices.take(journal, limit=1)
        await note(journal, await begin(journal, handed))

    (row,) = await notices.listed(journal, limit=9)
    assert row.sent_at == (MONDAY_8AM + 31 * DAY if row.state is State.SENT else None)
