"""Holding a view against the journal: every document and list of it is compared with a fresh fold in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from booking.events import Event
from journal.folding import Named
from journal.journal import Journal
from projections.asking import Asking, Script
from projections.generations import Keys, Mark
from projections.views import Documents, Lists, View, kind

PAGE = 500  # facts
AT_ONCE = 200  # documents

_LIST = Script("return {redis.call('GET', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1)}")


@dataclass(slots=True)
class Folded:
    """A view folded in memory up to a position, in the bytes it would be stored in."""

    view: View
    position: int = 0
    documents: dict[str, bytes] = field(default_factory=dict)
    lists: dict[str, set[bytes]] = field(default_factory=dict)

    async def advance(self, journal: Journal, to: int) -> None:
        """Fold on to position `to`. Raises `Unavailable`."""
        while self.position < to:
            facts = [fact for fact in await journal.page(self.position, PAGE) if fact.position <= to]
            if not facts:
                return
            for part, sweep in self.view.parts(facts):
                swept = [sweep.named(entry) for entry in self.lists.get(sweep.list, ())] if sweep else []
                self._fold([(fact.event, [*self.view.touches(fact.event), *swept]) for fact in part])
            self.position = facts[-1].position

    def _fold(self, touched: Sequence[tuple[Event, Sequence[Named[Any]]]]) -> None:
        names = {one.tag for _, ones in touched for one in ones}
        documents = Documents(self.view.forms, {name: self.documents.get(name) for name in names})
        lists = Lists()
        for event, ones in touched:
            for one in ones:
                self.view.project(event, one, documents, lists)
        self.documents.update(documents.changed())
        for name, entry in lists.entered():
            self.lists.setdefault(name, set()).add(entry)
        for name, entry in lists.struck():
            self.lists.get(name, set()).discard(entry)


class NothingToVerify(Exception):
    """The view does not answer, is of another version, or of a past the journal does not have."""


async def differences(redis_url: str, schema: str, journal: Journal, view: View) -> Sequence[str]:
    """The names of every document and list that is not as a fresh fold leaves it; queries and writers go on meanwhile.

    The view may move: each comparison is at the position it was read at. Raises `NothingToVerify`, `Unavailable`,
    `RedisError`, `OSError`.
    """
    asking = Asking(redis_url, within=5.0)
    try:
        keys = Keys.of(view.name, schema)
        number: bytes | None = await asking.ask("GET", keys.active)
        if number is None:
            raise NothingToVerify(f"the view {view.name} is not there")
        mark = Mark.of(await asking.ask("GET", keys.mark(number)))
        if mark.version != view.version:
            raise NothingToVerify(f"the view {view.name} is of version {mark.version}, this is {view.version}")
        folded = Folded(view)
        await folded.advance(journal, mark.position)
        names = sorted(await _stored(asking, keys, number) | folded.documents.keys() | folded.lists.keys())
        documents = [name for name in names if kind(name) in view.forms]
        wrong: set[str] = set()
        for at in range(0, len(documents), AT_ONCE):
            group = documents[at : at + AT_ONCE]
            mark_now, *found = await asking.ask("MGET", keys.mark(number), *keys.of_generation(number, group))
            await folded.advance(journal, _position(mark_now))
            wrong.update(name for name, one in zip(group, found, strict=True) if one != folded.documents.get(name))
        for name in names:
            if kind(name) not in view.forms:
                (key,) = keys.of_generation(number, (name,))
                mark_now, entries = await _LIST.run(asking.ask, (keys.mark(number), key), ())
                await folded.advance(journal, _position(mark_now))
                if set(entries) != folded.lists.get(name, set()):
                    wrong.add(name)
        return sorted(wrong)
    finally:
        await asking.close()


async def _stored(asking: Asking, keys: Keys, number: bytes) -> set[str]:
    """The names of every document and list there is."""
    (start,) = keys.of_generation(number, ("",))
    names: set[str] = set()
    cursor = 0
    while True:
        cursor, found = await asking.ask("SCAN", cursor, "MATCH", f"{start}*", "COUNT", 1_000)
        names |= {key.decode().removeprefix(start) for key in found}
        if not int(cursor):
            return names - {"mark"}


def _position(mark: bytes | None) -> int:
    if mark is None:
        raise NothingToVerify("the view was switched or lost meanwhile: verify it again")
    return Mark.of(mark).position
