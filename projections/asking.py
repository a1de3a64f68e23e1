"""Asking Redis: what is asked while an answer is awaited shares the next round trip."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio import Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from journal.grouping import Asked, Grouping

CONNECT_WITHIN = 0.5  # seconds


class _Packing(Connection):
    """redis-py's own packing was a sixth of what it costs to post a fact."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name, *rest = args
        return [pack_command((*name.split(), *rest))]  # redis-py has names of two words

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [b"".join(packed for command in commands for packed in self.pack_command(*command))]


def client(redis_url: str, *, within: float | None) -> Redis:
    """A client whose calls end within so many seconds each, None for as long as it takes; it never tries again."""
    return Redis.from_url(
        redis_url,
        socket_timeout=within,
        socket_connect_timeout=CONNECT_WITHIN,
        retry=Retry(NoBackoff(), 0),
        connection_class=_Packing,  # but not over TLS or a Unix socket, which have classes of their own
    )


class Asking:
    """Commands to one Redis. Raises `RedisError` and `OSError` as redis-py does, within so many seconds.

    A lone command is sent at once, unless `gather` says that others are about to be asked too: a round trip more costs
    more than the wait for them.
    """

    def __init__(self, redis_url: str, *, within: float, gather: bool = False) -> None:
        self._redis = client(redis_url, within=within)
        self._together: Grouping[tuple[Any, ...], Any, Redis] = Grouping(
            self._pipeline, lanes=[self._redis], at_most=100
        )
        self._gather = gather
        self._asking = 0

    async def ask(self, *command: Any) -> Any:
        """The answer to one command."""
        self._asking += 1
        try:
            if self._gather or self._asking > 1:
                return await self._together.ask(command)
            return await self._alone(command)
        finally:
            self._asking -= 1

    async def names(self, start: str) -> AsyncIterator[list[bytes]]:
        """The keys that begin with `start`, which has no wildcards, some at a time."""
        cursor = b"0"
        while True:
            cursor, found = await self.ask("SCAN", cursor, "MATCH", f"{start}*", "COUNT", 1_000)
            yield found
            if not int(cursor):
                return

    async def _alone(self, command: tuple[Any, ...]) -> Any:
        return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _pipeline(self, redis: Redis, group: list[Asked[tuple[Any, ...], Any]]) -> None:
        if len(group) == 1:  # a pipeline would only cost more
            group[0].succeed(await self._alone(group[0].question))
            return
        pipeline = redis.pipeline(transaction=False)
        for asked in group:
            pipeline.execute_command(*asked.question)
        for asked, answer in zip(group, await pipeline.execute(raise_on_error=False), strict=True):
            if isinstance(answer, Exception):
                asked.fail(answer)
            else:
                asked.succeed(answer)

    async def close(self) -> None:
        await self._together.finish()
        await self._redis.aclose()


class Script:
    """A script that Redis runs as one step."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, ask: Callable[..., Awaitable[Any]], keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """What it returns; `ask` carries out a command."""
        try:
            return await ask("EVALSHA", self._sha, len(keys), *keys, *arguments)
        except NoScriptError:  # Redis was started anew
            return await ask("EVAL", self._text, len(keys), *keys, *arguments)
