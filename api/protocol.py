"""HTTP/1.1 as uvicorn speaks it, with bounds on what comes before the door sees any of it, and our problems."""

import asyncio
from collections import deque
from collections.abc import Iterable
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api import correlation, headers
from api.problems import Problem

HEAD_LIMIT = 32 << 10  # bytes of a request line and its headers
MOST_HEADERS = 100
HEAD_WITHIN = 10.0  # seconds from the first byte of a request to the end of its headers
MOST_WAITING = 100  # requests behind the one that is answered, on one connection

_Refusal = tuple[HTTPStatus, str]
_NO_HTTP: _Refusal = HTTPStatus.BAD_REQUEST, "This is not HTTP as it is spoken here."
_UPGRADE: _Refusal = HTTPStatus.BAD_REQUEST, "A request with a body is sent without Upgrade: this is HTTP/1.1 alone."
_TOO_MANY: _Refusal = HTTPStatus.BAD_REQUEST, f"At most {MOST_WAITING} requests wait on one connection."
_TOO_LARGE: _Refusal = (
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"There are at most {MOST_HEADERS} headers, of {HEAD_LIMIT} bytes with the request line.",
)


_TELLS_BODY = (b"content-length", b"transfer-encoding")


class RefusedHead(Exception):
    """Why the parser is to go no further stands in its protocol."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    always: Iterable[tuple[bytes, bytes]] = headers.ALWAYS
    head_within = HEAD_WITHIN
    _refusal = _NO_HTTP
    _in_head = False
    _unheard = 0  # bytes that came since there was last a whole head or a part of a body
    _late: asyncio.TimerHandle | None = None
    _last_word: _Refusal | None = None  # to be said behind the answers still owed; nothing is heard any more

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # As after a request: uvicorn would wait for the first one for ever.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._in_time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_HEADERS or (self._unheard > HEAD_LIMIT and self._head() > HEAD_LIMIT):
            self._refusal = _TOO_LARGE
        elif len(self.pipeline) >= MOST_WAITING:
            self._refusal = _TOO_MANY
        elif self.parser.should_upgrade() and any(name in _TELLS_BODY for name, _ in self.headers):
            self._refusal = _UPGRADE  # the parser goes no further, and the body would be taken for the next request
        if self._refusal is not _NO_HTTP:
            raise RefusedHead
        super().on_headers_complete()
        self.headers = deque(maxlen=0)  # type: ignore[assignment]  # what trails a body is no header (RFC 9110 §6.5.1)
        self._in_head, self._unheard = False, 0
        self._in_time()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._unheard = 0

    def on_response_complete(self) -> None:
        is_last = all(cycle.more_body for cycle, _ in self.pipeline)  # a request that will not be whole is not answered
        if self._last_word is not None and is_last and not self.transport.is_closing():
            self._hang_up(*self._last_word)
        else:
            super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        # Part by part, so that what is too much is noticed before all of it was parsed.
        for at in range(0, len(data), HEAD_LIMIT):
            if self._last_word is None and not self.transport.is_closing():
                self._hear(data[at : at + HEAD_LIMIT])

    def _hear(self, data: bytes) -> None:
        self._unheard += len(data)
        super().data_received(data)
        if self._last_word is not None or self.transport.is_closing():
            return
        if self._unheard > HEAD_LIMIT:
            self._refuse(*_TOO_LARGE)
        elif self._late is None and (self._in_head or not self._is_answering()):
            # Either a head, or what belongs to no request that is still to be answered: it must not go on for ever.
            within = self.head_within if self._in_head else self.timeout_keep_alive
            self._late = self.loop.call_later(within, self._too_late)

    def send_400_response(self, msg: str) -> None:
        self._refuse(*self._refusal)

    def _head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _is_answering(self) -> bool:
        # uvicorn has no cycle before the first request, and says that it has.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        self._late = None
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"Headers are to come within {self.head_within:g} seconds.")
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Hear nothing more, for where the next request would begin is not known, and say why when its turn comes:
        whoever asked before is to know what became of it.
        """
        self._last_word = status, detail
        self._in_time()
        if not self.pipeline and (not self._is_answering() or self.cycle.more_body):
            self._hang_up(status, detail)

    def _hang_up(self, status: HTTPStatus, detail: str) -> None:
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
