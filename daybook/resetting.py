"""Beginning anew, for development: an empty journal, and nothing of the one before in PostgreSQL or Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg
from psycopg import sql
from psycopg.errors import LockNotAvailable
from psycopg.rows import TupleRow
from redis.exceptions import RedisError

from api import throttling
from daybook import working
from daybook.settings import Settings
from journal.connection import Unavailable, conninfo
from journal.session import Parameters, Session
from projections.asking import Asking
from projections.following import VIEWS
from projections.generations import Keys, forget

WITHIN = 3.5  # seconds; every request ends within 5, and whoever asks for this waits for the views as well
ANSWER_WITHIN = 1.0  # seconds that Redis may take for an answer
LOCKED_WITHIN = 100  # milliseconds that one lock is waited for while others are held

Do = Callable[..., Awaitable[list[TupleRow]]]


async def reset(settings: Settings) -> None:
    """Begin a new journal of the schema, with empty tables and nothing in Redis but what processes work with: leases
    on views, and the numbers their generations were given, of which none may be given twice.

    Raises `Unavailable` within `WITHIN` seconds. The old journal stands then, unless `unknown` says that PostgreSQL may
    have heard the last word; what Redis has lost of it is made again, or counted anew.
    """
    until = asyncio.get_running_loop().time() + WITHIN
    redis = Asking(settings.redis_url.get_secret_value(), within=ANSWER_WITHIN)
    try:
        await _begin_anew(settings, redis, until)
    except psycopg.OperationalError as error:
        raise Unavailable("PostgreSQL does not begin a new journal") from error
    except (RedisError, OSError) as error:
        raise Unavailable("a store does not answer") from error
    finally:
        await redis.close()


async def _begin_anew(settings: Settings, redis: Asking, until: float) -> None:
    """Raises `psycopg.OperationalError`, `RedisError`, `OSError`, `Unavailable`."""
    schema = settings.daybook_schema
    owner = conninfo(settings.database_owner_url.get_secret_value(), schema, name="reset", plans=False)
    async with asyncio.timeout_at(until):
        session = Session(await psycopg.AsyncConnection.connect(owner, autocommit=True))

    async def do(statement: str, parameters: Parameters = ()) -> list[TupleRow]:
        return await session.ask(statement, parameters, until=until, then=lambda: None)

    try:
        rows = await do("select tablename from pg_tables where schemaname = %s order by tablename", (schema,))
        tables = [sql.Identifier(name) for (name,) in rows if name != "alembic_version"]
        truncate = sql.SQL("truncate {}").format(sql.SQL(", ").join(tables)).as_string()
        # Those who ask at once take turns: otherwise each would make way for the others again and again.
        await do("select pg_advisory_lock(hashtext(%s))", (f"reset {schema}",))
        while not await _carried_out(truncate, do):
            await do("rollback")
        await do("call journal_begin()")
        # Until the commit nobody can read a journal, so nothing of the old one comes back to Redis; and if it is Redis
        # that fails, nothing is gone but what is made again from the old journal.
        async with asyncio.timeout_at(until):
            await _empty(redis, schema)
        await do("select pg_notify(%s, '0')", (f"journal_{schema}",))
        try:
            await do("commit")
        except psycopg.OperationalError as error:
            raise Unavailable("PostgreSQL was lost", unknown=True) from error
    finally:
        session.close()


async def _carried_out(truncate: str, do: Do) -> bool:
    """Whether it got every lock, in a transaction that begins here. Whoever does not let go of one may be waiting for
    one of ours, and PostgreSQL would take a second to find that out.
    """
    await do("begin")
    await do(f"set local lock_timeout = {LOCKED_WITHIN}")
    with suppress(LockNotAvailable):
        await do(truncate)
        return True
    return False


async def _empty(redis: Asking, schema: str) -> None:
    """Remove what the schema's views, counts and queues have stored, and nobody else's."""
    for view in VIEWS:
        await forget(redis, Keys.of(view.name, schema))
    for start in (throttling.prefix(schema), f"{working.namespace(schema)}:"):
        async for found in redis.names(start):
            if found:
                await redis.ask("UNLINK", *found)
