"""Spaces: what their rules admit, and what changes when they are changed."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from booking.events import (
    BookingRulesChanged,
    OpeningHoursChanged,
    SpaceActivated,
    SpaceCreated,
    SpaceDeactivated,
    SpaceDescribed,
    SpecialHoursSet,
)
from booking.opening_hours import OpeningHours, Window
from booking.refusals import (
    NotFound,
    OutsideOpeningHours,
    Refusal,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    TooFarAhead,
    TooLittleNotice,
)
from booking.slots import Slot
from booking.spaces import Space, SpecialHours, change, create
from booking.terms import Rules
from booking.zones import UnknownZone
from tests.examples import (
    ALWAYS_OPEN,
    BEN,
    FRIDAY,
    INSTANT,
    MEETING_ROOM,
    MONDAY,
    MONDAY_8AM,
    NEW_YEAR,
    OFFICE_HOURS,
    ROOM,
    SUNDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    as_usual,
    at,
    created,
    events_of,
    given,
    held,
    hours,
    managed,
    space_created,
    special,
    windows,
)

DEACTIVATED = SpaceDeactivated(space_id=ROOM, at=NEW_YEAR)


def room(**values: Any) -> Space:
    return given(Space(ROOM), space_created(**values))


def said(space: Space, slot: Slot, now=MONDAY_8AM) -> list[Refusal]:
    return list(space.objections(slot, now=now))


def test_a_slot_that_keeps_every_rule_meets_no_objection():
    assert said(room(), hours(10, 12)) == []


def test_a_slot_of_exactly_the_least_duration_is_long_enough():
    assert said(room(), hours(10, 10.5)) == []
    assert said(room(), Slot(at(10), at(10.5) - INSTANT)) == [SlotTooShort(30)]


def test_a_slot_of_exactly_the_greatest_duration_is_not_too_long():
    assert said(room(), hours(10, 18)) == []
    assert said(room(), Slot(at(10), at(18) + INSTANT)) == [SlotTooLong(480)]


def test_exactly_the_notice_is_enough():
    assert said(room(), hours(10, 12), now=at(9)) == []
    assert said(room(), hours(10, 12), now=at(9) + INSTANT) == [TooLittleNotice(at(10) + INSTANT)]


def test_without_notice_a_slot_can_begin_now_but_not_before():
    space = room(min_advance=timedelta(0))

    assert said(space, hours(10, 12), now=at(10)) == []
    assert said(space, hours(10, 12), now=at(10) + INSTANT) == [TooLittleNotice(at(10) + INSTANT)]


def test_the_last_day_of_the_horizon_can_be_booked_whole():
    space = room(max_advance_days=1, opening_hours=ALWAYS_OPEN)

    assert said(space, Slot(at(24, TUESDAY) - INSTANT, at(25, TUESDAY)), now=MONDAY_8AM) == []
    assert said(space, hours(24, 25, TUESDAY), now=MONDAY_8AM) == [TooFarAhead(TUESDAY, "UTC")]


def test_the_horizon_counts_the_days_of_the_space():
    # In Kiritimati (UTC+14) it is Tuesday from Monday 10:00Z on.
    space = room(timezone="Pacific/Kiritimati", max_advance_days=0, opening_hours=ALWAYS_OPEN)

    assert said(space, hours(33, 34), now=at(10)) == []
    assert said(space, hours(34, 35), now=at(10)) == [TooFarAhead(TUESDAY, "Pacific/Kiritimati")]
    assert said(space, hours(10, 11), now=at(9)) == [TooFarAhead(MONDAY, "Pacific/Kiritimati")]


def test_a_slot_keeps_within_the_opening_hours_to_the_instant():
    day_before, today = (at(8, SUNDAY), at(22, SUNDAY)), (at(8), at(22))
    outside = OutsideOpeningHours("UTC", (day_before, today))

    assert said(room(), hours(8, 9), now=at(0)) == []
    assert said(room(), Slot(at(8) - INSTANT, at(9)), now=at(0)) == [outside]
    assert said(room(), hours(21, 22)) == []
    assert said(room(), Slot(at(21), at(22) + INSTANT)) == [outside]


def test_a_space_without_opening_hours_admits_nothing():
    assert said(room(opening_hours=OpeningHours()), hours(10, 12)) == [OutsideOpeningHours("UTC", ())]


def test_an_inactive_space_admits_nothing_until_it_is_active_again():
    space = given(room(), DEACTIVATED)
    assert said(space, hours(10, 12)) == [SpaceInactive()]

    assert said(given(space, SpaceActivated(space_id=ROOM, at=NEW_YEAR)), hours(10, 12)) == []


def test_every_rule_that_fails_is_reported():
    space = given(room(max_advance_days=0, min_duration=timedelta(hours=1), opening_hours=OpeningHours()), DEACTIVATED)

    assert said(space, Slot(at(10, TUESDAY), at(10.5, TUESDAY)), now=at(9.5, TUESDAY)) == [
        SpaceInactive(),
        SlotTooShort(60),
        TooLittleNotice(at(10.5, TUESDAY)),
        OutsideOpeningHours("UTC", ()),
    ]
    assert said(space, hours(10, 19, TUESDAY)) == [
        SpaceInactive(),
        SlotTooLong(480),
        TooFarAhead(MONDAY, "UTC"),
        OutsideOpeningHours("UTC", ()),
    ]


def test_a_space_is_made_with_all_its_rules():
    facts = list(
        create(
            Space(ROOM),
            description=MEETING_ROOM,
            timezone="Europe/London",
            rules=Rules(concurrent_bookings=2),
            opening_hours=OFFICE_HOURS,
            now=MONDAY_8AM,
        )
    )

    assert facts == [space_created(timezone="Europe/London", concurrent_bookings=2, at=MONDAY_8AM)]
    assert given(Space(ROOM), *facts).is_active


def test_a_space_is_made_once():
    again = create(
        room(), description=MEETING_ROOM, timezone="UTC", rules=Rules(), opening_hours=ALWAYS_OPEN, now=MONDAY_8AM
    )

    assert list(again) == []


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "../UTC", "europe/london", "UTC\0"])
def test_a_space_is_made_in_a_zone_there_is(name: str):
    with pytest.raises(UnknownZone):
        list(
            create(
                Space(ROOM),
                description=MEETING_ROOM,
                timezone=name,
                rules=Rules(),
                opening_hours=OFFICE_HOURS,
                now=MONDAY_8AM,
            )
        )


def test_each_part_that_changes_is_a_fact_of_its_own():
    cheaper, twice = replace(MEETING_ROOM, price_per_hour=Decimal("9.99")), Rules(concurrent_bookings=2)
    space = room()

    facts = list(
        change(space, description=cheaper, rules=twice, opening_hours=ALWAYS_OPEN, is_active=False, now=MONDAY_8AM)
    )

    assert facts == [
        SpaceDescribed(space_id=ROOM, description=cheaper, at=MONDAY_8AM),
        BookingRulesChanged(space_id=ROOM, rules=twice, at=MONDAY_8AM),
        OpeningHoursChanged(space_id=ROOM, opening_hours=ALWAYS_OPEN, at=MONDAY_8AM),
        SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM),
    ]
    given(space, *facts)
    assert (space.description, space.rules, space.opening_hours, space.is_active) == (
        cheaper,
        twice,
        ALWAYS_OPEN,
        False,
    )


@pytest.mark.parametrize(
    ("part", "fact"),
    [
        (
            {"description": replace(MEETING_ROOM, name="Den")},
            SpaceDescribed(space_id=ROOM, description=replace(MEETING_ROOM, name="Den"), at=MONDAY_8AM),
        ),
        (
            {"rules": Rules(max_advance_days=7)},
            BookingRulesChanged(space_id=ROOM, rules=Rules(max_advance_days=7), at=MONDAY_8AM),
        ),
        (
            {"opening_hours": ALWAYS_OPEN},
            OpeningHoursChanged(space_id=ROOM, opening_hours=ALWAYS_OPEN, at=MONDAY_8AM),
        ),
        ({"is_active": False}, SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM)),
        ({"special_hours": {MONDAY: SpecialHours((), "Holiday")}}, replace(special(MONDAY), at=MONDAY_8AM)),
    ],
    ids=["description", "rules", "opening_hours", "is_active", "special_hours"],
)
def test_a_part_that_changes_leaves_the_others_alone(part: dict[str, Any], fact):
    assert list(change(room(), **part, now=MONDAY_8AM)) == [fact]


def test_a_space_is_activated_again():
    assert list(change(given(room(), DEACTIVATED), is_active=True, now=MONDAY_8AM)) == [
        SpaceActivated(space_id=ROOM, at=MONDAY_8AM)
    ]


@pytest.mark.parametrize("is_active", [True, False])
def test_what_is_equal_changes_nothing(is_active: bool):
    space = room() if is_active else given(room(), DEACTIVATED)
    same = change(
        space,
        description=replace(MEETING_ROOM, price_per_hour=Decimal(25)),
        rules=Rules(),
        opening_hours=OpeningHours.daily("08:00", "22:00"),
        special_hours={},
        is_active=is_active,
        now=MONDAY_8AM,
    )

    assert list(same) == []
    assert list(change(space, now=MONDAY_8AM)) == []


LATE, CLOSED = SpecialHours((Window("20:00", "02:00"),), "Concert"), SpecialHours((), "Holiday")


def test_a_space_is_made_with_hours_for_single_dates():
    (_, *facts) = create(
        Space(ROOM),
        description=MEETING_ROOM,
        timezone="UTC",
        rules=Rules(),
        opening_hours=OFFICE_HOURS,
        special_hours={TUESDAY: CLOSED, MONDAY: LATE},
        now=NEW_YEAR,
    )

    assert facts == [special(MONDAY, *LATE.windows, reason="Concert"), special(TUESDAY)]


def test_each_date_that_is_to_have_other_hours_is_a_fact_of_its_own():
    space = given(room(), special(MONDAY), special(TUESDAY, *LATE.windows, reason="Concert"), special(THURSDAY))

    facts = list(change(space, special_hours={WEDNESDAY: LATE, TUESDAY: CLOSED, THURSDAY: CLOSED}, now=NEW_YEAR))

    assert facts == [as_usual(MONDAY), special(TUESDAY), special(WEDNESDAY, *LATE.windows, reason="Concert")]
    assert given(space, *facts).special_hours == {TUESDAY: CLOSED, WEDNESDAY: LATE, THURSDAY: CLOSED}


def test_another_reason_alone_is_a_fact_too():
    facts = list(
        change(given(room(), special(MONDAY)), special_hours={MONDAY: SpecialHours((), "Flood")}, now=NEW_YEAR)
    )

    assert facts == [special(MONDAY, reason="Flood")]


def test_no_special_hours_at_all_clears_them_and_saying_nothing_leaves_them():
    space = given(room(), special(MONDAY), special(TUESDAY))

    assert list(change(space, special_hours={}, now=NEW_YEAR)) == [as_usual(MONDAY), as_usual(TUESDAY)]
    assert list(change(space, now=NEW_YEAR)) == []


def test_a_closed_date_admits_nothing_until_it_is_as_usual_again():
    space = given(room(), special(MONDAY))
    outside = OutsideOpeningHours("UTC", ((at(8, SUNDAY), at(22, SUNDAY)),))
    assert said(space, hours(10, 12)) == [outside]
    assert said(space, hours(10, 12, TUESDAY)) == []

    assert said(given(space, as_usual(MONDAY)), hours(10, 12)) == []


def test_special_windows_replace_all_those_of_the_weekday():
    space = given(room(), special(MONDAY, Window("06:00", "07:00"), Window("12:00", "13:00")))

    assert said(space, hours(6, 7), now=at(0)) == []
    assert said(space, hours(12, 13)) == []
    open_then = (at(8, SUNDAY), at(22, SUNDAY)), (at(6), at(7)), (at(12), at(13))
    assert said(space, hours(10, 12)) == [OutsideOpeningHours("UTC", open_then)]


def test_a_date_that_was_changed_twice_keeps_the_last_hours():
    space = given(room(), special(MONDAY), special(MONDAY, Window("06:00", "07:00")))

    assert said(space, hours(6, 7), now=at(0)) == []


def test_special_hours_of_one_space_do_not_reach_a_copy_of_it():
    space = given(room(), special(MONDAY))
    copied = replace(space)

    given(space, special(TUESDAY), as_usual(MONDAY))

    assert copied.special_hours == {MONDAY: CLOSED}


def test_duration_and_hours_are_judged_on_the_slot_and_not_on_what_is_held():
    space = room(buffer_before=timedelta(hours=4), buffer_after=timedelta(hours=4), max_duration=timedelta(hours=1))

    assert said(space, hours(8, 9), now=at(0)) == []
    assert said(space, hours(21, 22)) == []
    assert space.hold(hours(8, 9)) == held(4, 13)


def test_notice_is_that_of_the_slot_and_not_of_the_buffer_before_it():
    assert said(room(buffer_before=timedelta(hours=3)), hours(10, 11), now=at(9)) == []


def test_nothing_is_changed_of_a_space_that_is_not_there():
    with pytest.raises(NotFound, match=f"no space {ROOM}"):
        list(change(Space(ROOM), is_active=False, now=MONDAY_8AM))


def test_the_document_of_a_space_shows_all_its_rules():
    space = room(
        timezone="Europe/London",
        opening_hours=OpeningHours(
            mon=(Window("08:00", "12:00"), Window("13:00", "24:00")), sat=(Window("18:00", "02:00"),)
        ),
        cancellation_deadline=timedelta(hours=2),
        buffer_before=timedelta(minutes=10),
        buffer_after=timedelta(minutes=15),
        requires_approval=True,
        approval_ttl=timedelta(hours=24),
        approval_deadline=timedelta(hours=2),
    )
    given(space, managed(BEN), special(TUESDAY), special(MONDAY, Window("10:00", "14:00"), reason="Inventory"))

    assert space.document() == {
        "id": ROOM,
        "name": "Meeting Room",
        "description": "",
        "capacity": 10,
        "price_per_hour": 25.0,
        "timezone": "Europe/London",
        "is_active": True,
        "concurrent_bookings": 1,
        "min_duration_minutes": 30,
        "max_duration_minutes": 480,
        "min_advance_minutes": 60,
        "max_advance_days": 365,
        "cancellation_deadline_hours": 2,
        "opening_hours": {
            "mon": [{"opens": "08:00", "closes": "12:00"}, {"opens": "13:00", "closes": "24:00"}],
            "tue": [],
            "wed": [],
            "thu": [],
            "fri": [],
            "sat": [{"opens": "18:00", "closes": "02:00"}],
            "sun": [],
        },
        "buffer_before_minutes": 10,
        "buffer_after_minutes": 15,
        "requires_approval": True,
        "approval_ttl_hours": 24,
        "approval_deadline_hours": 2,
        "managers": (BEN,),
        "special_hours": [
            {"date": MONDAY, "windows": [{"opens": "10:00", "closes": "14:00"}], "reason": "Inventory"},
            {"date": TUESDAY, "windows": [], "reason": "Holiday"},
        ],
        "created_at": NEW_YEAR,
    }


def test_bookings_are_no_part_of_a_space():
    assert given(room(), created(hours(10, 12))) == room()


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(
    events_of(SpaceCreated),
    st.lists(st.builds(special, st.dates(MONDAY, FRIDAY), windows), max_size=4),
    events_of(SpaceCreated),
    st.dictionaries(st.dates(MONDAY, FRIDAY), st.sampled_from([LATE, CLOSED]), max_size=4),
    st.booleans(),
)
def test_whatever_a_space_was_it_is_changed_into_what_is_asked_for(
    before: SpaceCreated,
    specials: list[SpecialHoursSet],
    after: SpaceCreated,
    special_hours: dict[date, SpecialHours],
    is_active: bool,
):
    space = given(Space(before.space_id), before, *specials)
    asked: dict[str, Any] = {
        "description": after.description,
        "rules": after.rules,
        "opening_hours": after.opening_hours,
        "special_hours": special_hours,
        "is_active": is_active,
    }

    given(space, *change(space, **asked, now=MONDAY_8AM))

    assert {name: getattr(space, name) for name in asked} == asked
    assert list(change(space, **asked, now=MONDAY_8AM)) == []
