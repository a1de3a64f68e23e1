"""A line to PostgreSQL over libpq: what is asked is answered in its order, and nothing keeps the next one waiting."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest
import uvloop

from journal.connection import Line, Unavailable
from tests.journals import Place

BACKEND = "select pg_backend_pid()"
WAITS = "select 1 from pg_locks where pid = %s and not granted"


@pytest.fixture
async def line(place: Place) -> AsyncIterator[Line]:
    line = Line(place.url, place.schema, name="test")
    yield line
    await line.close()


async def test_parameters_have_their_place_by_order_or_by_name(line: Line):
    assert await line.execute("select %s::int, %s::text, 'a' like 'a%%'", (1, "b")) == [(1, "b", True)]
    again = "select %(b)s::int, %(a)s::int, %(b)s::int"
    assert await line.execute(again, {"a": 1, "b": 2, "nobody asks for": 3}) == [(2, 1, 2)]


async def test_a_statement_is_planned_for_every_kind_of_parameter_it_is_given(line: Line):
    for value in ("one", None, [1, 2], 1, 2**40, True, b"\0"):
        assert await line.execute("select %(value)s::text is null", {"value": value}) == [(value is None,)]
        assert await line.execute("select %(value)s", {"value": value}) == [(value,)]


async def test_what_postgresql_refuses_is_told_and_the_next_is_answered(line: Line):
    with pytest.raises(psycopg.errors.UndefinedTable):
        await line.execute("select * from nowhere")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await line.execute("select 1 / %s", (0,))
    with pytest.raises(psycopg.DataError):
        await line.execute("select %s::text", ("\0",))
    with pytest.raises(KeyError):
        await line.execute("select %(a)s::text", {})

    assert await line.execute("select 1 / %s", (1,)) == [(1,)]
    assert line.times_connected == 1


async def test_what_python_cannot_hold_is_told_to_its_caller_and_the_next_is_answered(line: Line):
    with pytest.raises(psycopg.DataError):
        await line.execute("select 'infinity'::timestamptz", within=1.0)

    assert await line.execute("select 1") == [(1,)]
    assert line.times_connected == 1


async def test_what_no_socket_takes_at_once_arrives_whole(line: Line):
    long = "x" * 2_000_000

    assert await line.execute("select length(%s), %s", (long, long)) == [(len(long), long)]


async def test_who_goes_away_leaves_the_line_to_those_who_wait(line: Line):
    (backend,) = (await line.execute(BACKEND))[0]
    asking = asyncio.create_task(line.execute("select pg_sleep(0.2), 1"))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(line.execute("select %s::int", (n,))) for n in range(3)]
    await asyncio.sleep(0)
    asking.cancel()
    waiting[1].cancel()

    with suppress(asyncio.CancelledError):
        await asking
    assert [await waiting[0], await waiting[2]] == [[(0,)], [(2,)]]
    assert await line.execute(BACKEND) == [(backend,)]


async def test_who_asks_when_the_turn_passes_on_waits_no_longer_than_it_may(place: Place, line: Line):
    """At that moment nobody has it, and yet it is somebody else's."""

    async def asked_twice() -> None:
        await line.execute("select 1")
        await line.execute("select 2", within=0.1)

    asking = asyncio.create_task(asked_twice())
    await asyncio.sleep(0)
    with place.role() as other:
        other.execute("select pg_advisory_lock(2)")
        next_one = asyncio.create_task(line.execute("select pg_advisory_lock(2), pg_advisory_unlock(2)"))

        with pytest.raises(Unavailable, match="those who asked before"):
            await asking
        assert not next_one.done()

    await next_one


async def test_a_session_that_ends_while_nobody_asks_is_missed_by_nobody(place: Place, line: Line):
    (backend,) = (await line.execute(BACKEND))[0]
    session = line._session
    with place.role() as other:
        other.execute("select pg_terminate_backend(%s)", (backend,))
        async with asyncio.timeout(5):
            while not session.is_over:  # type: ignore[union-attr]  # noqa: ASYNC110  # only the socket tells
                await asyncio.sleep(0)

    assert await line.execute("select 1") == [(1,)]
    assert line.times_connected == 2


async def test_a_session_that_ends_under_a_statement_leaves_its_outcome_unknown(place: Place, line: Line):
    (backend,) = (await line.execute(BACKEND))[0]
    with place.role() as other:
        other.execute("select pg_advisory_lock(1)")
        asking = asyncio.create_task(line.execute("select pg_advisory_lock(1)"))
        async with asyncio.timeout(5):
            while not other.execute(WAITS, (backend,)).fetchone():  # noqa: ASYNC110  # only PostgreSQL could tell
                await asyncio.sleep(0)
        other.execute("select pg_terminate_backend(%s)", (backend,))

    with pytest.raises(Unavailable) as lost:
        await asking
    assert lost.value.unknown
    assert await line.execute("select 1") == [(1,)]


def test_a_session_that_ends_with_a_last_word_is_over_in_the_loop_of_our_processes(place: Place):
    """uvloop looks after a socket no more once its end has come along with data."""

    async def asks() -> None:
        line = Line(place.url, place.schema, name="test")
        (backend,) = (await line.execute(BACKEND))[0]
        os.kill(backend, signal.SIGSTOP)
        asking = asyncio.create_task(line.execute("select 1"))
        await asyncio.sleep(0)  # it is sent, and stays unread
        os.kill(backend, signal.SIGTERM)
        os.kill(backend, signal.SIGCONT)
        with place.role() as other:  # without the loop, so that it hears of the last word and of the end at once
            while other.execute("select from pg_stat_activity where pid = %s", (backend,)).fetchone():
                pass

        async with asyncio.timeout(3):
            with pytest.raises(Unavailable, match="terminating connection"):
                await asking
            assert await line.execute("select 2") == [(2,)]
        await line.close()

    uvloop.run(asks())


async def test_a_statement_that_takes_too_long_is_given_up_with_its_session(line: Line):
    with pytest.raises(Unavailable) as given_up:
        await line.execute("select pg_sleep(10)", within=0.2)

    assert given_up.value.unknown
    assert await line.execute("select 1") == [(1,)]


async def test_a_statement_that_postgresql_itself_ends_did_not_happen(line: Line):
    await line.execute("set statement_timeout = '50ms'")

    with pytest.raises(Unavailable) as ended:
        await line.execute("select pg_sleep(10)")

    assert not ended.value.unknown
    assert line.times_connected == 1
