"""Time zones: what the rules make of clocks that go forward and back, wherever the process itself believes to be."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from booking.events import Event
from booking.opening_hours import OpeningHours, Window
from booking.refusals import DeadlinePassed, OutsideOpeningHours, Refused, TooFarAhead, TooLittleNotice
from booking.slots import BadSlot, Slot
from booking.spaces import Space
from booking.zones import UnknownZone, day_start, first_instant, last_instant, names, zone
from tests.booking import asking
from tests.booking.asking import cancel, create, expire, reschedule
from tests.examples import (
    ALWAYS_OPEN,
    HOUR,
    INSTANT,
    MONDAY_NOON,
    ROOM,
    as_usual,
    created,
    given,
    registered,
    space_created,
    special,
    taken,
)

DAY = timedelta(days=1)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
"""London's clocks go from 01:00 to 02:00 on the one, and from 02:00 back to 01:00 on the other, both at 01:00Z."""


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kathmandu"], autouse=True)
def process_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as environment:
        environment.setenv("TZ", request.param)
        time.tzset()
        # What is remembered of a zone was worked out in another process zone; a zone read anew has nothing remembered.
        zone.cache_clear()
        yield
    time.tzset()


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def between(start: str, end: str) -> Slot:
    return Slot(instant(start), instant(end))


def space(timezone: str, opening_hours: OpeningHours = ALWAYS_OPEN, **rules: Any) -> Space:
    return given(Space(ROOM), space_created(timezone=timezone, opening_hours=opening_hours, **rules))


def codes(space: Space, slot: Slot, now: datetime = MONDAY_NOON) -> list[str]:
    return [refusal.code for refusal in space.objections(slot, now=now)]


def offered(*history: Event, day: date, duration: timedelta = HOUR, now: datetime = MONDAY_NOON) -> list[Slot]:
    """The slots of the room offered on a local date, an hour apart."""
    return asking.offered(history, day, duration=duration, step=HOUR, now=now)


def shown(instants: Iterable[datetime], zone_name: str) -> list[str]:
    """What the wall clock of a zone shows then, with its offset from UTC."""
    return [at.astimezone(zone(zone_name)).isoformat(timespec="minutes") for at in instants]


