"""The façade over a real journal and real views, with a follower beside it, and clients that speak HTTP to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from httpx import Request as Sent
from httpx import Response as Answer

from api.app import create_app
from api.callers import Callers
from api.rooms import Rooms
from api.streams import Streams
from api.throttling import MINUTE, Limits, Network, Throttling
from api.tokens import Tokens
from booking.roles import Role
from commands.accounts import Account, Passwords
from commands.command import Author
from commands.deciding import Deciding, Request
from commands.letters import Letter, Letters
from commands.sessions import Sessions
from commands.users import RegisterUser
from daybook.embedded import Stores
from journal.connection import Line, Unavailable
from journal.folding import Aggregates
from journal.journal import Journal
from projections import activity, availability, bookings, spaces, utilisation
from projections.following import Follower
from projections.reading import Views
from tests.journals import Place

SECRET = "a secret for tests that is long enough to sign with"
LIFE = timedelta(minutes=15)
NOW = datetime.now(UTC)
GENEROUS = Limits(**dict.fromkeys((field.name for field in fields(Limits)), 1_000_000))


@dataclass(slots=True)
class House:
    """A running façade. Whoever asks it something reads after everything it told anybody, however slow the machine."""

    app: FastAPI
    rooms: Rooms
    letters: list[Letter]
    following: bool = True
    clients: list[AsyncClient] = field(default_factory=list)
    _told: int = 0

    def client(self, user_id: UUID | None = None, address: str = "127.0.0.1", **headers: str) -> AsyncClient:
        """A client at an address, with a token of the user if one is named."""
        if user_id is not None:
            headers |= {"Authorization": f"Bearer {self.rooms.tokens.issued_to(user_id)}"}
        client = AsyncClient(
            transport=ASGITransport(self.app, client=(address, 123)),
            base_url="http://daybook",
            headers=headers,
            event_hooks={"request": [self._read_after], "response": [self._be_told]},
        )
        self.clients.append(client)
        return client

    async def _read_after(self, sent: Sent) -> None:
        if self.following and self._told and sent.method == "GET":
            sent.headers.setdefault("Read-After", str(self._told))
            sent.headers.setdefault("Prefer", "wait=4")

    async def _be_told(self, answer: Answer) -> None:
        if answer.request.url.path == "/dev/reset":
            self._told = 0  # the positions begin anew
        self._told = max(self._told, int(answer.headers.get("Journal-Position", 0)))

    async def user(self, role: Role = Role.STUDENT, *, limit: int = 5) -> UUID:
        """The id of a new user."""
        user_id = uuid4()
        account = Account(email=f"{user_id}@example.org", full_name="Somebody", password_hash="none")
        await self.rooms.deciding.do(
            RegisterUser(user_id=user_id, account=account, role=role, max_active_bookings=limit),
            by=Author.system("test"),
            request=Request(command_id=uuid4(), correlation_id="test"),
        )
        return user_id

    async def signed_in(self, role: Role = Role.STUDENT, **more: Any) -> AsyncClient:
        """A client of a new user."""
        return self.client(await self.user(role, **more))

    async def space(self, **body: Any) -> str:
        """The id of a new space, open as everywhere unless `body` says otherwise."""
        staff = await self.signed_in(Role.STAFF)
        answer = await staff.post("/admin/spaces", json=a_space(**body))
        assert answer.status_code == 201, answer.text
        id: str = answer.json()["id"]
        return id


@asynccontextmanager
async def a_house(
    stores: Stores,
    place: Place,
    *,
    url: str | None = None,
    following: bool = True,
    rounds: int = 4,
    reset: Callable[[], Awaitable[None]] | None = None,
    keys: Sequence[str] = (),
    secure_cookies: bool = False,
    unverified_may_book: bool = True,
    limits: Limits = GENEROUS,
    proxies: Sequence[Network] = (),
    window: int = MINUTE,
    redis_url: str | None = None,
) -> AsyncIterator[House]:
    """The façade over the journal at `place`; `keys` take the place of our secret key."""
    keys, letters = [*keys, SECRET], list[Letter]()
    journal = Journal(url or place.url, place.schema)
    views = Views(stores.redis_url, place.schema, journal)
    line = Line(place.url, place.schema, name="sessions")
    passwords = Passwords(rounds=rounds)
    tokens = Tokens(keys, life=LIFE)
    callers = Callers(journal)
    throttling = Throttling(
        redis_url or stores.redis_url,
        place.schema,
        tokens,
        callers,
        limits,
        key=keys[0],
        proxies=proxies,
        window=window,
    )
    rooms = Rooms(
        journal=journal,
        deciding=Deciding(journal, Aggregates(journal)),
        views=views,
        passwords=passwords,
        sessions=Sessions(line, keys),
        letters=Letters(line, keys[0], send=letters.append),
        tokens=tokens,
        keys=keys,
        throttling=throttling,
        callers=callers,
        streams=Streams(journal),
        secure_cookies=secure_cookies,
        unverified_may_book=unverified_may_book,
    )
    house = House(create_app(rooms, version="1.2.3", reset=reset), rooms, letters, following)
    follower = asyncio.create_task(Follower(stores.redis_url, place.schema, journal).run()) if following else None
    try:
        async with house.app.router.lifespan_context(house.app):
            if following:
                await _views_answer(views)
            yield house
    finally:
        if follower:
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower
        for client in house.clients:
            await client.aclose()
        passwords.close()
        await throttling.close()
        await views.close()
        await line.close()
        await journal.close()


async def _views_answer(views: Views) -> None:
    """Return when every view is there; nobody but Redis could tell."""
    async with asyncio.timeout(10):
        while True:
            try:
                await spaces.all(views)
                await bookings.of_user(views, uuid4(), now=NOW)
                for view in (availability.VIEW, utilisation.VIEW, activity.VIEW):
                    await views.documents(view, [])
                return
            except Unavailable:
                await asyncio.sleep(0.01)


def a_space(**body: Any) -> dict[str, Any]:
    return {"name": "Meeting Room", "capacity": 10, "price_per_hour": 25.0} | body


def at(hour: float, *, day: int = 7) -> str:
    """So many hours after midnight UTC, so many days from now."""
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=day, hours=hour)).isoformat().replace("+00:00", "Z")


def a_slot(start: float, end: float, *, day: int = 7) -> dict[str, str]:
    return {"start": at(start, day=day), "end": at(end, day=day)}
