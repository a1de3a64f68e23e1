"""What commands do, told as stories that any house can be asked to live through."""

from collections.abc import Container, Mapping, Sequence
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
from booking.opening_hours import OpeningHours, Window
from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    BookingNotPending,
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
from booking.spaces import SpecialHours
from booking.terms import Rules
from commands.accounts import Account
from commands.bookings import (
    UNCHANGED,
    ApproveBooking,
    CancelBooking,
    ChangeBooking,
    CreateBooking,
    ExpireBookings,
    RejectBooking,
    Unchanged,
)
from commands.command import Author
from commands.spaces import ChangeSpace, CreateSpace
from commands.users import ChangeUser, RegisterUser
from tests.examples import (
    ALWAYS_OPEN,
    ANA,
    BEN,
    CLEO,
    DESK,
    FRIDAY,
    HALF_HOUR,
    HOUR,
    INSTANT,
    MEETING_ROOM,
    MONDAY,
    MONDAY_8AM,
    NEW_YEAR,
    NOTHING,
    OFFICE_HOURS,
    ROOM,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    approved,
    as_usual,
    at,
    cancelled,
    created,
    declined,
    expired,
    held,
    hours,
    managed,
    notes_changed,
    registered,
    rejected,
    rescheduled,
    space_created,
    special,
    taken,
)
from tests.stories.telling import Asked, NotAllowedHere, NotFoundHere, NotSeenHere, Story

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
    booking: UUID = FIRST,
    *,
    by: UUID | None = ANA,
    now: datetime = MONDAY_8AM,
    reason: str | None = None,
    seen: Container[int] | None = None,
) -> Asked:
    return Asked(CancelBooking(booking_id=booking, reason=reason, if_revisions=seen), author(by), now)


def moves(
    booking: UUID = FIRST,
    *,
    to: Slot | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    by: UUID | None = ANA,
    now: datetime = MONDAY_8AM,
    notes: str | Unchanged | None = UNCHANGED,
    seen: Container[int] | None = None,
) -> Asked:
    """A booking is to get the slot `to`, or another `start` or `end`, or other notes."""
    command = ChangeBooking(
        booking_id=booking,
        start=to.start if to else start,
        end=to.end if to else end,
        notes=notes,
        if_revisions=seen,
    )
    return Asked(command, author(by), now)


def approves(
    booking: UUID = FIRST,
    *,
    by: UUID | None = CLEO,
    now: datetime = MONDAY_8AM,
    seen: Container[int] | None = None,
) -> Asked:
    return Asked(ApproveBooking(booking_id=booking, if_revisions=seen), author(by), now)


def rejects(
    booking: UUID = FIRST,
    *,
    by: UUID | None = CLEO,
    now: datetime = MONDAY_8AM,
    reason: str | None = None,
    seen: Container[int] | None = None,
) -> Asked:
    return Asked(RejectBooking(booking_id=booking, reason=reason, if_revisions=seen), author(by), now)


def expires(booking: UUID = FIRST, *, now: datetime) -> Asked:
    return Asked(ExpireBookings(booking_ids=[booking]), SYSTEM, now)


def changes(
    space: UUID = ROOM,
    *,
    by: UUID | None = None,
    description: Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
    opening_hours: OpeningHours | None = None,
    special_hours: Mapping[date, SpecialHours] | None = None,
    managers: Sequence[UUID] | None = None,
    is_active: bool | None = None,
    seen: Container[int] | None = None,
) -> Asked:
    command = ChangeSpace(
        space_id=space,
        description=description or {},
        rules=rules or {},
        opening_hours=opening_hours,
        special_hours=special_hours,
        managers=managers,
        is_active=is_active,
        if_revisions=seen,
    )
    return Asked(command, author(by), MONDAY_8AM)


def gives_role(user: UUID, role: Role, *, by: UUID | None = None) -> Asked:
    return Asked(ChangeUser(user_id=user, role=role), author(by), MONDAY_8AM)


def limits(user: UUID, most: int, *, by: UUID | None = None) -> Asked:
    return Asked(ChangeUser(user_id=user, max_active_bookings=most), author(by), MONDAY_8AM)


def stops(user: UUID, *, by: UUID | None = None) -> Asked:
    return Asked(ChangeUser(user_id=user, is_active=False), author(by), MONDAY_8AM)


