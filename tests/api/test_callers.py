"""Who is calling, as one process has heard: kept, followed, and not believed for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID, uuid4

import pytest

from api.callers import Callers
from booking.roles import Role
from booking.users import User
from commands.accounts import Account
from commands.command import Author
from commands.deciding import Deciding, Request
from commands.users import ChangeUser, RegisterUser
from daybook.embedded import Stores
from journal.connection import Unavailable
from journal.folding import Aggregates
from journal.journal import Journal, Reading
from tests.journals import Place, a_journal, a_place
from tests.processes import eventually

AUTHOR = Author.system("test")


@pytest.fixture
def place(stores: Stores):
    with a_place(stores) as place:
        yield place


@pytest.fixture
async def journal(place: Place) -> AsyncIterator[Journal]:
    async with a_journal(place) as journal:
        yield journal


class Doing:
    """Somebody in another process, who changes users."""

    def __init__(self, journal: Journal) -> None:
        self._deciding = Deciding(journal, Aggregates(journal))

    async def __call__(self, command: RegisterUser | ChangeUser) -> None:
        await self._deciding.do(command, by=AUTHOR, request=Request(command_id=uuid4(), correlation_id=""))

    async def user(self, role: Role = Role.STUDENT) -> UUID:
        user_id = uuid4()
        account = Account(email=f"{user_id}@example.org", full_name="Somebody", password_hash="none")
        await self(RegisterUser(user_id=user_id, account=account, role=role))
        return user_id


@pytest.fixture
async def do(place: Place) -> AsyncIterator[Doing]:
    async with a_journal(place) as journal:
        yield Doing(journal)


@asynccontextmanager
async def following(callers: Callers) -> AsyncIterator[None]:
    task = asyncio.create_task(callers.follow())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def heard(callers: Callers, user_id: UUID, **expected: object) -> User:
    """The user once the process has heard of the change; within a second."""

    async def as_expected() -> User | None:
        user = await callers.of(user_id)
        return user if all(getattr(user, name) == value for name, value in expected.items()) else None

    user: User = await eventually(as_expected, within=1)
    return user


async def test_a_user_is_read_once_and_then_followed(place: Place, journal: Journal, do: Doing) -> None:
    user_id, callers = await do.user(), Callers(journal)
    async with following(callers):
        await heard(callers, user_id, role=Role.STUDENT)
        await kept(callers, user_id)

        await do(ChangeUser(user_id=user_id, role=Role.STAFF))
        await heard(callers, user_id, role=Role.STAFF)
        await do(ChangeUser(user_id=user_id, is_active=False))
        await heard(callers, user_id, is_active=False)
        await do(ChangeUser(user_id=user_id, is_active=True))
        user = await heard(callers, user_id, is_active=True)

        assert await callers.of(user_id) is user  # the one that is kept


async def test_nobody_is_asked_again_who_is_known(place: Place, do: Doing) -> None:
    async with a_journal(place) as journal:
        user_id, callers = await do.user(), Callers(journal)
        async with following(callers):
            await kept(callers, user_id)
        await journal.close()
        before = journal.era

        assert (await callers.of(user_id)).role is Role.STUDENT
        assert journal.era == before


async def test_a_user_nobody_follows_is_read_each_time(journal: Journal, do: Doing) -> None:
    user_id, callers = await do.user(), Callers(journal)
    assert (await callers.of(user_id)).role is Role.STUDENT

    await do(ChangeUser(user_id=user_id, role=Role.STAFF))

    assert (await callers.of(user_id)).role is Role.STAFF


async def test_who_is_not_here_is_not_kept(journal: Journal, do: Doing) -> None:
    user_id, callers = uuid4(), Callers(journal)
    async with following(callers):
        assert not (await callers.of(user_id)).exists
        account = Account(email=f"{user_id}@example.org", full_name="Somebody", password_hash="none")
        await do(RegisterUser(user_id=user_id, account=account))

        assert (await callers.of(user_id)).exists


class Held(Journal):
    """A journal whose readings can be held back on their way to whoever asked."""

    hold: asyncio.Event | None = None
    read_one: asyncio.Event

    async def read(self, wanted, command_ids=()) -> Reading:
        reading = await super().read(wanted, command_ids)
        if self.hold:
            self.read_one.set()
            await self.hold.wait()
        return reading


async def test_a_user_read_before_what_was_heard_since_is_not_kept(place: Place, do: Doing) -> None:
    """The change came between the reading and its arrival: it would never be heard of."""
    user_id = await do.user()
    journal = Held(place.url, place.schema)
    callers = Callers(journal)
    try:
        async with following(callers):
            other = await do.user()
            await kept(callers, other)
            journal.hold, journal.read_one = asyncio.Event(), asyncio.Event()
            asking = asyncio.create_task(callers.of(user_id))
            await journal.read_one.wait()
            await do(ChangeUser(user_id=user_id, role=Role.ADMIN))
            await do(ChangeUser(user_id=other, role=Role.STAFF))
            await heard(callers, other, role=Role.STAFF)
            release, journal.hold = journal.hold, None
            release.set()

            assert (await asking).role is Role.STUDENT  # as it was when it was asked
            assert (await callers.of(user_id)).role is Role.ADMIN
    finally:
        await journal.close()


async def test_another_journal_has_other_users(stores: Stores, place: Place, do: Doing) -> None:
    user_id = await do.user()
    async with a_journal(place) as journal:
        callers = Callers(journal)
        async with following(callers):
            await kept(callers, user_id)
            with place.owner() as owner:
                owner.execute("truncate journal_head, events, event_tags")
                owner.execute("call journal_begin()")

            await heard(callers, user_id, exists=False)


async def test_who_was_heard_of_last_too_long_ago_is_read_again(journal: Journal, do: Doing) -> None:
    user_id, callers = await do.user(), Callers(journal, trusted_for=0.3)
    async with following(callers):
        await kept(callers, user_id)

    await do(ChangeUser(user_id=user_id, role=Role.STAFF))

    await heard(callers, user_id, role=Role.STAFF)


async def test_without_postgresql_what_was_heard_last_holds_for_a_while(own_stores: Stores) -> None:
    with a_place(own_stores) as place:
        async with a_journal(place) as journal:
            user_id = await Doing(journal).user()
            trusting, doubting = Callers(journal), Callers(journal, trusted_for=0.5)
            async with following(trusting), following(doubting):
                await kept(trusting, user_id)
                await kept(doubting, user_id)
                own_stores.postgres.stop()
                try:
                    await eventually(lambda: is_unavailable(doubting, user_id))
                    assert (await trusting.of(user_id)).exists
                finally:
                    own_stores.postgres.start()
                await heard(doubting, user_id, exists=True)


async def kept(callers: Callers, user_id: UUID) -> None:
    """Return once the user is kept and followed: two answers are then the same object."""

    async def the_same() -> bool:
        return await callers.of(user_id) is await callers.of(user_id)

    await eventually(the_same)


async def is_unavailable(callers: Callers, user_id: UUID) -> bool:
    try:
        await callers.of(user_id)
    except Unavailable:
        return True
    return False
