"""One session with PostgreSQL, driven through libpq itself: prepared statements, one at a time, answered by futures.

A cursor of psycopg's costs 120 us of Python for a statement, most of them for waiting in general; waiting for one known
socket and psycopg's own adaptation cost 50. Every command waits for two statements at least, and everybody who shares
them waits too. What connects, encodes and decodes is psycopg.
"""

import asyncio
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.rows import TupleRow

Parameters = Sequence[Any] | Mapping[str, Any]

_PLACEHOLDER = re.compile(r"%(?:s|\((\w+)\)s|%)")
_ANSWERED = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class Session:
    """An open connection without another user. It is over when it was lost: whoever needs one then connects anew."""

    def __init__(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        self._connection = connection  # kept, for psycopg warns of one that goes while its libpq is open
        self._libpq = connection.pgconn
        self._transformer = Transformer(connection)
        self._plans: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._asked: _Asked | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(fileno=os.dup(self._libpq.socket))  # libpq closes its own when it likes
        self._loop.add_reader(self._socket, self._read)
        self.is_over = False

    @property
    def backend(self) -> int:
        """The id of the process that serves this session."""
        return self._libpq.backend_pid

    def ask(
        self, statement: str, parameters: Parameters, *, until: float, then: Callable[[], None]
    ) -> asyncio.Future[list[TupleRow]]:
        """Send a statement, to be answered with its rows or a `psycopg.Error`. Raises what the parameters cannot be.

        `then` is called when the session is free for the next one, whether anybody still waits for the answer or not.
        At `until`, by the loop's clock, the session is ended.
        """
        query = _query(statement)
        values = self._transformer.dump_sequence(query.in_order(parameters), query.formats)
        types, formats = self._transformer.types or (), self._transformer.formats
        plan = self._plans.get((statement, types))
        name = plan or b"plan%d" % len(self._plans)

        def carry_out() -> None:
            self._plans[statement, types] = name
            self._libpq.send_query_prepared(name, values, formats, pq.Format.BINARY)

        # A hung server answers no cancel request either: hanging up is the only bound that always holds.
        timer = self._loop.call_at(until, self._hang_up)
        asked = self._asked = _Asked(self._loop.create_future(), then, timer, None if plan else carry_out)
        try:
            if plan:
                carry_out()
            else:
                self._libpq.send_prepare(name, query.text, types)
            self._flush()
        except psycopg.OperationalError as error:
            self._lose(error)
        return asked.answer

    def close(self) -> None:
        """End the session; nobody may be waiting for an answer."""
        if not self.is_over:
            self.is_over = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._libpq.finish()

    def _flush(self) -> None:
        """Hand to the socket what it takes now, and the rest when it takes more."""
        if self._libpq.flush():
            self._loop.add_writer(self._socket, self._write)

    def _write(self) -> None:
        self._loop.remove_writer(self._socket)
        try:
            self._flush()
        except psycopg.OperationalError as error:
            self._lose(error)

    def _read(self) -> None:
        try:
            self._libpq.consume_input()
            while (asked := self._asked) and not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is not None:
                    asked.result = result
                elif asked.next is not None and asked.succeeded:
                    carry_out, asked.next = asked.next, None
                    carry_out()
                    self._flush()
                else:
                    self._answer(asked)
            if self._has_ended():  # a loop may look after a socket no more once its end has come along with data
                self._libpq.consume_input()
        except psycopg.OperationalError as error:
            self._lose(error)

    def _has_ended(self) -> bool:
        """Whether the server has said all that it is going to say."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _answer(self, asked: "_Asked") -> None:
        if not asked.answer.done():
            try:
                asked.answer.set_result(self._rows(asked))
            except Exception as error:  # whatever it is, it is its caller's, and the session is the next one's
                asked.answer.set_exception(error)
        self._end(asked)

    def _rows(self, asked: "_Asked") -> list[TupleRow]:
        """What was found. Raises `psycopg.Error`, also for what Python has no value for."""
        if not asked.succeeded:
            raise error_from_result(asked.result)
        self._transformer.set_pgresult(asked.result)
        return self._transformer.load_rows(0, asked.result.ntuples, tuple)

    def _lose(self, error: psycopg.OperationalError) -> None:
        self.close()
        if asked := self._asked:
            if not asked.answer.done():
                asked.answer.set_exception(error)
            self._end(asked)

    def _end(self, asked: "_Asked") -> None:
        self._asked = None
        asked.timer.cancel()
        asked.then()

    def _hang_up(self) -> None:
        self._lose(psycopg.OperationalError("it did not answer in time"))


@dataclass(slots=True)
class _Asked:
    """The statement under way: who is to be told, and what is to be sent once it is prepared."""

    answer: asyncio.Future[list[TupleRow]]
    then: Callable[[], None]
    timer: asyncio.TimerHandle
    next: Callable[[], None] | None
    result: Any = None

    @property
    def succeeded(self) -> bool:
        return self.result.status in _ANSWERED


@dataclass(frozen=True, slots=True)
class _Query:
    """A statement as PostgreSQL takes it; `names` are those of its parameters in order, unless they have none."""

    text: bytes
    names: Sequence[str]
    formats: Sequence[PyFormat]

    def in_order(self, parameters: Parameters) -> Sequence[Any]:
        return [parameters[name] for name in self.names] if isinstance(parameters, Mapping) else parameters


@cache
def _query(statement: str) -> _Query:
    """`statement` with `$1`, `$2`, … where it has `%s`, or the same number again where it has `%(name)s` again."""
    names: list[str] = []

    def numbered(placeholder: re.Match[str]) -> str:
        if placeholder[0] == "%%":
            return "%"
        name = placeholder[1] or f" {len(names)}"  # no name has a space
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    text = _PLACEHOLDER.sub(numbered, statement).encode()
    return _Query(text, names, [PyFormat.AUTO] * len(names))