def lets_act_again(user: UUID, *, by: UUID | None = None) -> Asked:
    return Asked(ChangeUser(user_id=user, is_active=True), author(by), MONDAY_8AM)


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
        then=(taken(hours(10, 12)),),
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
        then=(taken(hours(22, 26)),),
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
        then=(taken(hours(10, 12), hours(11, 13)),),
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
        when=gives_back(now=at(11, WEDNESDAY)),
        then=(DeadlinePassed(at(10, WEDNESDAY)),),
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

BOOKED_BY_ANA = (*A_ROOM_AND_ANA, books(hours(10, 12, THURSDAY)))
MOVED = rescheduled(BOOKED, hours(14, 15, FRIDAY))

MOVES = [
    Story(
        name="a booking is moved",
        given=BOOKED_BY_ANA,
        when=moves(to=hours(14, 15, FRIDAY)),
        then=[MOVED],
    ),
    Story(
        name="a booking gets another end",
        given=BOOKED_BY_ANA,
        when=moves(end=at(13, THURSDAY)),
        then=[rescheduled(BOOKED, hours(10, 13, THURSDAY))],
    ),
    Story(
        name="a booking gets another start",
        given=BOOKED_BY_ANA,
        when=moves(start=at(11, THURSDAY)),
        then=[rescheduled(BOOKED, hours(11, 12, THURSDAY))],
    ),
    Story(
        name="a booking that was moved gets another end",
        given=(*BOOKED_BY_ANA, moves(to=hours(14, 15, FRIDAY))),
        when=moves(end=at(16, FRIDAY)),
        then=[rescheduled(MOVED, hours(14, 16, FRIDAY))],
    ),
    Story(
        name="what a booking was moved away from can be held again",
        given=(*BOOKED_BY_ANA, moves(to=hours(14, 15, FRIDAY))),
        when=books(hours(10, 12, THURSDAY), SECOND),
        then=[created(hours(10, 12, THURSDAY), booking_id=SECOND, at=MONDAY_8AM)],
    ),
    Story(
        name="what a booking was moved to cannot",
        given=(*BOOKED_BY_ANA, moves(to=hours(14, 15, FRIDAY))),
        when=books(hours(14.5, 16, FRIDAY), SECOND),
        then=(taken(hours(14, 15, FRIDAY)),),
    ),
    Story(
        name="a booking moves past itself and not past others",
        given=(*BOOKED_BY_ANA, books(hours(12, 14, THURSDAY), SECOND)),
        when=moves(to=hours(11, 13, THURSDAY)),
        then=(taken(hours(12, 14, THURSDAY)),),
    ),
    Story(
        name="a booking that moves is not one more",
        given=(offers(), registers(ANA, limit=1), books(hours(10, 12, THURSDAY))),
        when=moves(to=hours(11, 13, THURSDAY)),
        then=[rescheduled(BOOKED, hours(11, 13, THURSDAY))],
    ),
    Story(
        name="the same slot is no fact, even after the deadline",
        given=BOOKED_BY_ANA,
        when=moves(to=hours(10, 12, THURSDAY), now=at(11, THURSDAY)),
        then=[],
    ),
    Story(
        name="after the deadline a booking stays where it is",
        given=BOOKED_BY_ANA,
        when=moves(to=hours(14, 15, FRIDAY), now=at(11, WEDNESDAY)),
        then=(DeadlinePassed(at(10, WEDNESDAY)),),
    ),
    Story(
        name="staff move bookings after the deadline, by the same rules",
        given=(registers(BEN, Role.STAFF), *BOOKED_BY_ANA),
        when=moves(to=hours(14, 15, FRIDAY), by=BEN, now=at(11, THURSDAY)),
        then=[rescheduled(BOOKED, hours(14, 15, FRIDAY), by=BEN, at=at(11, THURSDAY))],
    ),
    Story(
        name="not even staff move a booking to where the space is closed",
        given=(registers(BEN, Role.STAFF), *BOOKED_BY_ANA),
        when=moves(to=hours(6, 9, FRIDAY), by=BEN),
        then=(OutsideOpeningHours("UTC", ((at(8, THURSDAY), at(22, THURSDAY)), (at(8, FRIDAY), at(22, FRIDAY)))),),
    ),
    Story(
        name="the rules of now decide on a move, not those of then",
        given=(*BOOKED_BY_ANA, changes(rules={"max_duration": HOUR, "buffer_after": HOUR})),
        when=moves(to=hours(14, 15, FRIDAY)),
        then=[rescheduled(BOOKED, hours(14, 15, FRIDAY), after=HOUR)],
    ),
    Story(
        name="every rule that a move breaks is told of",
        given=(
            *BOOKED_BY_ANA,
            books(hours(8, 9, FRIDAY), SECOND),
            limits(ANA, 1),
            changes(is_active=False),
            stops(ANA),
        ),
        when=moves(to=hours(7.75, 8.25, FRIDAY), by=None, now=at(7.5, FRIDAY)),
        then=(
            BookingNotActive("expired"),
            UserInactive(),
            SpaceInactive(),
            TooLittleNotice(at(8.5, FRIDAY)),
            OutsideOpeningHours("UTC", ((at(8, THURSDAY), at(22, THURSDAY)), (at(8, FRIDAY), at(22, FRIDAY)))),
            taken(hours(8, 9, FRIDAY)),
            AllowanceUsedUp(1),
        ),
    ),
    Story(
        name="what was given back is not moved",
        given=(*BOOKED_BY_ANA, gives_back()),
        when=moves(to=hours(14, 15, FRIDAY)),
        then=(BookingNotActive("cancelled"),),
    ),
    Story(
        name="what is over is moved by nobody",
        given=BOOKED_BY_ANA,
        when=moves(to=hours(14, 15, FRIDAY), by=None, now=at(12, THURSDAY)),
        then=(BookingNotActive("expired"),),
    ),
    Story(
        name="notes are changed without notice and after the deadline",
        given=BOOKED_BY_ANA,
        when=moves(notes="Für drei 🪑", now=at(11, THURSDAY)),
        then=[notes_changed(BOOKED, "Für drei 🪑", at=at(11, THURSDAY))],
    ),
    Story(
        name="a booking is moved and gets other notes at once",
        given=BOOKED_BY_ANA,
        when=moves(to=hours(14, 15, FRIDAY), notes="Three of us."),
        then=[notes_changed(BOOKED, "Three of us."), MOVED],
    ),
    Story(
        name="if it cannot be moved its notes stay too",
        given=BOOKED_BY_ANA,
        when=moves(to=hours(14, 15, FRIDAY), notes="Three of us.", now=at(11, WEDNESDAY)),
        then=(DeadlinePassed(at(10, WEDNESDAY)),),
    ),
    Story(
        name="notes with the slot it has are changed whatever the deadline",
        given=BOOKED_BY_ANA,
        when=moves(to=hours(10, 12, THURSDAY), notes="Three of us.", now=at(11, WEDNESDAY)),
        then=[notes_changed(BOOKED, "Three of us.", at=at(11, WEDNESDAY))],
    ),
    Story(
        name="notes are taken away",
        given=(*A_ROOM_AND_ANA, books(hours(10, 12, THURSDAY), notes="Two of us.")),
        when=moves(notes=None),
        then=[notes_changed(BOOKED, None)],
    ),
    Story(name="the same notes are no fact", given=BOOKED_BY_ANA, when=moves(notes=None), then=[]),
    Story(
        name="notes of what is over stay",
        given=BOOKED_BY_ANA,
        when=moves(notes="Three of us.", now=at(12, THURSDAY)),
        then=(BookingNotActive("expired"),),
    ),
    Story(name="to change nothing is no fact", given=BOOKED_BY_ANA, when=moves(), then=[]),
    Story(
        name="students move no bookings but their own",
        given=(registers(BEN), *BOOKED_BY_ANA),
        when=moves(to=hours(14, 15, FRIDAY), by=BEN),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="nor do they learn when those of others end",
        given=(registers(BEN), *BOOKED_BY_ANA),
        when=moves(start=at(14, FRIDAY), by=BEN),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="who was stopped moves nothing",
        given=(*BOOKED_BY_ANA, stops(ANA)),
        when=moves(notes="Three of us."),
        then=NotAllowedHere(),
    ),
    Story(
        name="what is no booking is not moved",
        given=A_ROOM_AND_ANA,
        when=moves(to=hours(14, 15, FRIDAY)),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="a booking is changed as it was seen",
        given=(*BOOKED_BY_ANA, moves(notes="Three of us.")),
        when=moves(to=hours(14, 15, FRIDAY), seen={2}),
        then=[MOVED],
    ),
    Story(
        name="a booking that is not as it was seen is not changed",
        given=(*BOOKED_BY_ANA, moves(notes="Three of us.")),
        when=moves(to=hours(14, 15, FRIDAY), seen={1}),
        then=NotSeenHere(),
    ),
    Story(
        name="nor is it given back",
        given=(*BOOKED_BY_ANA, moves(to=hours(14, 15, FRIDAY))),
        when=gives_back(seen={1}),
        then=NotSeenHere(),
    ),
    Story(
        name="whose booking it is comes before how it was seen",
        given=(registers(BEN), *BOOKED_BY_ANA),
        when=moves(notes="Three of us.", by=BEN, seen={7}),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="after a move the deadline is another one",
        given=(*BOOKED_BY_ANA, moves(to=hours(14, 15, FRIDAY))),
        when=gives_back(now=at(14, THURSDAY)),
        then=[cancelled(MOVED, at=at(14, THURSDAY))],
    ),
]

