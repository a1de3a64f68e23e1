"""The API as a process: real sockets, what is not HTTP, how it stops, and what it logs."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.headers import ALWAYS, UNLESS_SAID
from daybook.embedded import Stores
from tests.journals import Place
from tests.processes import Api, Running, a_space, daybook, free_port, registered, seeded, slot

pytestmark = pytest.mark.one_process("it starts processes of its own")


@pytest.fixture(scope="module")
def api(stores: Stores, place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with daybook(stores, place, tmp_path_factory.mktemp("logs")) as (api,):
        yield api


async def spoken(api: Api, *pieces: bytes) -> tuple[int, dict[str, str], bytes]:
    """What a connection is answered on which all this is sent; the answer may come before the end of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    async with asyncio.timeout(10):
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        writer.close()
    return int(status.split(" ")[1]), headers, body


def safe(headers: dict[str, str]) -> bool:
    """Whether they are what the door would have an answer bear."""
    return {(name.decode(), value.decode()) for name, value in (*ALWAYS, *UNLESS_SAID)} <= headers.items()


NO_HTTP = {
    "garbage": b"\x16\x03\x01\x02\x00\r\n\r\n",
    "NUL in a path": b"GET /he\0alth HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in a header": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
    "NUL in a name": b"GET /health HTTP/1.1\r\nHost: x\r\nX-\0A: b\r\n\r\n",
    "a length that is none": b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a chunk that is none": b"POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a path that is not ASCII": "GET /häuser HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_not_http_is_a_problem(api: Api, sent: bytes) -> None:
    status, headers, body = await spoken(api, sent)

    assert 400 <= status < 500
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["correlation_id"] == headers["x-request-id"]
    assert safe(headers)


@pytest.mark.parametrize("path", ["/health", "/auth/me", "/nowhere", "/stream"])
async def test_head_is_answered_like_get_without_the_content(api: Api, path: str) -> None:
    asked = f"HEAD {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {await registered(api)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    async with asyncio.timeout(10):
        writer.write(asked.encode() + b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")
        head, following = [(await reader.readuntil(b"\r\n\r\n")).decode() for _ in range(2)]
        writer.close()

    assert head.startswith("HTTP/1.1 404" if path == "/nowhere" else "HTTP/1.1 200")
    assert following.startswith("HTTP/1.1 200")


async def test_a_head_without_an_end_is_refused(api: Api) -> None:
    status, headers, _ = await spoken(api, b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: ", *[b"a" * 16_384] * 2)

    assert (status, headers["content-type"]) == (431, "application/problem+json")
    assert safe(headers)


async def test_a_body_without_an_end_is_refused(api: Api) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    head = (
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    status, headers, _ = await spoken(api, head, *[chunk] * 20)

    assert (status, headers["content-type"]) == (413, "application/problem+json")


async def test_a_body_that_does_not_come_is_not_awaited_for_ever(api: Api) -> None:
    head = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"

    status, headers, _ = await spoken(api, head)

    assert (status, headers["connection"]) == (408, "close")


async def test_who_a_proxy_says_is_asking_is_not_believed_and_the_server_not_named(api: Api) -> None:
    _, headers, _ = await spoken(
        api, b"GET /health HTTP/1.1\r\nHost: evil\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\r\n"
    )

    assert "server" not in headers


async def test_the_log_holds_requests_ids_and_nothing_secret(api: Api) -> None:
    admin, token = await seeded(api), await registered(api)
    space_id = await a_space(api, admin)
    secrets = ["a note nobody reads", "somebody@secret.example", "a password nobody knows", token, admin]
    async with api.client(token) as client:
        booking = {"space_id": space_id, **slot(0), "notes": secrets[0]}
        assert (await client.post("/bookings", json=booking)).status_code == 201
        who = {"email": secrets[1], "password": secrets[2], "full_name": "Ana"}
        assert (await client.post("/auth/register", json=who)).status_code == 201
        assert (await client.post("/auth/register", json=who)).status_code == 409
        await client.post("/auth/login", json=who)
        await client.post("/auth/login", content=json.dumps(who)[:-1])
    await spoken(api, NO_HTTP["garbage"])

    written = api.log.read_text()

    lines: list[dict[str, Any]] = [json.loads(line) for line in written.splitlines()]
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    assert not [secret for secret in secrets if secret in written]


@pytest.mark.parametrize("name", ["api", "follow"])
def test_a_database_without_a_journal_is_told_of_in_one_line(api: Api, tmp_path: Path, name: str) -> None:
    one = Running(name, api.environment | {"DAYBOOK_SCHEMA": "nowhere", "PORT": str(free_port())}, tmp_path / "log")
    one.start()

    assert one.process.wait(20) == 1
    (line,) = map(json.loads, one.log.read_text().splitlines())
    assert (line["level"], line["event"]) == (
        "critical",
        "there is no journal in the schema nowhere: run `daybook migrate`",
    )


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told(stores: Stores, place: Place, tmp_path: Path, how: signal.Signals) -> None:
    with daybook(stores, place, tmp_path, followers=0) as (api,):
        api.process.send_signal(how)

        assert api.process.wait(10) == 0
        assert "Traceback" not in api.log.read_text()
