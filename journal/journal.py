"""Append under a condition, read by tag, follow by page: the journal over connections to write and one to read."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any, get_args
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag

from booking.events import Event, UserErased, UserEvent
from booking.refusals import Refusal
from journal import codec
from journal.bell import Bell
from journal.chain import COLUMNS, Row
from journal.connection import Line, Unavailable
from journal.giving_way import in_pieces
from journal.grouping import Asked, Grouping
from journal.sealing import Keys
from journal.tallies import Histogram

PER_TAG = 500
"""Facts read of one tag at a time, so that nobody waits long beside a reader of a long history."""

APPENDING = 2
"""Connections to append with: the next batch is made while PostgreSQL carries out the one before."""

SETTLE_WITHIN = 4.0
"""Seconds after which a batch that PostgreSQL neither took nor refused is given up."""

_APPEND_WAIT = Histogram(
    "daybook_append_wait_seconds", "Time a command waits until its facts are entered, or turn out not to be."
)
_BATCH = Histogram("daybook_append_batch_commands", "Commands that share an append.", bounds=(1, 2, 4, 8, 16, 32, 64))


@dataclass(frozen=True, slots=True)
class Along:
    """A change of a plain table that stands or falls with a command's facts.

    `changes` are CTEs behind one called `recorded`, which has one row, with the `position` of the first fact, if the
    facts are entered now, and else none. `unless` says by its name what it means that a unique constraint stands
    against them.
    """

    changes: str
    parameters: Mapping[str, Any]
    unless: Mapping[str, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one command asks to record: `facts`, each with the tags it bears, unless a fact bearing one of `tags` came
    after position `after`.
    """

    command_id: UUID
    journal_id: UUID
    after: int
    tags: Sequence[str]
    facts: Sequence[tuple[Event, Sequence[str]]]
    actor: str
    correlation_id: str
    causation_id: UUID | None = None
    request_digest: bytes | None = None
    along: Along | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact with its place in the journal; `hash` is the chain's there."""

    position: int
    event: Event
    hash: bytes
    recorded_at: datetime


@dataclass(slots=True)
class Known:
    """A command that was carried out before: its facts in order, and the digest of the request it came with."""

    facts: list[Recorded] = field(default_factory=list)
    request_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One snapshot: the facts of the wanted tags above the wanted positions, and the commands known by the wanted ids.

    `now` is the database's clock, never behind what is recorded. A tag with `PER_TAG` facts may have more.
    """

    journal_id: UUID
    head: int
    now: datetime
    facts: Mapping[str, Sequence[tuple[int, Event]]]
    known: Mapping[UUID, Known]


@dataclass(frozen=True, slots=True)
class News:
    """The facts about users since a position, up to the head; not `complete` when that was too long ago to look."""

    journal_id: UUID
    head: int
    complete: bool
    facts: Sequence[tuple[int, UserEvent]]


_READ = f"""
select h.journal_id, h.position, greatest(journal_now(), h.recorded_at),
       x.tag, x.command_id, x.position, x.type, x.version, x.payload, x.request_digest, x.recorded_at, x.hash
