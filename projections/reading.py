"""Reading the views: one round trip to Redis for each query, none for a while after Redis failed.

An answer comes from one generation at one position. Queries that need few facts fold them from the journal instead
while their view cannot answer; the others raise `Unavailable`.
"""

import asyncio
import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from journal.connection import Unavailable
from journal.folding import Aggregates, Forgotten, Kept, Named
from journal.journal import Journal
from projections.asking import Asking, Script
from projections.freshness import Freshness
from projections.generations import Keys, Look, look
from projections.views import View

NAMES = ("availability", "bookings", "spaces", "utilisation", "activity")
SHOWN_AT_ONCE = ("availability", "bookings", "spaces")
"""The views that show what a command did before it is answered, if they can."""

ANSWER_WITHIN = 0.5  # seconds that a query waits for Redis
LEFT_ALONE = 1.0  # seconds after a failure in which no query waits for Redis again
LOOK_AGAIN_AFTER = 0.02  # seconds
FOLD_WITHIN = 2.0  # seconds that a query waits for the journal instead
FOLD_AT_ONCE = 32  # queries that may do so; the next ones are turned away


class BadCursor(ValueError):
    """The cursor is none that a page came with."""

    def __init__(self) -> None:
        super().__init__("no page came with this cursor")


def cursor_after(entry: bytes | None) -> str | None:
    """The cursor of the page behind an entry."""
    return base64.urlsafe_b64encode(entry).decode().rstrip("=") if entry else None


def entry_before(cursor: str, length: int | None = None) -> bytes:
    """The entry, of so many bytes if a length is given, behind which a cursor's page begins. Raises `BadCursor`."""
    try:
        entry = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise BadCursor from None
    if cursor_after(entry) != cursor or (length is not None and len(entry) != length):
        raise BadCursor
    return entry


class NotAnswering(Unavailable):
    """The view is not there, is being built, or is of another version than this code."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list: documents as JSON, and the cursor of the page after it, None at the end of the list."""

    items: Sequence[bytes]
    cursor: str | None
    position: int

    @property
    def json(self) -> bytes:
        return b"[%b]" % b",".join(self.items)


@dataclass(frozen=True, slots=True)
class Tails:
    """Which entries of a list will do, by the `length` bytes behind the document's id.

    They are one of `letters` (none: any tail will do) and an instant, which has to be at most (`<`) or beyond (`>`)
    `instant` when `side` says so.
    """

    length: int = 0
    letters: bytes = b""
    side: bytes = b""
    instant: bytes = b""


ANY = Tails()

# KEYS active, mark, list; ARGV generation, prefix of documents, length of an entry's tail behind the document's id,
# from, to, documents wanted, entries looked at, which tails will do (letters, side, instant), and REV if it goes back.
# The answer: generation, mark, the last entry of the page if there may be more behind it, documents.
_PAGE = Script("""
local active, mark = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if active ~= ARGV[1] then return {active, mark, false, {}} end
local tail, wanted, scanned = tonumber(ARGV[3]), tonumber(ARGV[6]), tonumber(ARGV[7])
local entries = redis.call('ZRANGE', KEYS[3], ARGV[4], ARGV[5], 'BYLEX', 'LIMIT', 0, scanned, unpack(ARGV, 11))
local names, last, more = {}, false, #entries == scanned
for _, entry in ipairs(entries) do
  local fits = true
  if ARGV[8] ~= '' then
    local state, ends = string.sub(entry, -tail, -tail), string.sub(entry, 1 - tail)
    fits = string.find(ARGV[8], state, 1, true)
      and (ARGV[9] == '' or (ARGV[9] == '<' and ends <= ARGV[10]) or (ARGV[9] == '>' and ends > ARGV[10]))
  end
  if fits then
    if #names == wanted then more = true break end
    names[#names + 1] = ARGV[2] .. string.sub(entry, -36 - tail, -1 - tail)
  end
  last = entry
end
return {active, mark, more and last, #names > 0 and redis.call('MGET', unpack(names)) or {}}
""")
# KEYS active, mark, lists; ARGV generation, then from and to for each list.
_COUNT = Script("""
local active, mark = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if active ~= ARGV[1] then return {active, mark, {}} end
local counts = {}
for i = 3, #KEYS do counts[i - 2] = redis.call('ZLEXCOUNT', KEYS[i], ARGV[2 * i - 4], ARGV[2 * i - 3]) end
return {active, mark, counts}
""")
SCANNED = 1_000
"""Entries looked at for one page of those that fit; a page can be short, or empty, with more behind it."""


