"""The log: one line for each thing said, with its request, and nothing that somebody sent."""

import asyncio
import gc
import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest

from api import correlation
from api.watching import Answered
from daybook import logs

pytestmark = pytest.mark.usefixtures("logging_as_before")

Said = Callable[[], list[str]]
SOMEBODY = UUID("5f0c0c1e-3d1b-4a55-9b8e-0d2b6a5c7e11")


def a_request(route: str = "/bookings/{booking_id}") -> Answered:
    return Answered("GET", route, 200, 0.00125, "theirs", "00f067aa0ba902b7", SOMEBODY)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return lambda: capsys.readouterr().out.splitlines()


def one(said: Said) -> dict[str, Any]:
    (line,) = said()
    document: dict[str, Any] = json.loads(line)
    return document


def test_a_line_is_json_with_the_request_it_was_said_for(said: Said) -> None:
    logs.configure("INFO", for_people=False)
    correlation.begin(b"this-request", None)

    logging.getLogger("api").info("%s of %s", 1, 2)

    line = one(said)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "1 of 2",
        "level": "info",
        "logger": "api",
        "correlation_id": "this-request",
        "request_id": correlation.request_id.get(),
    }


def test_a_line_bears_who_asks_and_only_while_it_is_their_request(said: Said) -> None:
    logs.configure("INFO", for_people=False)
    log = logging.getLogger("api")

    correlation.begin(None, None)
    correlation.user_id.set(SOMEBODY)
    log.info("theirs")
    correlation.begin(None, None)
    log.info("another's")

    theirs, others = (json.loads(line) for line in said())
    assert theirs["user_id"] == str(SOMEBODY)
    assert "user_id" not in others
    assert theirs["request_id"] != others["request_id"]


def test_a_request_has_a_line_of_its_own(said: Said) -> None:
    logs.configure("INFO", for_people=False)

    logs.telling(for_people=False)(a_request())

    line = one(said)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "requests",
        "event": "request",
        "method": "GET",
        "route": "/bookings/{booking_id}",
        "status": 200,
        "milliseconds": 1.25,
        "correlation_id": "theirs",
        "request_id": "00f067aa0ba902b7",
        "user_id": str(SOMEBODY),
    }


def test_people_read_a_plain_line_for_a_request(said: Said) -> None:
    logs.configure("INFO", for_people=True)

    logs.telling(for_people=True)(a_request())

    (line,) = said()
    assert "GET /bookings/{booking_id}: 200 in 1.25 ms" in line


@pytest.mark.parametrize(("level", "told"), [("DEBUG", 2), ("INFO", 1), ("WARNING", 0)])
def test_of_health_a_line_is_said_at_debug_alone_and_of_requests_none_beneath_info(
    said: Said, level: str, told: int
) -> None:
    logs.configure(level, for_people=False)
    tell = logs.telling(for_people=False)

    for request in (a_request(), a_request("/health/ready")):
        tell(request)

    assert len(said()) == told


def test_a_request_does_not_fail_with_whoever_read_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure("INFO", for_people=False)
    tell = logs.telling(for_people=False)
    reading, writing = os.pipe()
    os.close(reading)

    broken = os.fdopen(writing, "w")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", broken)
        tell(a_request())

    with suppress(BrokenPipeError):
        broken.close()


def test_what_is_beneath_the_level_is_not_said(said: Said) -> None:
    logs.configure("WARNING", for_people=False)

    logging.getLogger("api").info("too much")

    assert said() == []


def test_of_an_exception_only_the_first_line_is_told_and_where_it_came_from(said: Said) -> None:
    logs.configure("INFO", for_people=False)

    detail = "ana@example.org"
    try:
        try:
            raise ValueError(f"duplicate key\nDETAIL: Key (email)=({detail})")
        except ValueError as error:
            raise RuntimeError(f"no\n{detail}") from error
    except RuntimeError:
        logging.getLogger("api").exception("fault")

    told = one(said)["exception"]
    assert detail not in told
    assert "builtins.ValueError: duplicate key\nwhich led to\n" in told
    assert "builtins.RuntimeError: no\n" in told
    assert "test_logs.py" in told


def test_of_a_value_that_postgresql_cannot_take_only_what_is_wrong_with_it_is_told(said: Said) -> None:
    logs.configure("INFO", for_people=False)

    logging.getLogger("api").error(
        "fault", exc_info=psycopg.errors.InvalidTextRepresentation('invalid input syntax for type uuid: "ana"')
    )

    assert one(said)["exception"] == "psycopg.errors.InvalidTextRepresentation: 22P02\n"


def test_the_exceptions_of_a_group_are_told(said: Said) -> None:
    logs.configure("INFO", for_people=False)

    logging.getLogger("api").error("fault", exc_info=ExceptionGroup("two", [ValueError("one"), KeyError("other")]))

    told = one(said)["exception"]
    assert "ValueError: one" in told
    assert "KeyError: 'other'" in told


@pytest.mark.parametrize("for_people", [False, True])
def test_nobody_who_is_quoted_begins_a_line_or_speaks_to_the_terminal(said: Said, for_people: bool) -> None:
    logs.configure("INFO", for_people=for_people)

    logging.getLogger("api").warning("quoted: %s", "a\nfake line \x1b[31m\x00é")

    (line,) = said()
    assert "fake line" in line
    assert "é" in line
    assert not {"\x1b", "\x00"} & set(line)


@pytest.mark.parametrize("for_people", [False, True])
def test_no_field_speaks_to_the_terminal_and_no_exception_begins_a_line_it_has_not(
    said: Said, for_people: bool
) -> None:
    logs.configure("INFO", for_people=for_people)
    correlation.begin(None, None)
    correlation.correlation_id.set("\x9b31m\x7f\u2028")

    try:
        raise ValueError("\x1b[2J\rfake \x85")
    except ValueError:
        logging.getLogger("api\x9b").exception("fault")

    lines = "\n".join(said())
    assert "fake" in lines
    assert not {"\x1b", "\x9b", "\x7f", "\x85", "\r", "\u2028"} & set(lines)


def test_people_read_a_plain_line(said: Said) -> None:
    logs.configure("INFO", for_people=True)

    logging.getLogger("api").info("hello")

    (line,) = said()
    assert "hello" in line
    assert not line.startswith("{")


def test_no_address_that_something_is_sent_to_is_told(said: Said) -> None:
    logs.configure("DEBUG", for_people=False)

    logging.getLogger("httpx").info("HTTP Request: POST https://example.org/hook?token=secret")

    assert said() == []


def test_nothing_that_a_receiver_answers_is_told(said: Said) -> None:
    logs.configure("DEBUG", for_people=False)

    logging.getLogger("httpcore.http11").debug("receive_response_headers.complete (b'Location', b'/?token=secret')")

    assert said() == []


@pytest.mark.parametrize("for_people", [False, True])
def test_of_an_exception_that_nobody_took_only_the_type_is_told_and_where_it_came_from(
    said: Said, for_people: bool
) -> None:
    logs.configure("DEBUG", for_people=for_people)

    address = "https://example.org/hook?token=secret"

    async def fails() -> None:
        raise ValueError(address)

    async def forgets() -> None:
        task = asyncio.create_task(fails())
        await asyncio.wait([task])

    asyncio.run(forgets())
    gc.collect()

    told = "\n".join(line for line in said() if "Using selector" not in line)
    assert "secret" not in told
    assert "Task exception was never retrieved" in told
    assert "builtins.ValueError" in told
    assert "test_logs.py" in told
