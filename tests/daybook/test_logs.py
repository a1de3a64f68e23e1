"""The log: one line for each thing said, with its request, and nothing that somebody sent."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api import correlation
from daybook import logs

Said = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


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
    assert line == {"event": "1 of 2", "level": "info", "logger": "api", "correlation_id": "this-request"}


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
