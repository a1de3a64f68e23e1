"""HTTP/1.1 as uvicorn speaks it, with a bound on what comes before the door sees any of it, and our problems."""

from collections.abc import Iterable
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api import correlation, headers
from api.problems import Problem

HEAD_LIMIT = 64 << 10  # bytes of a request line and its headers, when they come in pieces


class Protocol(HttpToolsProtocol):
    """One connection."""

    always: Iterable[tuple[bytes, bytes]] = headers.ALWAYS
    _head: int | None = None  # bytes of a head that has begun and is not whole

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > HEAD_LIMIT:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"Headers have at most {HEAD_LIMIT} bytes.")

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "This is not HTTP as it is spoken here.")

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer and hang up: where the next request would begin is not known."""
        id = correlation.begin(None, None)
        own = {"Connection": "close", correlation.HEADER: id}
        problem = Problem(status, "bad-http", status.phrase, detail, headers=own).response()
        lines = [f"HTTP/1.1 {status} {status.phrase}".encode()]
        lines += [b"%b: %b" % header for header in (*problem.raw_headers, *self.always, *headers.UNLESS_SAID)]
        self.transport.write(b"\r\n".join([*lines, b"", problem.body]))
        self.transport.close()


class ProtocolBehindTls(Protocol):
    """The same where something before us ends TLS."""

    always = headers.BEHIND_TLS
