"""Answers: JSON, and the headers that say of which moment it is."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import JSON
from projections.reading import Page


def json_of(document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The document; instants in UTC with a Z."""
    return Response(orjson.dumps(document, option=orjson.OPT_UTC_Z), status, headers, JSON)


def stored(json: bytes, position: int, *, tag: str | None = None) -> Response:
    """What a view holds, as it was at a position of the journal."""
    headers = {"Projection-Position": str(position)}
    if tag is not None:
        headers["ETag"] = f'"{tag}"'
    return Response(json, 200, headers, JSON)


def listed(page: Page, request: Request) -> Response:
    """One page of a list, and where the next one is (RFC 8288)."""
    headers = {"Projection-Position": str(page.position)}
    if page.cursor is not None:
        asked = {**request.query_params, "cursor": page.cursor}
        # Not from the request's URL: that is made of its Host header, which may be anything.
        headers["Link"] = f'<{quote(request.scope["path"])}?{urlencode(asked)}>; rel="next"'
    return Response(page.json, 200, headers, JSON)
