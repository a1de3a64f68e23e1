"""Logs: one line for each thing said, for people or as JSON, with the request it was said for.

Everything goes through the standard library's loggers, uvicorn's too. Of an exception only the first line is told: what
follows in PostgreSQL's and pydantic's may quote what somebody sent; and so may the first line where PostgreSQL finds
fault with a value. Of one that nobody took, and asyncio tells of, only the type is told.

Every request has a line. As JSON it is written without all that, which would cost more than a small query: of what is
in it nothing has to be escaped.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from api.correlation import correlation_id, request_id, user_id
from api.watching import Answered, Tell
from daybook.operating import printable

WATCHED = "/health"
"""Routes that begin so are asked for by machines again and again: of them a line is written at DEBUG alone."""

UNHEARD = ("httpx", "httpcore")
"""Loggers whose warnings alone are told: they tell whole addresses and headers, which may hold a token."""

_requests = logging.getLogger("requests")


def configure(level: str, *, for_people: bool) -> None:
    """Have every logger write to standard output from here on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter(for_people=for_people))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in UNHEARD:
        logging.getLogger(name).setLevel(logging.WARNING)


def formatter(*, for_people: bool) -> logging.Formatter:
    """What makes a line of whatever a logger is told."""
    render: Processor = structlog.processors.JSONRenderer(serializer=_json)
    if for_people:
        render = structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            _for_request,
            _plain_exception,
            _on_one_line,
            render,
        ],
    )


def telling(*, for_people: bool) -> Tell:
    """Writes a line for every request, on the standard output and at the level that `configure` was told of."""
    is_said, is_said_of_all = _requests.isEnabledFor(logging.INFO), _requests.isEnabledFor(logging.DEBUG)

    def tell(request: Answered) -> None:
        if not is_said or (request.route.startswith(WATCHED) and not is_said_of_all):
            return
        milliseconds = round(request.seconds * 1000, 2)
        if for_people:
            _requests.info("%s %s: %s in %s ms", request.method, request.route, request.status, milliseconds)
            return
        line = orjson.dumps(
            {
                "timestamp": datetime.now(UTC),
                "level": "info",
                "logger": _requests.name,
                "event": "request",
                "method": request.method,
                "route": request.route,
                "status": request.status,
                "milliseconds": milliseconds,
                "correlation_id": request.correlation_id,
                "request_id": request.request_id,
                "user_id": request.user_id,
            },
            option=orjson.OPT_UTC_Z,
        )
        with suppress(OSError):  # nobody reads us any more: that is no request's fault
            sys.stdout.write(line.decode() + "\n")
            sys.stdout.flush()

    return tell


def _for_request(_logger: Any, _method: str, said: EventDict) -> EventDict:
    if id := correlation_id.get():
        said["correlation_id"] = id
        said["request_id"] = request_id.get()
        if user := user_id.get():
            said["user_id"] = str(user)
    return said


def _plain_exception(_logger: Any, _method: str, said: EventDict) -> EventDict:
    is_nobodys = said.get("logger") == "asyncio"
    if is_nobodys:  # its further lines quote the whole exception
        said["event"] = str(said["event"]).partition("\n")[0]
    if (told := said.pop("exc_info", None)) and told[1]:
        said["exception"] = "".join(_chain(told[1], quotes=not is_nobodys))
    return said


def _chain(error: BaseException, *, quotes: bool) -> Iterator[str]:
    """What happened and where, with what led to it first; unless it `quotes`, without what was said of it."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _chain(before, quotes=quotes)
        yield "which led to\n"
    yield from traceback.format_tb(error.__traceback__)
    said = error.sqlstate if isinstance(error, psycopg.DataError) else str(error).partition("\n")[0]
    yield f"{type(error).__module__}.{type(error).__qualname__}{f': {said}' if quotes else ''}\n"
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _chain(one, quotes=quotes)


def _on_one_line(_logger: Any, _method: str, said: EventDict) -> EventDict:
    """Nobody who is quoted in a line can begin another one, or speak to the terminal."""
    for name, value in said.items():
        if name == "exception":  # the one that has lines of its own
            said[name] = "\n".join(printable(line) for line in value.split("\n"))
        elif not isinstance(value, bool | int | float | None):
            said[name] = printable(str(value))
    return said


def _json(said: EventDict, **_options: Any) -> str:
    return orjson.dumps(said, default=repr).decode()
