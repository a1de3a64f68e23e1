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
    approved,
    as_usual,
    at,
    cancelled,
    created,
    declined,
    expired,
    hours,
    managed,
    notes_changed,
    registered,
    rejected,
    rescheduled,
    space_created,
    special,
)
from tests.projections.seeing import folded

SPLIT = OpeningHours(mon=(Window("08:00", "12:00"), Window("13:00", "24:00")), sat=(Window("22:00", "02:00"),))
MORNING, NIGHT = created(hours(9, 10.5), notes="Tea, »two« \N{HOT BEVERAGE}"), created(hours(22, 51), user_id=BEN)
BUFFERED = created(hours(20, 21, TUESDAY), user_id=BEN, before=HALF_HOUR, after=HOUR, notes="loud", at=MONDAY_NOON)
MOVED = rescheduled(BUFFERED, hours(1, 2, WEDNESDAY), before=HOUR, after=HALF_HOUR, at=MONDAY_NOON)

REQUESTS = [
    created(hours(10 + n, 11 + n, WEDNESDAY), before=HALF_HOUR, decide_by=at(9, TUESDAY), at=MONDAY_NOON)
    for n in range(5)
]

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
    managed(BEN),
    BookingRulesChanged(space_id=ROOM, rules=Rules(requires_approval=True), at=MONDAY_NOON),
    *REQUESTS,
    approved(REQUESTS[0]),
    rejected(REQUESTS[1], reason="full"),
    declined(REQUESTS[2], at=at(9, TUESDAY)),
    rescheduled(REQUESTS[3], hours(20, 21, WEDNESDAY), decide_by=at(9, WEDNESDAY)),
    rescheduled(REQUESTS[0], hours(21, 22, WEDNESDAY), decide_by=at(9, WEDNESDAY)),
]
"""Only ever added to, together with a new version of each view that the addition changes."""

MADE_OF_IT = {
    ("availability", 3): "a5ab8c93374cf8651b3fbe236e900e1eb09fa0b6c4b91576b1063315b33c60d9",
    ("bookings", 4): "30420e395ef1a7c6a083df47bde63ab1265b9f6476754a249f3094873d747016",
    ("spaces", 3): "5a268c37fe0d396e4fd2271000abb3a60739d9fc733f14e4ef460c2fb6bc00d3",
    ("utilisation", 2): "6454eef6a298ce668406cd427f02a113baa3325d16ad5dc657926dd0fa30830e",
    ("activity", 2): "ae92a23eaead12541a2db43deb61593e74ffec915fc88571b08f8b3f91bd1718",
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
