"""What every answer bears for browsers' sake, and whose pages they let read it."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from httpx import Response

from api.door import BODY_LIMIT
from api.headers import BEHIND_TLS
from api.protocol import ProtocolBehindTls
from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, listening
from tests.journals import Place

OURS, THEIRS = "https://desk.example.org", "https://elsewhere.example.org"
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TLS = {"Strict-Transport-Security": "max-age=31536000"}


def bears(answer: Response, wanted: dict[str, str]) -> None:
    asked = f"{answer.request.method} {answer.request.url} {answer.status_code}"
    for name, value in wanted.items():
        assert answer.headers.get_list(name) == [value], (asked, name)
    assert "camera=()" in answer.headers["Permissions-Policy"], asked
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], asked
    assert answer.headers["X-Request-ID"], asked


async def nothing() -> None:
    """A reset that leaves everything as it is."""


def places(house: House) -> Iterator[tuple[str, str]]:
    """Every method of every path, and one that is none of its."""
    for route in house.made.routes:
        path = getattr(route, "path", "")
        for method in getattr(route, "methods", None) or ():
            yield method, path
        if isinstance(route, APIRoute):
            yield "PUT", path


@pytest.mark.one_process("no client sends such a header")
async def test_every_answer_of_every_route_bears_the_security_headers_and_is_kept_nowhere(
    stores: Stores, own_place: Place
) -> None:
    async with a_house(stores, own_place, reset=nothing, secure_cookies=True) as house:
        admin, nobody = await house.signed_in(Role.ADMIN), house.client()
        statuses = set()
        for method, template in places(house):
            path = template.format_map(dict.fromkeys(IDS, uuid4()) | NAMES)
            # No stream is begun: it would last.
            for asked in (
                admin.request(method, path, headers={"Last-Event-ID": "none"}),
                nobody.request(method, path),
                nobody.request(method, path, content=b"{", headers={"Content-Type": "application/json"}),
                nobody.request(method, path, headers={"Content-Length": str(BODY_LIMIT + 1)}),
                nobody.request(method, f"{path}?x=%00"),
            ):
                answer = await asked
                bears(answer, SECURITY | TLS)
                if not path.startswith("/docs/") or answer.is_error:
                    assert answer.headers["Cache-Control"] == "no-store", (method, path)
                statuses.add(answer.status_code)

    assert statuses >= {200, 400, 401, 404, 405, 413, 422}


IDS = ("space_id", "booking_id", "user_id", "key_id", "webhook_id", "token_id")
NAMES = {"name": "swagger-ui.css"}


async def test_http_alone_is_not_forbidden_where_nothing_says_that_there_is_tls(house: House) -> None:
    assert "Strict-Transport-Security" not in (await house.client().get("/health")).headers


async def test_what_nobody_answered_for_bears_them_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fall() -> None:
        raise RuntimeError

    monkeypatch.setattr(house.rooms.journal, "head", fall)
    answer = await house.client().get("/health/ready")

    assert answer.status_code == 500
    bears(answer, SECURITY)


async def test_what_is_not_http_is_told_the_same_where_something_ends_tls(house: House) -> None:
    async with listening(house, ProtocolBehindTls) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(b"this is no HTTP\r\n\r\n")
        status, *lines = (await reader.read()).decode().partition("\r\n\r\n")[0].split("\r\n")
        writer.close()

    headers = dict(line.split(": ", 1) for line in lines)
    assert status == "HTTP/1.1 400 Bad Request"
    assert {name.decode(): value.decode() for name, value in BEHIND_TLS}.items() <= headers.items()


async def test_no_origin_is_allowed_anything_unless_it_is_named(house: House) -> None:
    client = house.client(Origin=OURS)

    asked = await client.get("/spaces")
    preflight = await client.options("/bookings", headers={"Access-Control-Request-Method": "POST"})

    assert (asked.status_code, preflight.status_code) == (200, 405)
    for answer in (asked, preflight):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_page_of_a_named_origin_reads_answers_and_errors_with_what_they_bear(
    stores: Stores, place: Place
) -> None:
    async with a_house(stores, place, origins=[OURS]) as house:
        client = house.client(Origin=OURS)
        answers = await asyncio.gather(
            client.get("/spaces"), client.get("/auth/me"), client.get("/nowhere"), client.get("/spaces?x=%00")
        )

    assert [answer.status_code for answer in answers] == [200, 401, 404, 400]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == OURS
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Origin" in answer.headers["Vary"]
        told = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        assert told >= {"Journal-Position", "Projection-Position", "ETag", "X-Request-ID", "RateLimit", "Retry-After"}
        assert told >= {"Location", "Link", "RateLimit-Policy"}


@pytest.mark.parametrize("origin", [THEIRS, "null", "*", OURS + ":8443", OURS.replace("https", "http"), OURS + "/"])
async def test_a_page_of_another_origin_reads_nothing(stores: Stores, place: Place, origin: str) -> None:
    async with a_house(stores, place, origins=[OURS]) as house:
        client = house.client(Origin=origin)
        asked = await client.get("/spaces")
        preflight = await client.options("/bookings", headers={"Access-Control-Request-Method": "POST"})

    assert preflight.status_code == 405
    for answer in (asked, preflight):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["Vary"] == "Origin"  # or a cache would give it to ours


async def test_a_named_origins_page_stays_signed_in_and_no_others_does(stores: Stores, place: Place) -> None:
    who = {"email": f"{uuid4()}@example.org", "password": "correct horse", "full_name": "Ana"}
    async with a_house(stores, place, origins=[OURS]) as house:
        client = house.client()
        assert (await client.post("/auth/register", json=who)).status_code == 201
        site = {"Sec-Fetch-Site": "same-site"}
        theirs = await client.post("/auth/refresh", headers={"Origin": THEIRS, **site})
        ours = await client.post("/auth/refresh", headers={"Origin": OURS, **site})

    assert (theirs.status_code, ours.status_code) == (403, 200)


async def test_a_browser_that_asks_first_is_told_what_a_page_may_send(stores: Stores, place: Place) -> None:
    asked = {
        "Origin": OURS,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,if-match",
    }
    async with a_house(stores, place, origins=[THEIRS, OURS]) as house:
        answer = await house.client(**asked).options(f"/bookings/{uuid4()}")
        methods = {method for method, _ in places(house)} - {"HEAD", "PUT"}

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert methods <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert set(asked["Access-Control-Request-Headers"].split(",")) <= set(allowed)
    bears(answer, SECURITY)


async def test_what_is_not_to_be_described_has_no_docs(stores: Stores, place: Place) -> None:
    async with a_house(stores, place, described=False) as house:
        answers = [await house.client().get(path) for path in ("/docs", "/docs/begin.js", "/openapi.json", "/redoc")]
        answers += [await house.client().post("/dev/seed"), await house.client().delete("/dev/reset")]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}