class Views:
    """The views of one journal, as a process reads them."""

    def __init__(self, redis_url: str, schema: str, journal: Journal, *, names: Sequence[str] = NAMES) -> None:
        self._asking = Asking(redis_url, within=ANSWER_WITHIN)
        self._schema = schema
        self._names = names
        self._left_alone_until = 0.0
        self._generations: dict[str, bytes] = {}
        # Not the one commands decide with: what strangers ask about must not push that one's aggregates out.
        self._aggregates = Aggregates(journal, keep=2_000)
        self._folding = 0
        self._freshness = Freshness(redis_url, schema, names)

    async def begin(self) -> None:
        """Hear how far the views are, before anybody waits for it."""
        await self._freshness.begin()

    async def caught_up(self, position: int, *, views: Sequence[str] = SHOWN_AT_ONCE, within: float = 0.25) -> bool:
        """Wait until these views reflect `position`, at most `within` seconds, and say whether all of them do.

        One that is down, being built, or kept somebody waiting as long in vain and has not moved since is not waited
        for.
        """
        return await self._freshness.caught_up(position, views, within)

    async def built(self, *, within: float) -> None:
        """Wait until every view that somebody follows can answer, at most `within` seconds."""
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(within):
                await asyncio.gather(*(self._built(name) for name in self._names))

    async def _built(self, name: str) -> None:
        while True:
            stands = await self._look(name)
            if stands.active is not None or not stands.is_followed:
                return
            await asyncio.sleep(LOOK_AGAIN_AFTER)

    async def documents(self, view: View, names: Sequence[str]) -> tuple[list[bytes | None], int]:
        """The documents of these names and the position of all of them. Raises `Unavailable`."""
        keys = Keys.of(view.name, self._schema)
        for _ in range(3):  # a generation can take over between two questions, hardly three times
            generation = self._generations.get(view.name, b"1")
            active, mark, *documents = await self._ask(
                "MGET", keys.active, keys.mark(generation), *keys.of_generation(generation, names)
            )
            if self._is_answering(view, generation, active):
                return documents, _position(view, mark)
        raise NotAnswering(f"the view {view.name} changes hands")

    async def page(
        self,
        view: View,
        name: str,
        *,
        of: str,
        limit: int,
        after: bytes = b"-",
        to: bytes = b"+",
        tails: Tails = ANY,
        back: bool = False,
    ) -> tuple[list[bytes], bytes | None, int]:
        """Documents of the kind `of` that a list names, the entry to go on after, and the position.

        `after` and `to` are bounds in Redis' words, the higher one first to go `back`. Raises `Unavailable`.
        """
        keys = Keys.of(view.name, self._schema)
        scanned = SCANNED if tails.letters else limit + 1
        for _ in range(3):
            generation = self._generations.get(view.name, b"1")
            listed, documents = keys.of_generation(generation, (name, f"{of}:"))
            arguments = (generation, documents, tails.length, after, to, limit, scanned)
            active, mark, last, found = await _PAGE.run(
                self._ask,
                (keys.active, keys.mark(generation), listed),
                (*arguments, tails.letters, tails.side, tails.instant, *(("REV",) if back else ())),
            )
            if self._is_answering(view, generation, active):
                return found, last, _position(view, mark)
        raise NotAnswering(f"the view {view.name} changes hands")

    async def counts(self, view: View, lists: Sequence[tuple[str, bytes, bytes]]) -> tuple[list[int], int]:
        """How many entries lists have between two bounds in Redis' words, and the position. Raises `Unavailable`."""
        keys = Keys.of(view.name, self._schema)
        names = [name for name, _, _ in lists]
        bounds = [bound for _, *both in lists for bound in both]
        for _ in range(3):
            generation = self._generations.get(view.name, b"1")
            asked = keys.active, keys.mark(generation), *keys.of_generation(generation, names)
            active, mark, counts = await _COUNT.run(self._ask, asked, (generation, *bounds))
            if self._is_answering(view, generation, active):
                return counts, _position(view, mark)
        raise NotAnswering(f"the view {view.name} changes hands")

    async def from_journal(self, named: Sequence[Named[Any]]) -> tuple[list[Any], int]:
        """The same folded from their facts, for a few queries at a time, and their position. Raises `Unavailable`."""
        if self._folding >= FOLD_AT_ONCE:
            raise Unavailable("the views are away and too many queries wait for the journal instead")
        self._folding += 1
        try:
            async with asyncio.timeout(FOLD_WITHIN):
                kept = await self._fresh(named)
        except TimeoutError:
            raise Unavailable("the journal did not answer in time") from None
        finally:
            self._folding -= 1
        return [one.aggregate for one in kept], min(one.position for one in kept)

    async def _fresh(self, named: Sequence[Named[Any]]) -> list[Kept]:
        while True:
            kept = {one.tag: self._aggregates.kept(one) for one in named}
            with suppress(Forgotten):
                await self._aggregates.freshen(kept)
                return list(kept.values())

    async def looked_at(self, view: View) -> Look:
        """How the view stands. Raises `Unavailable`."""
        return await self._look(view.name)

    async def _look(self, name: str) -> Look:
        return await look(self._ask, Keys.of(name, self._schema))

    async def close(self) -> None:
        await self._freshness.close()
        await self._asking.close()

    def _is_answering(self, view: View, generation: bytes, active: bytes | None) -> bool:
        if active is None:
            raise NotAnswering(f"the view {view.name} is not there yet")
        self._generations[view.name] = active
        return active == generation

    async def _ask(self, *command: Any) -> Any:
        """The answer to one command. Raises `Unavailable`, at once for a while after Redis failed."""
        clock = asyncio.get_running_loop().time
        if clock() < self._left_alone_until:
            raise Unavailable("Redis is away")
        if self._left_alone_until:
            self._left_alone_until = clock() + LEFT_ALONE  # one tries again, the others do not wait for it
        try:
            answer = await self._asking.ask(*command)
        except NoScriptError:
            self._left_alone_until = 0.0
            raise
        except (RedisError, OSError) as error:
            self._left_alone_until = clock() + LEFT_ALONE
            raise Unavailable("Redis is away") from error
        self._left_alone_until = 0.0
        return answer


def _position(view: View, mark: bytes | None) -> int:
    if mark is None:
        raise NotAnswering(f"the view {view.name} is not there")
    position, version, _ = mark.split(b" ", 2)
    if int(version) != view.version:
        raise NotAnswering(f"the view {view.name} is of version {int(version)}, not {view.version}")
    return int(position)
