"""What the same PostgreSQL does for psycopg alone: one INSERT and COMMIT at a time on each of 16 connections."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg

from benchmarks.measuring import Work
from benchmarks.places import ROLE, Place
from journal.connection import conninfo

CONNECTIONS = 16
_INSERT = "insert into floor (payload) values (%s)"


def make_table(place: Place) -> None:
    """A table with a key and a text, and nothing else that costs."""
    with place.owner() as connection:
        connection.execute("create table floor (id bigserial primary key, payload text not null)")
        connection.execute(f"grant all on floor to {ROLE}; grant all on sequence floor_id_seq to {ROLE}")


@asynccontextmanager
async def by_tasks(place: Place, payload: str, *, autocommit: bool = False) -> AsyncIterator[Work]:
    """The floor with a task for each connection; with `autocommit` the INSERT commits by itself, in one round trip."""
    connections = [
        await psycopg.AsyncConnection.connect(_address(place), autocommit=autocommit) for _ in range(CONNECTIONS)
    ]

    async def work(seconds: float) -> int:
        until = time.perf_counter() + seconds

        async def insert(connection: psycopg.AsyncConnection) -> int:
            made = 0
            while time.perf_counter() < until:
                await connection.execute(_INSERT, (payload,))
                if not autocommit:
                    await connection.commit()
                made += 1
            return made

        return sum(await asyncio.gather(*map(insert, connections)))

    try:
        yield work
    finally:
        for connection in connections:
            await connection.close()


@contextmanager
def by_threads(place: Place, payload: str) -> Iterator[Work]:
    """The floor with a thread for each connection."""
    connections = [psycopg.connect(_address(place)) for _ in range(CONNECTIONS)]

    def insert(connection: psycopg.Connection, until: float, made: list[int]) -> None:
        number = 0
        while time.perf_counter() < until:
            connection.execute(_INSERT, (payload,))
            connection.commit()
            number += 1
        made.append(number)

    def insert_all(seconds: float) -> int:
        made: list[int] = []
        until = time.perf_counter() + seconds
        threads = [threading.Thread(target=insert, args=(one, until, made)) for one in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(made)

    async def work(seconds: float) -> int:
        return await asyncio.to_thread(insert_all, seconds)

    try:
        yield work
    finally:
        for connection in connections:
            connection.close()


def _address(place: Place) -> str:
    return conninfo(place.stores.database_url, place.schema, name="bench floor", plans=False)
