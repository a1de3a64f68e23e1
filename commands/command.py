"""What a command is: a slice of the journal that names its boundary, is given its aggregates and records facts."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from eventsourcing.dcb.domain import Decision, Selector, Slice, Tagged

from booking.events import Event
from booking.refusals import NotAllowed
from booking.roles import Role
from booking.spaces import Space
from booking.users import User
from journal import folding, tags
from journal.folding import Aggregate, Kept, Named
from journal.journal import Along

A = TypeVar("A", bound=Aggregate)
S = TypeVar("S", bound=Aggregate)


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks for a command: a user, perhaps by a service with an `api_key`, or a part of the system by its name."""

    user_id: UUID | None
    name: str
    api_key: UUID | None = None

    @classmethod
    def person(cls, user_id: UUID, *, api_key: UUID | None = None) -> "Author":
        return cls(user_id, f"user:{user_id}", api_key)

    @classmethod
    def system(cls, name: str) -> "Author":
        return cls(None, f"system:{name}")


class KeyRevoked(Exception):
    """The API key with which the command was sent is good no longer."""


class PreconditionFailed(Exception):
    """What the command is about is not, or no longer, as its author has seen it."""


def must_be_seen(revision: int, seen: Container[int] | None) -> None:
    """Raise `PreconditionFailed` unless `revision` is among those that were seen; None stands for any."""
    if seen is not None and revision not in seen:
        raise PreconditionFailed


class Fact(Decision):
    """One of our events as `eventsourcing` hands it around: folding it is the aggregates' business."""

    def __init__(self, event: Event) -> None:
        self.event = event

    def mutate(self, obj: Any) -> Any:
        obj.fold(self.event)
        return obj


class Command(Slice[Fact], Generic[S]):
    """A request to record facts about its `subject`. Subclasses say what they read and write, and decide.

    `name` may use what it read in the round before: a booking's dates are known only once the booking is. `execute`
    runs without a break on aggregates that are all fresh at `now`; it raises `Refused`, `NotFound` or `NotAllowed`, or
    records.
    """

    names_by_reading: ClassVar[bool] = False
    """Whether `name` looks into aggregates, so that it has to be asked again once they are read."""

    by: Author
    now: datetime
    author: User

    @abstractmethod
    def name(self) -> None:
        """Name every aggregate the decision reads or writes, with `reads` and `writes`."""

    @abstractmethod
    def subject(self) -> Named[S]:
        """What the command is about: its state right after the command is the command's answer."""

    def along(self) -> Along | None:
        """A change of a plain table that stands or falls with the facts."""
        return None

    def prepare(self, keeps: Callable[[Named[Any]], Kept]) -> None:
        """Name the boundary anew; `keeps` gives the aggregate to a name, as far as it is folded."""
        self._keeps = keeps
        self.kept: dict[str, Kept] = {}
        self.written: set[str] = set()
        self.new_decisions.clear()
        if self.by.user_id is not None:
            self.author = self.reads(folding.user(self.by.user_id))
        self.name()

    @property
    def folded(self) -> int:
        """How many facts its aggregates took in: once this has grown, `name` may come to other names."""
        return sum(kept.folded for kept in self.kept.values())

    def reads(self, one: Named[A]) -> A:
        """An aggregate the decision depends on."""
        kept = self.kept.get(one.tag)
        if kept is None:
            kept = self.kept[one.tag] = self._keeps(one)
        aggregate: A = kept.aggregate
        return aggregate

    def writes(self, one: Named[A]) -> A:
        """An aggregate the decision depends on and that its facts change: commands of one process take turns by it."""
        self.written.add(one.tag)
        return self.reads(one)

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(tags=[tag]) for tag in self.kept]

    def fold(self, event: Event) -> None:
        """Hand a recorded fact to the aggregates whose tag it bears."""
        for tag in tags.of(event):
            if kept := self.kept.get(tag):
                kept.aggregate.fold(event)

    def record(self, facts: Iterable[Event]) -> None:
        """Add facts to be entered. They are folded into nothing yet: somebody else may turn out to have been first."""
        self.new_decisions += [Tagged(tags.of(fact), Fact(fact)) for fact in facts]

    def facts(self) -> list[Event]:
        return [event for event, _ in self.tagged()]

    def tagged(self) -> list[tuple[Event, Sequence[str]]]:
        """The facts, each with the tags it bears."""
        return [(one.decision.event, one.tags) for one in self.new_decisions]

    def outcome(self) -> S:
        """The subject as the recorded facts leave it, apart from the aggregates that others look at."""
        one = self.subject()
        kept = self.kept.get(one.tag)
        subject: Any = copy.copy(kept.aggregate) if kept else one.unfolded()
        for fact in self.facts():
            subject.fold(fact)
        return subject  # type: ignore[no-any-return]

    def must_be_let_in(self) -> None:
        """Raise `KeyRevoked` where a service asks with a key that its user does not have any more."""
        if self.by.api_key is not None and self.by.api_key not in self.author.api_keys:
            raise KeyRevoked

    def must_be(self, *roles: Role) -> None:
        """Raise `NotAllowed` unless the author has one of `roles` now; the system itself may do anything."""
        if self.by.user_id is not None and not self.author.is_any(*roles):
            raise NotAllowed

    def author_runs(self, space: Space) -> bool:
        """Whether the author acts as STAFF for the space; the system itself does everywhere."""
        return self.by.user_id is None or space.is_run_by(self.author)
