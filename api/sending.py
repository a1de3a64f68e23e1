"""Commands that come over HTTP: who sends one, under which id, and how it is answered once it is entered."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

from fastapi import Depends, Request
from fastapi.security.base import SecurityBase
from starlette.responses import Response

from api.answers import json_of
from api.auth import SCHEME, SIGN_IN, api_key, caller, no_such_key
from api.correlation import correlation_id
from api.problems import Problem
from api.rooms import Rooms, rooms_of
from booking.users import User
from commands import deciding
from commands.command import Author, Command, KeyRevoked
from commands.deciding import Done
from journal.folding import Aggregate

S = TypeVar("S", bound=Aggregate)

_LONGEST_KEY = 255
# Read by hand and told of here: FastAPI's own way was a sixth of what a booking costs the façade.
COMMAND: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Sent again with the same request, the command is carried out once and answered alike.",
            "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_KEY},
        },
        {
            "name": "Prefer",
            "in": "header",
            "description": "`respond-async`: the answer does not wait until the queries show what was done.",
            "schema": {"type": "string"},
        },
    ]
}
"""What a command's route adds to its OpenAPI."""


CONDITIONAL: dict[str, Any] = {
    "parameters": [
        *COMMAND["parameters"],
        {
            "name": "If-Match",
            "in": "header",
            "description": "ETags of what may be changed (RFC 9110 §13.1.1); otherwise nothing is.",
            "schema": {"type": "string"},
        },
    ]
}
"""What the route of a command that changes something adds."""

_TAG = re.compile(r'"(\d{1,9})(-over)?"', re.ASCII)


async def _if_revisions(request: Request) -> frozenset[int] | None:
    """The revisions that If-Match names; None for any. One that names none of ours matches nothing."""
    wanted = request.headers.get("if-match")
    if wanted is None or wanted.strip() == "*":
        return None
    tags = (_TAG.fullmatch(tag.strip()) for tag in wanted.split(","))
    return frozenset(int(tag[1]) for tag in tags if tag)


IfRevisions = Annotated[frozenset[int] | None, Depends(_if_revisions)]


@dataclass(frozen=True, slots=True)
class Sender:
    """A user who sends a command."""

    rooms: Rooms
    user: User
    by: Author
    request: deciding.Request
    waits: bool

    @property
    def new_id(self) -> UUID:
        """The id of what the command makes: the command's own, so that it is the same when it is sent again."""
        return self.request.command_id

    async def do(self, command: Command[S]) -> Done[S]:
        """Carry the command out in the sender's name; raises what `Deciding.do` raises, or `Problem`."""
        try:
            return await self.rooms.deciding.do(command, by=self.by, request=self.request)
        except KeyRevoked:
            raise no_such_key() from None

    async def answer(
        self, done: Done[Any], document: Mapping[str, Any], *, status: int = 200, location: str | None = None
    ) -> Response:
        """The document, once the views show it or clearly will not soon."""
        return await entered(self.rooms, done, document, waits=self.waits, status=status, location=location)


async def entered(
    rooms: Rooms,
    done: Done[Any],
    document: Mapping[str, Any],
    *,
    waits: bool,
    status: int = 200,
    location: str | None = None,
) -> Response:
    """The answer to a command that was carried out."""
    if waits and done.changed:
        await rooms.views.caught_up(done.position)
    headers = {"Journal-Position": str(done.position)}
    if not waits:
        headers["Preference-Applied"] = "respond-async"
    if (revision := getattr(done.subject, "revision", None)) is not None:
        headers["ETag"] = f'"{revision}"'
    if location is not None:
        headers["Location"] = location
    return json_of(document, status, headers)


async def request_of(request: Request, by: Author) -> deciding.Request:
    """The command's id and where it comes from; an Idempotency-Key is good for the same request alone.

    Raises `Problem` for a key that is none.
    """
    key = idempotency_key(request)
    if key is None:
        return deciding.Request(command_id=uuid4(), correlation_id=correlation_id.get())
    return deciding.Request(
        command_id=deciding.command_id(by, key),
        correlation_id=correlation_id.get(),
        retryable=True,
        digested=await _told(request),
    )


def idempotency_key(request: Request) -> str | None:
    """The key under which the request may be sent again. Raises `Problem` for one that is none."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        raise Problem(
            422, "bad-idempotency-key", "The Idempotency-Key is none", f"It has 1 to {_LONGEST_KEY} characters."
        )
    return key


async def _told(request: Request) -> bytes:
    """Everything the request says of what it wants; neither an encoded path nor a query holds a line break."""
    query: bytes = request.scope["query_string"]
    target = f"{request.method} {quote(request.scope['path'])}?".encode() + query
    return target + b"\n" + await request.body()


def waits(request: Request) -> bool:
    """Whether the answer is to wait for the views (RFC 7240 §4.1)."""
    return "respond-async" not in request.headers.get("prefer", "").lower()


class _Sending(SecurityBase):
    model = SIGN_IN
    scheme_name = SCHEME

    async def __call__(self, request: Request) -> Sender:
        user = await caller(request)
        by = Author.person(user.id, api_key=api_key(request))
        return Sender(rooms_of(request), user, by, await request_of(request, by), waits(request))


class _Booking(_Sending):
    async def __call__(self, request: Request) -> Sender:
        sender = await super().__call__(request)
        rooms = sender.rooms
        # Once verified is verified for ever, so it does no harm that this is looked up before the command.
        if not (
            rooms.unverified_may_book
            or sender.user.email_verified
            or (await rooms.callers.read(sender.user.id)).email_verified
        ):
            raise Problem(
                403, "email-not-verified", "Verify your address first", "Follow the letter that was sent to it."
            )
        return sender


TheSender = Annotated[Sender, Depends(_Sending())]
TheBooker = Annotated[Sender, Depends(_Booking())]
"""A sender whose address is verified, where that is asked for."""
