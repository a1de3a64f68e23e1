"""Refusals: what a caller is told when the rules say no."""

from datetime import date

import pytest

from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    BookingNotPending,
    DeadlinePassed,
    EmailTaken,
    LastAdmin,
    NotFound,
    OutsideOpeningHours,
    PasswordAlreadyChanged,
    Refusal,
    Refused,
    RoleHoldsNoBookings,
    SlotTaken,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    TooFarAhead,
    TooLittleNotice,
    UserInactive,
    refuse_if,
)
from booking.roles import Role
from tests.examples import ROOM, at, hours

SPOKEN: list[tuple[Refusal, str, str]] = [
    (SlotTooShort(30), "slot-too-short", "A booking of this space lasts at least 30 minutes."),
    (SlotTooLong(480), "slot-too-long", "A booking of this space lasts at most 480 minutes."),
    (TooLittleNotice(at(9)), "too-little-notice", "The earliest start is now 2026-01-05T09:00:00Z."),
    (
        TooFarAhead(date(2027, 1, 5), "Europe/London"),
        "too-far-ahead",
        "The last date that can be booked now is 2027-01-05 in Europe/London.",
    ),
    (
        OutsideOpeningHours("UTC", ((at(8), at(18)),)),
        "outside-opening-hours",
        "The space keeps its hours in UTC; it is open 2026-01-05T08:00:00Z to 2026-01-05T18:00:00Z.",
    ),
    (
        OutsideOpeningHours("Africa/Cairo", ()),
        "outside-opening-hours",
        "The space keeps its hours in Africa/Cairo; it is open at no time near the slot.",
    ),
    (SpaceInactive(), "space-inactive", "The space has been deactivated."),
    (
        SlotTaken((hours(10, 12), hours(11, 13))),
        "slot-taken",
        "Already held: 2026-01-05T10:00:00Z to 2026-01-05T12:00:00Z, 2026-01-05T11:00:00Z to 2026-01-05T13:00:00Z.",
    ),
    (AllowanceUsedUp(5), "allowance-used-up", "At most 5 bookings may be held at once."),
    (DeadlinePassed(at(10)), "deadline-passed", "This was possible until 2026-01-05T10:00:00Z."),
    (BookingNotActive("cancelled"), "booking-not-active", "The booking is cancelled."),
    (BookingNotPending("declined"), "booking-not-pending", "The booking is declined."),
    (UserInactive(), "user-inactive", "The user has been deactivated."),
    (
        RoleHoldsNoBookings(Role.AUDITOR),
        "role-holds-no-bookings",
        "An AUDITOR reads history and does nothing else; give the user another role first.",
    ),
    (LastAdmin(), "last-admin", "This is the last active ADMIN; make another one first."),
    (EmailTaken(), "email-taken", "Sign in with this address, or register another one."),
    (
        PasswordAlreadyChanged(),
        "password-already-changed",
        "What proved who you are was good for the password before: sign in with the new one.",
    ),
]


@pytest.mark.parametrize(("refusal", "code", "detail"), SPOKEN)
def test_a_refusal_has_a_stable_code_and_a_sentence(refusal: Refusal, code: str, detail: str):
    assert (refusal.code, refusal.detail) == (code, detail)


def test_every_refusal_is_in_the_table_above():
    # By name: a dataclass with slots replaces its class, and the one it replaced can still be listed as a subclass.
    assert {type(refusal).__name__ for refusal, _, _ in SPOKEN} == {one.__name__ for one in Refusal.__subclasses__()}


def test_every_open_stretch_near_the_slot_is_named():
    refusal = OutsideOpeningHours("UTC", ((at(8), at(12)), (at(14), at(18))))

    assert "08:00:00Z to 2026-01-05T12:00:00Z and 2026-01-05T14:00:00Z to 2026-01-05T18:00:00Z." in refusal.detail


def test_every_objection_is_reported():
    with pytest.raises(Refused, match="space-inactive, allowance-used-up") as refused:
        refuse_if(iter([SpaceInactive(), AllowanceUsedUp(5)]))

    assert refused.value.refusals == (SpaceInactive(), AllowanceUsedUp(5))


def test_no_objection_is_no_refusal():
    refuse_if(())


def test_what_is_not_found_is_named():
    missing = NotFound("space", ROOM)

    assert (missing.kind, missing.id, str(missing)) == ("space", ROOM, f"no space {ROOM}")