@pytest.mark.parametrize(
    ("zone_name", "day", "opens", "closes", "start", "end"),
    [
        # Hours follow the zone's offset of the day.
        ("Europe/London", "2026-03-28", "09:00", "17:00", "2026-03-28T09:00Z", "2026-03-28T17:00Z"),
        ("Europe/London", "2026-03-30", "09:00", "17:00", "2026-03-30T08:00Z", "2026-03-30T16:00Z"),
        ("Asia/Kathmandu", "2026-06-10", "09:00", "10:00", "2026-06-10T03:15Z", "2026-06-10T04:15Z"),
        ("Pacific/Kiritimati", "2026-06-10", "09:00", "10:00", "2026-06-09T19:00Z", "2026-06-09T20:00Z"),
        ("Pacific/Pago_Pago", "2026-06-10", "09:00", "10:00", "2026-06-10T20:00Z", "2026-06-10T21:00Z"),
        # Past midnight, over a change: 4 hours in spring, 6 in autumn.
        ("Europe/London", "2026-03-28", "22:00", "03:00", "2026-03-28T22:00Z", "2026-03-29T02:00Z"),
        ("Europe/London", "2026-10-24", "22:00", "03:00", "2026-10-24T21:00Z", "2026-10-25T03:00Z"),
        # In a gap both opening and closing are the transition.
        ("Europe/London", "2026-03-29", "01:30", "05:00", "2026-03-29T01:00Z", "2026-03-29T04:00Z"),
        ("Europe/London", "2026-03-29", "00:00", "01:30", "2026-03-29T00:00Z", "2026-03-29T01:00Z"),
        ("Europe/London", "2026-03-29", "01:15", "01:45", "2026-03-29T01:00Z", "2026-03-29T01:00Z"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "03:00", "2026-10-03T15:30Z", "2026-10-03T16:00Z"),
        ("America/Nuuk", "2026-03-28", "22:00", "23:30", "2026-03-29T00:00Z", "2026-03-29T01:00Z"),
        # Of a repeated time the first opens and the second closes.
        ("Europe/London", "2026-10-25", "01:30", "05:00", "2026-10-25T00:30Z", "2026-10-25T05:00Z"),
        ("Europe/London", "2026-10-25", "00:00", "01:30", "2026-10-24T23:00Z", "2026-10-25T01:30Z"),
        ("Europe/London", "2026-10-25", "01:15", "01:45", "2026-10-25T00:15Z", "2026-10-25T01:45Z"),
        ("Africa/Casablanca", "2026-02-15", "02:00", "03:00", "2026-02-15T01:00Z", "2026-02-15T03:00Z"),
        # Half an hour forward: 01:45+10:30 to 02:45+11:00.
        ("Australia/Lord_Howe", "2026-10-04", "01:45", "02:45", "2026-10-03T15:15Z", "2026-10-03T15:45Z"),
        # A gap at midnight, where the day begins at 01:00, and a fold before it: 23 and 25 hours.
        ("Africa/Cairo", "2026-04-24", "00:00", "24:00", "2026-04-23T22:00Z", "2026-04-24T21:00Z"),
        ("Africa/Cairo", "2026-10-29", "00:00", "24:00", "2026-10-28T21:00Z", "2026-10-29T22:00Z"),
        ("Africa/Cairo", "2026-04-23", "20:00", "00:30", "2026-04-23T18:00Z", "2026-04-23T22:00Z"),
        # Midnight twice: the day before ends at the first, and a window that closes at 00:00 at the second.
        ("Atlantic/Azores", "2026-10-24", "20:00", "24:00", "2026-10-24T20:00Z", "2026-10-25T00:00Z"),
        ("Atlantic/Azores", "2026-10-24", "20:00", "00:00", "2026-10-24T20:00Z", "2026-10-25T01:00Z"),
        ("Atlantic/Azores", "2026-10-25", "00:00", "24:00", "2026-10-25T00:00Z", "2026-10-26T01:00Z"),
    ],
)
def test_a_window_is_open_between_these_instants(
    zone_name: str, day: str, opens: str, closes: str, start: str, end: str
):
    opening, closing = Window(opens, closes).instants(date.fromisoformat(day), zone(zone_name))

    assert (opening, closing) == (instant(start), instant(end))
    assert (opening.tzinfo, closing.tzinfo) == (UTC, UTC)


