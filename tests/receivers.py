"""Receivers of webhooks: real HTTP servers on loopback that keep what they were sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from standardwebhooks import Webhook

PATIENCE = 30.0  # seconds: a worker may have to start first


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(self.body)
        return document

    @property
    def position(self) -> int:
        position: int = self.document["data"]["position"]
        return position

    @property
    def booking(self) -> UUID:
        return UUID(self.document["data"]["booking_id"])

    def verified(self, secret: str) -> Any:
        """The document, if it is signed with the secret. Raises `WebhookVerificationError`."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Answers each request with the status that `answer` says; None for never."""

    answer: Callable[[Received], int | None] = lambda _: 204
    received: list[Received] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = 0
    headers: str = ""
    tls: ssl.SSLContext | None = None
    ends: bool = True  # else there is no end of its answers
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server = field(init=False)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}:{self.port}/hook?from=daybook"

    async def open(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._closing.clear()
        self._server = await asyncio.start_server(self._receive, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._closing.set()
        self._server.close()
        await self._server.wait_closed()

    async def got(self, number: int) -> list[Received]:
        """What was received, once it is so much."""
        async with asyncio.timeout(PATIENCE):
            while len(self.received) < number:
                self._arrived.clear()
                await self._arrived.wait()
        return self.received

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
            received = Received(
                line.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", 0)))
            )
            self.received.append(received)
            status = self.answer(received)
            self._arrived.set()
            if status is None:
                await self._closing.wait()
                return
            if not self.ends:
                writer.write(f"HTTP/1.1 {status} So\r\n\r\n".encode())
                while not self._closing.is_set():
                    writer.write(b"and so on, " * 1000)
                    await writer.drain()
            writer.write(f"HTTP/1.1 {status} So\r\nContent-Length: 2\r\n{self.headers}\r\nok".encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # its sender hung up
        finally:
            writer.close()


@asynccontextmanager
async def a_receiver(
    answer: Callable[[Received], int | None] = lambda _: 204, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Receiver]:
    """One that listens at an address of loopback, on any port if none is named."""
    receiver = Receiver(answer, host=host, port=port)
    await receiver.open()
    try:
        yield receiver
    finally:
        await receiver.close()
