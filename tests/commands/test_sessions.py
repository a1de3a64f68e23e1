"""Sessions and letters stand and fall with the facts that end them, and with the account they belong to."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from booking.events import PasswordChanged
from booking.refusals import LastAdmin, PasswordAlreadyChanged, Refused
from booking.roles import Role
from commands import accounts
from commands.deciding import Deciding
from commands.letters import Kind, Letter, Letters
from commands.sessions import Sessions
from commands.users import ChangePassword, ChangeUser, VerifyEmail
from journal.connection import Line
from journal.journal import Journal
from tests.commands.people import SYSTEM, enter, interrupted, register, request
from tests.examples import ANA, BEN, MONDAY_8AM
from tests.journal.go_between import GoBetween
from tests.journals import Place

KEY = "a secret key for tests that is long enough"


@pytest.fixture
async def line(place: Place) -> AsyncIterator[Line]:
    line = Line(place.url, place.schema, name="sessions")
    yield line
    await line.close()


@pytest.fixture
def sessions(line: Line) -> Sessions:
    return Sessions(line, [KEY])


@pytest.fixture
def sent() -> list[Letter]:
    return []


@pytest.fixture
def letters(line: Line, sent: list[Letter]) -> Letters:
    return Letters(line, KEY, writing=line, told=sent.append)


async def signed_in(sessions: Sessions, user: UUID, password_hash: str = "x") -> str:
    token = await sessions.open(user, password_hash=password_hash, agent="a browser")
    assert token
    return token


def rows(place: Place) -> tuple[int, int, int]:
    """How many sessions, tokens and letters there are."""
    with place.role() as role:
        return role.execute(
            "select (select count(*) from sessions), (select count(*) from refresh_tokens), "
            "(select count(*) from letters)"
        ).fetchone()  # type: ignore[return-value]


async def test_where_a_password_cannot_be_changed_everything_stays(
    place: Place, journal: Journal, deciding: Deciding, sessions: Sessions, letters: Letters
):
    await register(deciding, ANA)
    await signed_in(sessions, ANA)
    await letters.write(Kind.PASSWORD_RESET, f"{ANA}@example.com")
    command = interrupted(
        ChangePassword(user_id=ANA, password_hash="y", seen=0),
        lambda: enter(place, PasswordChanged(user_id=ANA, reset=False, at=MONDAY_8AM)),
    )

    with pytest.raises(Refused) as refused:
        await deciding.do(command, by=SYSTEM, request=request())

    assert refused.value.refusals == (PasswordAlreadyChanged(),)
    assert (await accounts.of_users(journal, [ANA]))[ANA].password_hash == "x"
    assert rows(place) == (1, 1, 1)


async def test_a_changed_password_ends_the_sessions_and_letters_of_its_user_alone(
    place: Place, journal: Journal, deciding: Deciding, sessions: Sessions, letters: Letters
):
    await register(deciding, ANA, BEN)
    for user in (ANA, BEN):
        await signed_in(sessions, user)
        await letters.write(Kind.PASSWORD_RESET, f"{user}@example.com")

    await deciding.do(ChangePassword(user_id=ANA, password_hash="y", seen=0), by=SYSTEM, request=request())

    found = await accounts.of_users(journal, [ANA, BEN])
    assert (found[ANA].password_hash, found[BEN].password_hash) == ("y", "x")
    assert rows(place) == (1, 1, 1)
    assert await sessions.of_user(ANA, token=None) == []


async def test_no_session_is_opened_with_the_password_before(deciding: Deciding, sessions: Sessions):
    await register(deciding, ANA)
    await deciding.do(ChangePassword(user_id=ANA, password_hash="y", seen=0), by=SYSTEM, request=request())

    assert await sessions.open(ANA, password_hash="x", agent="a browser") is None
    assert await signed_in(sessions, ANA, "y")


async def test_the_last_admin_who_cannot_be_deactivated_stays_signed_in(deciding: Deciding, sessions: Sessions):
    await register(deciding, ANA, role=Role.ADMIN)
    token = await signed_in(sessions, ANA)

    with pytest.raises(Refused) as refused:
        await deciding.do(ChangeUser(user_id=ANA, is_active=False), by=SYSTEM, request=request())

    assert refused.value.refusals == (LastAdmin(),)
    assert await sessions.refresh(token)


async def test_a_verified_address_needs_no_letter_any_more(
    place: Place, deciding: Deciding, letters: Letters, sent: list[Letter]
):
    await register(deciding, ANA)
    for kind in Kind:
        await letters.write(kind, f"{ANA}@example.com")
    assert await letters.reader(Kind.VERIFICATION, sent[1].token) == ANA

    done = await deciding.do(VerifyEmail(user_id=ANA), by=SYSTEM, request=request())

    assert done.subject.email_verified
    assert await letters.reader(Kind.VERIFICATION, sent[1].token) is None
    assert await letters.reader(Kind.PASSWORD_RESET, sent[0].token) == ANA


async def test_nothing_of_a_person_is_left_without_their_account(
    place: Place, deciding: Deciding, sessions: Sessions, letters: Letters
):
    await register(deciding, ANA)
    await sessions.refresh(await signed_in(sessions, ANA))
    await letters.write(Kind.VERIFICATION, f"{ANA}@example.com")
    assert rows(place) == (1, 2, 1)

    with place.role() as role:
        role.execute("delete from accounts")

    assert rows(place) == (0, 0, 0)


async def test_a_session_whose_answer_was_lost_is_opened_once(place: Place, deciding: Deciding):
    await register(deciding, ANA)
    async with GoBetween(place.url) as between:
        line = Line(between.url, place.schema, name="sessions")
        sessions = Sessions(line, [KEY])
        between.lose_answer("a far browser")

        token = await sessions.open(ANA, password_hash="x", agent="a far browser")
        await line.close()

    assert line.times_connected == 2
    assert token
    assert rows(place) == (1, 1, 0)
