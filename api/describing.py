"""The OpenAPI document: what FastAPI makes of the routes, completed by what holds for all of them.

Which problems an operation may end with follows from what it takes: a body may be too large, a key may be used twice,
whoever signs in may not be let in. What its rules may say besides is named where its route is (`problems.refusing`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api import auth
from api.examples import EXAMPLES, PROBLEM_EXAMPLES
from api.problems import CODES, PROBLEM, PROBLEM_JSON

Node = dict[str, Any]

TITLE = "Daybook"
SUMMARY = "Bookings of spaces: commands are decided against a journal of facts, queries are read from views."
ABOUT = """
Commands are decided against a journal of facts and answered with `Journal-Position`. Queries are answered from views
and say how fresh they are with `Projection-Position`; with `Read-After` they wait for what was just written. Whatever
is not done is answered with a problem (RFC 9457): match on its `type`, whose last part is its code.
"""
_HEADERS: Mapping[str, tuple[str, Node]] = {
    "X-Request-ID": ("What the request goes by: what it brought, else its trace's id, else a new one.", {}),
    "ETag": ("This state of it, for If-Match and If-None-Match.", {}),
    "Link": ('The next page, rel="next"; none on the last one (RFC 8288).', {}),
    "Location": ("Where what was made can be asked for, if it can.", {}),
    "Journal-Position": ("The position of the journal with which this is done.", {"pattern": "^[0-9]+$"}),
    "Preference-Applied": ("`respond-async` where the answer did not wait for the views (RFC 7240 §3).", {}),
    "Projection-Position": ("Up to which position this shows the journal.", {"pattern": "^[0-9]+$"}),
    "Retry-After": ("Seconds after which asking again may do.", {"pattern": "^[0-9]+$"}),
    "WWW-Authenticate": ("How to sign in (RFC 6750 §3).", {}),
    "RateLimit": ("What is left, and for how many seconds (draft-ietf-httpapi-ratelimit-headers).", {}),
    "RateLimit-Policy": ("How many there may be in how many seconds.", {}),
}
_COUNTED = {
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/password"),
    ("POST", "/auth/password-reset/request"),
    ("POST", "/auth/password-reset/confirm"),
    ("POST", "/auth/verify/request"),
    ("DELETE", "/auth/me"),
}
"""What has limits of its own, and tells what is left of them."""

_MEANING: Mapping[str, str] = {
    "400": "The request cannot be read",
    "401": "Nobody knows who is asking",
    "403": "Not for the caller to do",
    "404": "Nothing the caller may know of goes by this id",
    "408": "The body did not come in time",
    "409": "Not as things stand now",
    "412": "It is no longer as If-Match has it",
    "413": "The body is too large",
    "415": "The body is of another kind",
    "422": "Not fit to be carried out",
    "429": "Too much was asked in a short time",
    "503": "Not now: what this needs does not answer, or not in time",
}


def described(routes: Sequence[BaseRoute], *, version: str) -> Node:
    """The document of these routes."""
    document = get_openapi(title=TITLE, version=version, summary=SUMMARY, description=ABOUT.strip(), routes=routes)
    document["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _complete(document["paths"][route.path_format][method.lower()], route, method)
    components = document["components"]
    components["schemas"]["Problem"] = PROBLEM
    components["securitySchemes"] = auth.SCHEMES
    return document


def _complete(operation: Node, route: APIRoute, method: str) -> None:
    operation["operationId"] = route.operation_id or _operation_id(route)
    operation["summary"] = re.split(r"[.;:](?:\s|$)", operation["description"], maxsplit=1)[0].replace("\n", " ")
    if operation.get("security") == [{auth.SCHEME: []}]:
        operation["security"] = auth.ways_in(method, route.path)
    responses = operation["responses"]
    responses.pop("default", None)
    if any(parameter["name"] == "If-None-Match" for parameter in operation.get("parameters", ())):
        responses["304"] = {"description": "It is as the caller has it"}
    for status, codes in _problems(operation, route).items():
        response = responses.setdefault(status, {})
        response[CODES] = [*codes, *(code for code in response.get(CODES, ()) if code not in codes)]
    for status, response in responses.items():
        _complete_response(status, response, operation, is_counted=(method, route.path) in _COUNTED)
    operation["responses"] = dict(sorted(responses.items()))
    for body in (operation.get("requestBody"), *responses.values()):
        for media in (body or {}).get("content", {}).values():
            if "example" not in media and (example := _example(media.get("schema", {}))) is not None:
                media["example"] = example


def _operation_id(route: APIRoute) -> str:
    """The noun of its tag and the name of its function."""
    noun = str(route.tags[0]).partition(": ")[2].lower().replace(" ", "_")
    return noun if noun == route.name else f"{noun}_{route.name}"


def _problems(operation: Node, route: APIRoute) -> dict[str, list[str]]:
    """The codes of the problems that follow from what the operation takes, by status."""
    taken = {parameter["name"] for parameter in operation.get("parameters", ())}
    problems = {
        "400": ["nul-character", "not-utf-8", "too-many-parameters", "bad-content-length"],
        "413": ["body-too-large"],
        "503": ["unavailable", "too-slow"],
    }
    if security := operation.get("security"):
        if {} not in security:
            problems["401"] = ["unauthenticated"]
        signs_in = security != auth.REFRESHING and {} not in security
        problems["403"] = ["not-allowed", "out-of-scope"] if signs_in else ["cross-origin"]
    if route.param_convertors:
        problems["404"] = ["not-found"]
    if "If-Match" in taken:
        problems["412"] = ["precondition-failed"]
    if "requestBody" in operation:
        problems["408"] = ["body-too-slow"]
        problems["415"] = ["unsupported-media-type"]
    if taken or "requestBody" in operation:
        problems["422"] = ["invalid-request"]
    if "Idempotency-Key" in taken:
        problems["422"] += ["bad-idempotency-key", "idempotency-key-reused"]
    if "Read-After" in taken:
        problems["422"].append("bad-read-after")
        problems["503"].append("not-caught-up")
    if not route.path.startswith("/health"):
        problems["429"] = ["too-many-requests"]
    return problems


def _complete_response(status: str, response: Node, operation: Node, *, is_counted: bool) -> None:
    taken = {parameter["name"] for parameter in operation.get("parameters", ())}
    required, told = ["X-Request-ID"], list(response.pop("headers", ()))
    if status in _MEANING:
        codes = ", ".join(f"`{code}`" for code in response[CODES])
        response["description"] = f"{_MEANING[status]}: {codes}."
        media = {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": PROBLEM_EXAMPLES.get(response[CODES][0]),
        }
        response["content"] = {PROBLEM_JSON: media}
        required += {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}.get(status, [])
    else:
        if response.get("description") == "Successful Response":
            response["description"] = operation["summary"]
        if "Idempotency-Key" in taken:
            required.append("Journal-Position")
            told.append("Preference-Applied")
        if "If-None-Match" in taken:
            required += ["ETag", "Projection-Position"]
        elif "If-Match" in taken or status == "201":
            told.append("ETag")
        told += ["Location"] if status == "201" else []
        told += ["Link"] if "cursor" in taken else []
    told += ["RateLimit", "RateLimit-Policy"] if is_counted or status == "429" else []
    response["headers"] = {name: _header(name, required=name in required) for name in (*required, *told)}


def _header(name: str, *, required: bool) -> Node:
    text, more = _HEADERS[name]
    return {"description": text, "required": required, "schema": {"type": "string", **more}}


def _example(schema: Node) -> Any:
    """An example of what has this schema, made of those of its parts; None where there is none."""
    if "$ref" in schema:
        return EXAMPLES.get(schema["$ref"].rpartition("/")[2])
    if schema.get("type") == "array":
        example = _example(schema["items"])
        return None if example is None else [example]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0])
    return EXAMPLES.get(schema.get("title", ""))