@pytest.mark.parametrize(
    ("zone_name", "day", "length"),
    [
        ("Europe/London", "2026-03-29", 23),
        ("Europe/London", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Africa/Cairo", "2026-04-24", 23),
        ("Africa/Cairo", "2026-10-29", 25),
        # Morocco's clock goes back for Ramadan and forward after it.
        ("Africa/Casablanca", "2026-02-15", 25),
        ("Africa/Casablanca", "2026-03-22", 23),
        ("Asia/Kathmandu", "2026-03-29", 24),
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(zone_name: str, day: str, length: float):
    start, tz = date.fromisoformat(day), zone(zone_name)

    assert day_start(start + DAY, tz) - day_start(start, tz) == length * HOUR


def test_the_clock_of_cairo_shows_one_as_a_day_without_midnight_begins():
    start = day_start(date(2026, 4, 24), zone("Africa/Cairo"))

    assert start == instant("2026-04-23T22:00Z")
    assert start.astimezone(zone("Africa/Cairo")).isoformat() == "2026-04-24T01:00:00+03:00"


@pytest.mark.parametrize(
    ("before", "after"),
    [("2026-02-15T02:00+01:00", "2026-02-15T02:00+00:00"), ("2026-03-22T02:00+00:00", "2026-03-22T03:00+01:00")],
)
def test_the_clock_of_casablanca_changes_at_these_instants(before: str, after: str):
    casablanca, change = zone("Africa/Casablanca"), instant(after)

    assert (change - INSTANT).astimezone(casablanca).utcoffset() == instant(before).utcoffset()
    assert change.astimezone(casablanca).isoformat() == f"{after[:16]}:00{after[16:]}"


def test_a_plain_time_has_one_instant_a_repeated_one_two_and_a_skipped_one_the_change():
    london = zone("Europe/London")

    def both(wall: str) -> tuple[datetime, datetime]:
        return first_instant(instant(wall), london), last_instant(instant(wall), london)

    assert both("2026-06-10T10:00") == (instant("2026-06-10T09:00Z"),) * 2
    assert both("2026-10-25T01:30") == (instant("2026-10-25T00:30Z"), instant("2026-10-25T01:30Z"))
    assert both("2026-03-29T01:30") == (instant("2026-03-29T01:00Z"),) * 2


def test_the_offset_a_client_writes_does_not_move_the_hours():
    london = space("Europe/London", OpeningHours.daily("08:00", "22:00"))
    three_at_night = between("2026-06-10T11:00+09:00", "2026-06-10T12:00+09:00")

    assert codes(london, three_at_night) == ["outside-opening-hours"]


@pytest.mark.parametrize(("hour", "verdict"), [(0, []), (12, ["outside-opening-hours"])])
def test_one_instant_is_one_slot_however_it_is_spelt(hour: int, verdict: list[str]):
    london = space("Europe/London", OpeningHours.daily("08:00", "22:00"))
    spelt = [
        instant("2026-06-10T10:00+01:00"),
        instant("2026-06-10T09:00Z"),
        instant("2026-06-10T18:00+09:00"),
        datetime(2026, 6, 10, 10, tzinfo=zone("Europe/London")),
    ]

    slots = {Slot(start + hour * HOUR, start + (hour + 1) * HOUR) for start in spelt}

    assert slots == {Slot(spelt[1] + hour * HOUR, spelt[1] + (hour + 1) * HOUR)}
    assert [codes(london, slot) for slot in slots] == [verdict]


def test_a_time_without_an_offset_is_no_instant_whatever_zone_the_process_is_in():
    with pytest.raises(BadSlot, match="no offset"):
        Slot(datetime(2026, 6, 10, 10), datetime(2026, 6, 10, 11))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        ("2026-03-29T00:30Z", "2026-03-29T02:30Z", ("00:30", "03:30")),
        ("2026-10-24T23:30Z", "2026-10-25T01:30Z", ("00:30", "01:30")),
    ],
)
def test_two_hours_are_120_minutes_over_a_change_of_the_clock(start: str, end: str, shown: tuple[str, str]):
    slot, london = between(start, end), zone("Europe/London")

    assert tuple(f"{at.astimezone(london):%H:%M}" for at in (slot.start, slot.end)) == shown
    assert slot.duration == 2 * HOUR
    assert codes(space("Europe/London", min_duration=2 * HOUR, max_duration=2 * HOUR), slot) == []
    assert codes(space("Europe/London", min_duration=2 * HOUR + INSTANT), slot) == ["slot-too-short"]
    assert codes(space("Europe/London", max_duration=2 * HOUR - INSTANT), slot) == ["slot-too-long"]


def test_times_in_one_zone_are_measured_as_elapsed_time_and_not_by_its_clock():
    start = datetime(2026, 3, 29, 0, 30, tzinfo=zone("Europe/London"))

    assert Slot(start, start + 2 * HOUR).duration == HOUR


def test_times_of_a_repeated_hour_are_in_order_as_instants():
    london = zone("Europe/London")
    summer = datetime(2026, 10, 25, 1, 45, tzinfo=london)
    winter = datetime(2026, 10, 25, 1, 15, tzinfo=london, fold=1)

    assert Slot(summer, winter) == between("2026-10-25T00:45Z", "2026-10-25T01:15Z")
    assert Slot(summer, summer.astimezone(UTC) + HOUR) < Slot(winter, winter.astimezone(UTC) + HOUR)


def test_both_halves_of_a_repeated_hour_can_be_booked():
    history = [space_created(timezone="Europe/London", opening_hours=ALWAYS_OPEN), registered()]
    summer = between("2026-10-25T01:30+01:00", "2026-10-25T02:00+01:00")
    winter = between("2026-10-25T01:30+00:00", "2026-10-25T02:00+00:00")

    first = create(history, summer, now=MONDAY_NOON)
    second = create([*history, *first], winter, now=MONDAY_NOON)

    assert not summer.overlaps(winter)
    with pytest.raises(Refused) as refused:
        create([*history, *first, *second], between("2026-10-25T00:45Z", "2026-10-25T01:45Z"), now=MONDAY_NOON)
    assert refused.value.refusals == (taken(summer, winter),)


def test_hours_that_repeat_are_open_in_between():
    london = space("Europe/London", OpeningHours(sun=(Window("01:15", "01:45"),)))

    assert codes(london, between("2026-10-25T00:15Z", "2026-10-25T01:45Z")) == []
    assert codes(london, between("2026-10-25T00:14Z", "2026-10-25T01:45Z")) == ["outside-opening-hours"]
    assert codes(london, between("2026-10-25T00:15Z", "2026-10-25T01:46Z")) == ["outside-opening-hours"]


def test_hours_that_are_skipped_are_not_open_at_all():
    london = space("Europe/London", OpeningHours(sun=(Window("01:15", "01:45"),)))
    slot = between("2026-03-29T00:30Z", "2026-03-29T01:30Z")

    # The stretch of the Sunday itself is missing, which leaves none.
    assert list(london.objections(slot, now=MONDAY_NOON)) == [OutsideOpeningHours("Europe/London", ())]


def test_notice_is_elapsed_time():
    london, start = space("Europe/London", min_advance=2 * HOUR), instant("2026-03-29T03:30+01:00")
    slot = Slot(start, start + HOUR)

    assert codes(london, slot, now=instant("2026-03-29T00:30+00:00")) == []
    late = instant("2026-03-29T00:31+00:00")
    assert list(london.objections(slot, now=late)) == [TooLittleNotice(instant("2026-03-29T03:31+01:00"))]


def test_the_deadline_is_elapsed_time():
    booking = created(between("2026-03-29T10:00+01:00", "2026-03-29T11:00+01:00"))
    history = [space_created(timezone="Europe/London"), registered(), booking]
    last_moment = instant("2026-03-28T09:00+00:00")

    later = Slot(booking.slot.start + DAY, booking.slot.end + DAY)
    for give_up in (
        lambda now: cancel(history, booking.booking_id, now=now),
        lambda now: reschedule(history, booking.booking_id, later, now=now),
    ):
        assert give_up(last_moment)
        with pytest.raises(Refused) as refused:
            give_up(last_moment + INSTANT)
        assert refused.value.refusals == (DeadlinePassed(last_moment),)


@pytest.mark.parametrize("end", ["2026-03-29T03:30+01:00", "2026-10-25T01:30+00:00"])
def test_a_booking_over_a_change_of_the_clock_expires_at_its_end(end: str):
    over = instant(end)
    history = [booking := created(Slot(over - 2 * HOUR, over))]

    assert expire(history, booking.booking_id, now=over - INSTANT) == []
    assert expire(history, booking.booking_id, now=over)


def test_buffers_are_elapsed_time():
    history = [
        space_created(timezone="Europe/London", opening_hours=ALWAYS_OPEN, buffer_before=HOUR, buffer_after=HOUR),
        registered(),
    ]

    (spring,) = create(history, between("2026-03-29T02:30+01:00", "2026-03-29T03:30+01:00"), now=MONDAY_NOON)
    (autumn,) = create(history, between("2026-10-25T01:30+00:00", "2026-10-25T02:30+00:00"), now=MONDAY_NOON)

    assert shown((spring.hold.start, spring.hold.end), "Europe/London") == [
        "2026-03-29T00:30+00:00",
        "2026-03-29T04:30+01:00",
    ]
    assert shown((autumn.hold.start, autumn.hold.end), "Europe/London") == [
        "2026-10-25T01:30+01:00",
        "2026-10-25T03:30+00:00",
    ]


@pytest.mark.parametrize(
    ("start", "refusals"),
    [
        ("2026-03-29T00:00+00:00", []),
        ("2026-03-29T23:30+01:00", []),
        ("2026-03-30T00:00+01:00", [TooFarAhead(SPRING, "Europe/London")]),
    ],
)
def test_the_horizon_is_counted_in_days_of_the_zone(start: str, refusals: list[TooFarAhead]):
    london, at = space("Europe/London", max_advance_days=1), instant(start)

    asked = list(london.objections(Slot(at, at + HOUR / 2), now=instant("2026-03-28T10:00+00:00")))

    assert asked == refusals


def test_the_horizon_is_that_of_the_space_on_either_side_of_the_date_line():
    now = instant("2026-06-10T10:30Z")  # already the 11th in Kiritimati, still the 9th in Pago Pago
    slot = between("2026-06-11T09:30Z", "2026-06-11T10:00Z")

    assert codes(space("Pacific/Kiritimati", max_advance_days=0), slot, now=now) == []
    assert list(space("Pacific/Pago_Pago", max_advance_days=0).objections(slot, now=now)) == [
        TooFarAhead(date(2026, 6, 9), "Pacific/Pago_Pago")
    ]


ANYWHERE = pytest.mark.parametrize(
    "zone_name",
    ["UTC", "Europe/London", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe"],
)


def on(day: date, clock: str, tz: ZoneInfo) -> datetime:
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=tz)


@ANYWHERE
def test_overnight_hours_reach_into_a_closed_day(zone_name: str):
    tz, saturday, sunday = zone(zone_name), date(2026, 6, 13), date(2026, 6, 14)
    there = space(zone_name, OpeningHours(sat=(Window("18:00", "02:00"),)))

    assert codes(there, Slot(on(sunday, "00:30", tz), on(sunday, "01:30", tz))) == []
    assert codes(there, Slot(on(saturday, "23:00", tz), on(sunday, "02:00", tz))) == []
    assert codes(there, Slot(on(sunday, "01:30", tz), on(sunday, "02:01", tz))) == ["outside-opening-hours"]
    assert codes(there, Slot(on(saturday, "00:30", tz), on(saturday, "01:30", tz))) == ["outside-opening-hours"]


@ANYWHERE
def test_a_space_open_to_midnight_can_be_booked_to_midnight(zone_name: str):
    tz, wednesday, thursday = zone(zone_name), date(2026, 6, 10), date(2026, 6, 11)
    one_day = space(zone_name, OpeningHours(wed=(Window("00:00", "24:00"),)))

    assert codes(one_day, Slot(on(wednesday, "23:00", tz), on(thursday, "00:00", tz))) == []
    assert codes(one_day, Slot(on(wednesday, "23:00", tz), on(thursday, "00:01", tz))) == ["outside-opening-hours"]
    assert codes(space(zone_name), Slot(on(wednesday, "23:00", tz), on(thursday, "01:00", tz))) == []


@ANYWHERE
def test_a_booking_over_midnight_is_in_the_way_on_both_days(zone_name: str):
    tz, wednesday, thursday = zone(zone_name), date(2026, 6, 10), date(2026, 6, 11)
    held = Slot(on(wednesday, "22:00", tz), on(thursday, "02:00", tz))
    history = [space_created(timezone=zone_name, opening_hours=ALWAYS_OPEN), registered(), created(held)]

    with pytest.raises(Refused) as refused:
        create(history, Slot(on(thursday, "01:00", tz), on(thursday, "03:00", tz)), now=MONDAY_NOON)
    assert refused.value.refusals == (taken(held),)
    assert create(history, Slot(on(thursday, "02:00", tz), on(thursday, "03:00", tz)), now=MONDAY_NOON)


@pytest.mark.parametrize(
    ("day", "starts"),
    [
        (SPRING, ["2026-03-29T00:00+00:00", "2026-03-29T02:00+01:00", "2026-03-29T03:00+01:00"]),
        (
            AUTUMN,
            [
                "2026-10-25T00:00+01:00",
                "2026-10-25T01:00+01:00",
                "2026-10-25T01:00+00:00",
                "2026-10-25T02:00+00:00",
                "2026-10-25T03:00+00:00",
            ],
        ),
    ],
    ids=["spring", "autumn"],
)
def test_slots_are_offered_at_steps_of_elapsed_time_and_each_is_accepted(day: date, starts: list[str]):
    history = [
        space_created(timezone="Europe/London", opening_hours=OpeningHours.daily("00:00", "04:00")),
        registered(),
    ]

    found = offered(*history, day=day)

    assert shown((slot.start for slot in found), "Europe/London") == starts
    assert all(create(history, slot, now=MONDAY_NOON) for slot in found)


@pytest.mark.parametrize(
    ("zone_name", "day", "first", "hours"),
    [
        ("Europe/London", "2026-03-29", "2026-03-29T00:00+00:00", 23),
        ("Europe/London", "2026-10-25", "2026-10-25T00:00+01:00", 25),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-04T00:00+10:30", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-05T00:00+11:00", 24.5),
        ("Africa/Cairo", "2026-04-24", "2026-04-24T01:00+03:00", 23),
        ("Africa/Cairo", "2026-10-29", "2026-10-29T00:00+03:00", 25),
        ("Africa/Casablanca", "2026-02-15", "2026-02-15T00:00+01:00", 25),
        ("Africa/Casablanca", "2026-03-22", "2026-03-22T00:00+00:00", 23),
        ("Asia/Kathmandu", "2026-06-10", "2026-06-10T00:00+05:45", 24),
        ("Pacific/Kiritimati", "2026-06-10", "2026-06-10T00:00+14:00", 24),
        ("Pacific/Pago_Pago", "2026-06-10", "2026-06-10T00:00-11:00", 24),
    ],
)
def test_a_day_that_is_always_open_offers_a_slot_for_each_of_its_hours(
    zone_name: str, day: str, first: str, hours: float
):
    one_day = OpeningHours(**{f"{date.fromisoformat(day):%a}".lower(): (Window("00:00", "24:00"),)})

    found = offered(space_created(timezone=zone_name, opening_hours=one_day), day=date.fromisoformat(day))

    assert shown([found[0].start], zone_name) == [first]
    assert len(found) == int(hours)
    assert all(one.end == other.start for one, other in pairwise(found))


