"""What commands do, told as stories that any house can be asked to live through."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from booking.events import (
    AllowanceChanged,
    BookingRulesChanged,
    OpeningHoursChanged,
    RoleChanged,
    SpaceActivated,
    SpaceDeactivated,
    SpaceDescribed,
    UserActivated,
    UserDeactivated,
)
from booking.opening_hours import OpeningHours
from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    DeadlinePassed,
    LastAdmin,
    OutsideOpeningHours,
    SlotTaken,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    TooFarAhead,
    TooLittleNotice,
    UserInactive,
)
from booking.roles import Role
from booking.slots import Slot
from booking.terms import Rules
from commands.accounts import Account
from commands.bookings import CancelBooking, CreateBooking
from commands.command import Author
from commands.spaces import ChangeSpace, CreateSpace
from commands.users import ActivateUser, ChangeAllowance, ChangeRole, DeactivateUser, RegisterUser
from tests.examples import (
    ALWAYS_OPEN,
    ANA,
    BEN,
    CLEO,
    DESK,
    MEETING_ROOM,
    MONDAY_8AM,
    NEW_YEAR,
    OFFICE_HOURS,
    ROOM,
    at,
    cancelled,
    created,
    hours,
    registered,
    space_created,
)
from tests.stories.telling import Asked, NotAllowedHere, NotFoundHere, Story

THURSDAY = date(2026, 1, 8)
DORA = UUID(int=0xB4)
SYSTEM = Author.system("story")
FIRST, SECOND, THIRD = UUID(int=0xC1), UUID(int=0xC2), UUID(int=0xC3)


def registers(user: UUID, role: Role = Role.STUDENT, *, limit: int = 5) -> Asked:
    account = Account(email=f"{user}@example.com", full_name="Somebody", password_hash="x")
    return Asked(RegisterUser(user_id=user, account=account, role=role, max_active_bookings=limit), SYSTEM, NEW_YEAR)


def offers(
    space: UUID = ROOM,
    *,
    by: UUID | None = None,
    now: datetime = NEW_YEAR,
    timezone: str = "UTC",
    opening_hours: OpeningHours = OFFICE_HOURS,
    **rules: Any,
) -> Asked:
    command = CreateSpace(
        space_id=space,
        description=MEETING_ROOM,
        timezone=timezone,
        opening_hours=opening_hours,
        rules=Rules(**rules),
    )
    return Asked(command, author(by), now)


def books(
    slot: Slot,
    booking: UUID = FIRST,
    *,
    space: UUID = ROOM,
    of: UUID = ANA,
    by: UUID | None = None,
    now: datetime = MONDAY_8AM,
    notes: str | None = None,
) -> Asked:
    command = CreateBooking(booking_id=booking, space_id=space, user_id=of, slot=slot, notes=notes)
    return Asked(command, author(by or of), now)


def gives_back(
    booking: UUID = FIRST, *, by: UUID | None = ANA, now: datetime = MONDAY_8AM, reason: str | None = None
) -> Asked:
    return Asked(CancelBooking(booking_id=booking, reason=reason), author(by), now)


def changes(
    space: UUID = ROOM,
    *,
    by: UUID | None = None,
    description: Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
    opening_hours: OpeningHours | None = None,
    is_active: bool | None = None,
) -> Asked:
    command = ChangeSpace(
        space_id=space,
        description=description or {},
        rules=rules or {},
        opening_hours=opening_hours,
        is_active=is_active,
    )
    return Asked(command, author(by), MONDAY_8AM)


def gives_role(user: UUID, role: Role, *, by: UUID | None = None) -> Asked:
    return Asked(ChangeRole(user_id=user, role=role), author(by), MONDAY_8AM)


def limits(user: UUID, most: int, *, by: UUID | None = None) -> Asked:
    return Asked(ChangeAllowance(user_id=user, max_active_bookings=most), author(by), MONDAY_8AM)


def stops(user: UUID, *, by: UUID | None = None) -> Asked:
    return Asked(DeactivateUser(user_id=user), author(by), MONDAY_8AM)


def lets_act_again(user: UUID, *, by: UUID | None = None) -> Asked:
    return Asked(ActivateUser(user_id=user), author(by), MONDAY_8AM)


def author(user: UUID | None) -> Author:
    return Author.person(user) if user else SYSTEM


A_ROOM_AND_ANA = (offers(), registers(ANA))
BOOKED = created(hours(10, 12, THURSDAY), booking_id=FIRST, at=MONDAY_8AM)

BOOKINGS = [
    Story(
        name="a free slot is held",
        given=A_ROOM_AND_ANA,
        when=books(hours(10, 12), notes="For two. Für zwei 🪑"),
        then=[created(hours(10, 12), booking_id=FIRST, at=MONDAY_8AM, notes="For two. Für zwei 🪑")],
    ),
    Story(
        name="what overlaps a held slot is refused",
        given=(*A_ROOM_AND_ANA, registers(BEN), books(hours(10, 12))),
        when=books(hours(11, 13), SECOND, of=BEN),
        then=(SlotTaken((hours(10, 12),)),),
    ),
    Story(
        name="slots that touch do not overlap",
        given=(*A_ROOM_AND_ANA, books(hours(10, 12)), books(hours(14, 16), SECOND)),
        when=books(hours(12, 14), THIRD),
        then=[created(hours(12, 14), booking_id=THIRD, at=MONDAY_8AM)],
    ),
    Story(
        name="a slot that is held the date before, over midnight, is refused",
        given=(offers(opening_hours=ALWAYS_OPEN), registers(ANA), books(hours(22, 26))),
        when=books(hours(25, 27), SECOND),
        then=(SlotTaken((hours(22, 26),)),),
    ),
    Story(
        name="another space has its own slots",
        given=(*A_ROOM_AND_ANA, offers(DESK), books(hours(10, 12))),
        when=books(hours(10, 12), SECOND, space=DESK),
        then=[created(hours(10, 12), booking_id=SECOND, space_id=DESK, at=MONDAY_8AM)],
    ),
    Story(
        name="as many are held at once as the space admits",
        given=(offers(concurrent_bookings=2), registers(ANA), books(hours(10, 12)), books(hours(11, 13), SECOND)),
        when=books(hours(11.5, 12.5), THIRD),
        then=(SlotTaken((hours(10, 12), hours(11, 13))),),
    ),
    Story(
        name="beside two that do not meet each other there is room for another",
        given=(offers(concurrent_bookings=2), registers(ANA), books(hours(10, 11)), books(hours(11, 12), SECOND)),
        when=books(hours(10, 12), THIRD),
        then=[created(hours(10, 12), booking_id=THIRD, at=MONDAY_8AM)],
    ),
    Story(
        name="a user holds no more than allowed",
        given=(offers(), registers(ANA, limit=2), books(hours(10, 11)), books(hours(11, 12), SECOND)),
        when=books(hours(15, 16), THIRD),
        then=(AllowanceUsedUp(2),),
    ),
    Story(
        name="what has ended is not held any more",
        given=(offers(), registers(ANA, limit=1), books(hours(10, 11))),
        when=books(hours(15, 16), SECOND, now=at(11)),
        then=[created(hours(15, 16), booking_id=SECOND, at=at(11))],
    ),
    Story(
        name="what was given back can be held again",
        given=(offers(), registers(ANA, limit=1), books(hours(10, 12, THURSDAY)), gives_back()),
        when=books(hours(10, 12, THURSDAY), SECOND),
        then=[created(hours(10, 12, THURSDAY), booking_id=SECOND, at=MONDAY_8AM)],
    ),
    Story(
        name="every rule that is broken is told of",
        given=(
            offers(),
            registers(ANA, limit=1),
            books(hours(9, 10)),
            changes(is_active=False),
            stops(ANA),
        ),
        when=books(hours(8.5, 8.75), SECOND, now=at(8)),
        then=(UserInactive(), SpaceInactive(), SlotTooShort(30), TooLittleNotice(at(9)), AllowanceUsedUp(1)),
    ),
    Story(
        name="a slot has to be of a length, within the horizon and opening hours",
        given=A_ROOM_AND_ANA,
        when=books(hours(1, 10, date(2027, 1, 6))),
        then=(
            SlotTooLong(480),
            TooFarAhead(date(2027, 1, 5), "UTC"),
            OutsideOpeningHours(
                "UTC", tuple((at(8, day), at(22, day)) for day in (date(2027, 1, 5), date(2027, 1, 6)))
            ),
        ),
    ),
    Story(
        name="the wall clock of the space counts",
        given=(offers(timezone="Asia/Tokyo"), registers(ANA)),
        when=books(hours(23, 24)),  # 8 o'clock there
        then=[created(hours(23, 24), booking_id=FIRST, at=MONDAY_8AM)],
    ),
    Story(
        name="nobody books what is no space",
        given=[registers(ANA)],
        when=books(hours(10, 12)),
        then=NotFoundHere("space"),
    ),
    Story(name="nobody books who is no user", given=[offers()], when=books(hours(10, 12)), then=NotFoundHere("user")),
    Story(
        name="a student books for nobody else",
        given=(*A_ROOM_AND_ANA, registers(BEN)),
        when=books(hours(10, 12), by=BEN),
        then=NotAllowedHere(),
    ),
    Story(
        name="staff book for others",
        given=(*A_ROOM_AND_ANA, registers(BEN, Role.STAFF)),
        when=books(hours(10, 12), by=BEN),
        then=[created(hours(10, 12), booking_id=FIRST, at=MONDAY_8AM)],
    ),
    Story(
        name="a booking is given back",
        given=(*A_ROOM_AND_ANA, books(hours(10, 12, THURSDAY))),
        when=gives_back(reason="It rains."),
        then=[cancelled(BOOKED, reason="It rains.")],
    ),
    Story(
        name="a booking is given back once",
        given=(*A_ROOM_AND_ANA, books(hours(10, 12, THURSDAY)), gives_back()),
        when=gives_back(),
        then=(BookingNotActive("cancelled"),),
    ),
    Story(
        name="after the deadline a booking stays",
        given=(*A_ROOM_AND_ANA, books(hours(10, 12, THURSDAY))),
        when=gives_back(now=at(11, date(2026, 1, 7))),
        then=(DeadlinePassed(at(10, date(2026, 1, 7))),),
    ),
    Story(
        name="the deadline is the space's own, and as it is now",
        given=(
            *A_ROOM_AND_ANA,
            books(hours(10, 12, THURSDAY)),
            changes(rules={"cancellation_deadline": timedelta(hours=1)}),
        ),
        when=gives_back(now=at(9, THURSDAY)),
        then=[cancelled(BOOKED, at=at(9, THURSDAY))],
    ),
    Story(
        name="staff give bookings back after the deadline",
        given=(*A_ROOM_AND_ANA, registers(BEN, Role.STAFF), books(hours(10, 12, THURSDAY))),
        when=gives_back(by=BEN, now=at(11, THURSDAY), reason="Flooded."),
        then=[cancelled(BOOKED, by=BEN, reason="Flooded.", at=at(11, THURSDAY))],
    ),
    Story(
        name="what has ended is given back by nobody",
        given=(*A_ROOM_AND_ANA, books(hours(10, 12, THURSDAY))),
        when=gives_back(by=None, now=at(12, THURSDAY)),
        then=(BookingNotActive("expired"),),
    ),
    Story(
        name="students know of no bookings but their own",
        given=(*A_ROOM_AND_ANA, registers(BEN), books(hours(10, 12, THURSDAY))),
        when=gives_back(by=BEN),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="staff who were stopped are staff no more",
        given=(*A_ROOM_AND_ANA, registers(BEN, Role.STAFF), books(hours(10, 12, THURSDAY)), stops(BEN)),
        when=gives_back(by=BEN),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="who was stopped gives nothing back",
        given=(*A_ROOM_AND_ANA, books(hours(10, 12, THURSDAY)), stops(ANA)),
        when=gives_back(),
        then=NotAllowedHere(),
    ),
    Story(
        name="what is no booking is not given back",
        given=A_ROOM_AND_ANA,
        when=gives_back(),
        then=NotFoundHere("booking"),
    ),
]

STAFF_AND_ROOM = (registers(BEN, Role.STAFF), offers(by=BEN))

SPACES = [
    Story(
        name="staff offer a space",
        given=[registers(BEN, Role.STAFF)],
        when=offers(by=BEN, timezone="Europe/Berlin", concurrent_bookings=3),
        then=[space_created(timezone="Europe/Berlin", concurrent_bookings=3)],
    ),
    Story(name="students offer none", given=[registers(ANA)], when=offers(by=ANA), then=NotAllowedHere()),
    Story(name="nobody in particular offers none", when=offers(by=ANA), then=NotAllowedHere()),
    Story(name="a space is offered once", given=STAFF_AND_ROOM, when=offers(by=BEN, concurrent_bookings=9), then=[]),
    Story(
        name="each part of a space that differs is a fact",
        given=STAFF_AND_ROOM,
        when=changes(
            by=BEN,
            description={"name": "Attic", "price_per_hour": Decimal("12.50")},
            rules={"concurrent_bookings": 2},
            opening_hours=ALWAYS_OPEN,
            is_active=False,
        ),
        then=[
            SpaceDescribed(
                space_id=ROOM,
                description=replace(MEETING_ROOM, name="Attic", price_per_hour=Decimal("12.50")),
                at=MONDAY_8AM,
            ),
            BookingRulesChanged(space_id=ROOM, rules=Rules(concurrent_bookings=2), at=MONDAY_8AM),
            OpeningHoursChanged(space_id=ROOM, opening_hours=ALWAYS_OPEN, at=MONDAY_8AM),
            SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM),
        ],
    ),
    Story(
        name="what stays as it is is no fact",
        given=STAFF_AND_ROOM,
        when=changes(
            by=BEN, description={"name": MEETING_ROOM.name}, rules={}, opening_hours=OFFICE_HOURS, is_active=True
        ),
        then=[],
    ),
    Story(
        name="a space is taken into use again",
        given=(*STAFF_AND_ROOM, changes(is_active=False)),
        when=changes(by=BEN, is_active=True),
        then=[SpaceActivated(space_id=ROOM, at=MONDAY_8AM)],
    ),
    Story(
        name="students change no space",
        given=(*STAFF_AND_ROOM, registers(ANA)),
        when=changes(by=ANA, is_active=False),
        then=NotAllowedHere(),
    ),
    Story(
        name="what is no space is not changed",
        given=STAFF_AND_ROOM,
        when=changes(DESK, by=BEN, description={"name": "Desk"}),
        then=NotFoundHere("space"),
    ),
]

ADMINS = (registers(CLEO, Role.ADMIN), registers(DORA, Role.ADMIN))

USERS = [
    Story(name="somebody registers", when=registers(ANA), then=[registered()]),
    Story(name="somebody registers once", given=[registers(ANA)], when=registers(ANA, Role.ADMIN), then=[]),
    Story(
        name="an ADMIN gives another role",
        given=(registers(CLEO, Role.ADMIN), registers(ANA)),
        when=gives_role(ANA, Role.STAFF, by=CLEO),
        then=[RoleChanged(user_id=ANA, role=Role.STAFF, role_before=Role.STUDENT, is_active=True, at=MONDAY_8AM)],
    ),
    Story(
        name="STAFF give no roles, not even to themselves",
        given=[registers(BEN, Role.STAFF)],
        when=gives_role(BEN, Role.ADMIN, by=BEN),
        then=NotAllowedHere(),
    ),
    Story(
        name="the same role is no fact",
        given=ADMINS,
        when=gives_role(CLEO, Role.ADMIN, by=DORA),
        then=[],
    ),
    Story(
        name="an ADMIN steps down while there is another",
        given=ADMINS,
        when=gives_role(CLEO, Role.STUDENT, by=CLEO),
        then=[RoleChanged(user_id=CLEO, role=Role.STUDENT, role_before=Role.ADMIN, is_active=True, at=MONDAY_8AM)],
    ),
    Story(
        name="the last active ADMIN does not step down",
        given=(*ADMINS, stops(DORA)),
        when=gives_role(CLEO, Role.STAFF, by=CLEO),
        then=(LastAdmin(),),
    ),
    Story(
        name="the last active ADMIN is not stopped, not even by the system",
        given=(*ADMINS, gives_role(DORA, Role.STAFF)),
        when=stops(CLEO),
        then=(LastAdmin(),),
    ),
    Story(
        name="an ADMIN who acts again counts again",
        given=(*ADMINS, stops(DORA), lets_act_again(DORA)),
        when=stops(CLEO, by=DORA),
        then=[UserDeactivated(user_id=CLEO, role=Role.ADMIN, at=MONDAY_8AM)],
    ),
    Story(
        name="an ADMIN who was stopped does nothing more",
        given=(*ADMINS, stops(DORA)),
        when=stops(CLEO, by=DORA),
        then=NotAllowedHere(),
    ),
    Story(
        name="a role changes while somebody is stopped, and stays when they act again",
        given=(*ADMINS, registers(ANA), stops(ANA), gives_role(ANA, Role.STAFF, by=CLEO)),
        when=lets_act_again(ANA, by=CLEO),
        then=[UserActivated(user_id=ANA, role=Role.STAFF, at=MONDAY_8AM)],
    ),
    Story(
        name="an ADMIN changes how many bookings may be held",
        given=(*ADMINS, registers(ANA)),
        when=limits(ANA, 7, by=CLEO),
        then=[AllowanceChanged(user_id=ANA, max_active_bookings=7, at=MONDAY_8AM)],
    ),
    Story(
        name="bookings held over a new limit stay, and no more are made",
        given=(
            *A_ROOM_AND_ANA,
            books(hours(10, 12, THURSDAY)),
            books(hours(12, 14, THURSDAY), SECOND),
            limits(ANA, 1),
            gives_back(),
        ),
        when=books(hours(10, 12, THURSDAY), THIRD),
        then=(AllowanceUsedUp(1),),
    ),
    Story(
        name="nobody limits their own bookings",
        given=A_ROOM_AND_ANA,
        when=limits(ANA, 99, by=ANA),
        then=NotAllowedHere(),
    ),
    Story(name="nobody stops who is no user", given=ADMINS, when=stops(ANA, by=CLEO), then=NotFoundHere("user")),
    Story(name="who acts is not let act again", given=ADMINS, when=lets_act_again(DORA, by=CLEO), then=[]),
    Story(name="who is stopped is not stopped again", given=(*ADMINS, stops(DORA)), when=stops(DORA, by=CLEO), then=[]),
]

STORIES = [*BOOKINGS, *SPACES, *USERS]
