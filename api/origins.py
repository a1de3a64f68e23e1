"""Origins: whose pages a browser lets read our answers (CORS, the CORS protocol of the Fetch standard §3.3).

An origin is named or it is nobody: there is no wildcard, so that cookies and tokens go to pages that were named alone.
"""

from collections.abc import Iterable

from starlette.types import Message, Scope

Headers = list[tuple[bytes, bytes]]

_METHODS = b"GET, POST, PATCH, DELETE"
_ASKED_WITH = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, Read-After, "
    b"X-Request-ID, traceparent"
)
_TOLD = (
    b"ETag, Journal-Position, Link, Location, Preference-Applied, Projection-Position, RateLimit, RateLimit-Policy, "
    b"Retry-After, WWW-Authenticate, X-Request-ID"
)
_KEPT_FOR = b"600"  # seconds that a browser does not ask again


class Origins:
    """The origins that are named, each `scheme://host[:port]`."""

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = frozenset(origin.encode() for origin in named)

    def __contains__(self, origin: str) -> bool:
        return origin.encode() in self._named

    def allowing(self, origin: bytes | None) -> Headers:
        """What an answer to a page of this origin bears; nothing where no origin is named."""
        if not self._named:
            return []
        if origin not in self._named:
            return [(b"vary", b"Origin")]  # what is kept for this page must not be given to another
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _TOLD),
        ]

    def preflight(self, scope: Scope, origin: bytes | None) -> Message | None:
        """The answer to a browser that asks before a page's request; None where it is no such question."""
        if scope["method"] != "OPTIONS" or origin not in self._named:
            return None
        if not any(name == b"access-control-request-method" for name, _ in scope["headers"]):
            return None
        headers = [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _ASKED_WITH),
            (b"access-control-max-age", _KEPT_FOR),
        ]
        return {"type": "http.response.start", "status": 204, "headers": headers}
