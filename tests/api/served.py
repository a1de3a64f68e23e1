"""The façade as it is run: two API processes, two followers and two workers on one journal, asked in turns.

With `--two-of-everything` the tests of the façade speak to these instead of an application in their own process.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Never

import pytest
from httpx import URL, AsyncBaseTransport, AsyncClient, AsyncHTTPTransport, Request, Response
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from api.throttling import Limits
from daybook.embedded import Stores
from daybook.resetting import reset
from daybook.settings import Settings
from tests.journals import Place, a_place
from tests.processes import daybook, started

OURSELVES = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Served(Place):
    """A journal that processes work on, and where they answer."""

    redis_url: str
    told: Callable[[Mapping[str, str]], Sequence[str]]
    """Where processes answer that were told these settings besides."""

    def is_ahead(self) -> bool:
        """Whether a fact was recorded that is still to come, because a test put the clock forward."""
        with self.role() as role:
            row = role.execute("select coalesce(max(recorded_at) > clock_timestamp(), false) from events").fetchone()
        assert row
        return bool(row[0])

    def begin_anew(self) -> None:
        """A new journal with nothing in it and the clock as it is, under the running processes."""
        self.put_clock_forward(timedelta(0))
        settings = Settings(
            database_url=SecretStr(self.url),
            database_owner_url=SecretStr(self.owner_url),
            redis_url=SecretStr(self.redis_url),
            daybook_schema=self.schema,
        )
        with ThreadPoolExecutor(1) as apart:  # from the loop of the tests
            apart.submit(asyncio.run, reset(settings)).result()


class InTurns(AsyncBaseTransport):
    """Sends each request to the next of the processes, as a proxy that says from which address it came."""

    def __init__(self, urls: Sequence[str], address: str) -> None:
        self._address = address
        # Reading the certificates nobody is asked for would take as long as all the rest.
        self._turns = itertools.cycle([(URL(url), AsyncHTTPTransport(verify=False)) for url in urls])

    async def handle_async_request(self, request: Request) -> Response:
        url, transport = next(self._turns)
        sent = Request(
            request.method,
            request.url.copy_with(scheme=url.scheme, host=url.host, port=url.port),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        if self._address != OURSELVES:
            sent.headers["X-Forwarded-For"] = self._address
        return await transport.handle_async_request(sent)

    async def aclose(self) -> None:
        for _, transport in itertools.islice(self._turns, 2):
            await transport.aclose()


async def forwarded(url: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Have the process at `url` answer what an application is asked, piece by piece, as long as anybody listens."""

    async def answered() -> None:
        transport = AsyncHTTPTransport(verify=False)
        async with (
            AsyncClient(transport=transport, timeout=None) as client,
            client.stream(scope["method"], url + scope["path"], headers=scope["headers"]) as answer,
        ):
            await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.headers.raw})
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    answering, hung_up = asyncio.create_task(answered()), asyncio.ensure_future(receive())
    await asyncio.wait((answering, hung_up), return_when=asyncio.FIRST_COMPLETED)
    for task in (answering, hung_up):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await answering


@contextmanager
def two_of_everything(stores: Stores, logs: Path) -> Iterator[Served]:
    """Two processes of each kind, for all tests of a run, and two API processes more where a test has settings of its
    own: they answer until another has others."""
    settings = dict.fromkeys((field.name.upper() for field in fields(Limits)), "1000000")
    settings |= {"TRUSTED_PROXIES": OURSELVES}
    with a_place(stores) as place, ExitStack() as running, ExitStack() as others:
        apis = running.enter_context(daybook(stores, place, logs, apis=2, followers=2, **settings))
        running.enter_context(started("work", stores, place, logs, number=2, **settings))
        answering: dict[frozenset[tuple[str, str]], list[str]] = {frozenset(): [api.url for api in apis]}

        def told(more: Mapping[str, str]) -> Sequence[str]:
            key = frozenset(more.items())
            if key not in answering:
                others.close()
                there = logs / f"others-{len(list(logs.iterdir()))}"
                there.mkdir()
                told_so = others.enter_context(daybook(stores, place, there, apis=2, followers=0, **settings, **more))
                answering[key] = [api.url for api in told_so]
                others.callback(answering.pop, key)
            return answering[key]

        yield Served(place.url, place.owner_url, place.schema, redis_url=stores.redis_url, told=told)


def left_out(because: str) -> Never:
    """End a test that processes of their own cannot pass."""
    pytest.skip(f"with two of everything: {because}")