OVER = at(12, THURSDAY)

ENDS = [
    Story(name="a booking expires", given=BOOKED_BY_ANA, when=expires(now=OVER), then=[expired(BOOKED, at=OVER)]),
    Story(name="a booking that is not over does not", given=BOOKED_BY_ANA, when=expires(now=OVER - INSTANT), then=[]),
    Story(
        name="a booking expires once",
        given=(*BOOKED_BY_ANA, expires(now=OVER)),
        when=expires(now=OVER + HOUR),
        then=[],
    ),
    Story(
        name="what was given back does not expire",
        given=(*BOOKED_BY_ANA, gives_back()),
        when=expires(now=OVER),
        then=[],
    ),
    Story(
        name="what was moved to a later slot does not expire with its old one",
        given=(*BOOKED_BY_ANA, moves(to=hours(14, 15, FRIDAY))),
        when=expires(now=OVER),
        then=[],
    ),
    Story(
        name="what was moved expires with its new slot",
        given=(*BOOKED_BY_ANA, moves(to=hours(14, 15, FRIDAY))),
        when=expires(now=at(15, FRIDAY)),
        then=[expired(MOVED, at=at(15, FRIDAY))],
    ),
    Story(
        name="what has expired is not given back",
        given=(*BOOKED_BY_ANA, expires(now=OVER)),
        when=gives_back(by=None, now=OVER),
        then=(BookingNotActive("expired"),),
    ),
    Story(
        name="what has expired is not moved",
        given=(*BOOKED_BY_ANA, expires(now=OVER)),
        when=moves(to=hours(14, 15, FRIDAY), by=None, now=OVER),
        then=(BookingNotActive("expired"),),
    ),
    Story(
        name="what has expired counts no more",
        given=(offers(), registers(ANA, limit=1), books(hours(10, 12, THURSDAY)), expires(now=OVER)),
        when=books(hours(14, 15, THURSDAY), SECOND, now=OVER),
        then=[created(hours(14, 15, THURSDAY), booking_id=SECOND, at=OVER)],
    ),
    Story(
        name="the buffer after an expired booking is still held",
        given=(
            offers(min_advance=NOTHING, buffer_after=HOUR),
            registers(ANA),
            books(hours(10, 12, THURSDAY)),
            expires(now=OVER),
        ),
        when=books(hours(12.5, 14, THURSDAY), SECOND, now=OVER),
        then=(SlotTaken((held(10, 13, THURSDAY),)),),
    ),
    Story(
        name="what is no booking does not expire",
        given=A_ROOM_AND_ANA,
        when=expires(now=OVER),
        then=NotFoundHere("booking"),
    ),
]

