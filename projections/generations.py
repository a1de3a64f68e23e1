"""A view in Redis: its generations, one of which answers, and the scripts through which alone it changes.

Every key of a view bears the hash tag `{view@schema}`, so it lies in one slot of a Redis Cluster and two journals can
share one Redis. A generation is written by whoever holds the view's lease, one page of facts at a time, all or nothing.
"""

import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from projections.asking import Asking, Script
from projections.views import Documents, Lists


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a generation is: the fact it reflects last, by position and hash, in which journal, by which version."""

    position: int
    version: int
    journal_id: UUID
    hash: bytes

    def __bytes__(self) -> bytes:
        return f"{self.position} {self.version} {self.journal_id} {self.hash.hex()}".encode()

    @classmethod
    def of(cls, stored: bytes) -> Self:
        position, version, journal_id, hash = stored.decode().split(" ")
        return cls(int(position), int(version), UUID(journal_id), bytes.fromhex(hash))


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of a view's keys. On `channel` it says the position it answers at, nothing when it ceases to."""

    prefix: str

    @classmethod
    def of(cls, view: str, schema: str) -> Self:
        return cls(f"v:{{{view}@{schema}}}")

    @property
    def channel(self) -> str:
        return self.prefix

    @property
    def active(self) -> str:
        """The number of the generation that answers."""
        return f"{self.prefix}:active"

    @property
    def building(self) -> str:
        """The number of the generation that is being filled to take over."""
        return f"{self.prefix}:building"

    @property
    def previous(self) -> str:
        """The number of the generation that answered before. It is fed for a grace time, to be switched back to."""
        return f"{self.prefix}:previous"

    @property
    def last(self) -> str:
        """The number given last."""
        return f"{self.prefix}:last"

    @property
    def erased(self) -> str:
        """The position up to which a generation has to be fed that may still hold words of somebody erased."""
        return f"{self.prefix}:erased"

    @property
    def owner(self) -> str:
        """The token of whoever may write, for as long as the lease lasts."""
        return f"{self.prefix}:owner"

    def apart(self) -> "Keys":
        """The names under which a generation is filled beside whoever follows the view."""
        return _Apart(self.prefix)

    @property
    def generations(self) -> str:
        """What the keys of every generation begin with, before its number."""
        return f"{self.prefix}:g"

    def mark(self, generation: bytes) -> str:
        return f"{self.generations}{generation.decode()}:mark"

    def of_generation(self, generation: bytes, names: Iterable[str]) -> list[str]:
        """The keys of documents and lists."""
        start = f"{self.generations}{generation.decode()}:"
        return [start + name for name in names]

    def number(self, key: bytes) -> bytes:
        """The number of the generation whose key it is."""
        return key[len(self.generations) :].partition(b":")[0]


class _Apart(Keys):
    """The same view, with a lease and a generation being filled of its own."""

    @property
    def building(self) -> str:
        return f"{self.prefix}:filling"

    @property
    def owner(self) -> str:
        return f"{self.prefix}:filler"


@dataclass(frozen=True, slots=True)
class Generation:
    """One filling of a view, as far as its mark says."""

    number: bytes
    mark: Mark


@dataclass(frozen=True, slots=True)
class Standing:
    """The generation that answers, the one being filled, the one before: any may be missing, or of another version."""

    active: Generation | None
    building: Generation | None
    previous: Generation | None


GRACE = timedelta(hours=1)
"""How long the generation that answered before is fed, so that switching back to it is one step."""


class NotOwner(Exception):
    """The lease is somebody else's, or ran out: whatever was to be written is not."""


class Moved(Exception):
    """The generation is not where it was left: whatever was to be written is not."""


