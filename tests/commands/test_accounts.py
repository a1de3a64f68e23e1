"""Accounts stand beside the facts that register their users, and passwords are checked beside everything else."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from booking.refusals import EmailTaken, Refused
from booking.roles import Role
from booking.slots import Slot
from booking.users import User
from commands import accounts
from commands.accounts import Passwords
from commands.deciding import Deciding
from commands.users import RegisterUser
from journal.folding import Aggregates
from journal.journal import Journal
from tests.commands.people import SYSTEM, account, book, enter, interrupted, offer, register, request
from tests.examples import ANA, BEN, CLEO, registered
from tests.journal.go_between import GoBetween
from tests.journals import Place, a_journal


def registering(user: UUID = ANA, email: str = "ana@example.com") -> RegisterUser:
    return RegisterUser(user_id=user, account=account(email), role=Role.STUDENT, max_active_bookings=3)


def plain_rows(place: Place) -> tuple[int, int, int]:
    """How many facts, accounts and keys there are."""
    with place.role() as role:
        return role.execute(
            "select (select count(*) from events), (select count(*) from accounts), (select count(*) from sealing_keys)"
        ).fetchone()  # type: ignore[return-value]


async def test_the_account_the_key_and_the_fact_stand_together(place: Place, journal: Journal, deciding: Deciding):
    done = await deciding.do(registering(), by=SYSTEM, request=request())

    assert done.subject == User(ANA, exists=True, role=Role.STUDENT, is_active=True, max_active_bookings=3)
    assert plain_rows(place) == (1, 1, 1)
    assert await accounts.by_email(journal, "ana@example.com") == (ANA, account())
    assert await accounts.by_email(journal, "ben@example.com") is None
    assert await accounts.of_users(journal, [ANA, BEN]) == {ANA: account()}
    assert len((await journal.keys.of([ANA]))[ANA]) == 32


async def test_where_the_account_cannot_be_the_fact_is_not(place: Place, journal: Journal, deciding: Deciding):
    await deciding.do(registering(), by=SYSTEM, request=request())

    with pytest.raises(Refused) as refused:
        await deciding.do(registering(BEN), by=SYSTEM, request=request())

    assert refused.value.refusals == (EmailTaken(),)
    assert plain_rows(place) == (1, 1, 1)
    assert (await journal.head())[1] == 1


async def test_where_the_fact_cannot_be_the_account_is_not(place: Place, deciding: Deciding):
    await deciding.do(registering(), by=SYSTEM, request=request())

    again = await deciding.do(registering(email="other@example.com"), by=SYSTEM, request=request())

    assert not again.changed
    assert plain_rows(place) == (1, 1, 1)


async def test_where_somebody_was_first_there_is_neither_account_nor_key(place: Place, deciding: Deciding):
    command = interrupted(registering(), lambda: enter(place, registered(ANA)))

    done = await deciding.do(command, by=SYSTEM, request=request())

    assert not done.changed
    assert plain_rows(place) == (1, 0, 0)


async def test_a_registration_whose_answer_was_lost_is_made_once(place: Place):
    async with GoBetween(place.url) as between, a_journal(place, url=between.url) as far:
        asked = request()
        between.lose_answer(str(asked.command_id))

        done = await Deciding(far, Aggregates(far)).do(registering(), by=SYSTEM, request=asked)

    assert (done.position, done.changed) == (1, True)
    assert plain_rows(place) == (1, 1, 1)


async def test_of_two_who_register_one_user_at_once_one_account_is_made(place: Place, deciding: Deciding):
    done = await asyncio.gather(
        *(deciding.do(registering(email=f"{n}@example.com"), by=SYSTEM, request=request()) for n in range(5))
    )

    assert sorted(one.changed for one in done) == [False] * 4 + [True]
    assert plain_rows(place) == (1, 1, 1)


async def test_a_registration_asked_twice_is_answered_alike(place: Place, deciding: Deciding):
    asked = request(UUID(int=1), retryable=True)

    done = await asyncio.gather(*(deciding.do(registering(), by=SYSTEM, request=asked) for _ in range(5)))

    assert {(one.position, one.changed, one.subject.exists) for one in done} == {(1, True, True)}
    assert plain_rows(place) == (1, 1, 1)


async def test_registrations_and_bookings_under_way_at_the_same_time_do_not_mind_each_other(
    place: Place, deciding: Deciding
):
    await offer(deciding)
    await register(deciding, ANA, limit=20)
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    starts = [tomorrow + n * timedelta(days=1) for n in range(8)]
    slots = [Slot(start, start + timedelta(hours=1)) for start in starts]

    outcomes = await asyncio.gather(
        *(book(deciding, slot, notes="MARMALADE") for slot in slots),
        *(deciding.do(registering(UUID(int=n), "same@example.com"), by=SYSTEM, request=request()) for n in range(9)),
        return_exceptions=True,
    )

    assert [type(one).__name__ for one in outcomes[:8]] == ["Done"] * 8
    assert sorted(type(one).__name__ for one in outcomes[8:]) == ["Done", *["Refused"] * 8]
    assert [row.position for row in place.rows()] == list(range(1, 12))


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(rounds=4)
    yield passwords
    passwords.close()


async def test_a_password_matches_its_own_hash_and_no_other(passwords: Passwords):
    stored = await passwords.hashed("correct horse")

    assert await passwords.match("correct horse", stored)
    assert not await passwords.match("correct horsf", stored)
    assert stored != await passwords.hashed("correct horse")
    assert "horse" not in stored


async def test_every_byte_of_a_password_counts(passwords: Passwords):
    long = "x" * 127
    stored = await passwords.hashed(long + "a")

    assert await passwords.match(long + "a", stored)
    assert not await passwords.match(long + "b", stored)
    assert not await passwords.match("x" * 72, stored)
    assert not await passwords.match("a\0b", await passwords.hashed("a\0c"))


async def test_a_password_may_be_typed_composed_or_not(passwords: Passwords):
    assert await passwords.match("Zu\u0308rich", await passwords.hashed("Z\u00fcrich"))


async def test_where_there_is_no_account_a_password_is_checked_all_the_same(passwords: Passwords):
    assert not await passwords.match("nobody", None)


async def test_passwords_are_hashed_beside_everything_else(passwords: Passwords):
    before = {thread.name for thread in threading.enumerate()}

    await asyncio.gather(*(passwords.hashed(str(n)) for n in range(8)))

    hashing = {thread.name for thread in threading.enumerate()} - before
    assert 1 <= len(hashing) <= 2
    assert all(name.startswith("bcrypt") for name in hashing)


async def test_held_by_nobody_there_is_no_account(journal: Journal):
    assert await accounts.of_users(journal, [CLEO]) == {}
