"""One PostgreSQL connection that comes back by itself, is used by one statement at a time and never waits for long."""

import asyncio

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from journal.session import Parameters, Session
from journal.tallies import Histogram

CONNECT_WITHIN = 2.0  # seconds
ANSWER_WITHIN = 4.0  # seconds; every request ends within 5

# A young table has no statistics, and the plans guessed without them cost the journal's statements two to five times.
_PLANS = (
    "plan_cache_mode=force_generic_plan",
    "enable_seqscan=off",
    "enable_hashjoin=off",
    "enable_mergejoin=off",
    "enable_bitmapscan=off",
    "enable_material=off",
    "jit=off",
)

_WAIT = Histogram(
    "daybook_connection_wait_seconds",
    "Time a statement waits for those before it on the same connection.",
    ("connection",),
)


class Unavailable(Exception):
    """The store did not answer. `unknown` says that what was sent may have taken effect all the same."""

    def __init__(self, reason: str, *, unknown: bool = False) -> None:
        self.unknown = unknown
        super().__init__(reason)


class SessionNotKept(Exception):
    """Something between us and PostgreSQL drops session state, as a transaction pooler does."""


def conninfo(url: str, schema: str, *, name: str, plans: bool = True) -> str:
    """The connection string of a session whose unqualified names are those of `schema`."""
    options = [f"search_path={schema}", f"statement_timeout={int(ANSWER_WITHIN * 1000)}", "timezone=UTC"]
    if plans:
        options += _PLANS
    return make_conninfo(
        url,
        options=" ".join(f"-c {option}" for option in options),
        application_name=f"daybook {name}",
        connect_timeout=int(CONNECT_WITHIN),
        tcp_user_timeout=int(ANSWER_WITHIN * 1000),
        keepalives_idle=10,
        keepalives_interval=2,
        keepalives_count=2,
    )


class Line:
    """A connection for short autocommit statements, one at a time, made anew when it was lost.

    `times_connected` tells users of a cache that the session they filled it from is gone.
    """

    def __init__(self, url: str, schema: str, *, name: str) -> None:
        self.schema = schema
        self._name = name
        self._conninfo = conninfo(url, schema, name=name)
        self._session: Session | None = None
        self._turn = asyncio.Semaphore(1)  # a lock says that it is free while it passes to the next one
        self.times_connected = 0

    async def execute(
        self, statement: str, parameters: Parameters = (), *, within: float = ANSWER_WITHIN
    ) -> list[TupleRow]:
        """The rows of one statement. Raises `Unavailable`, or the `psycopg.Error` that PostgreSQL answered.

        `within` counts from now, waiting for others included. A caller that is cancelled leaves a statement that was
        sent to end by itself: the connection is others' as well.
        """
        clock = asyncio.get_running_loop().time
        asked = clock()
        until = asked + within
        try:
            async with asyncio.timeout_at(until if self._turn.locked() else None):
                await self._turn.acquire()
        except TimeoutError:
            raise Unavailable("PostgreSQL does not answer those who asked before") from None
        finally:
            _WAIT.add(clock() - asked, self._name)
        try:
            session = await self._connected(until)
            answer = session.ask(statement, parameters, until=until, then=self._turn.release)
        except BaseException:
            self._turn.release()
            raise
        try:
            return await answer
        except psycopg.OperationalError as error:
            if session.is_over:
                raise Unavailable(f"PostgreSQL was lost: {_line(error)}", unknown=True) from error
            raise Unavailable(f"PostgreSQL did not carry it out: {_line(error)}") from error

    async def repeatable(self, statement: str, parameters: Parameters = ()) -> list[TupleRow]:
        """The rows of a statement that may be carried out twice: again, if the connection turns out to be lost."""
        clock = asyncio.get_running_loop().time
        give_up = clock() + ANSWER_WITHIN
        try:
            return await self.execute(statement, parameters)
        except Unavailable as error:
            if not error.unknown:
                raise
            return await self.execute(statement, parameters, within=give_up - clock())

    async def _connected(self, until: float) -> Session:
        if self._session is None or self._session.is_over:
            try:
                async with asyncio.timeout_at(min(until, asyncio.get_running_loop().time() + CONNECT_WITHIN)):
                    connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
                    cursor = await connection.execute("show search_path")
                    (path,) = await cursor.fetchone() or (None,)
            except TimeoutError:
                raise Unavailable("PostgreSQL does not answer") from None
            except psycopg.OperationalError as error:
                raise Unavailable(f"PostgreSQL cannot be reached: {_line(error)}") from error
            if path != self.schema:
                await connection.close()
                raise SessionNotKept(f"the search path is {path!r}: connect to PostgreSQL itself, or in session mode")
            self._session = Session(connection)
            self.times_connected += 1
        return self._session

    async def close(self) -> None:
        async with self._turn:
            if self._session is not None:
                self._session.close()
                self._session = None


def _line(error: Exception) -> str:
    """The first line of an error: the rest may quote what was sent."""
    return str(error).partition("\n")[0]
