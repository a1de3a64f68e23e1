"""Writes the Postman collection and environment (v2.1) from the OpenAPI document and the story."""

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from api.describing import described
from api.query_routers.calendars import ICALENDAR
from tests.api.houses import every_route
from tests.postman.story import CHAPTERS, Step

FOLDER = Path("tests/postman")
COLLECTION = FOLDER / "daybook.postman_collection.json"
ENVIRONMENT = FOLDER / "daybook.postman_environment.json"

Node = dict[str, Any]

# Before the first request: who Ana is this time, and a day a week from now. It is kept until the end of the run.
_BEFORE = """\
const hour = 3600 * 1000;
const noon = Math.floor(Date.now() / (24 * hour) + 7) * 24 * hour + 12 * hour;
const instant = (at) => new Date(at).toISOString().replace(".000Z", "Z");
pm.collectionVariables.set("email", `ana-${Date.now()}@example.org`);
pm.collectionVariables.set("password", "correct horse battery staple");
pm.collectionVariables.set("new_password", "a stable correctly horsed");
pm.collectionVariables.set("today", instant(Date.now()).slice(0, 10));
pm.collectionVariables.set("day", instant(noon).slice(0, 10));
pm.collectionVariables.set("start", instant(noon));
pm.collectionVariables.set("end", instant(noon + hour));
pm.collectionVariables.set("late", instant(noon + 2 * hour));
pm.collectionVariables.set("position", "0");
"""
# What every answer is tried by. In each request's own script: one of the whole collection would start a second one.
_AFTER = """\
const headers = pm.response.headers;
const kept = (name) => pm.collectionVariables.get(name);
pm.test("it has an id", () => pm.expect(headers.has("X-Request-ID")).to.be.true);
"""


class _Operation(NamedTuple):
    method: str
    path: str
    said: Node


class NoStory(Exception):
    """An operation of the API that no step asks for."""


def written() -> dict[Path, str]:
    """The files, by path. Raises `NoStory`, `ValueError`."""
    document = described(every_route(), version="")
    return {COLLECTION: _json(collection(document)), ENVIRONMENT: _json(environment())}


def environment() -> Node:
    """Where the API is; everything else the story finds out."""
    return {
        "name": "Daybook",
        "values": [{"key": "base_url", "value": "http://localhost:8000", "type": "default", "enabled": True}],
        "_postman_variable_scope": "environment",
    }