BUFFERS = [
    Story(
        name="a booking holds its slot and the buffers around it",
        given=(offers(buffer_before=HALF_HOUR, buffer_after=HOUR), registers(ANA)),
        when=books(hours(10, 12)),
        then=[created(hours(10, 12), booking_id=FIRST, before=HALF_HOUR, after=HOUR, at=MONDAY_8AM)],
    ),
    Story(
        name="a slot within a buffer is taken",
        given=(offers(buffer_after=HOUR), registers(ANA), books(hours(10, 12))),
        when=books(hours(12.5, 14), SECOND),
        then=(SlotTaken((held(10, 13),)),),
    ),
    Story(
        name="a slot whose own buffer reaches into another is taken",
        given=(offers(buffer_before=HOUR), registers(ANA), books(hours(10, 12))),
        when=books(hours(12.5, 14), SECOND),
        then=(SlotTaken((held(9, 12),)),),
    ),
    Story(
        name="a buffer is held over midnight",
        given=(offers(opening_hours=ALWAYS_OPEN, buffer_after=HOUR), registers(ANA), books(hours(22, 24))),
        when=books(hours(24.5, 26), SECOND),
        then=(SlotTaken((held(22, 25),)),),
    ),
    Story(
        name="a buffer reaches back over midnight",
        given=(offers(opening_hours=ALWAYS_OPEN, buffer_before=HOUR), registers(ANA), books(hours(22, 23.5))),
        when=books(hours(24, 26), SECOND),
        then=(SlotTaken((held(21, 23.5),)),),
    ),
    Story(
        name="what was given back frees its buffers",
        given=(
            offers(opening_hours=ALWAYS_OPEN, cancellation_deadline=NOTHING, buffer_after=HOUR),
            registers(ANA),
            books(hours(22, 24)),
            gives_back(),
        ),
        when=books(hours(24, 26), SECOND),
        then=[created(hours(24, 26), booking_id=SECOND, after=HOUR, at=MONDAY_8AM)],
    ),
    Story(
        name="buffers are those a booking was made with, whatever the rules say later",
        given=(
            offers(buffer_after=HOUR),
            registers(ANA),
            books(hours(10, 12)),
            changes(rules={"buffer_after": NOTHING}),
        ),
        when=books(hours(12.5, 14), SECOND),
        then=(SlotTaken((held(10, 13),)),),
    ),
    Story(
        name="new buffers do not touch those who came before them",
        given=(*A_ROOM_AND_ANA, books(hours(10, 12)), changes(rules={"buffer_after": HOUR})),
        when=books(hours(12, 14), SECOND),
        then=[created(hours(12, 14), booking_id=SECOND, after=HOUR, at=MONDAY_8AM)],
    ),
    Story(
        name="a booking gives back the buffers it has and holds those of now",
        given=(
            offers(buffer_after=HOUR),
            registers(ANA),
            books(hours(10, 12, THURSDAY)),
            changes(rules={"buffer_after": NOTHING, "buffer_before": HOUR}),
            moves(to=hours(14, 15, FRIDAY)),
        ),
        when=gives_back(),
        then=[
            cancelled(
                rescheduled(created(hours(10, 12, THURSDAY), booking_id=FIRST), hours(14, 15, FRIDAY), before=HOUR)
            )
        ],
    ),
]

