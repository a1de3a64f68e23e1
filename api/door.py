"""The door every request passes: what it may bring, how long it may take, and what every answer bears.

One plain ASGI middleware, because every request pays for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import correlation, headers, watching
from api.origins import Origins
from api.problems import RETRY_AFTER, Problem, problem_of
from api.throttling import LIMITS
from api.watching import Tell

BODY_LIMIT = 1 << 20  # bytes
WITHIN = 5.0  # seconds

_STREAM = b"text/event-stream; charset=utf-8"
_HEALTH = "/health"  # whoever watches us asks as often as they like
_ID = correlation.HEADER.lower().encode()


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
        begun, status = perf_counter(), 0
        given = traceparent = length = origin = None
        has_nul = "\0" in scope["path"] or b"%00" in scope["query_string"]
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
        id = correlation.begin(given, traceparent).encode()

        async def answer(message: Message) -> None:
            nonlocal status
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

        try:
            async with asyncio.timeout(self._within) as timer:
                if has_nul:
                    raise Problem(
                        400, "nul-character", "The request cannot be read", "U+0000 is in no text that is kept here."
                    )
                if (preflight := self._origins.preflight(scope, origin)) is not None:
                    await answer(preflight)
                    await answer({"type": "http.response.body"})
                    return
                if self._admit is not None and not scope["path"].startswith(_HEALTH):
                    await self._admit(scope)
                await self._app(scope, self._limited(length, receive), answer)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except Exception as error:  # what nobody else answered for
            if status:
                raise  # half an answer is out: the server can only hang up
            problem = self._too_slow() if timer.expired() else problem_of(error)
            await problem.response()(scope, receive, answer)
        finally:
            watching.answered(scope, status, perf_counter() - begun, self._tell)

    def _limited(self, length: bytes | None, receive: Receive) -> Receive:
        """`receive` for a body of at most the limit; one whose length is told is not counted again."""
        if length is not None:
            if not length.isdigit():
                raise Problem(400, "bad-content-length", "The request cannot be read", "Content-Length is no number.")
            if len(length) > 15 or int(length) > self._body_limit:
                raise self._too_large()
            return receive
        left = self._body_limit

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise self._too_large()
            return message

        return counted

    def _too_slow(self) -> Problem:
        return Problem(
            503,
            "too-slow",
            "Not done in time",
            f"This took longer than {self._within:g} seconds; it may or may not have taken effect.",
            headers={"Retry-After": RETRY_AFTER},
        )

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "body-too-large",
            "The body is too large",
            f"A body has at most {self._body_limit} bytes.",
        )
