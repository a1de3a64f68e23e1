"""How a story is told: given commands, when a command, then these facts or refusals; and who carries it out."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from eventsourcing.dcb.api import DCBEvent, DCBRecorder
from eventsourcing.dcb.application import DCBRepository
from eventsourcing.dcb.domain import Tagged
from eventsourcing.dcb.persistence import DCBEventStore, DCBMapper

from booking.events import Event
from booking.refusals import NotAllowed, NotFound, Refusal, Refused
from commands.command import Author, Command, Fact, PreconditionFailed
from journal import codec
from journal.folding import Kept, Named
from tests.keys import Everybody


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, who asks for it and when. It can be asked many times: a command keeps what it read."""

    command: Command[Any]
    by: Author
    at: datetime

    def anew(self) -> Command[Any]:
        return copy.deepcopy(self.command)


@dataclass(frozen=True, slots=True)
class NotFoundHere:
    """There is no such thing, or none its author may know of."""

    kind: str


@dataclass(frozen=True, slots=True)
class NotAllowedHere:
    """Whoever asks may not ask for this."""


@dataclass(frozen=True, slots=True)
class NotSeenHere:
    """What is asked about is not as whoever asks has seen it."""


No = tuple[Refusal, ...] | NotFoundHere | NotAllowedHere | NotSeenHere

NO = (Refused, NotFound, NotAllowed, PreconditionFailed)
"""What a command raises to say no."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: the facts recorded and the subject they leave, or why there are none."""

    facts: list[Event] = field(default_factory=list)
    subject: object = None
    no: No | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """`given` succeeds as told; then `when` has this end."""

    name: str
    given: Sequence[Asked] = ()
    when: Asked
    then: list[Event] | No


class House(Protocol):
    """Where commands are carried out and facts are kept."""

    async def carry_out(self, asked: Asked) -> Outcome: ...

    async def history(self) -> list[Event]: ...


async def told(story: Story, house: House) -> list[Outcome]:
    """Every outcome of the story, the last of which is as told; what is refused leaves no trace."""
    outcomes = [await house.carry_out(asked) for asked in story.given]
    assert [outcome.no for outcome in outcomes] == [None] * len(outcomes)

    end = await house.carry_out(story.when)

    assert (end.no or end.facts) == story.then
    outcomes.append(end)
    assert await house.history() == [fact for outcome in outcomes for fact in outcome.facts]
    return outcomes


def refused(error: Exception) -> Outcome:
    match error:
        case Refused():
            return Outcome(no=error.refusals)
        case NotFound():
            return Outcome(no=NotFoundHere(error.kind))
        case PreconditionFailed():
            return Outcome(no=NotSeenHere())
        case _:
            return Outcome(no=NotAllowedHere())


class FactMapper(DCBMapper[Fact]):
    """Our facts in our JSON, as the library wants them."""

    def __init__(self) -> None:
        self._keys = Everybody()

    def to_dcb_event(self, event: Tagged[Fact]) -> DCBEvent:
        name, version, payload = codec.encode(event.decision.event, self._keys)
        assert version == 1  # the library's events bear a type alone
        return DCBEvent(type=name, data=payload.encode(), tags=event.tags)

    def to_domain_event(self, event: DCBEvent) -> Tagged[Fact]:
        return Tagged(event.tags, Fact(codec.opened(codec.decode(event.type, 1, event.data), self._keys)))


class Library:
    """Carries commands out as `eventsourcing` does, over a recorder of its kind: advance, execute, save."""

    def __init__(self, recorder: DCBRecorder) -> None:
        self._events = DCBEventStore(FactMapper(), recorder)
        self._repository = DCBRepository(self._events)

    async def carry_out(self, asked: Asked) -> Outcome:
        command = asked.anew()
        command.by, command.now = asked.by, asked.at
        self._bring_up_to_date(command)
        try:
            command.execute()
        except NO as error:
            return refused(error)
        outcome = Outcome(command.facts(), command.outcome())
        self._repository.save(command)
        return outcome

    async def history(self) -> list[Event]:
        return [tagged.decision.event for tagged in self._events.read()]

    def _bring_up_to_date(self, command: Command[Any]) -> None:
        """Read the boundary, and all of it again while what was read names more."""
        named: dict[str, Named[Any]] = {}
        read: dict[str, Kept] = {}

        def kept(one: Named[Any]) -> Kept:
            named[one.tag] = one
            return read.get(one.tag) or Kept(one.unfolded())

        command.prepare(kept)
        while command.kept.keys() != read.keys():
            command.kept = read = {tag: Kept(named[tag].unfolded()) for tag in command.kept}
            command.last_known_position = None
            self._repository.advance(command)
            command.prepare(kept)
