"""Importing a timetable: every row booked or told of, nothing twice, and what would come of it told beforehand."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.dcb.popo import InMemoryDCBRecorder

from booking.allowances import Allowance
from booking.calendars import Calendar, conflicting
from booking.events import AllowanceChanged, BookingCreated, Event, RoleChanged, SpaceCreated
from booking.opening_hours import OpeningHours
from booking.roles import Role
from booking.slots import Slot, Span
from booking.terms import Description, Rules
from commands.bookings import CreateBooking
from commands.command import Author
from commands.deciding import Deciding
from commands.importing import PER_COMMAND, CreateBookings, Import, Report, Wish
from commands.rehearsing import Rehearsal
from commands.spaces import ChangeSpace, CreateSpace
from commands.timetables import Timetable, Unusable
from journal.connection import Unavailable
from journal.folding import Aggregates, allowance, calendars, space, user
from journal.journal import Journal
from tests.commands.people import SYSTEM, give_back, offer, register, request
from tests.examples import (
    ALWAYS_OPEN,
    ANA,
    BEN,
    DESK,
    MEETING_ROOM,
    MONDAY_8AM,
    ROOM,
    created,
    hours,
)
from tests.journals import Place, a_journal
from tests.stories.stories import FIRST, SECOND, THIRD, offers, registers
from tests.stories.telling import Asked, Library, Story
from tests.stories.telling import told as told_story
from tests.timetables import HALLS, festival, timetable, told

STARTING = date(2026, 3, 27)
"""A Friday; on the second night of what starts on it the clocks go forward."""

OPEN_NIGHT = Wish(user_id=ANA, timezone="Europe/Berlin", opening_hours=ALWAYS_OPEN, grant=True)
UNAIDED = replace(OPEN_NIGHT, grant=False)


@pytest.fixture(autouse=True)
def _monday_morning(place: Place) -> None:
    place.set_clock(MONDAY_8AM)


@pytest.fixture
async def ana(deciding: Deciding) -> UUID:
    await register(deciding, ANA)
    return ANA


def the_festival() -> Timetable:
    return timetable(festival(), starting=STARTING)


def ignoring(_rows: int) -> None:
    pass


async def imported(
    journal: Journal, rows: Timetable, wish: Wish = OPEN_NIGHT, *, advance: Callable[[int], None] = ignoring
) -> Report:
    """What came of an import by a process that knows nothing yet."""
    return await Import(journal, Deciding(journal, Aggregates(journal)), wish, advance=advance).book(rows)


async def facts(journal: Journal, *kinds: type[Event]) -> list[Any]:
    return [fact.event for fact in await journal.page(0, 1_000) if not kinds or isinstance(fact.event, kinds)]


def codes(report: Report) -> list[list[str]]:
    return [[objection.code for objection in verdict.objections] for verdict in report.verdicts]


async def test_every_session_of_a_festival_is_busy_after_its_import(place: Place, journal: Journal, ana: UUID):
    rows = the_festival()
    done_with: list[int] = []

    report = await imported(journal, rows, advance=done_with.append)

    granted = ["the role STAFF", "an allowance of 51"]
    assert report == Report([], booked=51, there=0, spaces=list(HALLS), granted=granted)
    assert sum(done_with) == 51
    made = {fact.description.name: fact.space_id for fact in await facts(journal, SpaceCreated)}
    aggregates = Aggregates(journal)
    for row in rows.rows:
        of_its_dates = [(await aggregates.fresh(one))[0] for one in calendars(made[row.space], row.slot)]
        assert conflicting(of_its_dates, row.slot, now=row.slot.start, at_most=1) == [
            Span(row.slot.start, row.slot.end)
        ]
    held, _ = await aggregates.fresh(allowance(ANA))
    assert len(held.held) == 51


async def test_everything_it_does_is_a_fact_like_any_other(place: Place, journal: Journal, ana: UUID):
    await imported(journal, the_festival())

    rows = place.rows()[1:]
    counted = Counter((row.type, row.actor) for row in rows)
    assert counted == {
        ("RoleChanged", "system:import"): 1,
        ("AllowanceChanged", "system:import"): 1,
        ("SpaceCreated", f"user:{ANA}"): 3,
        ("BookingCreated", f"user:{ANA}"): 51,
    }
    assert len({row.correlation_id for row in rows}) == 1
    assert not any("at 15" in row.payload for row in rows)  # the titles are sealed, as notes are
    notes = [fact.notes for fact in await facts(journal, BookingCreated)]
    assert notes == [row.title for row in the_festival().rows]


@pytest.mark.parametrize("wish", [OPEN_NIGHT, UNAIDED], ids=["grant", "unaided"])
async def test_a_second_import_adds_nothing(place: Place, journal: Journal, deciding: Deciding, ana: UUID, wish: Wish):
    await imported(journal, the_festival())
    first = (await facts(journal, BookingCreated))[0]
    await give_back(deciding, first.booking_id)
    before = len(place.rows())

    again = await imported(journal, the_festival(), wish)

    assert again == Report([], there=51)
    assert len(place.rows()) == before


async def test_the_same_timetable_on_other_days_or_for_others_is_another(
    place: Place, journal: Journal, deciding: Deciding, ana: UUID
):
    await register(deciding, BEN)
    await imported(journal, the_festival())

    later = await imported(journal, timetable(festival(), starting=date(2026, 5, 1)))
    bens = await imported(journal, timetable(festival(), starting=date(2026, 6, 5)), replace(OPEN_NIGHT, user_id=BEN))
    taken = await imported(journal, the_festival(), replace(OPEN_NIGHT, user_id=BEN))

    assert (later.booked, later.granted, later.spaces) == (51, ["an allowance of 102"], [])
    assert bens.booked == 51
    assert (taken.booked, taken.refused) == (0, 51)
    assert codes(taken) == [["slot-taken"]] * 51


async def test_rows_that_are_alike_are_counted(journal: Journal, deciding: Deciding, ana: UUID):
    await offer(deciding, concurrent_bookings=3)
    alike = ("Meeting Room", "2026-03-27 10:00", "2026-03-27 11:00", "A table each")
    twice, four_times = timetable(told([alike] * 2)), timetable(told([alike] * 4))

    assert (await imported(journal, twice)).booked == 2
    more = await imported(journal, four_times)

    assert (more.there, more.booked, codes(more)) == (2, 1, [["slot-taken"]])
    assert more.verdicts[0].line == 5
    assert (await imported(journal, four_times)).there == 3


async def test_each_row_is_judged_as_those_before_it_leave_things(journal: Journal, deciding: Deciding, ana: UUID):
    await offer(deciding, hours=OpeningHours.daily("08:00", "18:00"))
    rows = timetable(
        told(
            [
                ("Meeting Room", "2026-03-27T09:00Z", "2026-03-27T10:00Z", "first come"),
                ("Meeting Room", "2026-03-27T09:30Z", "2026-03-27T10:30Z", "late by half an hour"),
                ("Meeting Room", "2026-01-05T08:30Z", "2026-01-05T18:30Z", "all day long"),
                ("Meeting Room", "2026-03-27T10:00Z", "2026-03-27T11:00Z", "right after"),
                ("Meeting Room", "tomorrow", "2026-03-27T12:00Z", "unreadable"),
            ]
        )
    )

    report = await imported(journal, rows)

    assert (report.booked, report.refused) == (2, 3)
    assert [verdict.line for verdict in report.verdicts] == [3, 4, 6]
    too_late = ["slot-too-long", "too-little-notice", "outside-opening-hours"]
    assert codes(report) == [["slot-taken"], too_late, ["no-time"]]
    assert report.verdicts[0].what == "Meeting Room, 2026-03-27 10:30 to 2026-03-27 11:30, late by half an hour"
    assert "2026-03-27T09:00:00Z" in report.verdicts[0].objections[0].detail


async def test_who_is_granted_nothing_makes_no_space_and_holds_no_more_than_before(
    place: Place, journal: Journal, deciding: Deciding, ana: UUID
):
    description = replace(MEETING_ROOM, name="Aula")
    command = CreateSpace(
        space_id=ROOM,
        description=description,
        timezone="Europe/Berlin",
        opening_hours=ALWAYS_OPEN,
        rules=Rules(min_duration=timedelta(minutes=15)),
    )
    await deciding.do(command, by=SYSTEM, request=request())

    report = await imported(journal, the_festival(), UNAIDED)

    assert (report.booked, report.refused, report.spaces, report.granted) == (5, 46, [], [])
    assert Counter(code for (code,) in codes(report)) == {"not-allowed": 32, "allowance-used-up": 14}
    assert [verdict.line for verdict in report.verdicts] == list(range(7, 53))
    assert {fact.space_id for fact in await facts(journal, BookingCreated)} == {ROOM}

    rest = await imported(journal, the_festival())

    assert (rest.booked, rest.there, rest.granted) == (46, 5, ["the role STAFF", "an allowance of 51"])


async def test_nothing_is_granted_that_is_there(journal: Journal, deciding: Deciding):
    await register(deciding, ANA, role=Role.ADMIN, limit=100)

    report = await imported(journal, the_festival())

    assert (report.booked, report.granted) == (51, [])
    assert await facts(journal, RoleChanged, AllowanceChanged) == []


async def test_a_space_that_is_made_is_as_wide_as_the_file_needs(journal: Journal, ana: UUID):
    wide = [
        ("Wide", "2026-01-05 09:00", "2026-01-05 09:07:30", "at once"),
        ("Wide", "2026-02-01 09:00", "2026-02-03 09:00:30", "for long"),
        ("Wide", "2027-06-01 09:00", "2027-06-01 10:00", "far away"),
    ]

    report = await imported(journal, timetable(told(wide)))

    assert report.booked == 3
    (made,) = await facts(journal, SpaceCreated)
    assert made.description == Description(name="Wide", capacity=1, price_per_hour=Decimal(0))
    assert (made.timezone, made.opening_hours) == ("Europe/Berlin", ALWAYS_OPEN)
    assert made.rules == Rules(
        min_duration=timedelta(minutes=7),
        max_duration=timedelta(days=2, minutes=1),
        min_advance=timedelta(0),
        max_advance_days=512,
    )


async def test_usual_rows_are_booked_by_the_usual_rules(journal: Journal, ana: UUID):
    await imported(journal, timetable(told([("Usual", "2026-02-01 09:00", "2026-02-01 10:00", "")])))

    (made,) = await facts(journal, SpaceCreated)
    (booked,) = await facts(journal, BookingCreated)

    assert made.rules == Rules(min_advance=timedelta(0))
    assert booked.notes is None


async def test_spaces_are_found_by_their_name_and_own_ones_again_by_their_id(
    journal: Journal, deciding: Deciding, ana: UUID
):
    await offer(deciding)
    rows = [
        ("Meeting Room", "2026-02-01 09:00", "2026-02-01 10:00", ""),
        ("Aula", "2026-02-01 09:00", "2026-02-01 10:00", ""),
    ]
    await imported(journal, timetable(told(rows)))
    booked_in = [fact.space_id for fact in await facts(journal, BookingCreated)]
    assert booked_in[0] == ROOM

    renamed = ChangeSpace(space_id=booked_in[1], description={"name": "Great Aula"})
    await deciding.do(renamed, by=SYSTEM, request=request())
    later = await imported(journal, timetable(told(rows), starting=date(2026, 2, 8)))

    assert (later.booked, later.spaces) == (2, [])
    assert [fact.space_id for fact in await facts(journal, BookingCreated)] == booked_in * 2


HIDDEN = [
    pytest.param({"description": {"name": "Great Room"}}, id="renamed"),
    pytest.param({"is_active": False}, id="deactivated"),
]


@pytest.mark.parametrize("change", HIDDEN)
async def test_a_space_is_missing_only_to_rows_that_are_new(
    place: Place, journal: Journal, deciding: Deciding, ana: UUID, change: dict[str, Any]
):
    await offer(deciding)
    rows = [("Meeting Room", "2026-02-01 09:00", "2026-02-01 10:00", "")]
    await imported(journal, timetable(told(rows)))
    await deciding.do(ChangeSpace(space_id=ROOM, **change), by=SYSTEM, request=request())
    before = len(place.rows())

    again = await imported(journal, timetable(told(rows)))

    assert again == Report([], there=1)
    assert len(place.rows()) == before

    longer = [*rows, ("Aula", "2026-02-01 09:00", "2026-02-01 10:00", "")]
    more = await imported(journal, timetable(told(longer)))

    assert (more.there, more.booked, more.spaces) == (1, 1, ["Aula"])


async def test_a_name_that_came_to_be_several_spaces_stands_in_the_way_of_new_rows_alone(
    journal: Journal, deciding: Deciding, ana: UUID
):
    await offer(deciding)
    rows = [("Meeting Room", "2026-02-01 09:00", "2026-02-01 10:00", "")]
    await imported(journal, timetable(told(rows)))
    await offer(deciding, DESK)

    assert await imported(journal, timetable(told(rows))) == Report([], there=1)


async def test_a_name_that_several_spaces_have_is_nobodys(
    place: Place, journal: Journal, deciding: Deciding, ana: UUID
):
    await offer(deciding, UUID(int=1))
    await offer(deciding, UUID(int=2))
    before = len(place.rows())
    rows = timetable(told([("Meeting Room", "2026-02-01 09:00", "2026-02-01 10:00", "")]))

    with pytest.raises(Unusable, match="2 spaces are called Meeting Room"):
        await imported(journal, rows)
    assert len(place.rows()) == before

    await deciding.do(ChangeSpace(space_id=UUID(int=1), is_active=False), by=SYSTEM, request=request())
    assert (await imported(journal, rows)).booked == 1


@pytest.mark.parametrize("wish", [OPEN_NIGHT, UNAIDED], ids=["grant", "unaided"])
async def test_a_rehearsal_tells_what_comes_of_it_and_writes_nothing(
    place: Place, journal: Journal, deciding: Deciding, ana: UUID, wish: Wish
):
    await offer(deciding)
    clash = [("Meeting Room", f"2026-03-27 1{n}:00", f"2026-03-27 1{n + 1}:30", "") for n in range(8)]
    rows = timetable(festival() + told(clash).partition("\n")[2], starting=STARTING)
    before = len(place.rows())

    foretold = await Import(journal, Rehearsal(journal), wish, advance=ignoring).book(rows)

    assert len(place.rows()) == before
    assert foretold == await imported(journal, rows, wish)
    again = await Import(journal, Rehearsal(journal), wish, advance=ignoring).book(rows)
    assert (again.there, again.booked, again.spaces, again.granted) == (foretold.booked, 0, [], [])


async def test_a_rehearsal_that_lost_its_connection_tells_nothing(place: Place, journal: Journal, ana: UUID):
    hang_up = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'daybook journal read'"

    def advance(rows: int) -> None:
        if rows:
            with place.role() as role:
                role.execute(hang_up)

    with pytest.raises(Unavailable, match="rehearsed"):
        await Import(journal, Rehearsal(journal), OPEN_NIGHT, advance=advance).book(the_festival())


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


async def test_what_an_interrupted_import_left_the_next_one_does(place: Place, journal: Journal, ana: UUID):
    def interrupt(rows: int) -> None:
        if rows:
            raise Interrupted

    with pytest.raises(Interrupted):
        await imported(journal, the_festival(), advance=interrupt)
    assert len(await facts(journal, BookingCreated)) == PER_COMMAND

    report = await imported(journal, the_festival())

    assert (report.there, report.booked, report.refused) == (PER_COMMAND, 51 - PER_COMMAND, 0)
    assert len(await facts(journal, BookingCreated)) == 51


async def test_of_imports_at_the_same_time_each_session_is_booked_once(place: Place, journal: Journal, ana: UUID):
    async with a_journal(place, name="elsewhere") as elsewhere, a_journal(place, name="nowhere") as nowhere:
        reports = await asyncio.gather(*(imported(one, the_festival()) for one in (journal, elsewhere, nowhere)))

    assert [report.refused for report in reports] == [0, 0, 0]
    assert [report.booked + report.there for report in reports] == [51, 51, 51]
    assert sum(report.booked for report in reports) == 51
    slots = [(fact.space_id, fact.slot) for fact in await facts(journal, BookingCreated)]
    assert len(slots) == len(set(slots)) == 51


def of_ana(*slots: Slot) -> list[CreateBooking]:
    return [
        CreateBooking(booking_id=UUID(int=0xC1 + n), space_id=ROOM, user_id=ANA, slot=slot)
        for n, slot in enumerate(slots)
    ]


async def test_several_bookings_in_one_command_are_a_slice_of_the_library():
    ten, eleven = hours(10, 11), hours(11, 12)
    command = CreateBookings(user_id=ANA, commands=of_ana(ten, hours(10.5, 11.5), eleven, hours(13, 14)))
    story = Story(
        name="several at once",
        given=[offers(), registers(ANA, limit=2)],
        when=Asked(command, Author.person(ANA), MONDAY_8AM),
        then=[created(ten, booking_id=FIRST, at=MONDAY_8AM), created(eleven, booking_id=THIRD, at=MONDAY_8AM)],
    )

    await told_story(story, Library(InMemoryDCBRecorder()))


async def test_what_it_decided_is_seen_by_nobody_before_it_is_entered(
    place: Place, journal: Journal, deciding: Deciding, ana: UUID
):
    await offer(deciding, requires_approval=True)
    command = CreateBookings(user_id=ANA, commands=of_ana(hours(10, 11), hours(10, 12)))
    command.by, command.now = Author.person(ANA), MONDAY_8AM
    await deciding.aggregates.fresh(user(ANA))
    await deciding.aggregates.fresh(space(ROOM))
    command.prepare(deciding.aggregates.kept)

    command.execute()

    assert (command.made, list(command.refused)) == ([FIRST], [SECOND])
    (day,) = calendars(ROOM, hours(10, 12))
    assert deciding.aggregates.kept(day).aggregate == Calendar(day=MONDAY_8AM.date())
    assert deciding.aggregates.kept(allowance(ANA)).aggregate == Allowance()