# The first key of each is `owner`, the first argument the token; what is asked by another token is not done.
_TAKE = Script("""
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local standing = {}
for i = 2, 4 do
  local number = redis.call('GET', KEYS[i])
  standing[#standing + 1] = number
  standing[#standing + 1] = number and redis.call('GET', ARGV[3] .. number .. ':mark')
end
return standing
""")
_RELEASE = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end")
_BEGIN = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'owner' end
local number = tostring(redis.call('INCR', KEYS[3]))
redis.call('SET', KEYS[2], number)
redis.call('SET', ARGV[2] .. number .. ':mark', ARGV[3])
return number
""")
# From the fourth key on, each with a value: first documents, then lists with an entry to enter, then one to strike.
_APPLY = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'owner' end
if redis.call('GET', KEYS[3]) ~= ARGV[3] then return 'mark' end
local documents = 3 + ARGV[8]
local entered = documents + ARGV[9]
for i = 4, documents do redis.call('SET', KEYS[i], ARGV[i + 6]) end
for i = documents + 1, entered do redis.call('ZADD', KEYS[i], 0, ARGV[i + 6]) end
for i = entered + 1, #KEYS do redis.call('ZREM', KEYS[i], ARGV[i + 6]) end
redis.call('SET', KEYS[3], ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('GET', KEYS[2]) == ARGV[5] then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return 'done'
""")
_SWITCH = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'owner' end
if redis.call('GET', KEYS[2]) ~= ARGV[2] or redis.call('GET', KEYS[4]) ~= ARGV[3] then return 'mark' end
local before = redis.call('GET', KEYS[3])
if before then redis.call('SET', KEYS[5], before, 'PX', ARGV[6]) end
redis.call('SET', KEYS[3], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 'done'
""")
# Whoever follows the view may be writing to it: the two change places as they are, and only where both are.
_ROLL_BACK = Script("""
local active, previous = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if not previous or not active then return false end
local mark = redis.call('GET', ARGV[1] .. previous .. ':mark')
if not mark or string.match(mark, '^%d+ (%d+)') ~= ARGV[4] then return false end
redis.call('SET', KEYS[1], previous)
redis.call('SET', KEYS[2], active, 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], string.match(mark, '^%d+'))
return previous
""")
_HAND_OVER = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'owner' end
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 'mark' end
redis.call('SET', KEYS[3], ARGV[2])
redis.call('DEL', KEYS[1], KEYS[2])
return 'done'
""")
_WITHDRAW = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'owner' end
for i = 2, 4 do
  if redis.call('GET', KEYS[i]) == ARGV[2] then redis.call('DEL', KEYS[i]) end
end
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('PUBLISH', ARGV[3], '') end
return 'done'
""")
_NOTE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'owner' end
if tonumber(redis.call('GET', KEYS[2]) or '0') < tonumber(ARGV[2]) then redis.call('SET', KEYS[2], ARGV[2]) end
return 'done'
""")
# KEYS from the second on: active, building, previous, filling, filler, erased, last; ARGV version, prefix, channel.
# The answer: the number given last, then those of the generations that stay.
_KEEP = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'owner' end
local erased = tonumber(redis.call('GET', KEYS[7]) or '0')
local kept = {redis.call('GET', KEYS[8]) or '0'}
for i = 2, 5 do
  local number = redis.call('GET', KEYS[i])
  if number then
    local mark = redis.call('GET', ARGV[3] .. number .. ':mark') or ''
    local position, version = string.match(mark, '^(%d+) (%d+)')
    local is_fed = version == ARGV[2]
    if i == 5 then is_fed = redis.call('EXISTS', KEYS[6]) == 1 end
    if is_fed or not position or tonumber(position) >= erased then
      kept[#kept + 1] = number
    else
      redis.call('DEL', KEYS[i])
      if i == 2 then redis.call('PUBLISH', ARGV[4], '') end
    end
  end
end
return kept
""")
_DROP = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'owner' end
redis.call('UNLINK', unpack(KEYS, 2))
return 'done'
""")
# KEYS active, previous, building, filling, erased, last; ARGV prefix, channel. The answer: the number given last.
_FORGET = Script("""
for i = 1, 4 do
  local number = redis.call('GET', KEYS[i])
  if number then redis.call('DEL', ARGV[1] .. number .. ':mark') end
end
redis.call('DEL', unpack(KEYS, 1, 5))
redis.call('PUBLISH', ARGV[2], '')
return redis.call('GET', KEYS[6]) or '0'
""")


