"""What a command about a space tells besides: the bookings that are still held there."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.opening_hours import OpeningHours
from booking.refusals import NotAllowed
from booking.terms import BadRules
from booking.zones import UnknownZone
from commands.command import Author, Command
from commands.deciding import Deciding
from commands.spaces import ChangeSpace, CreateSpace, held_bookings
from commands.users import RegisterUser
from journal.journal import Journal
from tests.commands.people import SYSTEM, account, book, give_back, offer, register, request
from tests.examples import ALWAYS_OPEN, ANA, BEN, DESK, MEETING_ROOM, MONDAY_8AM, ROOM, at, hours
from tests.journals import Place


async def test_the_bookings_held_in_a_space_by_start(place: Place, journal: Journal, deciding: Deciding):
    place.set_clock(MONDAY_8AM)
    await offer(deciding)
    await offer(deciding, DESK)
    await register(deciding, ANA, limit=9)
    slots = [hours(50, 52), hours(10, 12), hours(23, 26), hours(46, 50), hours(60, 61)]
    made = [(await book(deciding, slot)).subject for slot in slots]
    await book(deciding, hours(13, 14), space=DESK)
    await give_back(deciding, made[4].id)

    def ids(*numbers: int) -> list[UUID]:
        return [made[n].id for n in numbers]

    async def held(hour: float) -> list[UUID]:
        return [booking.id for booking in await held_bookings(journal, deciding.aggregates, ROOM, now=at(hour))]

    assert await held(8) == ids(1, 2, 3, 0)
    assert await held(12) == ids(2, 3, 0)
    assert await held(25) == ids(2, 3, 0)  # begun the day before
    assert await held(26) == ids(3, 0)
    assert await held(51) == ids(0)
    assert await held(52) == []


NOWHERE = CreateSpace(space_id=DESK, description=MEETING_ROOM, timezone="Mars/Base", opening_hours=ALWAYS_OPEN)
UPSIDE_DOWN = ChangeSpace(space_id=ROOM, rules={"min_duration": timedelta(days=9), "max_duration": timedelta(days=1)})


@pytest.mark.parametrize(("command", "error"), [(NOWHERE, UnknownZone), (UPSIDE_DOWN, BadRules)], ids=["zone", "rules"])
async def test_what_makes_no_space_is_not_recorded(
    place: Place, deciding: Deciding, command: Command[Any], error: type[Exception]
):
    await offer(deciding)

    with pytest.raises(error):
        await deciding.do(command, by=SYSTEM, request=request())

    assert len(place.rows()) == 1


async def test_who_is_nobody_yet_or_just_a_student_offers_nothing(place: Place, deciding: Deciding):
    command = CreateSpace(space_id=DESK, description=MEETING_ROOM, opening_hours=OpeningHours())
    with pytest.raises(NotAllowed):
        await deciding.do(command, by=Author.person(BEN), request=request())

    await deciding.do(RegisterUser(user_id=BEN, account=account()), by=SYSTEM, request=request())
    with pytest.raises(NotAllowed):
        await deciding.do(command, by=Author.person(BEN), request=request())
    assert len(place.rows()) == 1
