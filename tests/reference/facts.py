"""The JSON Schema of every version of every fact, a page that shows them, and what would break their readers."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from booking import events
from journal.codec import FORMS, Form

PAGE = Path("docs/events.md")
SCHEMAS = Path("docs/events")

Schema = dict[str, Any]

# What a schema may say without saying what fits it.
_ANNOTATIONS = {
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "$ref",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
}
_COMPARED = {"type", "format", "enum", "anyOf", "items", "properties", "required"}
_AT_LEAST = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"}
_AT_MOST = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"}


def written() -> dict[Path, str]:
    """The files, by path."""
    schemas = {SCHEMAS / f"{name}.json": f"{json.dumps(schema, indent=2)}\n" for name, schema in schemas_of().items()}
    return {PAGE: page(), **schemas}


def schemas_of() -> dict[str, Schema]:
    """By name and version, `BookingCreated.1`: what may stand in the payload of a row."""
    return {_name(form): _schema(form) for form in FORMS}


def breaches(before: Mapping[str, Schema], now: Mapping[str, Schema]) -> Iterator[str]:
    """Why what was stored under the schemas `before` could not be read any more, or by nobody who reads by them."""
    for name, schema in before.items():
        if name not in now:
            yield f"{name}: there is no such fact any more"
        else:
            yield from _breaches(schema, now[name], before_root=schema, now_root=now[name], at=name)


def _breaches(before: Schema, now: Schema, *, before_root: Schema, now_root: Schema, at: str) -> Iterator[str]:
    roots = {"before_root": before_root, "now_root": now_root}
    before, now = _resolved(before, before_root), _resolved(now, now_root)
    for keyword in sorted(now.keys() - _ANNOTATIONS - _COMPARED):
        if not _fits_all(keyword, before, now):
            yield f"{at} has {'another' if keyword in before else 'a new'} {keyword}"
    if "anyOf" in before or "anyOf" in now:
        choices = now.get("anyOf", [now])
        if any(
            all(any(_breaches(one, other, **roots, at=at)) for other in choices)
            for one in before.get("anyOf", [before])
        ):
            yield f"{at} has changed its type"
        return
    for what in ("type", "format"):
        if before.get(what) != now.get(what):
            yield f"{at} has changed its {what} from {before.get(what)} to {now.get(what)}"
            return
    if "enum" in now and "enum" not in before:
        yield f"{at} can only be {', '.join(sorted(map(str, now['enum'])))} any more"
    elif gone := sorted(map(str, set(before.get("enum", ())) - set(now.get("enum", before.get("enum", ()))))):
        yield f"{at} can no longer be {', '.join(gone)}"
    if "items" in now or "items" in before:
        yield from _breaches(before.get("items", {}), now.get("items", {}), **roots, at=f"{at}[]")
    for name, field in before.get("properties", {}).items():
        if name not in now.get("properties", {}):
            yield f"{at}.{name} is gone"
        else:
            yield from _breaches(field, now["properties"][name], **roots, at=f"{at}.{name}")
    for name in now.get("required", ()):
        if name not in before.get("required", ()):
            yield f"{at}.{name} has become required"


def _fits_all(keyword: str, before: Schema, now: Schema) -> bool:
    """Whether what was fit by what a keyword said before surely is by what it says now."""
    if keyword == "additionalProperties" and now[keyword] is True:
        return True
    if keyword not in before:
        return False
    if keyword in _AT_LEAST:
        return bool(now[keyword] <= before[keyword])
    if keyword in _AT_MOST:
        return bool(now[keyword] >= before[keyword])
    return bool(now[keyword] == before[keyword])


def page() -> str:
    """Every fact with its fields, in the order of `booking/events.py`."""
    _, _, about = (events.__doc__ or "").partition("\n\n")
    about, _, _ = about.partition(" How each is stored:")
    lines = [
        "# Facts",
        "",
        "<!-- Written by `make reference` from booking/events.py and journal/codec.py. -->",
        "",
        "Every fact Daybook records.",
        "",
        about,
        "",
        "A new field with a default is free; any other change is the next version, and what is stored stays as it is.",
    ]
    kinds = {
        "Bookings": events.BookingEvent,
        "Spaces": events.SpaceEvent,
        "Users": events.UserEvent,
        "Webhooks": events.WebhookEvent,
    }
    shown = {form.event for form in FORMS}
    for title, union in kinds.items():
        lines += ["", f"## {title}"]
        for form in FORMS:
            if form.event in get_args(union):
                shown.discard(form.event)
                lines += _section(form)
    if shown:
        raise ValueError(f"{shown.pop().__name__} is in no union that tests/reference/facts.py knows")
    return "\n".join(lines) + "\n"


def _section(form: Form) -> Iterator[str]:
    schema = _schema(form)
    yield from ("", f"### {form.name}, version {form.version}", "", schema["description"], "")
    yield from ("| field | type | |", "| --- | --- | --- |")
    for name, field in schema["properties"].items():
        notes = [] if name in schema["required"] else ["may be missing"]
        if name == form.sealed:
            notes.append("sealed under the key of the booking's user")
        yield f"| `{name}` | {_type(field, schema)} | {'; '.join(notes)} |"
    yield from ("", f"[JSON Schema](events/{_name(form)}.json)")


def _type(field: Schema, root: Schema) -> str:
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(one, root) for one in field["anyOf"]))
    field = _resolved(field, root)
    if field["type"] == "array":
        return f"list of {_type(field['items'], root)}"
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    if field["type"] == "object":
        return f"{field['title']}: {', '.join(f'`{name}`' for name in field['properties'])}"
    return str(field.get("format", field["type"]))


def _name(form: Form) -> str:
    return f"{form.name}.{form.version}"


def _schema(form: Form) -> Schema:
    """As readers meet it: what has a default may be missing in older rows."""
    schema = form.adapter.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": f"{form.name}, version {form.version}",
        "description": " ".join(schema["description"].split()),
    }


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema, with what a reference leads to beside what it says itself."""
    return {**root["$defs"][schema["$ref"].rpartition("/")[2]], **schema} if "$ref" in schema else schema