@ANYWHERE
def test_hours_of_the_night_before_are_offered_on_a_closed_day_and_accepted(zone_name: str):
    tz, sunday = zone(zone_name), date(2026, 6, 14)
    saturdays = OpeningHours(sat=(Window("18:30", "02:30"),))
    history = [space_created(timezone=zone_name, opening_hours=saturdays), registered(), special(sunday)]

    found = offered(*history, day=sunday)

    assert [slot.start for slot in found] == [on(sunday, "00:30", tz), on(sunday, "01:30", tz)]
    assert all(create(history, slot, now=MONDAY_NOON) for slot in found)


@ANYWHERE
def test_the_last_hour_before_midnight_is_offered(zone_name: str):
    tz, wednesday = zone(zone_name), date(2026, 6, 10)
    one_day = space_created(timezone=zone_name, opening_hours=OpeningHours(wed=(Window("00:00", "24:00"),)))

    assert offered(one_day, day=wednesday)[-1].start == on(wednesday, "23:00", tz)
    assert offered(one_day, day=date(2026, 6, 11)) == []


@ANYWHERE
def test_what_a_booking_over_midnight_holds_is_offered_on_neither_day(zone_name: str):
    tz, wednesday, thursday = zone(zone_name), date(2026, 6, 10), date(2026, 6, 11)
    over_midnight = created(Slot(on(wednesday, "22:00", tz), on(thursday, "02:00", tz)))
    history = [space_created(timezone=zone_name, opening_hours=ALWAYS_OPEN), over_midnight]

    assert offered(*history, day=wednesday)[-1].end == over_midnight.slot.start
    assert offered(*history, day=thursday)[0].start == over_midnight.slot.end


