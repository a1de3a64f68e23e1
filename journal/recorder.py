"""The same journal for `eventsourcing`: its DCB recorder over our table and our append function.

A recorder of the library knows neither authors nor command ids, so one is bound to an author and every append is a
command of its own. It is synchronous, as the library is, and shares no connection with `Journal`.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import psycopg.sql
from eventsourcing.dcb.api import (
    DCBAppendCondition,
    DCBEvent,
    DCBQuery,
    DCBReadResponse,
    DCBRecorder,
    DCBSequencedEvent,
)
from eventsourcing.dcb.persistence import DCBListenNotifySubscription
from eventsourcing.dcb.popo import SimpleDCBReadResponse
from eventsourcing.persistence import IntegrityError, ProgrammingError

from journal.connection import conninfo

_MATCHES = """
(%(items)s::json is null or exists (
  select from json_to_recordset(%(items)s::json) as i (types text[], tags text[])
  where (i.types = '{}' or e.type = any(i.types)) and e.tags @> i.tags))
"""
_READ = f"""
select h.position, x.* from journal_head h left join lateral (
  select e.position, e.type, e.payload, e.tags from events e
  where e.position > %(after)s and {_MATCHES} order by e.position limit %(limit)s
) x on true order by x.position
"""


class JournalRecorder(DCBRecorder):
    """Our journal as `eventsourcing` sees one, appending in the name of `actor`."""

    def __init__(self, url: str, schema: str, *, actor: str = "system:recorder") -> None:
        self._conninfo = conninfo(url, schema, name="recorder")
        self._channel = psycopg.sql.Identifier(f"journal_{schema}")
        self._actor = actor
        self._connection = psycopg.connect(self._conninfo, autocommit=True)
        self._turn = threading.Lock()

    def read(
        self, query: DCBQuery | None = None, *, after: int | None = None, limit: int | None = None
    ) -> DCBReadResponse:
        parameters = {"after": after or 0, "items": _items(query), "limit": limit}
        with self._turn:
            rows = self._connection.execute(_READ, parameters).fetchall()
        events = [
            DCBSequencedEvent(position=position, event=DCBEvent(type=type, data=payload.encode(), tags=tags))
            for _, position, type, payload, tags in rows
            if position is not None
        ]
        head = rows[0][0] if limit is None else events[-1].position if events else None
        return SimpleDCBReadResponse(iter(events), head or None)

    def append(self, events: Sequence[DCBEvent], condition: DCBAppendCondition | None = None) -> int:
        """The position of the last event. Raises `IntegrityError` when the condition fails."""
        if not events:
            raise ProgrammingError("nothing to append")
        command: dict[str, Any] = {
            "id": uuid4(),
            "after": 0,
            "actor": self._actor,
            "correlation_id": "",
            "events": [
                {"type": event.type, "version": 1, "tags": event.tags, "payload": event.data.decode()}
                for event in events
            ],
        }
        if condition is not None:
            command |= {"after": condition.after or 0, **_condition(condition.fail_if_events_match)}
        with self._turn:
            cursor = self._connection.execute("select journal_append(%s::json)", (orjson.dumps([command]).decode(),))
            ((first,),) = cursor.fetchone() or ((0,),)
        if first == 0:
            raise IntegrityError(condition)
        return int(first) + len(events) - 1

    def subscribe(self, query: DCBQuery | None = None, *, after: int | None = None) -> "Subscription":
        return Subscription(self, query=query, after=after)

    def rings(self, stopped: threading.Event) -> Iterator[None]:
        """Yields when facts have been entered, and every half second."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("listen {}").format(self._channel))
            while not stopped.is_set():
                for _ in connection.notifies(timeout=0.5, stop_after=1):
                    pass
                yield

    def close(self) -> None:
        self._connection.close()


class Subscription(DCBListenNotifySubscription[JournalRecorder]):
    """Follows the journal in a thread, woken by PostgreSQL."""

    def __init__(self, recorder: JournalRecorder, query: DCBQuery | None = None, after: int | None = None) -> None:
        super().__init__(recorder=recorder, query=query, after=after)
        self._closing = threading.Event()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        for _ in self._recorder.rings(self._closing):
            self._has_been_notified.set()

    def stop(self) -> None:
        self._closing.set()
        super().stop()


def _items(query: DCBQuery | None) -> str | None:
    """The query's items as JSON; None selects everything."""
    if query is None or not query.items:
        return None
    return orjson.dumps([{"types": item.types, "tags": item.tags} for item in query.items]).decode()


def _condition(query: DCBQuery) -> dict[str, Any]:
    """The query as `journal_append` takes it: single tags by their index, anything wider row by row."""
    if query.items and all(not item.types and len(item.tags) == 1 for item in query.items):
        return {"tags": [item.tags[0] for item in query.items]}
    return {"items": [{"types": item.types, "tags": item.tags} for item in query.items] or [{"types": [], "tags": []}]}