def collection(document: Node) -> Node:
    """The story as requests with assertions. Raises `NoStory`, and `ValueError` for a step that asks for nothing."""
    operations = {
        said["operationId"]: _Operation(method.upper(), path, said)
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    }
    told = {step.operation for step in chain.from_iterable(CHAPTERS.values())}
    if untold := operations.keys() - told:
        raise NoStory(f"add a Step(operation=…) to CHAPTERS in {FOLDER}/story.py for {', '.join(sorted(untold))}")
    if unknown := told - operations.keys():
        raise ValueError(f"{FOLDER}/story.py tells of what is no operation: {', '.join(sorted(unknown))}")
    chapters: list[Node] = [
        {"name": title, "item": [_item(step, operations[step.operation], document) for step in steps]}
        for title, steps in CHAPTERS.items()
    ]
    chapters[0]["item"][0]["event"].insert(0, _script("prerequest", _BEFORE))
    return {
        "info": {
            "name": "Daybook",
            "description": "A story over every operation, on a development system. Its last request wipes everything.",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "item": chapters,
    }


def _item(step: Step, operation: _Operation, document: Node) -> Node:
    return {
        "name": f"{operation.said['summary']}: {step.called}",
        "event": [_script("test", "\n".join(_assertions(step, operation, document)))],
        "request": {
            "method": operation.method,
            "description": operation.said["description"],
            "auth": _auth(step),
            "header": [{"key": name, "value": value} for name, value in _headers(step, operation).items()],
            **_body(step, operation),
            "url": _url(step, operation),
        },
    }


def _auth(step: Step) -> Node:
    if step.by is None:
        return {"type": "noauth"}
    return {"type": "bearer", "bearer": [{"key": "token", "value": f"{{{{{step.by}}}}}", "type": "string"}]}


def _headers(step: Step, operation: _Operation) -> dict[str, str]:
    taken = {parameter["name"] for parameter in operation.said.get("parameters", ())}
    fresh = {"Read-After": "{{position}}", "Prefer": "wait=4"} if "Read-After" in taken else {}
    return {**fresh, **step.headers}


def _body(step: Step, operation: _Operation) -> Node:
    said = operation.said.get("requestBody")
    if said is None or (step.body is None and not said.get("required")):
        return {}
    body = said["content"]["application/json"]["example"] if step.body is None else step.body
    raw = json.dumps(body, indent=2, ensure_ascii=False)
    return {"body": {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}}


def _url(step: Step, operation: _Operation) -> Node:
    path = "/".join(_segment(one, step) for one in operation.path.lstrip("/").split("/"))
    query = "&".join(f"{name}={value}" for name, value in step.query.items())
    url: Node = {
        "raw": f"{{{{base_url}}}}/{path}{'?' if query else ''}{query}",
        "host": ["{{base_url}}"],
        "path": path.split("/"),
    }
    if step.query:
        url["query"] = [{"key": name, "value": value} for name, value in step.query.items()]
    if named := {name: value for name, value in step.path.items() if f":{name}" in url["path"]}:
        url["variable"] = [{"key": name, "value": value} for name, value in named.items()]
    return url


def _segment(segment: str, step: Step) -> str:
    """Postman knows a variable by its colon where it is all of a segment; elsewhere it stands there itself."""
    is_whole = segment.startswith("{") and segment.endswith("}")
    return f":{segment[1:-1]}" if is_whole else segment.format_map(step.path)


def _assertions(step: Step, operation: _Operation, document: Node) -> Iterator[str]:
    responses = operation.said["responses"]
    status = str(step.status) if step.status else min(responses)
    if status not in responses:
        raise ValueError(f"{step.operation} does not answer {status}")
    content: Mapping[str, Node] = responses[status].get("content", {})
    yield _AFTER.rstrip()
    is_feed = ICALENDAR in responses.get("200", {}).get("content", {})
    cached = "private, no-cache" if is_feed and status < "400" else "no-store"
    yield f'pm.test("it is kept by nobody else", () => pm.expect(headers.get("Cache-Control")).to.eql("{cached}"));'
    yield f'pm.test("it answers {status}", () => pm.response.to.have.status({status}));'
    for name, header in responses[status]["headers"].items():
        if header["required"] and name != "X-Request-ID":
            yield f'pm.test("it has {name}", () => pm.expect(headers.has("{name}")).to.be.true);'
            if name == "Journal-Position":
                yield 'pm.collectionVariables.set("position", headers.get("Journal-Position"));'
    for kind, media in content.items():
        if kind == ICALENDAR:
            yield f'pm.test("it is {kind}", () => pm.expect(headers.get("Content-Type")).to.include("{kind}"));'
            yield "const body = pm.response.text();"
            yield 'pm.test("it is whole", () => pm.expect(body.trimEnd().endsWith("END:VCALENDAR")).to.be.true);'
            continue
        yield f'pm.test("it is {kind}", () => pm.expect(headers.get("Content-Type")).to.eql("{kind}"));'
        yield "const body = pm.response.json();"
        yield from _shape(media["schema"], document)
    if step.problem:
        type = f"urn:daybook:problem:{step.problem}"
        yield f'pm.test("it is {step.problem}", () => pm.expect(body.type).to.eql("{type}"));'
    for fact in step.holds:
        yield f"pm.test({json.dumps(fact)}, () => pm.expect({fact}).to.be.true);"
    for name, value in step.keeps.items():
        yield f'pm.collectionVariables.set("{name}", {value});'


def _shape(schema: Node, document: Node) -> Iterator[str]:
    """That what is answered is a list, or has every field that its schema requires."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if schema.get("type") == "array":
        yield 'pm.test("it is a list", () => pm.expect(body).to.be.an("array"));'
    elif required := schema.get("required"):
        yield f'pm.test("it is whole", () => pm.expect(body).to.include.all.keys({json.dumps(required)}));'


def _script(when: str, script: str) -> Node:
    return {"listen": when, "script": {"type": "text/javascript", "exec": script.rstrip("\n").split("\n")}}


def _json(node: Node) -> str:
    return f"{json.dumps(node, indent=2, ensure_ascii=False)}\n"
