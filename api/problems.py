"""Problems: every way a request ends other than with what it asked for (RFC 9457).

The one place that knows both refusals and status codes.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import HTTPException, RequestValidationError
from starlette.exceptions import HTTPException as PlainHTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from api.correlation import correlation_id
from booking.opening_hours import BadOpeningHours
from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    BookingNotPending,
    DeadlinePassed,
    EmailTaken,
    LastAdmin,
    NotAllowed,
    NotFound,
    OutsideOpeningHours,
    PasswordAlreadyChanged,
    Refusal,
    Refused,
    RoleHoldsNoBookings,
    SlotTaken,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    TooFarAhead,
    TooLittleNotice,
    UserInactive,
    code_of,
)
from booking.slots import BadSlot
from booking.terms import BadRules
from booking.zones import TZDATA_VERSION, UnknownZone
from commands.command import PreconditionFailed
from commands.deciding import KeyReused
from commands.destinations import AddressNotAllowed, BadUrl
from commands.webhooks import BadSecret
from journal.connection import Unavailable
from projections.reading import BadCursor

log = logging.getLogger(__name__)

STATUS: Mapping[type[Refusal], int] = {
    SlotTooShort: 422,
    SlotTooLong: 422,
    TooLittleNotice: 422,
    TooFarAhead: 422,
    OutsideOpeningHours: 422,
    DeadlinePassed: 422,
    SpaceInactive: 409,
    SlotTaken: 409,
    AllowanceUsedUp: 409,
    BookingNotActive: 409,
    BookingNotPending: 409,
    UserInactive: 409,
    RoleHoldsNoBookings: 409,
    LastAdmin: 409,
    EmailTaken: 409,
    PasswordAlreadyChanged: 409,
}
_UNFIT: Mapping[type[ValueError], str] = {
    BadSlot: "bad-slot",
    BadRules: "bad-rules",
    BadOpeningHours: "bad-opening-hours",
    UnknownZone: "unknown-zone",
    BadCursor: "bad-cursor",
    BadUrl: "bad-url",
    AddressNotAllowed: "address-not-allowed",
    BadSecret: "bad-secret",
}
UNFIT, UNFIT_CODES = tuple(_UNFIT), tuple(_UNFIT.values())
"""What values may turn out to be only once they are put together."""

MOST_ERRORS = 20
RETRY_AFTER = "1"  # seconds: what was away is tried again at once or soon


class Problem(HTTPException):
    """An answer that is a problem; `code` is the stable end of its `type`, `more` its further members.

    An `HTTPException` because the framework lets nothing else through that is raised while a body is read.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code, self.title, self.more = code, title, more

    def response(self) -> Response:
        document = {
            "type": f"urn:daybook:problem:{self.code}",
            "title": self.title,
            "status": self.status_code,
            "detail": self.detail,
            **self.more,
            "correlation_id": correlation_id.get(),
        }
        content = orjson.dumps(document, option=orjson.OPT_UTC_Z)
        return Response(content, self.status_code, self.headers, PROBLEM_JSON)


_CODE_AND_DETAIL = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {"code": {"type": "string"}, "detail": {"type": "string"}},
}
_INSTANT = {"type": "string", "format": "date-time"}
_SLOT = {"type": "object", "required": ["start", "end"], "properties": {"start": _INSTANT, "end": _INSTANT}}
PROBLEM_JSON = "application/problem+json"
PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Why the request ended otherwise than with what it asked for (RFC 9457).",
    "required": ["type", "title", "status", "detail", "correlation_id"],
    "properties": {
        "type": {"type": "string", "description": "What kind of problem this is; stable."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "refusals": {
            "type": "array",
            "description": "Every rule that says no, each with what else it carries.",
            "items": _CODE_AND_DETAIL,
        },
        "alternatives": {
            "type": "array",
            "description": "For a refused booking up to three slots near the one asked for that would be accepted.",
            "items": _SLOT,
        },
        "errors": {
            "type": "array",
            "description": "What is not fit in the request, and where.",
            "items": _CODE_AND_DETAIL,
        },
        "correlation_id": {"type": "string"},
    },
}
"""The schema of every problem."""

CODES = "x-problems"
"""Where a response of the OpenAPI document names the codes of its problems."""

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "A problem (RFC 9457).", "content": {PROBLEM_JSON: {"schema": PROBLEM}}}
}
"""What a router's routes answer otherwise; which of it when, `api/describing.py` finds out."""