STAFF_AND_ROOM = (registers(BEN, Role.STAFF), offers(by=BEN))
NIGHT = Window("20:00", "02:00")

LAPSES = at(8, WEDNESDAY)
REQUEST = created(hours(10, 12, THURSDAY), booking_id=FIRST, decide_by=LAPSES, at=MONDAY_8AM)
ASKED_AGAIN = rescheduled(REQUEST, hours(14, 15, FRIDAY), decide_by=LAPSES)
WHO_ASK_AND_DECIDE = (
    offers(requires_approval=True),
    registers(ANA, limit=1),
    registers(BEN),
    registers(CLEO, Role.STAFF),
)
ASKED_BY_ANA = (*WHO_ASK_AND_DECIDE, books(hours(10, 12, THURSDAY)))

APPROVALS = [
    Story(
        name="where the space requires it a student's booking waits for an approval",
        given=WHO_ASK_AND_DECIDE,
        when=books(hours(10, 12, THURSDAY)),
        then=[REQUEST],
    ),
    Story(
        name="what staff book there is confirmed at once",
        given=WHO_ASK_AND_DECIDE,
        when=books(hours(10, 12, THURSDAY), of=CLEO),
        then=[created(hours(10, 12, THURSDAY), booking_id=FIRST, user_id=CLEO, at=MONDAY_8AM)],
    ),
    Story(
        name="what staff book there for a student is confirmed at once",
        given=WHO_ASK_AND_DECIDE,
        when=books(hours(10, 12, THURSDAY), by=CLEO),
        then=[created(hours(10, 12, THURSDAY), booking_id=FIRST, at=MONDAY_8AM)],
    ),
    Story(
        name="a student who leaves no time to decide gives too little notice",
        given=WHO_ASK_AND_DECIDE,
        when=books(hours(9, 10)),
        then=(TooLittleNotice(at(9) + INSTANT),),
    ),
    Story(
        name="a request holds its slot",
        given=ASKED_BY_ANA,
        when=books(hours(11, 13, THURSDAY), SECOND, of=BEN, now=LAPSES - INSTANT),
        then=(taken(hours(10, 12, THURSDAY)),),
    ),
    Story(
        name="a request holds its part of the allowance",
        given=ASKED_BY_ANA,
        when=books(hours(10, 12, FRIDAY), SECOND, now=LAPSES - INSTANT),
        then=(AllowanceUsedUp(1),),
    ),
    Story(
        name="what has lapsed holds neither slot nor allowance though nobody recorded it",
        given=ASKED_BY_ANA,
        when=books(hours(10, 12, THURSDAY), SECOND, now=LAPSES),
        then=[created(hours(10, 12, THURSDAY), booking_id=SECOND, decide_by=at(9, THURSDAY), at=LAPSES)],
    ),
    Story(
        name="staff approve",
        given=ASKED_BY_ANA,
        when=approves(now=LAPSES - INSTANT, seen={1}),
        then=[approved(REQUEST, at=LAPSES - INSTANT)],
    ),
    Story(
        name="what was approved stays when it would have lapsed",
        given=(*ASKED_BY_ANA, approves()),
        when=books(hours(11, 13, THURSDAY), SECOND, of=BEN, now=LAPSES),
        then=(taken(hours(10, 12, THURSDAY)),),
    ),
    Story(
        name="staff reject and say why",
        given=ASKED_BY_ANA,
        when=rejects(reason="Repairs. Für immer 🔧"),
        then=[rejected(REQUEST, reason="Repairs. Für immer 🔧")],
    ),
    Story(
        name="what was rejected is free",
        given=(*ASKED_BY_ANA, rejects()),
        when=books(hours(10, 12, THURSDAY), SECOND),
        then=[created(hours(10, 12, THURSDAY), booking_id=SECOND, decide_by=LAPSES, at=MONDAY_8AM)],
    ),
    Story(
        name="what has lapsed is approved by nobody",
        given=ASKED_BY_ANA,
        when=approves(by=None, now=LAPSES),
        then=(BookingNotPending("declined"),),
    ),
    Story(
        name="what has lapsed is rejected by nobody",
        given=ASKED_BY_ANA,
        when=rejects(now=LAPSES),
        then=(BookingNotPending("declined"),),
    ),
    Story(
        name="what was approved is not approved again",
        given=(*ASKED_BY_ANA, approves()),
        when=approves(),
        then=(BookingNotPending("confirmed"),),
    ),
    Story(
        name="what was given back is not approved",
        given=(*ASKED_BY_ANA, gives_back()),
        when=approves(),
        then=(BookingNotPending("cancelled"),),
    ),
    Story(
        name="a decision is about the request that was seen",
        given=(*ASKED_BY_ANA, moves(notes="For ten.")),
        when=approves(seen={1}),
        then=NotSeenHere(),
    ),
    Story(
        name="no student approves their own request", given=ASKED_BY_ANA, when=approves(by=ANA), then=NotAllowedHere()
    ),
    Story(name="no student rejects their own request", given=ASKED_BY_ANA, when=rejects(by=ANA), then=NotAllowedHere()),
    Story(
        name="who has become staff does not approve what they asked for before",
        given=(*ASKED_BY_ANA, gives_role(ANA, Role.STAFF)),
        when=approves(by=ANA),
        then=NotAllowedHere(),
    ),
    Story(
        name="no student knows of another's request",
        given=ASKED_BY_ANA,
        when=approves(by=BEN),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="what is no booking is not approved",
        given=WHO_ASK_AND_DECIDE,
        when=approves(),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="a student's move asks again",
        given=(*ASKED_BY_ANA, approves()),
        when=moves(to=hours(14, 15, FRIDAY)),
        then=[ASKED_AGAIN],
    ),
    Story(
        name="what was moved and lapses holds neither slot",
        given=(*ASKED_BY_ANA, approves(), moves(to=hours(14, 15, FRIDAY))),
        when=books(hours(14, 15, FRIDAY), SECOND, of=BEN, now=LAPSES),
        then=[created(hours(14, 15, FRIDAY), booking_id=SECOND, user_id=BEN, decide_by=at(8, FRIDAY), at=LAPSES)],
    ),
    Story(
        name="a request that was moved is approved where it is",
        given=(*ASKED_BY_ANA, moves(to=hours(14, 15, FRIDAY))),
        when=approves(),
        then=[approved(ASKED_AGAIN)],
    ),
    Story(
        name="a request that staff move is confirmed",
        given=ASKED_BY_ANA,
        when=moves(to=hours(14, 15, FRIDAY), by=CLEO),
        then=[rescheduled(REQUEST, hours(14, 15, FRIDAY), by=CLEO)],
    ),
    Story(
        name="what has lapsed is not moved",
        given=ASKED_BY_ANA,
        when=moves(to=hours(14, 15, FRIDAY), now=LAPSES),
        then=(BookingNotActive("declined"),),
    ),
    Story(
        name="the clock declines what nobody decided on",
        given=ASKED_BY_ANA,
        when=expires(now=LAPSES),
        then=[declined(REQUEST, at=LAPSES)],
    ),
    Story(
        name="the clock declines once",
        given=(*ASKED_BY_ANA, expires(now=LAPSES)),
        when=expires(now=at(13, THURSDAY)),
        then=[],
    ),
    Story(
        name="the clock declines nothing that may still be decided on",
        given=ASKED_BY_ANA,
        when=expires(now=LAPSES - INSTANT),
        then=[],
    ),
    Story(
        name="what was approved expires with its slot",
        given=(*ASKED_BY_ANA, approves()),
        when=expires(now=at(12, THURSDAY)),
        then=[expired(REQUEST, at=at(12, THURSDAY))],
    ),
]

