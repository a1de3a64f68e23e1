"""OpenAPI says what is answered; its page needs nobody else's server."""

import re
from typing import Any

import pytest
from httpx import AsyncClient
from pydantic import BaseModel, TypeAdapter

from api import documents
from booking.roles import Role
from tests.api.houses import House, a_slot, a_space


@pytest.fixture
async def openapi(house: House) -> dict[str, Any]:
    document: dict[str, Any] = (await house.client().get("/openapi.json")).json()
    return document


def operations(openapi: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): one for path, methods in openapi["paths"].items() for method, one in methods.items()}


async def test_commands_and_queries_are_apart(openapi: dict[str, Any]) -> None:
    for (method, path), operation in operations(openapi).items():
        (tag,) = operation["tags"]
        room = "audit: " if path.startswith("/audit/") else "queries: " if method == "get" else "commands: "
        assert tag.startswith(room), path


async def test_every_operation_says_what_it_answers_and_how_it_refuses(openapi: dict[str, Any]) -> None:
    for (method, path), operation in operations(openapi).items():
        good, problem = (operation["responses"][status] for status in (next(iter(operation["responses"])), "default"))
        if path != "/stream":  # Server-Sent Events
            assert good["content"]["application/json"]["schema"], path
        assert list(problem["content"]) == ["application/problem+json"], path
        assert operation["description"]
        assert "422" not in operation["responses"], (method, path)


@pytest.mark.one_process("they are for development and offer more")
async def test_every_command_of_a_user_takes_a_key(openapi: dict[str, Any]) -> None:
    """Signing in and out, and what a token or a password is spent for, are not carried out twice anyway."""
    commands = {
        place: [parameter["name"] for parameter in operation.get("parameters", ())]
        for place, operation in operations(openapi).items()
        if place[0] != "get" and (place[1] == "/auth/register" or not place[1].startswith("/auth/"))
    }

    assert len(commands) == 12
    assert all("Idempotency-Key" in names for names in commands.values())


@pytest.mark.one_process("they are for development and offer more")
async def test_what_needs_signing_in_says_so(openapi: dict[str, Any]) -> None:
    public = {place for place, operation in operations(openapi).items() if not operation.get("security")}

    assert public == {
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
        ("post", "/auth/refresh"),
        ("post", "/auth/logout"),
        ("delete", "/auth/logout"),
        ("post", "/auth/password-reset/request"),
        ("post", "/auth/password-reset/confirm"),
        ("post", "/auth/verify"),
    }
    assert openapi["components"]["securitySchemes"] == {
        "sign-in": {"type": "oauth2", "flows": {"password": {"scopes": {}, "tokenUrl": "/auth/login"}}}
    }


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


async def test_the_page_loads_no_fonts_or_maps_from_elsewhere(house: House) -> None:
    style = (await house.client().get("/docs/swagger-ui.css")).text

    assert {url[:5] for url in re.findall(r"url\(['\"]?([^)'\"]+)", style)} <= {"data:"}
