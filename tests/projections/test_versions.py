"""What the views make of a history that never changes: another result is another version, or old views stay."""

import hashlib
from datetime import timedelta

import orjson
import pytest

from booking.events import (
    BookingRulesChanged,
    Event,
    OpeningHoursChanged,
    SpaceActivated,
    SpaceDeactivated,
    SpaceDescribed,
)
from booking.opening_hours import OpeningHours, Window
from booking.terms import Rules
from journal.journal import Recorded
from projections.following import VIEWS
from projections.views import View
from tests.examples import (
    BEN,
    DESK,
    EVENT_TYPES,
    HALF_HOUR,
    HOUR,
    MEETING_ROOM,
    MONDAY_8AM,
    MONDAY_NOON,
    NEW_YEAR,
    ROOM,
    TUESDAY,
    WEDNESDAY,
    as_usual,
    at,
    cancelled,
    created,
    expired,
    hours,
    notes_changed,
    registered,
    rescheduled,
    space_created,
    special,
)
from tests.projections.seeing import folded

SPLIT = OpeningHours(mon=(Window("08:00", "12:00"), Window("13:00", "24:00")), sat=(Window("22:00", "02:00"),))
MORNING, NIGHT = created(hours(9, 10.5), notes="Tea, »two« \N{HOT BEVERAGE}"), created(hours(22, 51), user_id=BEN)
BUFFERED = created(hours(20, 21, TUESDAY), user_id=BEN, before=HALF_HOUR, after=HOUR, notes="loud", at=MONDAY_NOON)
MOVED = rescheduled(BUFFERED, hours(1, 2, WEDNESDAY), before=HOUR, after=HALF_HOUR, at=MONDAY_NOON)

HISTORY: list[Event] = [
    registered(),
    registered(BEN),
    space_created(ROOM, timezone="Europe/Berlin", concurrent_bookings=2),
    space_created(DESK),
    MORNING,
    NIGHT,
    created(hours(10, 11), space_id=DESK, at=MONDAY_8AM),
    SpaceDescribed(space_id=ROOM, description=MEETING_ROOM, at=MONDAY_8AM),
    BookingRulesChanged(space_id=ROOM, rules=Rules(min_advance=timedelta(0), max_advance_days=7), at=MONDAY_8AM),
    OpeningHoursChanged(space_id=DESK, opening_hours=SPLIT, at=MONDAY_8AM),
    cancelled(MORNING, by=BEN, reason="rain"),
    SpaceDeactivated(space_id=DESK, at=MONDAY_8AM),
    SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM),
    SpaceActivated(space_id=ROOM, at=MONDAY_NOON),
    BUFFERED,
    notes_changed(BUFFERED, "quiet"),
    MOVED,
    special(TUESDAY, Window("10:00", "12:00")),
    special(WEDNESDAY),
    as_usual(WEDNESDAY),
    expired(MOVED, at=at(12, WEDNESDAY)),
]
"""Only ever added to, together with a new version of each view that the addition changes."""

MADE_OF_IT = {
    ("availability", 2): "969ee744d9b69aa0f77d3073034f888c102adb2018baabc005a4327c9ab583c1",
    ("bookings", 3): "512d8eab16f28c5920a5994c13eead409ff4bd71f4a9fa5ca1ddb60d87cf8961",
    ("spaces", 2): "7bd73af1d333488de98103c3037edf0de0a1c7970b991ae450c36fec74df3c18",
    ("utilisation", 1): "55ee6dbd2a347397d9818af7fe78e62f2ed4d55645354574111cf44f4510fc38",
    ("activity", 1): "78fdc5c8aab76da3546b9387dfe9113cf2a569843f7ef094d95d1fbb551cfd0e",
}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_that_turns_out_otherwise_has_another_version(view: View) -> None:
    facts = [Recorded(position, event, b"", NEW_YEAR) for position, event in enumerate(HISTORY, 1)]
    documents = {
        name: [one.decode() for one in found] if isinstance(found, list) else found.decode()
        for name, found in folded(view, facts).items()
    }
    digest = hashlib.sha256(orjson.dumps(documents, option=orjson.OPT_SORT_KEYS)).hexdigest()

    assert MADE_OF_IT.get((view.name, view.version)) == digest, "raise the version, and write down what is made now"


def test_the_history_has_every_fact_that_a_view_is_made_of() -> None:
    touching = {type(event) for event in HISTORY for view in VIEWS if list(view.touches(event))}

    kinds = ("Booking", "Space", "Opening", "Special")
    assert {kind for kind in EVENT_TYPES if kind.__name__.startswith(kinds)} == touching