from journal_head h left join (
  select w.key as tag, null::uuid as command_id, e.position, e.type, e.version, e.payload,
         null::bytea as request_digest, null::timestamptz as recorded_at, null::bytea as hash
  from json_each_text(%s::json) w
  cross join lateral (
    select t.position from event_tags t where t.tag = w.key and t.position > w.value::bigint
    order by t.position limit {PER_TAG}) t
  cross join lateral (
    select e.position, e.type, e.version, e.payload from events e where e.position = t.position offset 0) e
  union all
  select null, e.command_id, e.position, e.type, e.version, e.payload, e.request_digest, e.recorded_at, e.hash
  from events e where e.command_id = any(%s::uuid[])
) x on true order by x.position
"""
_APPEND = "select journal_append(%s::json)"
_APPEND_ALONG = """
with entered as materialized (select journal_append(%(batch)s::json) as outcomes),
  recorded as (select outcomes[1] as position from entered where outcomes[1] > 0),
{changes}
select outcomes from entered
"""
_PAGE = """
select position, type, version, payload, hash, recorded_at from events where position > %s order by position limit %s
"""
_OF_TAG = """
select e.position, e.type, e.version, e.payload, e.hash, e.recorded_at
from (select position from event_tags where tag = %s and position > %s and position <= %s order by position limit %s) t
cross join lateral (select * from events e where e.position = t.position offset 0) e order by e.position
"""
_OF_TAGS_BETWEEN = """
select e.position, e.type, e.version, e.payload, e.hash, e.recorded_at
from (select distinct position from event_tags where tag >= %s and tag < %s) t
cross join lateral (select * from events e where e.position = t.position offset 0) e order by e.position
"""
_ROWS = f"select {COLUMNS} from events where position > %s order by position limit %s"
_USER_FACTS = """
select h.journal_id, h.position, h.position between %(after)s and %(after)s + 10000,
       e.position, e.type, e.version, e.payload
