"""A go-between on PostgreSQL's socket that loses connections at the worst moment."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

WHATEVER = ""
"""Words that are in everything that is said."""


async def nothing() -> None:
    """What happens meanwhile, usually."""


class GoBetween:
    """Carries every byte both ways, until something is said that it was told to lose."""

    def __init__(self, url: str) -> None:
        where = conninfo_to_dict(url)
        self._server = f"{where['host']}/.s.PGSQL.{where['port']}"
        self._directory = Path(tempfile.mkdtemp(prefix="between-"))
        self.url = make_conninfo(url, host=str(self._directory))
        self._lost: dict[bytes, tuple[bool, Callable[[], Awaitable[None]]]] = {}
        self._carrying: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()

    def lose_question(self, words: str, meanwhile: Callable[[], Awaitable[None]] = nothing) -> None:
        """Lose the connection on which these words are said next, after `meanwhile`, before PostgreSQL hears them."""
        self._lost[words.encode()] = False, meanwhile

    def lose_answer(self, words: str, meanwhile: Callable[[], Awaitable[None]] = nothing) -> None:
        """Lose it once PostgreSQL has done what the words ask, before it can say so and after `meanwhile`."""
        self._lost[words.encode()] = True, meanwhile

    async def lets_nobody_in(self) -> None:
        """From now on: as if PostgreSQL had gone."""
        self._listening.close()

    async def is_gone(self) -> None:
        """From now on, for those too who are connected."""
        self._listening.close()
        for client in self._clients:
            client.transport.abort()

    async def __aenter__(self) -> "GoBetween":
        socket = self._directory / Path(self._server).name
        self._listening = await asyncio.start_unix_server(self._carry, socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        shutil.rmtree(self._directory)

    async def _carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._carrying.add(task)
        self._clients.add(to_client)
        async with self._connected(to_client) as (server, to_server):
            back = asyncio.create_task(_pour(server, to_client))
            try:
                while said := await client.read(65_536):
                    lost = next((words for words in self._lost if words in said), None)
                    if lost is None:
                        to_server.write(said)
                        continue
                    heard, meanwhile = self._lost.pop(lost)
                    if heard:
                        back.cancel()
                        with suppress(asyncio.CancelledError):
                            await back
                        to_server.write(said)
                        await server.read(1)  # it answers once it is done
                    await meanwhile()
                    return
            finally:
                back.cancel()

    @asynccontextmanager
    async def _connected(
        self, to_client: asyncio.StreamWriter
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        server, to_server = await asyncio.open_unix_connection(self._server)
        try:
            yield server, to_server
        finally:
            to_server.close()
            to_client.close()


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while said := await source.read(65_536):
            target.write(said)
    target.close()
