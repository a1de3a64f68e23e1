"""Rules: which values a space may set for its bookings."""

from datetime import timedelta
from typing import Any

import pytest

from booking.slots import LONGEST, LONGEST_BUFFER
from booking.terms import BadRules, Rules
from tests.examples import INSTANT

YEAR = timedelta(days=365)


def test_the_defaults_are_those_of_an_ordinary_room():
    assert Rules() == Rules(
        min_duration=timedelta(minutes=30),
        max_duration=timedelta(hours=8),
        min_advance=timedelta(hours=1),
        max_advance_days=365,
        cancellation_deadline=timedelta(days=1),
        concurrent_bookings=1,
        buffer_before=timedelta(0),
        buffer_after=timedelta(0),
    )


@pytest.mark.parametrize(
    "values",
    [
        {"min_duration": timedelta(minutes=1)},
        {"min_duration": timedelta(minutes=480)},
        {"max_duration": timedelta(minutes=30)},
        {"max_duration": LONGEST},
        {"min_advance": timedelta(0)},
        {"min_advance": YEAR},
        {"max_advance_days": 0},
        {"max_advance_days": 3650},
        {"cancellation_deadline": timedelta(0)},
        {"cancellation_deadline": YEAR},
        {"concurrent_bookings": 1},
        {"concurrent_bookings": 1000},
        {"buffer_before": LONGEST_BUFFER},
        {"buffer_after": LONGEST_BUFFER},
    ],
)
def test_the_bounds_themselves_are_rules(values: dict[str, Any]):
    assert Rules(**values)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"min_duration": timedelta(minutes=1) - INSTANT}, "1 minute to 31 days"),
        ({"min_duration": timedelta(minutes=480) + INSTANT}, "minimum not over its maximum"),
        ({"max_duration": timedelta(minutes=30) - INSTANT}, "minimum not over its maximum"),
        ({"max_duration": LONGEST + INSTANT}, "1 minute to 31 days"),
        ({"min_advance": -INSTANT}, "notice"),
        ({"min_advance": YEAR + INSTANT}, "notice"),
        ({"max_advance_days": -1}, "horizon"),
        ({"max_advance_days": 3651}, "horizon"),
        ({"cancellation_deadline": -INSTANT}, "cancellation deadline"),
        ({"cancellation_deadline": YEAR + INSTANT}, "cancellation deadline"),
        ({"concurrent_bookings": 0}, "1 to 1000"),
        ({"concurrent_bookings": 1001}, "1 to 1000"),
        ({"buffer_before": -INSTANT}, "a buffer is 0 minutes to a day"),
        ({"buffer_after": -INSTANT}, "a buffer is 0 minutes to a day"),
        ({"buffer_before": LONGEST_BUFFER + INSTANT}, "a buffer is 0 minutes to a day"),
        ({"buffer_after": LONGEST_BUFFER + INSTANT}, "a buffer is 0 minutes to a day"),
    ],
)
def test_values_past_a_bound_are_no_rules(values: dict[str, Any], why: str):
    with pytest.raises(BadRules, match=why):
        Rules(**values)
