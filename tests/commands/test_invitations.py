"""Invitations: a booking's times are read the same whatever the reader's zone, also around a change of the clocks."""

from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar

from api.feeds import Entry, Feed
from booking.bookings import Booking
from booking.slots import Slot
from booking.spaces import Space
from commands.invitations import Invitation
from tests.examples import (
    ROOM,
    TUESDAY,
    cancelled,
    created,
    given,
    hours,
    notes_changed,
    rescheduled,
    space_created,
)

HOUR = timedelta(hours=1)


def of(start: datetime, zone: str) -> Calendar:
    """What is sent about a booking of three hours."""
    fact = created(Slot(start, start + 3 * HOUR))
    booking, space = given(Booking(fact.booking_id), fact), given(Space(ROOM), space_created(timezone=zone))
    return Calendar.from_ical(Invitation(booking, space, organizer="d@example.org", attendee="a@example.org").text)


def read(calendar: Calendar, name: str) -> datetime:
    """The instant of a property, as whoever knows no zone but the VTIMEZONE beside it reads it (RFC 5545 §3.6.5)."""
    told = calendar.events[0][name]
    if (zone := told.params.get("TZID")) is None:
        return told.dt
    (rules,) = [one for one in calendar.timezones if str(one["TZID"]) == zone]
    wall = told.dt.replace(tzinfo=None)
    begun = [one for one in rules.subcomponents if one["DTSTART"].dt <= wall]
    latest = max(begun, key=lambda one: one["DTSTART"].dt)
    return (wall - latest["TZOFFSETTO"].td).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Europe/Berlin", datetime(2026, 1, 5, 9, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 29, 0, tzinfo=UTC)),  # it skips from 02:00 to 03:00 under way
        ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),  # it begins at the first instant of summer
        ("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC)),  # it ends as 02:00 comes for the second time
        ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),  # it begins then
        ("America/New_York", datetime(2027, 1, 1, 3, tzinfo=UTC)),  # in UTC it is another year
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 14, tzinfo=UTC)),  # half an hour comes twice
        ("Africa/Casablanca", datetime(2026, 2, 15, 1, tzinfo=UTC)),
        ("Asia/Kolkata", datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("Pacific/Kiritimati", datetime(2026, 12, 31, 22, tzinfo=UTC)),
        ("UTC", datetime(2026, 7, 1, 12, tzinfo=UTC)),
    ],
)
def test_whoever_knows_no_zone_reads_the_same_instants(zone: str, start: datetime):
    calendar = of(start, zone)

    assert (read(calendar, "DTSTART"), read(calendar, "DTEND")) == (start, start + 3 * HOUR)
    assert {str(one["TZID"]) for one in calendar.timezones} == ({zone} if zone != "UTC" else set())


def test_mails_and_feeds_tell_of_a_booking_under_the_same_uid_and_sequence():
    made = created(hours(9, 10, TUESDAY))
    moved = rescheduled(made, hours(15, 16, TUESDAY))
    history, told = (made, notes_changed(made, "Two of us."), moved, cancelled(moved)), []
    for n in range(1, 5):
        booking, space = given(Booking(made.booking_id), *history[:n]), given(Space(ROOM), space_created())
        mail = Invitation(booking, space, organizer="d@example.org", attendee="a@example.org").text
        feed = Feed("Bookings", [Entry(booking, "A room")], made.at).calendar()
        (in_mail,), (in_feed,) = Calendar.from_ical(mail).events, Calendar.from_ical(feed).events
        assert (in_mail["UID"], in_mail["SEQUENCE"]) == (in_feed["UID"], in_feed["SEQUENCE"])
        told.append(in_mail["SEQUENCE"])

    assert told == [0, 1, 2, 3]


def test_the_zone_changes_when_the_clocks_on_its_walls_do():
    (berlin,) = of(datetime(2026, 1, 5, 9, tzinfo=UTC), "Europe/Berlin").timezones

    changes = {one.name: (one["DTSTART"].dt, one["TZNAME"]) for one in berlin.subcomponents[1:]}

    assert changes == {
        "DAYLIGHT": (datetime(2026, 3, 29, 2), "CEST"),  # noqa: DTZ001 - a time on the wall
        "STANDARD": (datetime(2026, 10, 25, 3), "CET"),  # noqa: DTZ001
    }
