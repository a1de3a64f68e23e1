"""Logs: one line for each thing said, for people or as JSON, with the request it was said for.

Everything goes through the standard library's loggers, uvicorn's too. Of an exception only the first line is told: what
follows in PostgreSQL's and pydantic's may quote what somebody sent.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from api.correlation import correlation_id


def configure(level: str, *, for_people: bool) -> None:
    """Have every logger write to standard output from here on."""
    render: Processor = structlog.processors.JSONRenderer(serializer=_json)
    if for_people:
        render = structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        ProcessorFormatter(
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
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells whole addresses, which may hold a token


def _for_request(_logger: Any, _method: str, said: EventDict) -> EventDict:
    if id := correlation_id.get():
        said["correlation_id"] = id
    return said


def _plain_exception(_logger: Any, _method: str, said: EventDict) -> EventDict:
    if (told := said.pop("exc_info", None)) and told[1]:
        said["exception"] = "".join(_chain(told[1]))
    return said


def _chain(error: BaseException) -> Iterator[str]:
    """What happened and where, with what led to it first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _chain(before)
        yield "which led to\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}: {str(error).partition(chr(10))[0]}\n"
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _chain(one)


def _on_one_line(_logger: Any, _method: str, said: EventDict) -> EventDict:
    """Nobody who is quoted in a line can begin another one, or speak to the terminal."""
    said["event"] = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(said["event"]))
    return said


def _json(said: EventDict, **_options: Any) -> str:
    return orjson.dumps(said, default=repr).decode()
