"""What each fact changed is told by name, before and after."""

from audit.changes import Comparison
from booking.bookings import Status
from booking.events import (
    AllowanceChanged,
    BookingRulesChanged,
    EmailVerified,
    PasswordChanged,
    RoleChanged,
    SpaceDeactivated,
    UserActivated,
    UserDeactivated,
)
from booking.roles import Role
from booking.terms import Rules
from tests.examples import (
    ANA,
    MONDAY_8AM,
    ROOM,
    cancelled,
    created,
    hours,
    notes_changed,
    registered,
    rescheduled,
    space_created,
)


def test_a_bookings_life():
    made, compare = created(hours(10, 12), notes="für zwei"), Comparison()

    first = compare.changes(made)

    assert first["start"] == {"before": None, "after": made.slot.start}
    assert first["status"] == {"before": None, "after": Status.CONFIRMED}
    assert {"id", "created_at", "updated_at"}.isdisjoint(first)
    assert compare.changes(rescheduled(made, hours(10, 13))) == {
        "end": {"before": made.slot.end, "after": hours(10, 13).end}
    }
    assert compare.changes(notes_changed(made, "für drei")) == {"notes": {"before": "für zwei", "after": "für drei"}}
    assert compare.changes(notes_changed(made, "für drei")) == {}
    assert compare.changes(cancelled(made, reason="rain")) == {
        "status": {"before": Status.CONFIRMED, "after": Status.CANCELLED},
        "reason": {"before": None, "after": "rain"},
    }


def test_a_space_and_its_bookings_side_by_side():
    compare = Comparison()
    compare.changes(space_created())
    compare.changes(created(hours(10, 12)))
    compare.changes(created(hours(12, 14)))

    assert compare.changes(BookingRulesChanged(space_id=ROOM, rules=Rules(concurrent_bookings=3), at=MONDAY_8AM)) == {
        "concurrent_bookings": {"before": 1, "after": 3}
    }
    assert compare.changes(SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM)) == {
        "is_active": {"before": True, "after": False}
    }
    assert compare.changes(cancelled(created(hours(10, 12)))) == {
        "status": {"before": Status.CONFIRMED, "after": Status.CANCELLED}
    }


def test_a_user():
    compare = Comparison()

    assert compare.changes(registered()) == {
        "role": {"before": None, "after": Role.STUDENT},
        "is_active": {"before": None, "after": True},
        "max_active_bookings": {"before": None, "after": 5},
        "email_verified": {"before": None, "after": False},
        "password_changes": {"before": None, "after": 0},
    }
    assert compare.changes(
        RoleChanged(user_id=ANA, role=Role.STAFF, role_before=Role.STUDENT, is_active=True, at=MONDAY_8AM)
    ) == {"role": {"before": Role.STUDENT, "after": Role.STAFF}}
    assert compare.changes(AllowanceChanged(user_id=ANA, max_active_bookings=9, at=MONDAY_8AM)) == {
        "max_active_bookings": {"before": 5, "after": 9}
    }
    assert compare.changes(UserDeactivated(user_id=ANA, role=Role.STAFF, at=MONDAY_8AM)) == {
        "is_active": {"before": True, "after": False}
    }
    assert compare.changes(UserActivated(user_id=ANA, role=Role.STAFF, at=MONDAY_8AM)) == {
        "is_active": {"before": False, "after": True}
    }
    assert compare.changes(EmailVerified(user_id=ANA, at=MONDAY_8AM)) == {
        "email_verified": {"before": False, "after": True}
    }
    assert compare.changes(PasswordChanged(user_id=ANA, reset=True, at=MONDAY_8AM)) == {
        "password_changes": {"before": 0, "after": 1}
    }


def test_a_subject_whose_first_fact_is_not_known_has_nothing_to_tell():
    compare, made = Comparison(), created(hours(10, 12))

    assert compare.changes(rescheduled(made, hours(10, 13))) == {}
    assert compare.changes(notes_changed(made, "für drei")) == {}
    assert compare.changes(SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM)) == {}
    assert compare.changes(UserDeactivated(user_id=ANA, role=Role.STAFF, at=MONDAY_8AM)) == {}
