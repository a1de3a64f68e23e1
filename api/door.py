"""The door every request passes: what it may bring, how long it may take, and what every answer bears.

One plain ASGI middleware, because every request pays for it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from urllib.parse import unquote_to_bytes

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import correlation, headers, watching
from api.origins import Origins
from api.problems import RETRY_AFTER, Problem, problem_of
from api.throttling import LIMITS
from api.watching import Tell

BODY_LIMIT = 1 << 20  # bytes
WITHIN = 5.0  # seconds
MOST_PARAMETERS = 100  # of a query

_STREAM = b"text/event-stream; charset=utf-8"
_HEALTH = "/health"  # whoever watches us asks as often as they like
_ID = correlation.HEADER.lower().encode()
_BEYOND_ASCII = re.compile(rb"%[89A-Fa-f]")


class Door:
    """Lets in what is fit to be read, ends what takes too long, and answers for what nobody else answered for."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        admit: Callable[[Scope], Awaitable[None]] | None = None,
        tell: Tell | None = None,
        body_limit: int = BODY_LIMIT,
        within: float = WITHIN,
        origins: Origins | None = None,
        behind_tls: bool = False,
    ) -> None:
        self._app = app
        self._origins = origins or Origins()
        self._headers: Iterable[tuple[bytes, bytes]] = headers.BEHIND_TLS if behind_tls else headers.ALWAYS
        self._admit = admit
        self._tell = tell
        self._body_limit = body_limit
        self._within = within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # HEAD is GET without the content (RFC 9110 §9.3.2), and a stream's would never end.
        if is_head := scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        begun, status = perf_counter(), 0
        given = traceparent = length = origin = None
        has_nul = has_escapes = False
        for name, value in scope["headers"]:
            if b"\0" in value:
                has_nul = True
            elif name == _ID:
                given = value
            elif name == b"traceparent":
                traceparent = value
            elif name == b"content-length":
                length = value
            elif name == b"origin":
                origin = value
            elif name == b"cookie" and b"\\" in value:
                has_escapes = True
        if has_escapes:
            scope["headers"] = _without_escapes(scope["headers"])
        body = _Body(receive, self._body_limit)
        id = correlation.begin(given, traceparent).encode()

        async def answer(message: Message) -> None:
            nonlocal status
            if is_head and message["type"] == "http.response.body":
                return
            if message["type"] == "http.response.start":
                status = message["status"]
                own = message["headers"]
                if (b"content-type", _STREAM) in own:
                    timer.reschedule(None)  # it lasts as long as somebody listens
                said = {name for name, _ in own}
                unless_said = [one for one in (*headers.UNLESS_SAID, *scope.get(LIMITS, ())) if one[0] not in said]
                allowing = self._origins.allowing(origin)
                message["headers"] = [*own, *self._headers, *unless_said, *allowing, (_ID, id)]
            await send(message)
            if is_head:
                await send({"type": "http.response.body"})

        try:
            async with asyncio.timeout(self._within) as timer:
                if has_nul or "\0" in scope["path"] or b"%00" in scope["query_string"]:
                    raise Problem(
                        400, "nul-character", "The request cannot be read", "U+0000 is in no text that is kept here."
                    )
                _must_be_text(scope)
                if (preflight := self._origins.preflight(scope, origin)) is not None:
                    await answer(preflight)
                    await answer({"type": "http.response.body"})
                    return
                if self._admit is not None and not scope["path"].startswith(_HEALTH):
                    await self._admit(scope)
                if length is not None:
                    body.must_have(length)
                await self._app(scope, body.receive, answer)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except Exception as error:  # what nobody else answered for
            if status:
                raise  # half an answer is out: the server can only hang up
            problem = self._too_slow(body) if timer.expired() else problem_of(error)
            await problem.response()(scope, receive, answer)
        finally:
            watching.answered(scope, status, perf_counter() - begun, self._tell)

    def _too_slow(self, body: "_Body") -> Problem:
        if body.is_awaited:
            return Problem(
                408,
                "body-too-slow",
                "The body did not come in time",
                f"It has {self._within:g} seconds. Nothing was done.",
                headers={"Connection": "close"},
            )
        return Problem(
            503,
            "too-slow",
            "Not done in time",
            f"This took longer than {self._within:g} seconds; it may or may not have taken effect.",
            headers={"Retry-After": RETRY_AFTER},
        )


class _Body:
    """A request's body while it comes in, of at most `limit` bytes."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = self._left = limit
        self._is_whole = False
        self.is_awaited = False

    def must_have(self, length: bytes) -> None:
        """Raise `Problem` for a length it cannot have."""
        if not length.isdigit():
            raise Problem(400, "bad-content-length", "The request cannot be read", "Content-Length is no number.")
        if len(length) > 15 or int(length) > self._limit:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next part of it. Raises `Problem`."""
        self.is_awaited = not self._is_whole
        message = await self._receive()
        self.is_awaited = False
        self._is_whole = not message.get("more_body", False)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise self._too_large()
        return message

    def _too_large(self) -> Problem:
        return Problem(413, "body-too-large", "The body is too large", f"A body has at most {self._limit} bytes.")


def _without_escapes(given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with no backslash in a cookie: ours have none, and before Python 3.11.10 reading a quoted one took
    time that grows with the square of their number."""
    return [(name, value.replace(b"\\", b"") if name == b"cookie" else value) for name, value in given]


def _must_be_text(scope: Scope) -> None:
    """Raise `Problem` for a path or a query that is no text, or a query of more than anybody asks."""
    if query := scope["query_string"]:
        if query.count(b"&") >= MOST_PARAMETERS:
            detail = f"A query has at most {MOST_PARAMETERS} parameters."
            raise Problem(400, "too-many-parameters", "The request cannot be read", detail)
        if _BEYOND_ASCII.search(query) or not query.isascii():
            _must_be_utf_8(query)
    if "\ufffd" in scope["path"]:  # what no text was decoded to, unless it was sent as such
        _must_be_utf_8(scope["raw_path"])


def _must_be_utf_8(encoded: bytes) -> None:
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise Problem(
            400, "not-utf-8", "The request cannot be read", "Path and query are UTF-8, percent-encoded."
        ) from None
