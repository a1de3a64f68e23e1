"""Users: who may act, as what, and that somebody is left to run things."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from booking.events import (
    AllowanceChanged,
    EmailVerified,
    Event,
    PasswordChanged,
    RoleChanged,
    UserActivated,
    UserDeactivated,
    UserErased,
    UserRegistered,
)
from booking.refusals import (
    LastAdmin,
    NotFound,
    PasswordAlreadyChanged,
    Refused,
    RoleHoldsNoBookings,
    UserInactive,
)
from booking.roles import Role
from booking.users import Admins, User, change, change_password, erase, register, verify_email
from tests.examples import ANA, BEN, MONDAY_8AM, NEW_YEAR, created, given, hours, registered

ADMIN_ANA, ADMIN_BEN = registered(ANA, role=Role.ADMIN), registered(BEN, role=Role.ADMIN)
DEACTIVATED = UserDeactivated(user_id=ANA, role=Role.STUDENT, at=NEW_YEAR)


def changed(
    user: User,
    admins: Admins,
    *,
    role: Role | None = None,
    max_active_bookings: int | None = None,
    is_active: bool | None = None,
) -> Iterator[Event]:
    """What changing some of a user comes to on Monday; the rest stays."""
    return change(user, admins, role=role, max_active_bookings=max_active_bookings, is_active=is_active, now=MONDAY_8AM)


def test_registering_lets_somebody_act():
    facts = list(register(User(ANA), role=Role.STUDENT, max_active_bookings=5, now=MONDAY_8AM))

    assert facts == [UserRegistered(user_id=ANA, role=Role.STUDENT, max_active_bookings=5, at=MONDAY_8AM)]
    user = given(User(ANA), *facts)
    assert (user.role, user.max_active_bookings, user.is_active) == (Role.STUDENT, 5, True)
    assert list(user.objections()) == []


def test_registering_twice_changes_nothing():
    user = given(User(ANA), registered())

    assert list(register(user, role=Role.ADMIN, max_active_bookings=100, now=MONDAY_8AM)) == []


def test_a_user_acts_in_one_role_while_active():
    user = given(User(ANA), registered(role=Role.STAFF))

    assert user.is_any(Role.STAFF, Role.ADMIN)
    assert not user.is_any(Role.STUDENT, Role.ADMIN)
    assert not given(user, replace(DEACTIVATED, role=Role.STAFF)).is_any(Role.STAFF)


def test_a_deactivated_user_holds_no_new_booking():
    assert list(given(User(ANA), registered(), DEACTIVATED).objections()) == [UserInactive()]


def test_an_auditor_holds_no_new_booking():
    auditor = given(User(ANA), registered(role=Role.AUDITOR))

    assert list(auditor.objections()) == [RoleHoldsNoBookings(Role.AUDITOR)]


def test_bookings_are_no_part_of_a_user():
    user = given(User(ANA), registered())

    assert given(replace(user), created(hours(10, 12))) == user


def test_a_role_is_changed_with_the_one_before():
    user = given(User(ANA), registered())

    facts = list(changed(user, Admins(), role=Role.STAFF))

    assert facts == [RoleChanged(user_id=ANA, role=Role.STAFF, role_before=Role.STUDENT, is_active=True, at=MONDAY_8AM)]
    assert given(user, *facts).role is Role.STAFF


def test_a_limit_is_changed():
    user = given(User(ANA), registered())

    facts = list(changed(user, Admins(), max_active_bookings=7))

    assert facts == [AllowanceChanged(user_id=ANA, max_active_bookings=7, at=MONDAY_8AM)]
    assert given(user, *facts).max_active_bookings == 7


def test_a_user_is_deactivated_and_activated_again():
    user = given(User(ANA), registered())

    gone = list(changed(user, Admins(), is_active=False))
    assert gone == [UserDeactivated(user_id=ANA, role=Role.STUDENT, at=MONDAY_8AM)]

    back = list(changed(given(user, *gone), Admins(), is_active=True))
    assert back == [UserActivated(user_id=ANA, role=Role.STUDENT, at=MONDAY_8AM)]
    assert given(user, *back).is_active


def test_all_that_is_named_is_changed_together():
    user = given(User(ANA), registered(), DEACTIVATED)

    facts = list(changed(user, Admins(), role=Role.ADMIN, max_active_bookings=9, is_active=True))

    assert facts == [
        AllowanceChanged(user_id=ANA, max_active_bookings=9, at=MONDAY_8AM),
        RoleChanged(user_id=ANA, role=Role.ADMIN, role_before=Role.STUDENT, is_active=False, at=MONDAY_8AM),
        UserActivated(user_id=ANA, role=Role.ADMIN, at=MONDAY_8AM),
    ]
    assert given(Admins(), *facts).active == {ANA}


def test_who_is_refused_one_change_is_refused_all():
    ana, admins = given(User(ANA), ADMIN_ANA), given(Admins(), ADMIN_ANA)

    with pytest.raises(Refused, match="last-admin"):
        list(changed(ana, admins, max_active_bookings=9, is_active=False))


def test_the_last_admin_may_be_given_another_limit():
    ana, admins = given(User(ANA), ADMIN_ANA), given(Admins(), ADMIN_ANA)

    facts = list(changed(ana, admins, role=Role.ADMIN, max_active_bookings=9, is_active=True))

    assert facts == [AllowanceChanged(user_id=ANA, max_active_bookings=9, at=MONDAY_8AM)]


def test_what_is_so_already_changes_nothing():
    user, admins = given(User(ANA), registered()), Admins()

    assert list(changed(user, admins, role=Role.STUDENT, max_active_bookings=5, is_active=True)) == []
    assert list(changed(given(user, DEACTIVATED), admins, is_active=False)) == []


def test_nobody_is_changed_who_is_not_there():
    with pytest.raises(NotFound, match=f"no user {ANA}"):
        list(changed(User(ANA), Admins(), role=Role.STAFF))


def test_the_last_active_admin_is_neither_demoted_nor_deactivated():
    ana, admins = given(User(ANA), ADMIN_ANA), given(Admins(), ADMIN_ANA)

    for losing in (
        changed(ana, admins, role=Role.STAFF),
        changed(ana, admins, is_active=False),
    ):
        with pytest.raises(Refused) as refused:
            list(losing)
        assert refused.value.refusals == (LastAdmin(),)


def test_one_of_two_admins_may_go():
    ana, admins = given(User(ANA), ADMIN_ANA), given(Admins(), ADMIN_ANA, ADMIN_BEN)

    assert len(list(changed(ana, admins, role=Role.STAFF))) == 1
    assert len(list(changed(ana, admins, is_active=False))) == 1


def test_an_inactive_admin_is_no_other_admin():
    gone = UserDeactivated(user_id=BEN, role=Role.ADMIN, at=NEW_YEAR)
    ana, admins = given(User(ANA), ADMIN_ANA), given(Admins(), ADMIN_ANA, ADMIN_BEN, gone)

    with pytest.raises(Refused, match="last-admin"):
        list(changed(ana, admins, is_active=False))


def test_an_inactive_admin_may_be_demoted_while_another_acts():
    gone = UserDeactivated(user_id=BEN, role=Role.ADMIN, at=NEW_YEAR)
    ben, admins = given(User(BEN), ADMIN_BEN, gone), given(Admins(), ADMIN_ANA, ADMIN_BEN, gone)

    facts = list(changed(ben, admins, role=Role.STUDENT))

    assert facts == [
        RoleChanged(user_id=BEN, role=Role.STUDENT, role_before=Role.ADMIN, is_active=False, at=MONDAY_8AM)
    ]


def test_a_user_other_than_the_last_admin_may_always_go():
    ben, admins = given(User(BEN), registered(BEN)), given(Admins(), ADMIN_ANA)

    assert len(list(changed(ben, admins, is_active=False))) == 1


def test_admins_are_those_active_in_the_role_now():
    def role(to: Role, before: Role, is_active: bool = True) -> RoleChanged:
        return RoleChanged(user_id=BEN, role=to, role_before=before, is_active=is_active, at=NEW_YEAR)

    admins = given(Admins(), ADMIN_ANA, registered(BEN), created(hours(10, 12)))
    assert admins.active == {ANA}
    assert given(admins, role(Role.ADMIN, Role.STUDENT)).active == {ANA, BEN}
    assert given(admins, role(Role.STAFF, Role.ADMIN)).active == {ANA}
    assert given(admins, role(Role.ADMIN, Role.STAFF, is_active=False)).active == {ANA}
    assert given(admins, UserActivated(user_id=BEN, role=Role.ADMIN, at=NEW_YEAR)).active == {ANA, BEN}
    assert given(admins, UserDeactivated(user_id=BEN, role=Role.ADMIN, at=NEW_YEAR)).active == {ANA}
    assert given(admins, UserActivated(user_id=BEN, role=Role.STUDENT, at=NEW_YEAR)).active == {ANA}


def test_who_is_erased_is_nobody_for_good():
    ana = given(User(ANA), registered())

    facts = list(erase(ana, Admins(), now=MONDAY_8AM))

    assert facts == [UserErased(user_id=ANA, role=Role.STUDENT, at=MONDAY_8AM)]
    erased = given(ana, *facts)
    assert not erased.is_any(*Role)
    assert list(register(erased, role=Role.ADMIN, max_active_bookings=5, now=MONDAY_8AM)) == []
    for again in (erase(erased, Admins(), now=MONDAY_8AM), changed(erased, Admins(), is_active=True)):
        with pytest.raises(NotFound):
            list(again)


def test_the_last_active_admin_is_not_erased_and_one_of_two_is():
    ana, alone = given(User(ANA), ADMIN_ANA), given(Admins(), ADMIN_ANA)

    with pytest.raises(Refused, match="last-admin"):
        list(erase(ana, alone, now=MONDAY_8AM))

    both = given(Admins(), ADMIN_ANA, ADMIN_BEN)
    assert given(both, *erase(ana, both, now=MONDAY_8AM)).active == {BEN}


@pytest.mark.parametrize("reset", [True, False])
def test_one_proof_is_good_for_one_change_of_a_password(reset: bool):
    user = given(User(ANA), registered())

    facts = list(change_password(user, seen=0, reset=reset, now=MONDAY_8AM))

    assert facts == [PasswordChanged(user_id=ANA, reset=reset, at=MONDAY_8AM)]
    changed = given(user, *facts)
    with pytest.raises(Refused) as refused:
        list(change_password(changed, seen=0, reset=reset, now=MONDAY_8AM))
    assert refused.value.refusals == (PasswordAlreadyChanged(),)
    assert list(change_password(changed, seen=1, reset=reset, now=MONDAY_8AM)) == facts


def test_who_is_deactivated_or_unknown_changes_no_password():
    with pytest.raises(Refused):
        list(change_password(given(User(ANA), registered(), DEACTIVATED), seen=0, reset=True, now=MONDAY_8AM))
    with pytest.raises(NotFound):
        list(change_password(User(ANA), seen=0, reset=True, now=MONDAY_8AM))


def test_an_address_is_verified_once():
    user = given(User(ANA), registered())
    assert not user.email_verified

    facts = list(verify_email(user, now=MONDAY_8AM))

    assert facts == [EmailVerified(user_id=ANA, at=MONDAY_8AM)]
    assert list(verify_email(given(user, *facts), now=MONDAY_8AM)) == []