class Lease:
    """The right to write one view. It lasts for a while after each use; whoever let it run out is refused."""

    def __init__(self, asking: Asking, keys: Keys, *, lasts: timedelta) -> None:
        self._asking = asking
        self._keys = keys
        self._lasts = lasts // timedelta(milliseconds=1)
        self._token = secrets.token_hex(16)

    async def take(self) -> Standing | None:
        """Take or keep the lease and say how the view stands; None when it is somebody else's."""
        keys = self._keys
        found = await self._run(
            _TAKE,
            (keys.owner, keys.active, keys.building, keys.previous),
            (self._token, self._lasts, keys.generations),
        )
        if found is None:
            self._token = secrets.token_hex(16)  # so that nothing under way from the last time can pass for the next
            return None
        return Standing(_generation(*found[:2]), _generation(*found[2:4]), _generation(*found[4:]))

    async def release(self) -> None:
        """Let somebody else have it at once."""
        await self._run(_RELEASE, (self._keys.owner,), (self._token,))

    async def begin(self, mark: Mark) -> Generation:
        """An empty generation to be filled from `mark` on, instead of any other. Raises `NotOwner`."""
        keys = self._keys
        number = await self._change(_BEGIN, (keys.building, keys.last), (keys.generations, bytes(mark)))
        return Generation(number, mark)

    async def read(self, generation: Generation, names: Sequence[str]) -> dict[str, bytes | None]:
        """The stored documents of these names."""
        if not names:
            return {}
        return dict(
            zip(names, await self._asking.ask("MGET", *self._keys.of_generation(generation.number, names)), strict=True)
        )

    async def entries(self, generation: Generation, name: str) -> list[bytes]:
        """Every entry of a list, in order."""
        (key,) = self._keys.of_generation(generation.number, (name,))
        found: list[bytes] = await self._asking.ask("ZRANGE", key, 0, -1)
        return found

    async def apply(self, generation: Generation, to: Mark, documents: Documents, lists: Lists) -> Generation:
        """Write what was changed and move the mark, or nothing.

        Raises `NotOwner`, and `Moved` unless the mark is where `generation` has it.
        """
        keys, number = self._keys, generation.number
        changed, entered, struck = documents.changed(), lists.entered(), lists.struck()
        names, values = zip(*changed, *entered, *struck, strict=True) if changed or entered or struck else ((), ())
        marks = bytes(generation.mark), bytes(to)
        await self._change(
            _APPLY,
            (keys.active, keys.mark(number), *keys.of_generation(number, names)),
            (self._lasts, *marks, number, keys.channel, to.position, len(changed), len(entered), *values),
        )
        return Generation(number, to)

    async def switch(self, to: Generation) -> None:
        """Have queries answered from the generation that was being filled. Raises `NotOwner`, `Moved`."""
        keys = self._keys
        await self._change(
            _SWITCH,
            (keys.building, keys.active, keys.mark(to.number), keys.previous),
            (to.number, bytes(to.mark), keys.channel, to.mark.position, GRACE // timedelta(milliseconds=1)),
        )

    async def hand_over(self, generation: Generation, to: Keys) -> None:
        """Leave a generation that was filled apart to whoever follows the view. Raises `NotOwner`, `Moved`."""
        await self._change(_HAND_OVER, (self._keys.building, to.building), (generation.number,))

    async def withdraw(self, generation: Generation) -> None:
        """Have it neither answer nor be filled any more, nor be gone back to. Raises `NotOwner`."""
        keys = self._keys
        await self._change(_WITHDRAW, (keys.active, keys.building, keys.previous), (generation.number, keys.channel))

    async def note_erasure(self, position: int) -> None:
        """Note that the fact there erases a person, before any generation is fed it. Raises `NotOwner`."""
        await self._change(_NOTE, (self._keys.erased,), (position,))

    async def keep(self, version: int) -> tuple[set[bytes], int]:
        """The numbers of the generations that stay, and the last one given. Raises `NotOwner`.

        One that nobody feeds, as it is of another version or its filling was broken off, ends where an erasure has
        left it behind: it would hold the person's words for as long as it is there.
        """
        keys, apart = self._keys, self._keys.apart()
        named = keys.active, keys.building, keys.previous, apart.building, apart.owner, keys.erased, keys.last
        last, *kept = await self._change(_KEEP, named, (version, keys.generations, keys.channel))
        return set(kept), int(last)

    async def sweep(self, kept: Collection[bytes], last: int) -> None:
        """Remove every generation up to number `last` whose number is not `kept`. Raises `NotOwner`."""
        async for found in self._asking.names(self._keys.generations):
            if old := [key for key in found if (number := self._keys.number(key)) not in kept and int(number) <= last]:
                await self._change(_DROP, old, ())

    async def _change(self, script: Script, keys: Sequence[Any], arguments: Sequence[Any]) -> Any:
        outcome = await self._run(script, (self._keys.owner, *keys), (self._token, *arguments))
        if outcome == b"owner":
            self._token = secrets.token_hex(16)
            raise NotOwner
        if outcome == b"mark":
            raise Moved
        return outcome

    async def _run(self, script: Script, keys: Sequence[Any], arguments: Sequence[Any]) -> Any:
        return await script.run(self._asking.ask, keys, arguments)


async def roll_back(asking: Asking, keys: Keys, version: int) -> bytes | None:
    """Have the generation that answered before answer again; its number, None when there is none of this version."""
    grace = GRACE // timedelta(milliseconds=1)
    answer: bytes | None = await _ROLL_BACK.run(
        asking.ask, (keys.active, keys.previous), (keys.generations, grace, keys.channel, version)
    )
    return answer


async def forget(asking: Asking, keys: Keys) -> None:
    """Remove every generation there is. Whoever writes one finds its mark gone, and begins another under a number that
    was given to none before; so leases and the number given last stay.
    """
    named = keys.active, keys.previous, keys.building, keys.apart().building, keys.erased, keys.last
    last = int(await _FORGET.run(asking.ask, named, (keys.generations, keys.channel)))
    async for found in asking.names(keys.generations):
        if old := [key for key in found if int(keys.number(key)) <= last]:
            await asking.ask("UNLINK", *old)


@dataclass(frozen=True, slots=True)
class Look:
    """A view from outside: generations by number, None where there is none, and whether a follower feeds it."""

    version: int | None
    position: int | None
    active: int | None
    previous: int | None
    filled_to: int | None
    is_followed: bool

    def document(self, view: str, head: int) -> dict[str, Any]:
        """For whoever runs it; `behind` counts the facts of a journal up to `head` that it does not show yet."""
        if self.active is None:
            state = "missing" if self.filled_to is None else "building"
        else:
            state = "followed" if self.is_followed else "left alone"
        return {
            "view": view,
            "state": state,
            "version": self.version,
            "generation": self.active,
            "position": self.position,
            "behind": None if self.position is None else max(head - self.position, 0),
            "previous_generation": self.previous,
            "filled_to": self.filled_to,
        }


async def look(ask: Callable[..., Awaitable[Any]], keys: Keys) -> Look:
    """How a view stands. Raises what `ask` does."""
    names = (keys.active, keys.previous, keys.apart().building, keys.building, keys.owner)
    active, previous, filling, building, owner = await ask("MGET", *names)
    filling = filling or building
    stored = [await ask("GET", keys.mark(number)) if number else None for number in (active, filling)]
    mark, filled = (Mark.of(one) if one else None for one in stored)
    return Look(
        mark.version if mark else None,
        mark.position if mark else None,
        int(active) if mark else None,
        int(previous) if previous else None,
        filled.position if filled else None,
        owner is not None,
    )


def _generation(number: bytes | None, mark: bytes | None) -> Generation | None:
    return Generation(number, Mark.of(mark)) if number and mark else None
