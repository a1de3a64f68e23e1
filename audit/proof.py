"""Proof: the chain walked from the journal's id to its head, and the tags that find facts held against the facts.

All of it is read in pages, each a short statement of its own, because an open snapshot keeps PostgreSQL from tidying up
behind the head row, and facts below the head never change.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from journal import chain
from journal.chain import COLUMNS, FORMAT, IN_BULK, Broken, Row, UnknownFormat
from journal.connection import conninfo

PAGE = 5_000
"""Facts read by one statement."""

CHUNK = 100
"""Facts taken from the connection at a time: PostgreSQL writes the next ones into it while these are hashed."""

TAGS_AT_ONCE = 20_000
"""Rows of `event_tags` read by one statement."""

Told = Callable[[str, int, int | None], None]
"""Is told of what how many have been looked at, and how many there are where that is known."""

_Bounds = dict[str, str | int]

_SUM = "coalesce(bit_xor(hashtextextended(tag, position # %(seed)s)), 0)"
_HEAD = "select journal_id, position, hash from journal_head"
_FACTS = f"""
select position, {IN_BULK}, (select {_SUM} from unnest(tags) tag)
from events where position > %(after)s and position <= %(to)s order by position
"""
_NEXT_FACT = f"""
select {COLUMNS}, (select {_SUM} from unnest(tags) tag) from events where position > %(after)s order by position limit 1
"""
_STRETCH = """
(select tag, position, false from event_tags where (tag, position) > (%(tag)s, %(position)s)
 order by tag, position offset %(many)s - 1 limit 1)
union all (select tag, position, true from event_tags order by tag desc, position desc limit 1)
limit 1
"""
_BETWEEN = "(tag, position) > (%(tag)s, %(position)s) and (tag, position) <= (%(last_tag)s, %(last_position)s)"
_TAGS = f"""
select case when position between 1 and %(head)s then (position - 1) / %(page)s end, count(*), {_SUM},
       min(position) filter (where position not between 1 and (select h.position from journal_head h))
from event_tags where {_BETWEEN} group by 1
"""
_MISSING = """
select e.position, t.tag from events e cross join unnest(e.tags) t (tag)
where e.position > %(after)s and e.position <= %(to)s
  and not exists (select from event_tags k where k.tag = t.tag and k.position = e.position)
order by e.position limit 1
"""
_SURPLUS = f"""
select t.position, t.tag from (select * from event_tags where {_BETWEEN}) t
where t.position > %(after)s and t.position <= %(to)s
  and not exists (select from events e where e.position = t.position and t.tag = any(e.tags))
order by t.position limit 1
"""
_KNOWN_ABOVE = f"select from events where position > %s and hash_format = {FORMAT} limit 1"
_ENDS = """
select (select min(position) from events), (select min(e.position) from events e where e.position > h.position),
       h.recorded_at is distinct from coalesce(last.recorded_at, 'epoch')
from journal_head h left join events last on last.position = h.position
"""


class CannotCheck(Exception):
    """Nothing can be said of the journal, good or bad: it cannot be reached, or not be read by this Daybook."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far a journal goes."""

    journal_id: UUID
    position: int
    hash: bytes


@dataclass(slots=True)
class _Tally:
    """How many tags there are, and a sum that is equal for equal pairs of tag and position in any order.

    The seed of the sum is new each time, so that nobody can choose tags whose sum is that of others.
    """

    count: int = 0
    sum: int = 0

    def add(self, count: int, sum: int) -> None:
        self.count += count
        self.sum ^= sum


