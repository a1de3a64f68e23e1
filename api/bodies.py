"""Request bodies and the values in them, read strictly: what is kept must be what every reader can be told."""

import json
import re
from collections.abc import Callable, Coroutine, Sequence
from datetime import date, datetime
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

# A mebibyte of empty lists, of unknown fields or of percent signs would keep everybody else waiting for a second.
MOST_PARTS = 20_000  # commas, lists and objects of a JSON body: a thousand dates with five windows each have fewer
MOST_FIELDS = 50  # of one object
FORM_LIMIT = 8 << 10  # bytes


class StrictRequest(Request):
    """A request whose JSON has no NaN, no lone surrogates, no U+0000, no name twice in one object, and numbers, depth
    and number of parts within bounds."""

    async def json(self) -> Any:
        body = await self.body()
        if len(body) > MOST_PARTS and _parts(body) > MOST_PARTS and _parts(_TEXTS.sub(b"", body)) > MOST_PARTS:
            raise _no_json(f"it has more than {MOST_PARTS} parts")
        parsed = orjson.loads(body)  # raises what the framework turns into a 422
        if b"\\u0000" in body and b"\\u0000" in body.replace(rb"\\", b""):
            raise _no_json("U+0000 is in no text that is kept here")
        try:
            _NAMES.raw_decode(body.lstrip().decode())
        except RecursionError:
            raise _no_json("it is too deep") from None
        return parsed


_TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


def _parts(body: bytes) -> int:
    return sum(body.count(one) for one in (b",", b"[", b"{"))


def _must_be_names(fields: Sequence[tuple[str, Any]]) -> None:
    """Raise `json.JSONDecodeError` for an object with a name twice: which of its values is meant, readers differ in."""
    if len(fields) > MOST_FIELDS:
        raise _no_json(f"an object has more than {MOST_FIELDS} fields")
    if len(dict(fields)) < len(fields):
        raise _no_json("an object has a name twice")


# A second reading, as the first one cannot tell; of the numbers it makes nothing.
_NAMES = json.JSONDecoder(object_pairs_hook=_must_be_names, parse_int=str, parse_float=str)


def _no_json(why: str) -> json.JSONDecodeError:
    return json.JSONDecodeError(why, "", 0)


class StrictRoute(APIRoute):
    """A route that takes JSON bodies alone, and reads them so. Where a body may be left out, nothing is one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        field = self.body_field

        async def strict(request: Request) -> Response:
            asked = StrictRequest(request.scope, request.receive)
            if field is not None and _kind(asked) != JSON and (field.field_info.is_required() or await asked.body()):
                raise _another_kind(JSON)
            return await handle(asked)

        return strict


class Body(BaseModel):
    """What a request may bring: a field that is not known is a mistake better told than passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def from_json_or_form(request: Request, model: type[B], **names: str) -> B:
    """The body as `model`, from JSON or from a form, whose fields are called by `names`. Raises as FastAPI does."""
    kind = _kind(request)
    try:
        if kind == FORM:
            fields = await _form(request)
            return model.model_validate({name: fields[called] for name, called in names.items() if called in fields})
        if kind == JSON:
            return model.model_validate(await request.json())
    except json.JSONDecodeError as error:
        invalid = {"type": "json_invalid", "loc": ("body",), "msg": "", "ctx": {"error": error.msg}}
        raise RequestValidationError([invalid]) from None
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from None
    raise _another_kind(f"{JSON} or {FORM}")


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form (application/x-www-form-urlencoded)."""
    body = await request.body()
    if len(body) > FORM_LIMIT:
        raise Problem(413, "body-too-large", "The body is too large", f"A form has at most {FORM_LIMIT} bytes.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Problem(422, "invalid-form", "The form cannot be read", "It is no form, or not in UTF-8.") from None
    if any("\0" in text for pair in pairs for text in pair):
        raise Problem(422, "nul-character", "The form cannot be read", "U+0000 is in no text that is kept here.")
    if len(fields := dict(pairs)) < len(pairs):
        raise Problem(422, "invalid-form", "The form cannot be read", "It has a name twice.")
    return fields


_CHARSET = re.compile(r"(?:^|;)\s*charset\s*=\s*[\"']?([^\s;\"']*)", re.IGNORECASE)
_UTF_8 = ("utf-8", "utf8", "us-ascii", "")


def _kind(request: Request) -> str:
    """The media type of the body (RFC 9110 §8.3.1); nothing for one in another encoding than UTF-8."""
    told = request.headers.get("content-type", "")
    type, _, parameters = told.partition(";")
    kind = type.strip().lower()
    # A form is percent-encoded UTF-8, whatever it says (URL Standard §5).
    if kind != FORM and (charset := _CHARSET.search(parameters)) and charset[1].lower() not in _UTF_8:
        return ""
    return kind


def _another_kind(wanted: str) -> Problem:
    return Problem(
        415, "unsupported-media-type", "The body is of another kind", f"Send Content-Type: {wanted}, in UTF-8."
    )


# RFC 3339, and its seconds may be left out: people write 09:00+02:00.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_MOST_EXACT = len(".123456")  # microseconds: finer is not kept


def instant(value: object) -> datetime:
    """The instant that RFC 3339 text names. Raises `PydanticCustomError`."""
    if not isinstance(value, str) or not (match := _INSTANT.fullmatch(value)):
        raise PydanticCustomError("not-rfc-3339", "A time is written 2026-12-01T09:00:00Z")
    if match[3] is None:
        raise PydanticCustomError("offset-required", "A time carries its offset from UTC, or Z")
    if match[2] and len(match[2].rstrip("0")) > _MOST_EXACT:
        raise PydanticCustomError("too-exact", "A time has at most six digits behind its seconds: finer is not kept")
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        raise PydanticCustomError("no-such-time", "There is no such date or time") from None


_SCHEMA = WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-12-01T09:00:00Z"]})
Instant = Annotated[datetime, BeforeValidator(instant), _SCHEMA]

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _written_as_one(value: object) -> object:
    """What is a date only where there is such a day; pydantic would read seconds since 1970 too."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise PydanticCustomError("no-date", "A date is written 2026-12-01")
    return value


Day = Annotated[date, BeforeValidator(_written_as_one)]

Notes = Annotated[str, StringConstraints(max_length=2_000)]
Reason = Annotated[str, StringConstraints(max_length=500)]
