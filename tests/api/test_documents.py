"""OpenAPI says what is answered; its page needs nobody else's server."""

import re
from typing import Any

import pytest
from httpx import AsyncClient
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter

from api import documents
from api.describing import described
from api.examples import EXAMPLES
from booking.roles import Role
from journal.tallies import EVERY
from tests.api.houses import House, a_slot, a_space, every_route


@pytest.fixture
async def openapi(house: House) -> dict[str, Any]:
    document: dict[str, Any] = (await house.client().get("/openapi.json")).json()
    return document


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The same with what only a development system offers."""
    return described(every_route(), version="1.2.3")


def operations(openapi: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): one for path, methods in openapi["paths"].items() for method, one in methods.items()}


async def test_commands_and_queries_are_apart(openapi: dict[str, Any]) -> None:
    for (method, path), operation in operations(openapi).items():
        (tag,) = operation["tags"]
        room = "audit: " if path.startswith("/audit/") else "queries: " if method == "get" else "commands: "
        assert tag.startswith(room), path


async def test_every_operation_says_what_it_answers_and_with_which_problems_it_ends(openapi: dict[str, Any]) -> None:
    for (method, path), operation in operations(openapi).items():
        assert operation["description"]
        assert operation["summary"]
        good = [status for status in operation["responses"] if status < "300"]
        problems = {status: one for status, one in operation["responses"].items() if status >= "400"}
        assert len(good) == 1, path
        assert {"400", "413", "503"} <= problems.keys(), (method, path)
        for status, problem in problems.items():
            assert problem["x-problems"], (method, path, status)
            assert list(problem["content"]) == ["application/problem+json"], (method, path, status)
            assert problem["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert problem["headers"]["X-Request-ID"]["required"]
            if status in ("429", "503"):
                assert problem["headers"]["Retry-After"]["required"]


async def test_what_comes_with_a_refused_booking_and_with_an_answer_that_did_not_wait_is_told(
    whole: dict[str, Any],
) -> None:
    alternatives = whole["components"]["schemas"]["Problem"]["properties"]["alternatives"]
    assert alternatives["items"]["required"] == ["start", "end"]
    for (method, path), operation in operations(whole).items():
        waits = "Idempotency-Key" in {one["name"] for one in operation.get("parameters", ())}
        for status, response in operation["responses"].items():
            applied = waits and status < "300"
            assert ("Preference-Applied" in response["headers"]) is applied, (method, path, status)


async def test_every_operation_has_an_id_of_its_own(openapi: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(openapi).values()]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", id) for id in ids)


async def test_every_body_has_an_example_that_is_what_its_schema_says(whole: dict[str, Any]) -> None:
    examples = 0
    for (method, path), operation in operations(whole).items():
        for name, body in [("body", operation.get("requestBody", {})), *operation["responses"].items()]:
            for kind, media in body.get("content", {}).items():
                where = f"{method} {path} {name} {kind}"
                assert media.get("example") is not None, f"{where}: add an example to api/examples.py"
                schema = {**media["schema"], "components": whole["components"]}
                checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
                errors = [error.message for error in checker.iter_errors(media["example"])]
                assert not errors, f"{where}: {errors}"
                assert kind != "application/problem+json" or media["example"]["status"] == int(name), where
                examples += 1

    assert examples > 400


async def test_every_example_is_of_a_body(whole: dict[str, Any]) -> None:
    assert EXAMPLES.keys() <= whole["components"]["schemas"].keys() | {"Credentials"}


async def test_every_command_of_a_user_takes_a_key(openapi: dict[str, Any]) -> None:
    """Signing in and out, and what makes, spends or revokes a token or a password, may be done twice."""
    commands = {
        place: [parameter["name"] for parameter in operation.get("parameters", ())]
        for place, operation in operations(openapi).items()
        if place[0] != "get"
        and (place[1] == "/auth/register" or not place[1].startswith(("/auth/", "/calendars/", "/dev/")))
    }

    assert len(commands) == 17
    assert all("Idempotency-Key" in names for names in commands.values())


async def test_what_needs_signing_in_says_so(openapi: dict[str, Any]) -> None:
    public = {place for place, operation in operations(openapi).items() if not operation.get("security")}

    assert public - {("post", "/dev/seed"), ("delete", "/dev/reset")} == {
        ("get", "/spaces"),
        ("get", "/spaces/{space_id}"),
        ("get", "/spaces/{space_id}/availability"),
        ("get", "/spaces/{space_id}/slots"),
        ("get", "/spaces/{space_id}/next-available"),
        ("get", "/spaces/search"),
        ("get", "/health"),
        ("get", "/health/ready"),
        ("post", "/auth/register"),
        ("post", "/auth/login"),
        ("post", "/auth/password-reset/request"),
        ("post", "/auth/password-reset/confirm"),
        ("post", "/auth/verify"),
    }


async def test_every_operation_says_with_what_one_signs_in_for_it(openapi: dict[str, Any]) -> None:
    schemes = openapi["components"]["securitySchemes"]
    ways = {place: operation["security"] for place, operation in operations(openapi).items() if "security" in operation}

    assert {name: (scheme["type"], scheme.get("scheme")) for name, scheme in schemes.items()} == {
        "password": ("oauth2", None),
        "access-token": ("http", "bearer"),
        "api-key": ("http", "bearer"),
        "refresh-cookie": ("apiKey", None),
        "calendar-token": ("apiKey", None),
    }
    assert schemes["password"]["flows"]["password"]["tokenUrl"] == "/auth/login"
    by_token: list[dict[str, list[str]]] = [{"password": []}, {"access-token": []}]
    assert ways["post", "/bookings"] == [*by_token, {"api-key": ["bookings:write"]}]
    assert ways["get", "/spaces/{space_id}/calendar"] == [*by_token, {"api-key": ["spaces:read"]}]
    assert ways["get", "/audit/events"] == [*by_token, {"api-key": ["audit:read"]}]
    assert ways["patch", "/admin/spaces/{space_id}"] == ways["get", "/auth/me"] == by_token
    assert ways.pop(("post", "/auth/refresh")) == [{"refresh-cookie": []}]
    for method in ("post", "delete"):
        assert ways.pop((method, "/auth/logout")) == [{"refresh-cookie": []}, {}]
    for place, operation in operations(openapi).items():
        assert ("401" in operation["responses"]) == (place in ways or place[1] in ("/auth/refresh", "/auth/login"))


def fits(model: type[BaseModel], document: object) -> None:
    """The document holds what the model names and nothing else."""
    TypeAdapter(model).validate_python(document)
    assert isinstance(document, dict)
    named = {name for name, field in model.model_fields.items() if field.is_required()}
    assert named <= document.keys() <= model.model_fields.keys()


async def test_answers_are_what_the_documents_say(house: House) -> None:
    staff, user_id = await house.signed_in(Role.STAFF), await house.user()
    admin, student = await house.signed_in(Role.ADMIN), house.client(user_id)
    space = (await staff.post("/admin/spaces", json=a_space())).json()
    booking = (await student.post("/bookings", json={"space_id": space["id"], **a_slot(10, 11)})).json()

    async def got(client: AsyncClient, path: str) -> Any:
        return (await client.get(path, params=a_slot(10, 12) if "availability" in path else {})).json()

    fits(documents.SpaceDocument, space)
    fits(documents.SpaceDocument, (await got(student, "/spaces"))[0])
    fits(documents.SpaceDocument, await got(student, f"/spaces/{space['id']}"))
    fits(documents.BookingDocument, booking)
    fits(documents.BookingDocument, (await got(student, "/bookings"))[0])
    fits(documents.AvailabilityDocument, await got(student, f"/spaces/{space['id']}/availability"))
    fits(documents.OwnUserDocument, await got(student, "/auth/me"))
    fits(documents.HealthDocument, await got(student, "/health"))
    fits(documents.ReadyDocument, await got(student, "/health/ready"))
    fits(documents.ChangedSpaceDocument, (await staff.delete(f"/admin/spaces/{space['id']}")).json())
    changed = await admin.patch(f"/admin/users/{user_id}", json={"is_active": False})
    fits(documents.ChangedUserDocument, changed.json())
    who = {"email": "fits@example.org", "password": "correct horse", "full_name": "Ana"}
    fits(documents.RegisteredDocument, (await house.client().post("/auth/register", json=who)).json())
    del who["full_name"]
    fits(documents.TokenDocument, (await house.client().post("/auth/login", json=who)).json())


async def test_the_docs_page_and_all_it_loads_come_from_here(house: House) -> None:
    page = await house.client().get("/docs")

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'; script-src 'self'" in page.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for path in loaded:
        assert not re.match(r"\w+:|//", path)
        asset = await house.client().get(f"/{path}")
        assert asset.status_code == 200
        assert asset.content
    begin = (await house.client().get("/docs/begin.js")).text
    assert '"openapi.json"' in begin
    assert (await house.client().get("/docs/..%2fapp.py")).status_code == 404
    assert (await house.client().get("/docs/nothing.js")).status_code == 404


async def test_the_document_is_counted_under_its_route(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    (requests,) = (one for one in EVERY if one.name == "daybook_http_requests")
    monkeypatch.setattr(requests, "counts", {})

    await house.client().get("/openapi.json")

    assert requests.counts == {("GET", "/openapi.json", "200"): 1}


async def test_the_page_loads_no_fonts_or_maps_from_elsewhere(house: House) -> None:
    style = (await house.client().get("/docs/swagger-ui.css")).text

    assert {url[:5] for url in re.findall(r"url\(['\"]?([^)'\"]+)", style)} <= {"data:"}


async def test_a_method_that_a_path_does_not_know_is_told_those_it_does(house: House) -> None:
    answer = await house.client().put("/bookings")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert answer.json()["type"] == "urn:daybook:problem:method-not-allowed"