MANAGED = (*WHO_ASK_AND_DECIDE, changes(managers=[BEN]))

MANAGERS = [
    Story(
        name="staff name managers of a space",
        given=WHO_ASK_AND_DECIDE,
        when=changes(managers=[BEN, ANA, BEN], by=CLEO),
        then=[managed(ANA, BEN, at=MONDAY_8AM)],
    ),
    Story(name="the same managers are no fact", given=MANAGED, when=changes(managers=[BEN], by=CLEO), then=[]),
    Story(
        name="nobody manages who is no user",
        given=WHO_ASK_AND_DECIDE,
        when=changes(managers=[DORA], by=CLEO),
        then=NotFoundHere("user"),
    ),
    Story(
        name="a student does not make themselves a manager",
        given=WHO_ASK_AND_DECIDE,
        when=changes(managers=[ANA], by=ANA),
        then=NotAllowedHere(),
    ),
    Story(
        name="a manager changes their space",
        given=MANAGED,
        when=changes(is_active=False, by=BEN),
        then=[SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM)],
    ),
    Story(
        name="a manager changes no other space",
        given=(*MANAGED, offers(DESK, now=MONDAY_8AM)),
        when=changes(DESK, is_active=False, by=BEN),
        then=NotAllowedHere(),
    ),
    Story(name="a manager offers no space", given=MANAGED, when=offers(DESK, by=BEN), then=NotAllowedHere()),
    Story(
        name="a manager approves",
        given=(*MANAGED, books(hours(10, 12, THURSDAY))),
        when=approves(by=BEN),
        then=[approved(REQUEST, by=BEN)],
    ),
    Story(
        name="a manager of another space knows of no request",
        given=(*ASKED_BY_ANA, offers(DESK, now=MONDAY_8AM), changes(DESK, managers=[BEN])),
        when=rejects(by=BEN),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="who manages no more decides no more",
        given=(*MANAGED, books(hours(10, 12, THURSDAY)), changes(managers=[])),
        when=approves(by=BEN),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="a manager who was stopped decides no more",
        given=(*MANAGED, books(hours(10, 12, THURSDAY)), stops(BEN)),
        when=approves(by=BEN),
        then=NotFoundHere("booking"),
    ),
    Story(
        name="a manager's own booking is confirmed at once",
        given=MANAGED,
        when=books(hours(10, 12, THURSDAY), of=BEN),
        then=[created(hours(10, 12, THURSDAY), booking_id=FIRST, user_id=BEN, at=MONDAY_8AM)],
    ),
    Story(
        name="a manager books for others in their space",
        given=MANAGED,
        when=books(hours(10, 12, THURSDAY), by=BEN),
        then=[created(hours(10, 12, THURSDAY), booking_id=FIRST, at=MONDAY_8AM)],
    ),
    Story(
        name="a manager books for others in no other space",
        given=(*MANAGED, offers(DESK, now=MONDAY_8AM)),
        when=books(hours(10, 12, THURSDAY), space=DESK, by=BEN),
        then=NotAllowedHere(),
    ),
    Story(
        name="a manager gives bookings of their space back after the deadline",
        given=(*MANAGED, books(hours(10, 12, THURSDAY), by=CLEO)),
        when=gives_back(by=BEN, now=at(11, THURSDAY)),
        then=[cancelled(BOOKED, by=BEN, at=at(11, THURSDAY))],
    ),
]

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
        name="a space keeps other hours on single dates",
        given=STAFF_AND_ROOM,
        when=changes(
            by=BEN, special_hours={TUESDAY: SpecialHours((), "Holiday"), MONDAY: SpecialHours((NIGHT,), "Concert")}
        ),
        then=[
            replace(special(MONDAY, NIGHT, reason="Concert"), at=MONDAY_8AM),
            replace(special(TUESDAY), at=MONDAY_8AM),
        ],
    ),
    Story(
        name="only the dates that differ are facts",
        given=(
            *STAFF_AND_ROOM,
            changes(by=BEN, special_hours={MONDAY: SpecialHours((), "Holiday"), TUESDAY: SpecialHours((), "Holiday")}),
        ),
        when=changes(by=BEN, special_hours={TUESDAY: SpecialHours((), "Holiday")}),
        then=[replace(as_usual(MONDAY), at=MONDAY_8AM)],
    ),
    Story(
        name="on a closed date nothing is held",
        given=(*A_ROOM_AND_ANA, changes(special_hours={TUESDAY: SpecialHours((), "Holiday")})),
        when=books(hours(10, 12, TUESDAY)),
        then=(OutsideOpeningHours("UTC", ((at(8), at(22)),)),),
    ),
    Story(
        name="what is held on a date that is closed later stays",
        given=(*BOOKED_BY_ANA, changes(special_hours={THURSDAY: SpecialHours((), "Holiday")})),
        when=moves(to=hours(10, 12, THURSDAY), notes="Three of us."),
        then=[notes_changed(BOOKED, "Three of us.")],
    ),
    Story(
        name="hours past midnight reach into a closed date",
        given=(
            *A_ROOM_AND_ANA,
            changes(special_hours={TUESDAY: SpecialHours((NIGHT,), "Concert"), WEDNESDAY: SpecialHours((), "Holiday")}),
        ),
        when=books(hours(23, 26, TUESDAY)),
        then=[created(hours(23, 26, TUESDAY), booking_id=FIRST, at=MONDAY_8AM)],
    ),
    Story(
        name="a space is changed as it was seen",
        given=(*STAFF_AND_ROOM, changes(by=BEN, is_active=False)),
        when=changes(by=BEN, is_active=True, seen={2}),
        then=[SpaceActivated(space_id=ROOM, at=MONDAY_8AM)],
    ),
    Story(
        name="a space that is not as it was seen is not changed",
        given=(*STAFF_AND_ROOM, changes(by=BEN, is_active=False)),
        when=changes(by=BEN, is_active=True, seen={1}),
        then=NotSeenHere(),
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

STORIES = [*BOOKINGS, *MOVES, *ENDS, *BUFFERS, *APPROVALS, *MANAGERS, *SPACES, *USERS]