@contextmanager
def reading(url: str, schema: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection for `verify`. Raises `CannotCheck` when there is none."""
    try:
        connection = psycopg.connect(conninfo(url, schema, name="audit"), autocommit=True)
    except psycopg.Error as error:
        raise CannotCheck(_line(error)) from error
    with connection:
        yield connection


def verify(
    connection: psycopg.Connection[TupleRow],
    told: Told = lambda *_: None,
    *,
    page: int = PAGE,
    tags_at_once: int = TAGS_AT_ONCE,
) -> Head:
    """Where the journal ends, if it is whole from its id to there. Raises `Broken`, `CannotCheck`.

    What is recorded meanwhile is not looked at. The chain comes first: what a tag should be is known only from a fact
    that holds.
    """
    connection.prepare_threshold = 0
    try:
        connection.execute("set enable_sort = off")  # tags are grouped by page, and there are few pages
        try:
            return _Walk(connection, told, page, tags_at_once).whole()
        except UnknownFormat as error:
            if connection.execute(_KNOWN_ABOVE, (error.position,)).rowcount:
                raise Broken(error.position, f"{error.why}, before a known one: formats only move on") from None
            raise CannotCheck(f"{error}: a newer Daybook wrote it") from None
    except psycopg.errors.UndefinedTable as error:
        raise CannotCheck(f"{_line(error)}: run `daybook migrate` first") from error
    except psycopg.Error as error:
        raise CannotCheck(_line(error)) from error


def _line(error: psycopg.Error) -> str:
    """The first line: the rest may quote what is stored."""
    return str(error).partition("\n")[0]


class _Walk:
    """One verification."""

    def __init__(self, connection: psycopg.Connection[TupleRow], told: Told, page: int, tags_at_once: int) -> None:
        self._cursor = connection.cursor(binary=True)
        self._told = told
        self._page = page
        self._tags_at_once = tags_at_once
        self._seed = secrets.randbits(63)

    def whole(self) -> Head:
        head = self._head()
        indexed, astray = self._indexed(head)
        hash, after = chain.origin(head.journal_id), 0
        while after < head.position:
            to = min(after + self._page, head.position)
            hash, borne = self._page_of_facts(hash, after, to)
            if borne != indexed.get(after // self._page, _Tally()):
                raise self._wrong_tag(after, to)
            after = to
            self._told("facts", after, head.position)
        if hash != head.hash:
            raise Broken(head.position, "the head has another hash than the last fact")
        self._check_ends(head)
        if astray is not None:
            raise Broken(astray, "event_tags has a row for a fact that is not there")
        return head

    def _head(self) -> Head:
        heads = self._cursor.execute(_HEAD).fetchall()
        if len(heads) != 1:
            raise Broken(0, f"there are {len(heads)} heads")
        return Head(*heads[0])

    def _indexed(self, head: Head) -> tuple[dict[int, _Tally], int | None]:
        """What `event_tags` holds for each page of facts, and the first position in it at which there is no fact."""
        pages: dict[int, _Tally] = {}
        astray: list[int] = []
        seen = 0
        for between in self._stretches_of_tags():
            wanted = between | {"head": head.position, "page": self._page, "seed": self._seed}
            for page, count, sum, no_fact in self._cursor.execute(_TAGS, wanted):
                if page is not None:
                    pages.setdefault(page, _Tally()).add(count, sum)
                elif no_fact is not None:
                    astray.append(no_fact)
                seen += count
            self._told("tags", seen, None)
        return pages, min(astray, default=None)

    def _stretches_of_tags(self) -> Iterator[_Bounds]:
        """The bounds of every so many rows of `event_tags`, in the order in which they are looked up."""
        tag, position, is_last = "", -(2**63), False
        while not is_last:
            first: _Bounds = {"tag": tag, "position": position, "many": self._tags_at_once}
            tag, position, is_last = self._cursor.execute(_STRETCH, first).fetchone() or (tag, position, True)
            yield first | {"last_tag": tag, "last_position": position}

    def _page_of_facts(self, hash: bytes, after: int, to: int) -> tuple[bytes, _Tally]:
        """The hash at `to` and the tags borne since `after`, where the hash is `hash`. Raises `Broken`."""
        borne = _Tally()
        while True:
            hash, after = self._as_far_as_in_order(hash, after, to, borne)
            if after == to:
                return hash, borne
            row = self._judged(hash, after, borne)
            hash, after = row.hash, row.position

    def _as_far_as_in_order(self, hash: bytes, after: int, to: int, borne: _Tally) -> tuple[bytes, int]:
        """The hash and position before the first row that is not an ordinary one following on."""
        link, parted = chain.link_in_bulk, chain.tags_in_bulk
        count = sum = 0
        rows = self._cursor.stream(_FACTS, {"after": after, "to": to, "seed": self._seed}, size=CHUNK)
        for position, format, stored, opening, joined, closing, tags_sum in rows:
            tags = parted(joined)
            if position != after + 1 or format != FORMAT or link(hash, opening, tags, closing) != stored:
                break
            hash, after = stored, position
            count += len(tags)
            sum ^= tags_sum
        for _ in rows:  # the statement ends by itself sooner than it can be cancelled
            pass
        borne.add(count, sum)
        return hash, after

    def _judged(self, hash: bytes, after: int, borne: _Tally) -> Row:
        """The row after position `after`, by the plain definition. Raises `Broken`."""
        try:
            found = self._cursor.execute(_NEXT_FACT, {"after": after, "seed": self._seed}).fetchone()
            if found is None:
                raise Broken(after + 1, "missing: the head is further on")
            row = Row(*found[:-1])
            chain.check(hash, after, [row])
        except (psycopg.DataError, AttributeError, TypeError):  # what no column could hold before its table was changed
            raise Broken(after + 1, "a column of it is empty or cannot be read") from None
        borne.add(len(row.tags), found[-1])
        return row

    def _wrong_tag(self, after: int, to: int) -> Broken:
        """Why the tags of the facts in `(after, to]` are not those in `event_tags`."""
        facts: _Bounds = {"after": after, "to": to}
        wrong = [
            (position, f"it is not found by its tag {tag!r}")
            for position, tag in self._cursor.execute(_MISSING, facts).fetchall()
        ]
        for between in self._stretches_of_tags():
            wrong += [
                (position, f"it is found by the tag {tag!r}, which is not its own")
                for position, tag in self._cursor.execute(_SURPLUS, between | facts).fetchall()
            ]
        return Broken(*min(wrong, default=(after + 1, f"here or up to {to} event_tags has the same row twice")))

    def _check_ends(self, head: Head) -> None:
        """Raise `Broken` if there are facts before the first or beyond the head, or the head's time is another."""
        ((first, beyond, another_time),) = self._cursor.execute(_ENDS).fetchall()
        if first is not None and first < 1:
            raise Broken(first, "a fact before the first")
        if beyond is not None:
            raise Broken(beyond, "a fact beyond the head")
        if another_time:
            raise Broken(head.position, "the head has another time than the last fact")
