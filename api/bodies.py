"""Request bodies and the values in them, read strictly: what is kept must be what every reader can be told."""

import json
import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from api.problems import Problem

B = TypeVar("B", bound=BaseModel)

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class StrictRequest(Request):
    """A request whose JSON has no NaN, no lone surrogates, no U+0000, and numbers and depth within bounds."""

    async def json(self) -> Any:
        body = await self.body()
        parsed = orjson.loads(body)  # raises what the framework turns into a 422
        if b"\\u0000" in body and _holds_nul(parsed):
            raise json.JSONDecodeError("U+0000 is in no text that is kept here", "", 0)
        return parsed


class StrictRoute(APIRoute):
    """A route that takes JSON bodies alone, and reads them so. Where a body may be left out, nothing is one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        field = self.body_field

        async def strict(request: Request) -> Response:
            asked = StrictRequest(request.scope, request.receive)
            is_json = request.headers.get("content-type", "").startswith(JSON)
            if field is not None and not is_json and (field.field_info.is_required() or await asked.body()):
                raise _another_kind(JSON)
            return await handle(asked)

        return strict


class Body(BaseModel):
    """What a request may bring: a field that is not known is a mistake better told than passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def from_json_or_form(request: Request, model: type[B], **names: str) -> B:
    """The body as `model`, from JSON or from a form, whose fields are called by `names`. Raises as FastAPI does."""
    kind = request.headers.get("content-type", "")
    try:
        if kind.startswith(FORM):
            fields = await _form(request)
            return model.model_validate({name: fields[called] for name, called in names.items() if called in fields})
        if kind.startswith(JSON):
            return model.model_validate(await request.json())
    except json.JSONDecodeError as error:
        invalid = {"type": "json_invalid", "loc": ("body",), "msg": "", "ctx": {"error": error.msg}}
        raise RequestValidationError([invalid]) from None
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from None
    raise _another_kind(f"{JSON} or {FORM}")


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form (application/x-www-form-urlencoded), the last of each name."""
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise Problem(422, "invalid-form", "The form cannot be read", "It is no form, or not in UTF-8.") from None
    if any("\0" in text for pair in pairs for text in pair):
        raise Problem(422, "nul-character", "The form cannot be read", "U+0000 is in no text that is kept here.")
    return dict(pairs)


def _another_kind(wanted: str) -> Problem:
    return Problem(415, "unsupported-media-type", "The body is of another kind", f"Send Content-Type: {wanted}.")


# RFC 3339, and its seconds may be left out: people write 09:00+02:00.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def instant(value: object) -> datetime:
    """The instant that RFC 3339 text names. Raises `PydanticCustomError`."""
    if not isinstance(value, str) or not (match := _INSTANT.fullmatch(value)):
        raise PydanticCustomError("not-rfc-3339", "A time is written 2026-12-01T09:00:00Z")
    if match[3] is None:
        raise PydanticCustomError("offset-required", "A time carries its offset from UTC, or Z")
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        raise PydanticCustomError("no-such-time", "There is no such date or time") from None


_SCHEMA = WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-12-01T09:00:00Z"]})
Instant = Annotated[datetime, BeforeValidator(instant), _SCHEMA]

Notes = Annotated[str, StringConstraints(max_length=2_000)]
Reason = Annotated[str, StringConstraints(max_length=500)]


def _holds_nul(value: object) -> bool:
    match value:
        case str():
            return "\0" in value
        case list():
            return any(_holds_nul(one) for one in value)
        case dict():
            return any("\0" in key or _holds_nul(one) for key, one in value.items())
    return False
