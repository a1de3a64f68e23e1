"""The door: what a request may bring, how long it may take, what every answer bears."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.correlation import correlation_id
from api.door import BODY_LIMIT, Door
from api.watching import Answered
from tests.api.houses import House

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def before(app: App, **limits: Any) -> AsyncClient:
    """A client of what stands behind the door."""
    return AsyncClient(transport=ASGITransport(Door(app, **limits)), base_url="http://daybook")


async def tell_id(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(correlation_id.get())(scope, receive, send)


async def tell_length(scope: Scope, receive: Receive, send: Send) -> None:
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message["more_body"]
    await Response(str(length))(scope, receive, send)


@pytest.mark.parametrize("id", ["a", "order-1/2", "Root=1-67891233:abc.d_e+f", "x" * 128])
async def test_a_request_goes_by_the_id_it_brings(id: str) -> None:
    answer = await before(tell_id).get("/", headers={"X-Request-ID": id})

    assert answer.text == answer.headers["X-Request-ID"] == id


@pytest.mark.parametrize("id", [b"", b"two words", b"x" * 129, "ünï".encode(), b"tab\t", b"\x7f"])
async def test_an_id_of_other_than_a_few_visible_characters_is_replaced(id: bytes) -> None:
    answer = await before(tell_id).get("/", headers=[(b"X-Request-ID", id)])

    assert answer.status_code == 200
    assert answer.text == answer.headers["X-Request-ID"] != id.decode("latin-1")
    assert len(answer.text) == 32


@pytest.mark.parametrize("id", [b"somebody@example.org", b"somebody%40example.org", b'"somebody"'])
async def test_an_id_that_could_be_an_address_is_replaced_as_it_would_be_kept_for_ever(id: bytes) -> None:
    answer = await before(tell_id).get("/", headers=[(b"X-Request-ID", id)])

    assert answer.text == answer.headers["X-Request-ID"] != id.decode()


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_without_one_a_request_goes_by_its_trace() -> None:
    client = before(tell_id)

    by_trace = await client.get("/", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    not_sampled = await client.get("/", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"})
    by_both = await client.get("/", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-ID": "mine"})
    by_none = [
        (await client.get("/", headers={"traceparent": invalid})).text
        for invalid in (
            f"00-{'0' * 32}-00f067aa0ba902b7-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"ff-{TRACE}-00f067aa0ba902b7-01",
        )
    ]

    assert (by_trace.text, by_both.text) == (TRACE, "mine")
    assert not_sampled.text == f"{TRACE}-00"
    assert not {"0" * 32, TRACE} & set(by_none)


async def test_two_requests_have_two_ids() -> None:
    client = before(tell_id)

    assert (await client.get("/")).text != (await client.get("/")).text


async def in_pieces(size: int, pieces: int) -> AsyncIterator[bytes]:
    for _ in range(pieces):
        yield b"x" * size


async def test_a_body_may_have_a_mebibyte_and_no_more() -> None:
    client = before(tell_length)

    fits = await client.post("/", content=b"x" * BODY_LIMIT)
    told = await client.post("/", content=b"x" * (BODY_LIMIT + 1))
    chunked_fits = await client.post("/", content=in_pieces(1 << 16, 16))
    chunked = await client.post("/", content=in_pieces(1 << 16, 17))

    assert (fits.text, chunked_fits.text) == (str(BODY_LIMIT), str(BODY_LIMIT))
    assert (told.status_code, chunked.status_code) == (413, 413)
    assert told.json()["type"] == chunked.json()["type"] == "urn:daybook:problem:body-too-large"


@pytest.mark.parametrize("path", ["/bookings", "/auth/register", "/auth/login"])
async def test_a_body_too_large_is_refused_whatever_reads_it(house: House, path: str) -> None:
    student = await house.signed_in()
    headers = {"Content-Type": "application/json"}

    told = await student.post(path, content=b" " * (BODY_LIMIT + 1), headers=headers)
    chunked = await student.post(path, content=in_pieces(1 << 16, 17), headers=headers)

    assert (told.status_code, chunked.status_code) == (413, 413)


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 5_000, "０"])
async def test_a_length_that_is_none_is_refused(length: str) -> None:
    answer = await before(tell_length).post("/", content=b"", headers=[(b"Content-Length", length.encode())])

    assert answer.status_code in (400, 413)


@pytest.mark.parametrize("path", ["/spaces/%00", "/spaces?cursor=%00", "/spaces?cursor=x%00y"])
async def test_nul_in_path_or_query_is_refused(house: House, path: str) -> None:
    answer = await house.client().get(path)

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:daybook:problem:nul-character")


@pytest.mark.one_process("no client sends such a header")
async def test_nul_in_a_header_is_refused(house: House) -> None:
    answer = await house.client().get("/health", headers=[(b"X-Anything", b"a\0b")])

    assert answer.status_code == 400


async def test_what_takes_too_long_is_ended() -> None:
    ended = asyncio.Event()

    async def hang(_scope: Scope, _receive: Receive, _send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    answer = await before(hang, within=0.05).get("/")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert ended.is_set()


async def never() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


async def test_a_body_that_does_not_end_is_told_from_what_takes_too_long() -> None:
    async def read_and_hang(scope: Scope, receive: Receive, _send: Send) -> None:
        await Request(scope, receive).body()
        await asyncio.Event().wait()

    client = before(read_and_hang, within=0.05)
    unfinished = await client.post("/", content=never())
    finished = await client.post("/", content=b"{}")

    assert (unfinished.status_code, unfinished.headers["Connection"]) == (408, "close")
    assert unfinished.json()["type"] == "urn:daybook:problem:body-too-slow"
    assert (finished.status_code, finished.json()["type"]) == (503, "urn:daybook:problem:too-slow")


async def tell_cookies(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(str(Request(scope, receive).cookies))(scope, receive, send)


async def test_escapes_in_a_cookie_are_not_read_as_that_may_take_for_ever() -> None:
    given = 'theirs="a\\"b\\101"; refresh=ours; more="' + "\\" * 10_000 + '"'

    answer = await before(tell_cookies).get("/", headers={"Cookie": given})

    assert answer.text == str({"theirs": 'a"b101', "refresh": "ours", "more": ""})


async def test_a_timeout_of_its_own_is_a_fault_and_not_the_doors() -> None:
    async def give_up(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise TimeoutError("secret")

    assert (await before(give_up).get("/")).status_code == 500


async def test_a_fault_is_logged_and_nothing_of_it_told(caplog: pytest.LogCaptureFixture) -> None:
    async def fall(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("the secret is 42")

    with caplog.at_level(logging.ERROR):
        answer = await before(fall).get("/", headers={"X-Request-ID": "this-one"})

    assert answer.status_code == 500
    assert answer.json() == {
        "type": "urn:daybook:problem:fault",
        "title": "Something went wrong here",
        "status": 500,
        "detail": "It has been logged under this correlation_id.",
        "correlation_id": "this-one",
    }
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_a_fault_after_half_an_answer_ends_the_connection() -> None:
    async def fall(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await before(fall).get("/")


async def test_who_hangs_up_in_the_middle_of_a_body_is_answered_nothing_and_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[Answered] = []
    sent: list[Message] = []
    pieces = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    async def receive() -> Message:
        return next(pieces)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/auth/login", "query_string": b"", "headers": []}
    await Door(reads, tell=told.append)(scope, receive, send)

    assert sent == []
    assert [one.status for one in told] == [0]
    assert not caplog.records