from journal_head h left join lateral (
  select * from events where position > %(after)s and position <= %(after)s + 10000 and type = any(%(types)s) offset 0
) e on true order by e.position
"""
_USER_FACT_TYPES = [form.name for form in codec.FORMS if form.event in get_args(UserEvent)]
_HEAD = "select journal_id, position, hash from journal_head"
_ORIGINS = "select position, command_id, correlation_id from events where position > %s and position <= %s"
_AGES = """
select position, extract(epoch from journal_now() - recorded_at)::float8 from events where position = any(%s::bigint[])
"""


class Journal:
    """One journal: a schema of a PostgreSQL database. All callers in a process share its few connections."""

    def __init__(self, url: str, schema: str, *, name: str = "journal") -> None:
        self.schema = schema
        self._url = url
        self._name = name
        self._writing = [Line(url, schema, name=f"{name} append") for _ in range(APPENDING)]
        self._reading = Line(url, schema, name=f"{name} read")
        self.keys = Keys(self._reading)
        self._appends: Grouping[_Prepared, int, Line] = Grouping(self._append_group, lanes=self._writing, at_most=64)
        self._reads: Grouping[_Wanted, Reading, Line] = Grouping(self._read_group, lanes=[self._reading], at_most=100)

    async def append(self, entry: Entry) -> int:
        """Enter the facts of one command, in one call with whoever else is waiting.

        The answer is the first fact's position; 0 if somebody wrote under the condition meanwhile; or, below 0, minus
        the first position at which this command id is already recorded. Raises `Unavailable`, and whatever PostgreSQL
        says of the entry itself, with nothing of it recorded.
        """
        people = {person for event, _ in entry.facts if (person := codec.sealed_for(event))}
        keys = await self.keys.of(people) if people else {}
        command = {
            "id": entry.command_id,
            "journal": entry.journal_id,
            "after": entry.after,
            "tags": entry.tags,
            "actor": entry.actor,
            "correlation_id": entry.correlation_id,
            "causation_id": entry.causation_id,
            "digest": entry.request_digest.hex() if entry.request_digest else None,
            "events": [_stored(event, borne, keys) for event, borne in entry.facts],
        }
        begun = perf_counter()
        try:
            outcome = await self._appends.ask(_Prepared(command, entry.along))
        finally:
            _APPEND_WAIT.add(perf_counter() - begun)
        if outcome > 0:
            self._hear_of_erasures(event for event, _ in entry.facts)
        return outcome

    async def read(self, wanted: Mapping[str, int], command_ids: Iterable[UUID] = ()) -> Reading:
        """A snapshot holding, for each wanted tag, its facts above a position; shared with whoever else is waiting.

        Somebody else's wish for the same tag may make it begin at a lower position. Raises `Unavailable`.
        """
        return await self._reads.ask((wanted, command_ids))

    async def page(self, after: int, limit: int) -> list[Recorded]:
        """The facts above position `after` in order, at most `limit`. Raises `Unavailable`."""
        return await self._recorded(await self._reading.repeatable(_PAGE, (after, limit)))

    async def of_tag(self, tag: str, *, after: int = 0, to: int = 2**62, limit: int = PER_TAG) -> list[Recorded]:
        """The facts bearing `tag` in `(after, to]` in order, at most `limit`. Raises `Unavailable`."""
        return await self._recorded(await self._reading.repeatable(_OF_TAG, (tag, after, to, limit)))

    async def of_tags_between(self, first: str, beyond: str) -> list[Recorded]:
        """The facts bearing any tag in `[first, beyond)` by code point, in order. Raises `Unavailable`."""
        return await self._recorded(await self._reading.repeatable(_OF_TAGS_BETWEEN, (first, beyond)))

    async def user_facts(self, *, after: int) -> News:
        """The facts about users above position `after`. Raises `Unavailable`."""
        rows = await self._reading.repeatable(_USER_FACTS, {"after": after, "types": _USER_FACT_TYPES})
        journal_id, head, complete = rows[0][:3]
        facts: list[tuple[int, Any]] = [(row[3], codec.decode(*row[4:])) for row in rows if row[3] is not None]
        self._hear_of_erasures(event for _, event in facts)
        return News(journal_id, head, complete, facts)

    async def rows(self, after: int, limit: int) -> list[Row]:
        """Every column of the rows above position `after`, for proof; texts stay sealed. Raises `Unavailable`."""
        return [Row(*row) for row in await self._reading.repeatable(_ROWS, (after, limit))]

    async def head(self) -> tuple[UUID, int, bytes]:
        """The journal's id, its last position and the hash there. Raises `Unavailable`."""
        ((journal_id, position, hash),) = await self._reading.repeatable(_HEAD)
        return journal_id, position, hash

    async def ages(self, positions: Iterable[int]) -> dict[int, float]:
        """How many seconds ago the facts at these positions were recorded. Raises `Unavailable`."""
        return dict(await self._reading.repeatable(_AGES, (list(positions),)))

    async def origins(self, after: int, to: int) -> dict[int, tuple[UUID, str]]:
        """The command and the correlation id by which each fact in `(after, to]` was entered. Raises `Unavailable`."""
        rows = await self._reading.repeatable(_ORIGINS, (after, to))
        return {position: (command_id, correlation_id) for position, command_id, correlation_id in rows}

    @property
    def era(self) -> int:
        """Grows whenever what was read before is to be dropped.

        That is when the reading connection was made anew, as what was read may be of another past, and when somebody
        was erased, as it may hold their texts.
        """
        return self._reading.times_connected + self.keys.forgotten

    def bell(self) -> Bell:
        """Rings when facts have been entered."""
        return Bell(self._url, self.schema, name=f"{self._name} bell")

    async def query(self, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement over plain tables of the same schema, which may change them: it is sent once.

        Raises `Unavailable`, `psycopg.Error`.
        """
        return await self._reading.execute(statement, parameters)

    async def close(self) -> None:
        """Answer everything asked, then let the connections go."""
        await self._appends.finish()
        await self._reads.finish()
        for line in self._writing:
            await line.close()
        await self._reading.close()

    async def _append_group(self, line: Line, group: list["Asked[_Prepared, int]"]) -> None:
        # A statement with a plain table of its own cannot share a call.
        alone = [asked for asked in group if asked.question.along]
        together = [asked for asked in group if not asked.question.along]
        give_up = asyncio.get_running_loop().time() + SETTLE_WITHIN
        for batch in ([together] if together else []) + [[asked] for asked in alone]:
            _BATCH.add(len(batch))
            await self._settle(line, batch, give_up)

    async def _settle(self, line: Line, batch: list["Asked[_Prepared, int]"], give_up: float) -> None:
        """Send a batch until its outcome is known: a command that did get in is known by its id the second time."""
        clock = asyncio.get_running_loop().time
        unknown, pause = False, 0.02
        while batch := [asked for asked in batch if not asked.abandoned]:
            try:
                outcomes = await self._send(line, [asked.question for asked in batch], give_up - clock())
            except Unavailable as error:
                unknown = unknown or error.unknown
                if clock() + pause >= give_up:
                    raise Unavailable(str(error), unknown=unknown) from error
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.25)
            else:
                for asked, outcome in zip(batch, outcomes, strict=True):
                    asked.succeed(outcome)
                return

    async def _send(self, line: Line, batch: Sequence["_Prepared"], within: float) -> list[int]:
        commands = orjson.dumps([prepared.command for prepared in batch]).decode()
        along = batch[0].along
        if along is None:
            rows = await line.execute(_APPEND, (commands,), within=within)
        else:
            statement = _APPEND_ALONG.format(changes=along.changes)
            rows = await line.execute(statement, {**along.parameters, "batch": commands}, within=within)
        outcomes: list[int] = rows[0][0]
        return outcomes

    async def _read_group(self, line: Line, group: list["Asked[_Wanted, Reading]"]) -> None:
        wanted: dict[str, int] = {}
        command_ids: set[UUID] = set()
        for asked in group:
            tags_after, ids = asked.question
            command_ids.update(ids)
            for tag, after in tags_after.items():
                wanted[tag] = min(after, wanted.get(tag, after))
        parameters = orjson.dumps(wanted).decode(), list(command_ids)
        reading = await self._snapshot(await line.repeatable(_READ, parameters))
        for asked in group:
            asked.succeed(reading)

    async def _snapshot(self, rows: Sequence[tuple[Any, ...]]) -> Reading:
        self.keys.belong_to(rows[0][0])
        decoded: dict[int, Event] = {}
        async for some in in_pieces(rows):
            events = {row[5]: codec.decode(row[6], row[7], row[8]) for row in some if row[5] is not None}
            await self._open(events)
            decoded |= events
        facts: dict[str, list[tuple[int, Event]]] = {}
        known: dict[UUID, Known] = {}
        for _, _, _, tag, command_id, position, _, _, _, digest, recorded_at, hash in rows:
            if tag is not None:
                facts.setdefault(tag, []).append((position, decoded[position]))
            elif command_id is not None:
                command = known.setdefault(command_id, Known(request_digest=digest))
                command.facts.append(Recorded(position, decoded[position], hash, recorded_at))
        journal_id, head, now = rows[0][:3]
        return Reading(journal_id, head, now, facts, known)

    async def _recorded(self, rows: Sequence[tuple[Any, ...]]) -> list[Recorded]:
        events = {row[0]: codec.decode(row[1], row[2], row[3]) for row in rows}
        await self._open(events)
        return [Recorded(row[0], events[row[0]], row[4], row[5]) for row in rows]

    def _hear_of_erasures(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, UserErased):
                self.keys.forget(event.user_id)

    async def _open(self, events: dict[int, Event]) -> None:
        self._hear_of_erasures(events.values())
        people = {position: person for position, event in events.items() if (person := codec.sealed_for(event))}
        if not people:
            return
        try:
            keys = await self.keys.of(set(people.values()))
            opened = {position: codec.opened(events[position], keys) for position in people}
        except InvalidTag:  # a key may be of the journal before this one
            self.keys.clear()
            keys = await self.keys.of(set(people.values()))
            opened = {position: codec.opened(events[position], keys) for position in people}
        events.update(opened)


@dataclass(frozen=True, slots=True)
class _Prepared:
    command: Mapping[str, Any]
    along: Along | None


_Wanted = tuple[Mapping[str, int], Iterable[UUID]]


def _stored(event: Event, borne: Sequence[str], keys: Mapping[UUID, bytes]) -> dict[str, Any]:
    name, version, payload = codec.encode(event, keys)
    return {"type": name, "version": version, "tags": borne, "payload": payload}
