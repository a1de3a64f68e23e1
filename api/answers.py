"""Answers: JSON, and the headers that say of which moment it is."""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import JSON
from api.problems import Problem
from api.rooms import rooms_of
from projections.reading import Page


def json_of(
    document: Mapping[str, Any] | Sequence[Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The document; instants in UTC with a Z."""
    return Response(orjson.dumps(document, option=orjson.OPT_UTC_Z), status, headers, JSON)


def stored(request: Request, json: bytes, position: int, *, tag: str | None = None) -> Response:
    """What a view holds, as it was at a position of the journal; 304 for whoever has it (RFC 9110 §13.1.2).

    `tag` names this state of it; without one its bytes do.
    """
    tag = f'"{tag or blake2b(json, digest_size=12).hexdigest()}"'
    headers = {"Projection-Position": str(position), "ETag": tag}
    if unchanged(request, tag):
        return Response(None, 304, headers)
    return Response(json, 200, headers, JSON)


def listed(page: Page, request: Request) -> Response:
    """One page of a list, and where the next one is (RFC 8288)."""
    return linked(stored(request, page.json, page.position), page.cursor, request)


def linked(answer: Response, cursor: str | None, request: Request) -> Response:
    """The answer with a link to the page that a cursor begins, if there is one."""
    if cursor is not None:
        asked = {**request.query_params, "cursor": cursor}
        # Not from the request's URL: that is made of its Host header, which may be anything.
        answer.headers["Link"] = f'<{quote(request.scope["path"])}?{urlencode(asked)}>; rel="next"'
    return answer


def unchanged(request: Request, tag: str) -> bool:
    """Whether If-None-Match names `tag`, which it compares weakly."""
    tags = request.headers.get("if-none-match")
    return tags is not None and (tags == "*" or tag in (one.strip().removeprefix("W/") for one in tags.split(",")))


async def awaited(request: Request, *names: str) -> None:
    """Wait until these views have the position that `Read-After` names, as long as `Prefer: wait=N` says.

    Raises `Problem`: 503 when they have not, and why; 422 when it names none. Raises `Unavailable`.
    """
    wanted = request.headers.get("read-after")
    if wanted is None:
        return
    rooms = rooms_of(request)
    there_is = wanted.isascii() and wanted.isdigit() and len(wanted) < 19
    # One that is yet to come would keep everybody waiting for views that have nothing to move to.
    if not there_is or int(wanted) > (await rooms.journal.head())[1]:
        raise Problem(422, "bad-read-after", "Read-After names no position", "Send the Journal-Position of an answer.")
    if not await rooms.views.caught_up(int(wanted), views=names, within=_patience(request)):
        raise Problem(
            503,
            "not-caught-up",
            "The view is not there yet",
            f"It does not show position {wanted} yet: it is behind, being built, or its store is away.",
            headers={"Retry-After": "1"},
        )


_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])", re.ASCII)
_PATIENCE, _MOST_PATIENCE = 1.0, 4.5  # seconds; every request ends within 5


def _patience(request: Request) -> float:
    """How long the caller would wait (RFC 7240 §4.3)."""
    asked = _WAIT.search(request.headers.get("prefer", ""))
    return min(float(asked[1]), _MOST_PATIENCE) if asked else _PATIENCE