def test_special_hours_keep_to_the_wall_clock_on_days_of_change():
    history = [space_created(timezone="Europe/London"), registered()]
    early, late = Window("00:30", "02:30"), Window("22:00", "02:30")

    spring = offered(*history, special(SPRING, early), day=SPRING)
    autumn = offered(*history, special(AUTUMN, early), day=AUTUMN)
    eve = offered(*history, special(AUTUMN - DAY, late), special(AUTUMN), day=AUTUMN)

    assert shown((slot.start for slot in spring), "Europe/London") == ["2026-03-29T00:30+00:00"]
    assert shown((slot.start for slot in autumn), "Europe/London") == [
        "2026-10-25T00:30+01:00",
        "2026-10-25T01:30+01:00",
        "2026-10-25T01:30+00:00",
    ]
    assert shown((slot.start for slot in eve), "Europe/London") == [
        "2026-10-25T00:00+01:00",
        "2026-10-25T01:00+01:00",
        "2026-10-25T01:00+00:00",
    ]
    assert all(create([*history, special(AUTUMN, early)], slot, now=MONDAY_NOON) for slot in autumn)


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_a_closure_lasts_from_midnight_to_midnight_on_the_wall(day: date):
    london = zone("Europe/London")
    space = given(Space(ROOM), space_created(timezone="Europe/London", opening_hours=ALWAYS_OPEN), special(day))
    start, end = day_start(day, london), day_start(day + DAY, london)

    assert codes(space, Slot(start - HOUR, start)) == []
    assert codes(space, Slot(start - HOUR, start + INSTANT)) == ["outside-opening-hours"]
    assert codes(space, Slot(end - HOUR, end)) == ["outside-opening-hours"]
    assert codes(space, Slot(end, end + HOUR)) == []
    assert codes(given(space, as_usual(day)), Slot(end - HOUR, end)) == []


