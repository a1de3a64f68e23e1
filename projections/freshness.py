"""How far the views are, told by Redis as they move, so that nobody has to ask again and again."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio.client import PubSub

from projections.asking import client
from projections.generations import Keys, Mark

LISTEN_AGAIN_AFTER = 0.5  # seconds
ANSWER_WITHIN = 2.0  # seconds: only a start waits for it, and a stall of ours must not pass for Redis being away
QUIET = 2.0  # seconds without a word after which Redis is asked for one


class Freshness:
    """The positions at which the views of one journal answer, as far as this process was told.

    A view that is not told of is down or being built. A late one kept somebody waiting so many seconds in vain and has
    not moved since.
    """

    def __init__(self, redis_url: str, schema: str, views: Sequence[str]) -> None:
        self._redis = client(redis_url, within=None)
        self._keys = {name: Keys.of(name, schema) for name in views}
        self._told: dict[str, int] = {}
        self._late: dict[str, float] = {}
        self._waiting: dict[str, list[tuple[int, asyncio.Future[None]]]] = {name: [] for name in views}
        self._listening: asyncio.Task[None] | None = None
        self._first_word = asyncio.Event()

    async def begin(self) -> None:
        """Listen from now on, and return once it is known how far the views are, or that nobody can say."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        await self._first_word.wait()

    async def caught_up(self, position: int, views: Sequence[str], within: float) -> bool:
        """Wait until `views` reflect `position`, at most `within` seconds, and say whether all of them do."""
        if all(self._told.get(name, -1) >= position for name in views):
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.begin()
                for name in views:
                    if name in self._told and within > self._late.get(name, 0):
                        await self._reached(name, position)
        behind = {name for name in views if self._told.get(name, -1) < position}
        for name in behind:
            self._late[name] = max(within, self._late.get(name, 0))
        return not behind

    async def _reached(self, name: str, position: int) -> None:
        """Return when the view is at `position`, or nobody can say any more."""
        if self._told.get(name, position) < position:
            moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[name].append((position, moved))
            await moved

    async def _listen(self) -> None:
        by_channel = {keys.channel.encode(): name for name, keys in self._keys.items()}
        while True:
            with suppress(Exception):  # whatever it is, whoever waits is told below
                async with self._redis.pubsub(ignore_subscribe_messages=True) as told:
                    async with asyncio.timeout(ANSWER_WITHIN):
                        await told.subscribe(*(keys.channel for keys in self._keys.values()))
                        for name in self._keys:
                            self._tell(name, await self._position(name))
                    self._first_word.set()
                    await self._hear(told, by_channel)
            for name in self._keys:
                self._tell(name, None)
            self._first_word.set()
            await asyncio.sleep(LISTEN_AGAIN_AFTER)

    async def _hear(self, told: PubSub, by_channel: dict[bytes, str]) -> None:
        """Tell what is heard until nothing is any more: the other end may have gone without this one being told."""
        while True:
            message = await told.get_message(timeout=QUIET)
            if message is None:
                await told.ping()
                async with asyncio.timeout(ANSWER_WITHIN):
                    message = await told.get_message(timeout=None)
            if message is not None and message["type"] == "message":
                word = message["data"]
                self._tell(by_channel[message["channel"]], int(word) if word else None)

    async def _position(self, name: str) -> int | None:
        keys = self._keys[name]
        active: Any = await self._redis.get(keys.active)
        mark: Any = await self._redis.get(keys.mark(active)) if active else None
        return Mark.of(mark).position if mark else None

    def _tell(self, name: str, position: int | None) -> None:
        self._late.pop(name, None)
        if position is None:
            self._told.pop(name, None)
        else:
            self._told[name] = position
        waiting = self._waiting[name]
        if waiting:
            self._waiting[name] = []
            for wanted, moved in waiting:
                if position is not None and position < wanted and not moved.done():
                    self._waiting[name].append((wanted, moved))
                elif not moved.done():
                    moved.set_result(None)

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
        await self._redis.aclose()
