"""Load on an API from a process of its own: HTTP/1.1 on kept connections, as little of it as will do.

A whole client library would use more CPU than the server that is measured, on the same two cores.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import uvloop

END = b"\r\n\r\n"
LENGTH = b"content-length: "
PATIENCE = 10.0  # seconds for what is still under way when the time is up


@dataclass(slots=True)
class Load:
    """What came back: how often each status, how long each answer took in seconds, the last one and its body."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    last: bytes = b""
    refused: bytes = b""

    @property
    def calls(self) -> int:
        return len(self.latencies)


def request(
    method: str, path: str, *, token: str = "", body: bytes | None = None, headers: Sequence[str] = ()
) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + END + (body or b"")


def run(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Send `requests` once, each on the first connection that is free, for at most so long."""
    return uvloop.run(_run(port, iter(requests), connections, seconds))


def again(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """The same, beginning anew whenever all are sent."""
    return uvloop.run(_run(port, cycle(requests), connections, seconds))


async def _run(port: int, requests: Iterator[bytes], connections: int, seconds: float) -> Load:
    loop, load = asyncio.get_running_loop(), Load()
    lines = [_Line(requests, load, loop.create_future()) for _ in range(connections)]
    for line in lines:
        await loop.create_connection(lambda line=line: line, "127.0.0.1", port)  # type: ignore[misc]
    began = time.perf_counter()
    for line in lines:
        line.begin(began + seconds)
    async with asyncio.timeout(seconds + PATIENCE):
        await asyncio.gather(*(line.done for line in lines))
    load.seconds = time.perf_counter() - began
    return load


class _Line(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self, requests: Iterator[bytes], load: Load, done: asyncio.Future[None]) -> None:
        self.done = done
        self._requests = requests
        self._load = load
        self._answer = b""
        self._whole = 0  # bytes of the answer, once its head is there

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP is one
        self._transport = transport

    def begin(self, until: float) -> None:
        self._until = until
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        request = next(self._requests, None) if self._sent < self._until else None
        if request is None:
            self._transport.close()
            self.done.set_result(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._whole:
            head = self._answer.find(END)
            if head < 0:
                return
            at = self._answer.find(LENGTH, 0, head)
            length = int(self._answer[at + len(LENGTH) : self._answer.index(b"\r", at)]) if at >= 0 else 0
            self._whole = head + len(END) + length
        if len(self._answer) >= self._whole:
            status = int(self._answer[9:12])
            self._load.statuses[status] += 1
            self._load.latencies.append(time.perf_counter() - self._sent)
            self._load.last = self._answer
            if status >= 400:
                self._load.refused = self._answer
            self._answer, self._whole = b"", 0
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))
