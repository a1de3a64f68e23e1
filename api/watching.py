"""What is told of a request once it is answered: a line for the log, and what is counted."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from starlette.types import Scope

from api.correlation import correlation_id, request_id, user_id
from journal.tallies import Counter, Histogram

UNMATCHED = "unmatched"
"""Stands for the route of what no route is for."""

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUESTS = Counter("daybook_http_requests", "Requests by what they were answered with.", ("method", "route", "status"))
_DURATION = Histogram(
    "daybook_http_request_duration_seconds", "Time from a request's head to the end of its answer.", ("method", "route")
)


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that is over. `route` is its template: a path may hold a secret, and a query anything.

    A `status` of 0 says that it was given up before it was answered.
    """

    method: str
    route: str
    status: int
    seconds: float
    correlation_id: str
    request_id: str
    user_id: UUID | None


Tell = Callable[[Answered], None]


def answered(scope: Scope, status: int, seconds: float, tell: Tell | None) -> None:
    """Count a request, and tell of it."""
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = getattr(scope.get("route"), "path", UNMATCHED)
    _REQUESTS.add(method, route, str(status))
    _DURATION.add(seconds, method, route)
    if tell is not None:
        tell(Answered(method, route, status, seconds, correlation_id.get(), request_id.get(), user_id.get()))
