"""Rehearsing: commands carried out on paper, to tell what would come of them. Nothing is entered."""

from typing import TypeVar

from commands.command import Author, Command
from commands.deciding import Done, Request
from journal.connection import Unavailable
from journal.folding import Aggregate, Aggregates, Forgotten, Fresh
from journal.journal import Journal

S = TypeVar("S", bound=Aggregate)


class Rehearsal:
    """Decides on what the journal says and on what its own earlier commands would have left. Nobody else sees that."""

    def __init__(self, journal: Journal) -> None:
        # Never one that others look at, and large enough to forget nothing: what is rehearsed stands nowhere else.
        self.aggregates = Aggregates(journal, keep=10_000_000)
        self._journal = journal
        self._era: int | None = None

    async def do(self, command: Command[S], *, by: Author, request: Request) -> Done[S]:
        """What would come of `command`. Raises as `Deciding.do` does, and `Unavailable` when the connection is lost."""
        command.by = by
        command.prepare(self.aggregates.kept)
        while True:
            fresh = await self._freshen(command)
            read = command.kept.keys()
            command.prepare(self.aggregates.kept)
            if command.kept.keys() <= read:
                break
        command.now = fresh.now
        command.execute()
        subject, facts = command.outcome(), command.facts()
        for fact in facts:
            command.fold(fact)
        return Done(subject, min(kept.position for kept in command.kept.values()), changed=bool(facts))

    async def _freshen(self, command: Command[S]) -> Fresh:
        while True:
            try:
                fresh = await self.aggregates.freshen(command.kept)
            except Forgotten:
                command.prepare(self.aggregates.kept)
                continue
            self._era = self._era or self._journal.era
            if self._era != self._journal.era:
                raise Unavailable("the connection was lost or somebody was erased, and with it what was rehearsed")
            return fresh