def test_windows_that_touch_over_a_change_of_the_clock_are_one():
    london = space("Europe/London", OpeningHours(sun=(Window("00:00", "01:30"), Window("01:30", "04:00"))))

    # In spring both meet at the change; in autumn the repeated hour belongs to both.
    assert codes(london, between("2026-03-29T00:00+00:00", "2026-03-29T04:00+01:00")) == []
    assert codes(london, between("2026-10-25T00:00+01:00", "2026-10-25T04:00+00:00")) == []


# Samoa went from Thursday 29 December 2011 straight to Saturday the 31st, at 10:00Z.
APIA_EVE, APIA_NOW = date(2011, 12, 29), datetime(2011, 12, 20, tzinfo=UTC)


def test_no_window_begins_on_a_day_that_was_skipped():
    apia, at_change = zone("Pacific/Apia"), instant("2011-12-30T10:00Z")
    around = Slot(at_change - DAY, at_change + DAY)

    assert OpeningHours(fri=(Window("00:00", "24:00"),)).open_during(around, apia) == []
    assert OpeningHours(fri=(Window("22:00", "03:00"),)).open_during(around, apia) == []
    assert OpeningHours.daily("09:00", "17:00").open_during(Slot(at_change - HOUR, at_change + HOUR), apia) == [
        (instant("2011-12-28T19:00Z"), instant("2011-12-29T03:00Z")),
        (instant("2011-12-29T19:00Z"), instant("2011-12-30T03:00Z")),
        (instant("2011-12-30T19:00Z"), instant("2011-12-31T03:00Z")),
    ]


