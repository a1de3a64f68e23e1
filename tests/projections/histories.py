"""Histories as they could have been recorded, for laws about views."""

from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid5

from hypothesis import strategies as st

from booking.events import (
    BookingCreated,
    BookingRulesChanged,
    Event,
    OpeningHoursChanged,
    SpaceActivated,
    SpaceCreated,
    SpaceDeactivated,
    SpaceDescribed,
)
from booking.slots import Slot
from tests.examples import (
    ANA,
    BEN,
    MONDAY_8AM,
    NEW_YEAR,
    approved,
    cancelled,
    created,
    declined,
    descriptions,
    opening_hours,
    registered,
    rejected,
    rules,
    texts,
)

_STORY = UUID(int=0xD0)

slots = st.builds(
    lambda start, duration: Slot(
        MONDAY_8AM + start * timedelta(minutes=15), MONDAY_8AM + (start + duration) * timedelta(minutes=15)
    ),
    st.integers(0, 400),
    st.integers(1, 150),
)
"""In quarters of an hour over four days; some touch three dates."""


def happenings(space_id: UUID) -> st.SearchStrategy[Any]:
    """What can happen to a space once it is there; the moment comes later."""
    return st.one_of(
        st.builds(lambda given: lambda at: SpaceDescribed(space_id=space_id, description=given, at=at), descriptions),
        st.builds(lambda given: lambda at: BookingRulesChanged(space_id=space_id, rules=given, at=at), rules),
        st.builds(
            lambda given: lambda at: OpeningHoursChanged(space_id=space_id, opening_hours=given, at=at), opening_hours
        ),
        st.sampled_from((SpaceDeactivated, SpaceActivated)).map(lambda one: lambda at: one(space_id=space_id, at=at)),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Two spaces and two users: bookings made, asked for, decided on and given back, spaces changed, a minute apart."""
    spaces = [uuid5(_STORY, f"space {n}") for n in range(2)]
    ids = (uuid5(_STORY, f"booking {n}") for n in count())
    moments = (NEW_YEAR + n * timedelta(minutes=1) for n in count())
    history: list[Event] = [registered(ANA, at=next(moments)), registered(BEN, at=next(moments))]
    for space_id in spaces:
        history.append(
            SpaceCreated(
                space_id=space_id,
                description=draw(descriptions),
                timezone="Europe/Berlin",
                rules=draw(rules),
                opening_hours=draw(opening_hours),
                at=next(moments),
            )
        )
    held: list[BookingCreated] = []
    waiting: list[BookingCreated] = []
    kinds = ("hold", "hold", "hold", "ask", "ask", "lapse", "decide", "decide", "free", "change")
    for what in draw(st.lists(st.sampled_from(kinds), max_size=25)):
        space_id = draw(st.sampled_from(spaces))
        if what in ("hold", "ask", "lapse"):
            slot, at = draw(slots), next(moments)
            until = {
                "ask": slot.start - draw(st.integers(0, 50)) * timedelta(minutes=15),
                "lapse": at + timedelta(seconds=30),
            }
            booking = created(
                slot,
                space_id=space_id,
                user_id=draw(st.sampled_from((ANA, BEN))),
                booking_id=next(ids),
                notes=draw(st.none() | texts),
                decide_by=until.get(what),
                at=at,
            )
            history.append(booking)
            if what == "lapse":
                history.append(declined(booking, at=next(moments)))
            else:
                (waiting if what == "ask" else held).append(booking)
        elif what == "decide" and waiting:
            asked = waiting.pop(draw(st.integers(0, len(waiting) - 1)))
            if draw(st.booleans()):
                history.append(approved(asked, at=next(moments)))
                held.append(asked)
            else:
                history.append(rejected(asked, reason=draw(st.none() | texts), at=next(moments)))
        elif what == "free" and held:
            given_back = held.pop(draw(st.integers(0, len(held) - 1)))
            history.append(cancelled(given_back, reason=draw(st.none() | texts), at=next(moments)))
        elif what == "change":
            history.append(draw(happenings(space_id))(next(moments)))
    return history