def refusing(
    *refusals: type[Refusal], also: Mapping[int, Sequence[str]] | None = None
) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what its rules may say no with, and codes of other problems by status."""
    codes: dict[int | str, list[str]] = {status: list(named) for status, named in (also or {}).items()}
    for kind in refusals:
        codes.setdefault(STATUS[kind], []).append(code_of(kind))
    return {status: {"description": "", CODES: named} for status, named in codes.items()}


async def answer(request: Request, error: Exception) -> Response:
    """The one handler of whatever a request ends with."""
    problem = problem_of(error)
    if problem.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        problem.headers = {"Allow": ", ".join(sorted(_methods(request)))}
    return problem.response()


def _methods(request: Request) -> set[str]:
    """What the path can be asked, by any of its routes; the framework names those of the first one."""
    routes = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in routes for method in getattr(route, "methods", None) or ()}


def problem_of(error: Exception) -> Problem:
    """What to tell of `error`. What nobody expected is logged, and nothing of it told."""
    match error:
        case Problem():
            return error
        case Refused():
            return refusal(error.refusals)
        case PreconditionFailed():
            return Problem(
                412,
                "precondition-failed",
                "It is no longer as you have seen it",
                "Read it again, and send the command with its ETag if you still want it.",
            )
        case NotFound():
            return Problem(404, "not-found", "There is no such thing", f"No {error.kind} goes by this id.")
        case NotAllowed():
            return not_allowed()
        case KeyReused():
            return Problem(
                422,
                "idempotency-key-reused",
                "The Idempotency-Key belongs to another request",
                "Send the same request again, or another key.",
            )
        case Unavailable():
            return _unavailable(error)
        case RequestValidationError():
            return _invalid([_error(one) for one in error.errors()[:MOST_ERRORS]])
        case PlainHTTPException():
            return _plain(error)
        case _ if isinstance(error, UNFIT):
            return _invalid([{"code": _UNFIT[type(error)], "detail": _sentence(str(error))}])
    log.error("fault", exc_info=error)
    return Problem(500, "fault", "Something went wrong here", "It has been logged under this correlation_id.")


def not_allowed() -> Problem:
    return Problem(403, "not-allowed", "This is not for you to do", "Your role or state does not permit this.")


def described(refusal: Refusal) -> dict[str, Any]:
    """A refusal as its readers see it."""
    carried = {field.name: getattr(refusal, field.name) for field in fields(refusal)}  # type: ignore[arg-type]
    if isinstance(refusal, OutsideOpeningHours):
        carried["open"] = [{"start": start, "end": end} for start, end in refusal.open]
    return {"code": refusal.code, "detail": refusal.detail, **carried, "tzdata": TZDATA_VERSION}


def refusal(refusals: Sequence[Refusal], **more: Any) -> Problem:
    """409 if every refusal is one, else 422; the first of the decisive ones gives its name to the problem."""
    status = max(STATUS[type(one)] for one in refusals)
    first = next(one for one in refusals if STATUS[type(one)] == status)
    detail = " ".join(one.detail for one in refusals)
    return Problem(
        status,
        first.code,
        type(first).__doc__ or "",
        detail,
        refusals=[described(one) for one in refusals],
        **more,
    )


def _unavailable(error: Unavailable) -> Problem:
    detail = "What this needs does not answer now."
    if error.unknown:
        detail = "It is not known whether this took effect: ask again with the same Idempotency-Key."
    return Problem(503, "unavailable", "Not available right now", detail, headers={"Retry-After": RETRY_AFTER})


def _invalid(errors: list[dict[str, Any]]) -> Problem:
    detail = " ".join(dict.fromkeys(one["detail"] for one in errors))
    return Problem(422, "invalid-request", "The request is not fit to be carried out", detail, errors=errors)


def _error(error: Mapping[str, Any]) -> dict[str, Any]:
    """One finding of pydantic, without the input: it may be a password, or nothing JSON can say."""
    kind, (where, *path) = error["type"], error["loc"]
    cause = error.get("ctx", {}).get("error")
    code, detail = _UNFIT.get(type(cause), kind.replace("_", "-")), error["msg"]
    if kind == "json_invalid":
        path, detail = [], f"The body is not JSON as it is meant here: {cause}"
    elif kind == "extra_forbidden":
        path = path[:-1]  # the name is input
        detail = "A field is not known here"
    elif kind == "uuid_parsing":
        detail = "This is no UUID"
    place = (
        {"pointer": "#" + "".join(f"/{step}" for step in path)}
        if where == "body"
        else {where: ".".join(map(str, path))}
    )
    return {"code": code, "detail": _sentence(detail.removeprefix("Value error, ")), **place}


def _plain(error: PlainHTTPException) -> Problem:
    """What the framework itself answers: no such route, not this method, a body it cannot read."""
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "-")
    return Problem(error.status_code, code, phrase, _sentence(str(error.detail)), headers=error.headers)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
