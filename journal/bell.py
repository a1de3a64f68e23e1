"""Being told that facts have been entered, so that nobody has to ask again and again."""

import asyncio
from contextlib import suppress

import psycopg
import psycopg.sql

from journal.connection import CONNECT_WITHIN, conninfo


class Bell:
    """Rings when facts have been entered, and at the latest after the time one is ready to wait without being told."""

    def __init__(self, url: str, schema: str, *, name: str) -> None:
        self._conninfo = conninfo(url, schema, name=name, plans=False)
        self._channel = psycopg.sql.Identifier(f"journal_{schema}")
        self._rang = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def wait(self, at_most: float) -> None:
        """Return when it rang since the last call, or after `at_most` seconds: a notice can be lost, a poll cannot."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await self._rang.wait()
        self._rang.clear()

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error, TimeoutError):
                async with asyncio.timeout(CONNECT_WITHIN):
                    connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
                async with connection:
                    await connection.execute(psycopg.sql.SQL("listen {}").format(self._channel))
                    async for _ in connection.notifies():
                        self._rang.set()
            await asyncio.sleep(0.5)  # the poll carries on meanwhile

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
