"""The façade over a real journal and real views, with a follower beside it, and clients that speak HTTP to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import orjson
import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRoute
from httpx import ASGITransport, AsyncClient
from httpx import Request as Sent
from httpx import Response as Answer
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from api.app import ROUTERS, create_app
from api.callers import Callers
from api.command_routers import dev
from api.origins import Origins
from api.problems import CODES, PROBLEM, PROBLEM_JSON
from api.protocol import Protocol
from api.rooms import Rooms
from api.streams import Streams
from api.throttling import MINUTE, Limits, Network, Throttling
from api.tokens import Tokens
from booking.roles import Role
from commands.accounts import Account, Passwords
from commands.command import Author
from commands.deciding import Deciding, Request
from commands.destinations import Destinations
from commands.letters import Letter, Letters
from commands.sessions import Sessions
from commands.users import RegisterUser
from commands.webhooks import Secrets
from daybook import logs
from daybook.embedded import Stores
from journal.connection import Line, Unavailable
from journal.folding import Aggregates
from journal.journal import Journal
from projections import activity, availability, bookings, spaces, utilisation
from projections.following import Follower
from projections.reading import Views
from tests.api.served import InTurns, Served, forwarded, left_out
from tests.hearing import EAR
from tests.journals import Place

SECRET = "a secret for tests that is long enough to sign with"
LIFE = timedelta(minutes=15)
NOW = datetime.now(UTC)
GENEROUS = Limits(**dict.fromkeys((field.name for field in fields(Limits)), 1_000_000))
_ALLOWED = dict(Origins(["https://there"]).allowing(b"https://there"))
TOLD = _ALLOWED[b"access-control-expose-headers"].decode().split(", ")  # the headers that are for clients


@dataclass(slots=True)
class House:
    """A running façade. Whoever asks it something reads after everything it told anybody, however slow the machine."""

    rooms: Rooms
    made: FastAPI
    following: bool = True
    written: list[Letter] | None = None
    urls: Sequence[str] = ()
    clients: list[AsyncClient] = field(default_factory=list)
    _told: int = 0

    @property
    def app(self) -> FastAPI:
        return left_out("the application is in another process") if self.urls else self.made

    @property
    def asgi(self) -> ASGIApp:
        """What answers a connection that a test holds in its own hands; where there are several, always the same."""
        return partial(forwarded, self.urls[0]) if self.urls else self.made

    @property
    def letters(self) -> list[Letter]:
        """What was written to somebody, in order."""
        return left_out("letters are written in another process") if self.written is None else self.written

    def client(self, user_id: UUID | None = None, address: str = "127.0.0.1", **headers: str) -> AsyncClient:
        """A client at an address, with a token of the user if one is named."""
        if user_id is not None:
            headers |= {"Authorization": f"Bearer {self.rooms.tokens.issued_to(user_id)}"}
        client = AsyncClient(
            transport=InTurns(self.urls, address) if self.urls else ASGITransport(self.app, client=(address, 123)),
            base_url="http://daybook",
            headers=headers,
            event_hooks={"request": [EAR.sent, self._read_after], "response": [EAR.answered, self._be_told]},
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
        await self._must_be_described(answer)

    async def _must_be_described(self, answer: Answer) -> None:
        """Fail for an answer, other than a fault, that has what the OpenAPI document does not know of its operation."""
        method, path, status = answer.request.method, answer.request.url.path, str(answer.status_code)
        for route in self.made.routes:
            if isinstance(route, APIRoute) and method in route.methods and route.path_regex.match(path):
                if not route.include_in_schema or status == "500":
                    return
                responses = _described(self.made, route.path_format)[method.lower()]["responses"]
                where = f"{method} {route.path} answers {status}"
                assert status in responses, f"{where}, which OpenAPI does not tell"
                untold = {name for name in TOLD if name in answer.headers} - responses[status]["headers"].keys()
                assert not untold, f"{where} with {untold}, which OpenAPI does not tell"
                if answer.headers.get("Content-Type") == PROBLEM_JSON:
                    problem = orjson.loads(await answer.aread())
                    code = problem["type"].rpartition(":")[2]
                    assert code in responses[status][CODES], f"{where} {code}, which OpenAPI does not tell"
                    assert problem.keys() <= PROBLEM["properties"].keys(), f"{where} {code} with {problem.keys()}"
                return

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
    origins: Sequence[str] = (),
    described: bool = True,
) -> AsyncIterator[House]:
    """The façade over the journal at `place`; `keys` take the place of our secret key."""
    urls: Sequence[str] = ()
    if isinstance(place, Served):
        if limits != GENEROUS or window != MINUTE or proxies:
            left_out("it has limits of its own")
        if url or redis_url:
            left_out("its stores are away")
        if not unverified_may_book:
            left_out("letters are written in another process")
        urls = place.told(_settings(keys, origins, in_production=secure_cookies or not described))
    keys, letters = [*keys, SECRET], list[Letter]()
    journal = Journal(url or place.url, place.schema)
    views = Views(stores.redis_url, place.schema, journal)
    line, writing = (Line(place.url, place.schema, name=name) for name in ("sessions", "letters"))
    passwords = Passwords(rounds=rounds)
    destinations = Destinations(private=False)
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
        letters=Letters(line, keys[0], writing=writing, told=letters.append),
        tokens=tokens,
        keys=keys,
        throttling=throttling,
        callers=callers,
        streams=Streams(journal),
        destinations=destinations,
        webhook_secrets=Secrets(keys),
        origins=Origins(origins),
        secure_cookies=secure_cookies,
        unverified_may_book=unverified_may_book,
    )
    tell = logs.telling(for_people=False)
    app = create_app(rooms, version="1.2.3", described=described, reset=reset, tell=tell)
    house = House(rooms, app, following, None if urls else letters, urls)
    following_here = following and not urls
    follower = asyncio.create_task(Follower(stores.redis_url, place.schema, journal).run()) if following_here else None
    try:
        async with nullcontext() if urls else app.router.lifespan_context(app):
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
        destinations.close()
        await throttling.close()
        await views.close()
        await writing.close()
        await line.close()
        await journal.close()


def _settings(keys: Sequence[str], origins: Sequence[str], *, in_production: bool) -> dict[str, str]:
    """What processes of their own are told for such a house, besides what all are told."""
    told = {"CORS_ORIGINS": ",".join(origins)} if origins else {}
    if keys:
        told |= {"SECRET_KEY": keys[0], "PREVIOUS_SECRET_KEY": SECRET}
    if in_production:
        told |= {"APP_ENV": "production", "PASSWORD_ROUNDS": "10"}
    return told


_documents: dict[int, dict[str, Any]] = {}


def _described(app: FastAPI, path: str) -> dict[str, Any]:
    """What OpenAPI tells of the path; the document is made once for all houses with as many routes."""
    number = len(app.routes)
    if number not in _documents:
        _documents[number] = app.openapi()
    told: dict[str, Any] = _documents[number]["paths"][path]
    return told


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


@asynccontextmanager
async def listening(house: House, http: type[Protocol] = Protocol) -> AsyncIterator[str]:
    """The address at which the façade answers HTTP, from this very process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            house.app, http=http, lifespan="off", proxy_headers=False, access_log=False, log_config=None
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await server.shutdown(sockets=[listener])


def every_route() -> list[BaseRoute]:
    """The routes of a development system, with nothing behind them."""

    async def nothing() -> None: ...

    return [route for router in (*ROUTERS, dev.router(nothing)) for route in router.routes]


def a_space(**body: Any) -> dict[str, Any]:
    return {"name": "Meeting Room", "capacity": 10, "price_per_hour": 25.0} | body


def at(hour: float, *, day: int = 7) -> str:
    """So many hours after midnight UTC, so many days from now."""
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=day, hours=hour)).isoformat().replace("+00:00", "Z")


def a_slot(start: float, end: float, *, day: int = 7) -> dict[str, str]:
    return {"start": at(start, day=day), "end": at(end, day=day)}
