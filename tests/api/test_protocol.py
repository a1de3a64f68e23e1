"""HTTP before the door: what a connection may send, and how long it may take about it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from api.protocol import HEAD_LIMIT, MOST_HEADERS, MOST_WAITING, Protocol
from daybook.embedded import Stores
from tests.api.houses import a_house, listening
from tests.journals import Place

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.one_process("it holds the connection in its own hands"),
]

BEGUN = b"GET /health HTTP/1.1\r\nHost: x\r\n"
WHOLE = BEGUN + b"\r\n"
CHUNKED = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"


class Hasty(Protocol):
    """The same without patience."""

    head_within = 0.5

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.timeout_keep_alive = 0.5  # type: ignore[assignment]
        super().connection_made(transport)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(stores: Stores, place: Place) -> AsyncIterator[str]:
    async with a_house(stores, place) as house, listening(house, Hasty) as url:
        yield url


async def answered(url: str, *sent: bytes, every: float = 0.0) -> str:
    """All that is answered until the connection is closed, which it is to be; the last of `sent` again and again if
    there is an interval."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    for piece in sent:
        writer.write(piece)

    async def go_on() -> None:
        while every:
            await asyncio.sleep(every)
            writer.write(sent[-1])

    going_on, heard = asyncio.create_task(go_on()), b""
    try:
        async with asyncio.timeout(30):
            with suppress(ConnectionResetError):  # by whoever is done with us while we still send
                while piece := await reader.read(HEAD_LIMIT):
                    heard += piece
        return heard.decode()
    finally:
        going_on.cancel()
        writer.close()


def statuses(answer: str) -> list[str]:
    return re.findall(r"HTTP/1\.1 (\d+) ", answer)


@pytest.mark.parametrize("begun", [BEGUN, b"G", BEGUN + b"X-A: a", WHOLE + BEGUN], ids=["line", "G", "header", "next"])
async def test_headers_that_do_not_end_are_not_awaited_for_ever(url: str, begun: bytes) -> None:
    answer = await answered(url, begun)

    assert statuses(answer)[-1] == "408"
    assert "application/problem+json" in answer
    assert "urn:daybook:problem:bad-http" in answer


async def test_headers_that_come_drop_by_drop_are_not_awaited_for_ever(url: str) -> None:
    assert statuses(await answered(url, BEGUN + b"X-A: ", b"a", every=0.05)) == ["408"]


async def test_who_connects_and_says_nothing_is_not_awaited_for_ever(url: str) -> None:
    assert await answered(url) == ""


async def test_what_belongs_to_no_request_is_not_listened_to_for_ever(url: str) -> None:
    assert await answered(url, b"\r\n", every=0.05) == ""
    assert statuses(await answered(url, WHOLE, b"\r\n", every=0.05)) == ["200"]


async def test_the_rest_of_a_body_that_was_refused_is_not_listened_to_for_ever(url: str) -> None:
    head = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n"

    assert statuses(await answered(url, head, b"x", every=0.05)) == ["413"]


async def test_who_asks_in_time_is_answered_again_and_again(url: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    for _ in range(4):
        writer.write(BEGUN)
        await asyncio.sleep(0.2)  # four of them take longer than one may
        writer.write(b"\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        await reader.readuntil(b"}")
    writer.close()


async def test_headers_have_a_bound_however_they_come(url: str) -> None:
    header = b"X-A: " + b"a" * (HEAD_LIMIT - 100) + b"\r\n"
    endless = BEGUN + header + b"a" * 100
    pieces = [endless[at : at + 1_000] for at in range(0, len(endless), 1_000)]

    assert statuses(await answered(url, BEGUN + header + b"\r\n")) == ["200"]
    assert statuses(await answered(url, BEGUN + header * 3 + b"\r\n")) == ["431"]
    assert statuses(await answered(url, endless)) == ["431"]
    assert statuses(await answered(url, *pieces)) == ["431"]


async def test_a_request_line_counts_too(url: str) -> None:
    assert statuses(await answered(url, b"GET /" + b"a" * HEAD_LIMIT + b" HTTP/1.1\r\nHost: x\r\n\r\n")) == ["431"]


async def test_there_are_only_so_many_headers(url: str) -> None:
    most = BEGUN + b"X-A: a\r\n" * (MOST_HEADERS - 1)

    assert statuses(await answered(url, most + b"\r\n")) == ["200"]
    assert statuses(await answered(url, most + b"X-A: a\r\n\r\n")) == ["431"]


async def test_only_so_many_requests_wait_on_one_connection(url: str) -> None:
    assert statuses(await answered(url, WHOLE * (MOST_WAITING + 1))) == ["200"] * (MOST_WAITING + 1)
    assert statuses(await answered(url, WHOLE * (MOST_WAITING + 2))) == ["200"] * (MOST_WAITING + 1) + ["400"]


@pytest.mark.parametrize("whole", [1, 3])
@pytest.mark.parametrize(
    ("behind", "refused"),
    [
        (b"\0", "400"),
        (BEGUN + b"X-A: a\r\n" * MOST_HEADERS + b"\r\n", "431"),
        (b"X" * 3 * HEAD_LIMIT, "400"),
        (CHUNKED.replace(b"0\r\n", b"no length\r\n"), "400"),
        (b"\0" * 3 * HEAD_LIMIT, "400"),
    ],
    ids=["no HTTP", "headers", "no method", "a body without its end", "much"],
)
async def test_what_is_refused_takes_nobody_elses_answer(url: str, whole: int, behind: bytes, refused: str) -> None:
    assert statuses(await answered(url, WHOLE * whole + behind)) == ["200"] * whole + [refused]
    assert statuses(await answered(url, behind)) == [refused]


async def test_a_long_body_in_the_same_piece_is_no_long_head(url: str) -> None:
    body = b" " * (2 * HEAD_LIMIT)
    head = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

    assert statuses(await answered(url, head % len(body) + body)) == ["422"]


async def test_what_trails_a_body_is_no_header(url: str) -> None:
    assert statuses(await answered(url, CHUNKED + b"Content-Type: application/json\r\n\r\n")) == ["415"]


async def test_what_trails_a_body_has_a_bound(url: str) -> None:
    trailer = b"X-A: " + b"a" * 1_000 + b"\r\n"

    answer = await answered(
        url, CHUNKED.replace(b"chunked", b"chunked\r\nContent-Type: application/json"), *[trailer] * 99
    )

    assert statuses(answer) == ["431"]


async def test_a_body_behind_an_upgrade_is_not_taken_for_the_next_request(url: str) -> None:
    inside = b"GET /health?inside HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n"

    told = await answered(url, head % len(inside), inside)

    assert told.startswith("HTTP/1.1 400")
    assert told.count("HTTP/1.1") == 2  # the status line, and the word in the detail


async def test_an_upgrade_without_a_body_is_passed_over(url: str) -> None:
    told = await answered(url, BEGUN + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n")

    assert told.startswith("HTTP/1.1 200")
