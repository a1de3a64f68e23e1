"""What only a development system offers: something to try things with, and a clean beginning."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4, uuid5

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import json_of
from api.command_routers.spaces import CLOSES, OPENS
from api.correlation import correlation_id
from api.documents import MessageDocument, SeedDocument
from api.problems import PROBLEMS
from api.rooms import Rooms, rooms_of
from booking.opening_hours import OpeningHours
from booking.roles import Role
from booking.terms import Description
from commands import accounts, deciding
from commands.accounts import Account
from commands.command import Author
from commands.deciding import AnotherJournal
from commands.spaces import CreateSpace
from commands.users import DEFAULT_ALLOWANCE, RegisterUser

AUTHOR = Author.system("seed")
BUILT_WITHIN = 0.8  # seconds that a reset waits for the views, after 3.5 for the stores: every request ends within 5


@dataclass(frozen=True, slots=True)
class Demo:
    """Somebody to sign in as. Their password is no secret, so its hash is at hand: it would take the start a second."""

    account: Account
    password: str
    role: Role
    max_active_bookings: int


ADMIN = Demo(
    Account(
        email="admin@example.com",
        full_name="Demo Admin",
        password_hash="$2b$12$SA3aAYQYl6q1EU0qm6Ge3et4aztl9W5/FhVby8Y2gmxekV/ihJyTy",
    ),
    "admin-password",
    Role.ADMIN,
    100,
)
USER = Demo(
    Account(
        email="user@example.com",
        full_name="Demo User",
        password_hash="$2b$12$9sxxafYVCMDr.fLsCwB1BOqZSeEjWzknXoyOhTxfAfKL5MRqT2.PK",
    ),
    "user-password",
    Role.STUDENT,
    DEFAULT_ALLOWANCE,
)
SPACES = (
    Description(name="Meeting Room A", capacity=10, price_per_hour=Decimal("25.0")),
    Description(name="Private Office B", capacity=2, price_per_hour=Decimal("15.0")),
    Description(name="Open Coworking", capacity=20, price_per_hour=Decimal("10.0")),
)
_IS_THERE_A_SPACE = "select exists (select from event_tags where tag >= 'space:' and tag < 'space;')"


def router(reset: Callable[[], Awaitable[None]]) -> APIRouter:
    """The routes; `reset` begins a new journal with nothing in it."""
    routes = APIRouter(prefix="/dev", tags=["commands: development"], responses=PROBLEMS)

    @routes.post("/seed", response_model=SeedDocument)
    async def seed(request: Request) -> Response:
        """Make a demo ADMIN, a demo STUDENT and, if there is none, spaces. Doing it again changes nothing."""
        rooms = rooms_of(request)
        while True:
            journal_id, _, _ = await rooms.journal.head()
            with suppress(AnotherJournal):  # a reset came between: what is there is not what was looked at
                await _seed(rooms, journal_id)
                break
        _, position, _ = await rooms.journal.head()
        await rooms.views.caught_up(position)
        return json_of(
            {
                "message": "Demo data is there",
                "admin_email": ADMIN.account.email,
                "admin_password": ADMIN.password,
                "user_email": USER.account.email,
                "user_password": USER.password,
                "access_token": rooms.tokens.issued_to(uuid5(journal_id, ADMIN.account.email)),
                "token_type": "bearer",
            }
        )

    @routes.delete("/reset", response_model=MessageDocument)
    async def reset_all(request: Request) -> Response:
        """Begin anew: a new journal, empty tables and views. Where a store does not answer, what there was stays."""
        await reset()
        await rooms_of(request).views.built(within=BUILT_WITHIN)
        return json_of({"message": "All data wiped — database is clean"})

    return routes


async def _seed(rooms: Rooms, journal_id: UUID) -> None:
    """Make what is not there. Raises `AnotherJournal` once the journal is another one."""
    request = partial(deciding.Request, correlation_id=correlation_id.get(), journal_id=journal_id)
    # Each journal has its own ids, so that nothing remembered of the one before is taken for them.
    users = {uuid5(journal_id, demo.account.email): demo for demo in (ADMIN, USER)}
    for user_id in users.keys() - await accounts.of_users(rooms.journal, list(users)):
        demo = users[user_id]
        user = RegisterUser(
            user_id=user_id, account=demo.account, role=demo.role, max_active_bookings=demo.max_active_bookings
        )
        await rooms.deciding.do(user, by=AUTHOR, request=request(command_id=uuid4()))
    ((there_is_a_space,),) = await rooms.journal.query(_IS_THERE_A_SPACE, {})
    for description in () if there_is_a_space else SPACES:
        space_id = uuid5(journal_id, description.name)
        space = CreateSpace(space_id=space_id, description=description, opening_hours=OpeningHours.daily(OPENS, CLOSES))
        await rooms.deciding.do(space, by=AUTHOR, request=request(command_id=uuid4()))