def test_no_slot_is_offered_on_a_day_that_was_skipped():
    always = space_created(timezone="Pacific/Apia", opening_hours=ALWAYS_OPEN)

    assert offered(always, day=APIA_EVE + DAY, now=APIA_NOW) == []
    assert offered(always, special(APIA_EVE + DAY, Window("09:00", "17:00")), day=APIA_EVE + DAY, now=APIA_NOW) == []
    for day in (APIA_EVE, APIA_EVE + 2 * DAY):
        assert len(offered(always, day=day, now=APIA_NOW)) == 24


def test_slots_of_a_window_past_a_skipped_midnight_end_with_it():
    thursdays = space_created(timezone="Pacific/Apia", opening_hours=OpeningHours(thu=(Window("20:00", "03:00"),)))

    found = offered(thursdays, day=APIA_EVE, now=APIA_NOW)

    assert found[-1] == between("2011-12-29T23:00-10:00", "2011-12-31T00:00+14:00")
    assert offered(thursdays, day=APIA_EVE + 2 * DAY, now=APIA_NOW) == []


def test_hours_past_a_midnight_that_was_skipped_end_with_it():
    thursday_night = space("Pacific/Apia", OpeningHours(thu=(Window("20:00", "03:00"),)))

    assert codes(thursday_night, between("2011-12-29T23:00-10:00", "2011-12-31T00:00+14:00"), now=APIA_NOW) == []
    assert codes(thursday_night, between("2011-12-29T23:00-10:00", "2011-12-31T00:30+14:00"), now=APIA_NOW) == [
        "outside-opening-hours"
    ]


def test_a_space_always_open_is_open_across_a_skipped_day():
    across = between("2011-12-29T23:00-10:00", "2011-12-31T01:00+14:00")

    assert across.duration == 2 * HOUR
    assert codes(space("Pacific/Apia"), across, now=APIA_NOW) == []


def test_every_zone_there_is_can_be_read():
    assert {"UTC", "Europe/London", "America/Argentina/ComodRivadavia"} <= names()
    for name in names():
        assert zone(name).key == name


@pytest.mark.parametrize("name", ["", "localtime", "Mars/Olympus", "America", "../zones", "/etc/localtime", "utc"])
def test_what_is_no_zone_is_refused(name: str):
    with pytest.raises(UnknownZone, match="no time zone is called"):
        zone(name)
