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
    cancelled,
    created,
    descriptions,
    opening_hours,
    registered,
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
    """Two spaces and two users: bookings made and given back, spaces changed, a minute apart."""
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
    for what in draw(st.lists(st.sampled_from(("hold", "hold", "hold", "free", "change")), max_size=25)):
        space_id = draw(st.sampled_from(spaces))
        if what == "hold":
            held.append(
                created(
                    draw(slots),
                    space_id=space_id,
                    user_id=draw(st.sampled_from((ANA, BEN))),
                    booking_id=next(ids),
                    notes=draw(st.none() | texts),
                    at=next(moments),
                )
            )
            history.append(held[-1])
        elif what == "free" and held:
            given_back = held.pop(draw(st.integers(0, len(held) - 1)))
            history.append(cancelled(given_back, reason=draw(st.none() | texts), at=next(moments)))
        elif what == "change":
            history.append(draw(happenings(space_id))(next(moments)))
    return history
