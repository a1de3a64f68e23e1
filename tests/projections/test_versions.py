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
    MEETING_ROOM,
    MONDAY_8AM,
    MONDAY_NOON,
    NEW_YEAR,
    ROOM,
    cancelled,
    created,
    hours,
    registered,
    space_created,
)
from tests.projections.seeing import folded

SPLIT = OpeningHours(mon=(Window("08:00", "12:00"), Window("13:00", "24:00")), sat=(Window("22:00", "02:00"),))
MORNING, NIGHT = created(hours(9, 10.5), notes="Tea, »two« \N{HOT BEVERAGE}"), created(hours(22, 51), user_id=BEN)

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
]
"""Only ever added to, together with a new version of each view that the addition changes."""

MADE_OF_IT = {
    ("availability", 1): "8f60f580aaee8385515bcf3040f5b1498b14ef3c969f30082fdf40b2636c6793",
    ("bookings", 1): "7300e3a9cf8937ea4b163342831ed35f9fb2b50076121df2e07a5419006fa26c",
    ("spaces", 1): "54aa1baf699f45e3a6ce87aba1ffb567de1100ff3c8601b119184758282aa4c6",
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

    assert {kind for kind in EVENT_TYPES if kind.__name__.startswith(("Booking", "Space", "Opening"))} == touching
