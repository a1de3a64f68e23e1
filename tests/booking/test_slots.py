"""Slots, and what is held of them with buffers: half-open stretches in UTC."""

from datetime import UTC, date, datetime, timedelta, timezone

import hypothesis
import pytest

from booking.slots import EARLIEST, LATEST, LONGEST, LONGEST_BUFFER, BadSlot, Slot, Span
from tests.examples import HALF_HOUR, HOUR, INSTANT, MONDAY, NOTHING, SUNDAY, TUESDAY, at, held, hours, slots, spans


def test_slots_that_share_an_instant_overlap():
    assert hours(10, 12).overlaps(hours(11, 13))
    assert hours(11, 13).overlaps(hours(10, 12))
    assert hours(10, 14).overlaps(hours(11, 12))
    assert hours(10, 12).overlaps(hours(10, 12))


def test_a_slot_that_begins_where_another_ends_does_not_overlap_it():
    assert not hours(10, 12).overlaps(hours(12, 13))
    assert not hours(12, 13).overlaps(hours(10, 12))


def test_a_slot_is_kept_in_utc_whatever_offset_it_is_given_in():
    plus_nine = timezone(timedelta(hours=9))

    slot = Slot(datetime(2026, 1, 5, 19, tzinfo=plus_nine), datetime(2026, 1, 5, 21, tzinfo=plus_nine))

    assert slot == hours(10, 12)
    assert slot.start.tzinfo is UTC
    assert slot.end.tzinfo is UTC


@pytest.mark.parametrize("name", ["start", "end"])
def test_a_time_without_an_offset_makes_no_slot(name: str):
    times = {"start": at(10), "end": at(12)}
    times[name] = times[name].replace(tzinfo=None)

    with pytest.raises(BadSlot, match=f"{name} carries no offset"):
        Slot(**times)


def test_a_slot_lasts_longer_than_nothing():
    assert Slot(at(10), at(10) + INSTANT).duration == INSTANT
    with pytest.raises(BadSlot, match="not after the start"):
        hours(10, 10)
    with pytest.raises(BadSlot, match="not after the start"):
        hours(10, 9)


def test_a_slot_lasts_at_most_31_days():
    assert hours(0, 31 * 24).duration == timedelta(days=31)
    with pytest.raises(BadSlot, match="longer than 31 days"):
        Slot(at(0), at(31 * 24) + INSTANT)


def test_a_slot_lies_between_2000_and_2199():
    assert Slot(EARLIEST, EARLIEST + HOUR)
    assert Slot(LATEST - HOUR, LATEST)
    with pytest.raises(BadSlot, match="years 2000 to 2199"):
        Slot(EARLIEST - INSTANT, EARLIEST + HOUR)
    with pytest.raises(BadSlot, match="years 2000 to 2199"):
        Slot(LATEST - HOUR, LATEST + INSTANT)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_times_beyond_the_calendar_make_no_slot(text: str):
    beyond = datetime.fromisoformat(text)

    with pytest.raises(BadSlot, match="outside the calendar"):
        Slot(beyond, at(12))


def test_the_dates_of_a_slot_are_those_it_has_an_instant_on():
    assert list(hours(10, 12).dates()) == [MONDAY]
    assert list(hours(22, 26).dates()) == [MONDAY, TUESDAY]
    assert list(hours(24, 26).dates()) == [TUESDAY]


def test_a_slot_that_ends_at_midnight_does_not_touch_the_next_date():
    slot = hours(22, 24)

    assert list(slot.dates()) == [MONDAY]
    assert slot.touches(MONDAY)
    assert not slot.touches(TUESDAY)


def test_the_longest_slot_touches_32_dates():
    dates = list(hours(1, 31 * 24 + 1).dates())

    assert (len(dates), dates[0], dates[-1]) == (32, MONDAY, date(2026, 2, 5))


def test_a_slot_with_buffers_is_what_is_held():
    assert hours(10, 12).with_buffers(HALF_HOUR, HOUR) == held(9.5, 13)
    assert hours(10, 12).with_buffers(NOTHING, NOTHING) == hours(10, 12).with_buffers() == held(10, 12)


def test_buffers_reach_over_midnight_into_other_dates():
    assert list(hours(0, 24).with_buffers(HALF_HOUR, HALF_HOUR).dates()) == [SUNDAY, MONDAY, TUESDAY]
    assert list(hours(0.5, 23.5).with_buffers(HALF_HOUR, HALF_HOUR).dates()) == [MONDAY]


def test_a_slot_and_what_is_held_are_never_the_same():
    assert hours(10, 12) != held(10, 12)
    assert hours(10, 12).overlaps(held(11, 13))
    assert held(11, 13).overlaps(hours(10, 12))


def test_the_longest_slot_can_have_the_longest_buffers_at_both_ends_of_the_calendar():
    first, last = Slot(EARLIEST, EARLIEST + LONGEST), Slot(LATEST - LONGEST, LATEST)

    for slot in (first, last):
        assert slot.with_buffers(LONGEST_BUFFER, LONGEST_BUFFER).duration == LONGEST + 2 * LONGEST_BUFFER
    assert len(list(first.with_buffers(LONGEST_BUFFER, LONGEST_BUFFER).dates())) == 33
    with pytest.raises(BadSlot, match="longer than 33 days"):
        first.with_buffers(LONGEST_BUFFER, LONGEST_BUFFER + INSTANT)


def test_what_is_held_is_kept_in_utc_and_longer_than_nothing_too():
    plus_nine = timezone(timedelta(hours=9))

    span = Span(at(10).astimezone(plus_nine), at(12).astimezone(plus_nine))

    assert (span, span.start.tzinfo, span.end.tzinfo) == (held(10, 12), UTC, UTC)
    with pytest.raises(BadSlot, match="not after the start"):
        Span(at(10), at(10))


@hypothesis.settings(deadline=None)
@hypothesis.given(slots | spans)
def test_a_span_touches_exactly_its_dates(span: Span):
    dates = list(span.dates())
    around = [dates[0] - timedelta(days=1), *dates, dates[-1] + timedelta(days=1)]

    assert [day for day in around if span.touches(day)] == dates
    assert all(span.overlaps(held(0, 24, day)) for day in dates)
