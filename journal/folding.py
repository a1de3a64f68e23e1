"""Aggregates, folded from the facts that bear their tag and kept fresh: each command reads only what is new to it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from booking.allowances import Allowance
from booking.bookings import Booking
from booking.calendars import Calendar
from booking.events import Event
from booking.slots import Span
from booking.spaces import Space
from booking.users import Admins, User
from booking.webhooks import Webhook
from journal import tags
from journal.journal import PER_TAG, Journal, Known
from journal.recent import Recent


class Aggregate(Protocol):
    """What an entity is, as far as the facts bearing its tag tell."""

    def fold(self, event: Event) -> None:
        """Take in the next fact; never object."""


A = TypeVar("A", bound=Aggregate)

UNREAD_AT_ONCE = 8
"""Calendars folded from their first fact on that share a read: those of a busy month have a hundred thousand facts."""


@dataclass(frozen=True, slots=True)
class Named(Generic[A]):
    """An aggregate named by its tag, and how it is before any fact."""

    tag: str
    unfolded: Callable[[], A]


def space(space_id: UUID) -> Named[Space]:
    return Named(tags.space(space_id), lambda: Space(space_id))


def user(user_id: UUID) -> Named[User]:
    return Named(tags.user(user_id), lambda: User(user_id))


def booking(booking_id: UUID) -> Named[Booking]:
    return Named(tags.booking(booking_id), lambda: Booking(booking_id))


def allowance(user_id: UUID) -> Named[Allowance]:
    return Named(tags.allowance(user_id), Allowance)


def calendar(space_id: UUID, day: date) -> Named[Calendar]:
    return Named(tags.calendar(space_id, day), lambda: Calendar(day))


def calendars(space_id: UUID, held: Span) -> list[Named[Calendar]]:
    """The calendar of every UTC date that is held."""
    return [calendar(space_id, day) for day in held.dates()]


def webhook(webhook_id: UUID) -> Named[Webhook]:
    return Named(tags.webhook(webhook_id), lambda: Webhook(webhook_id))


def admins() -> Named[Admins]:
    return Named(tags.ADMINS, Admins)


@dataclass(slots=True)
class Kept:
    """An aggregate and the position up to which it has every fact of its tag, as the `past` it was read from has it.

    `folded` counts the facts it took in here: where it has not grown, nothing that was read from the aggregate differs.
    """

    aggregate: Any
    position: int = 0
    past: tuple[UUID, int] | None = None
    folded: int = 0

    def fold(self, event: Event, position: int) -> None:
        """Take in a fact unless it is there already."""
        if position > self.position:
            self.aggregate.fold(event)
            self.position = position
            self.folded += 1


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a read found beside the facts it folded; `now` is the database's clock."""

    journal_id: UUID
    now: datetime
    known: Mapping[UUID, Known]


class Forgotten(Exception):
    """What was kept may be of another past, so it was dropped: name the aggregates anew."""


class Aggregates:
    """The aggregates this process has folded, bounded, and dropped whenever they might be of another past."""

    def __init__(self, journal: Journal, *, keep: int = 20_000) -> None:
        self._journal = journal
        self._kept: Recent[str, Kept] = Recent(keep)
        self._past: tuple[UUID, int] | None = None

    def kept(self, one: Named[Any]) -> Kept:
        """The aggregate as far as it was folded here; `freshen` brings it, in place, up to date."""
        kept = self._kept.get(one.tag)
        if kept is None:
            kept = Kept(one.unfolded(), past=self._past)
            self._kept.put(one.tag, kept)
        return kept

    async def freshen(self, wanted: Mapping[str, Kept], command_ids: Iterable[UUID] = ()) -> Fresh:
        """Bring `wanted`, by tag, up to date with one shared read, or several for a long history.

        Others may bring the same aggregates further before the caller looks at them; never back. Raises `Unavailable`
        and `Forgotten`.
        """
        unread = [tag for tag, kept in wanted.items() if not kept.position and isinstance(kept.aggregate, Calendar)]
        while True:
            asked = wanted if len(unread) <= UNREAD_AT_ONCE else {tag: wanted[tag] for tag in unread[:UNREAD_AT_ONCE]}
            reading = await self._journal.read({tag: kept.position for tag, kept in asked.items()}, command_ids)
            past = reading.journal_id, self._journal.era
            if past != self._past:
                self._kept.clear()
                self._past = past
            if any(kept.past is not self._past for kept in wanted.values()):
                raise Forgotten
            more: list[str] = []
            for tag, kept in asked.items():
                facts = reading.facts.get(tag, ())
                for position, event in facts:
                    kept.fold(event, position)
                if len(facts) >= PER_TAG:
                    more.append(tag)
                elif kept.position < reading.head:
                    kept.position = reading.head
            if asked is not wanted:
                unread[:UNREAD_AT_ONCE] = more
            elif not more:
                return Fresh(reading.journal_id, reading.now, reading.known)

    def entered(self, kept: Mapping[str, Kept], facts: Sequence[tuple[Event, Sequence[str]]], first: int) -> None:
        """Fold facts that were entered from position `first` on, so that nobody has to read them back.

        The condition they were entered under says that nothing bearing one of the tags `kept` came before them.
        """
        for position, (event, borne) in enumerate(facts, first):
            for tag in borne:
                if one := kept.get(tag):
                    one.fold(event, position)
        for one in kept.values():
            one.position = max(one.position, first + len(facts) - 1)

    async def fresh(self, one: Named[A]) -> tuple[A, datetime]:
        """One aggregate as it is now, and the database's clock. Raises `Unavailable`."""
        (aggregate,), now = await self.all_fresh([one])
        return aggregate, now

    async def all_fresh(self, named: Sequence[Named[Any]]) -> tuple[list[Any], datetime]:
        """Several aggregates as they are now, in the same order, and the database's clock. Raises `Unavailable`."""
        while True:
            kept = {one.tag: self.kept(one) for one in named}
            with suppress(Forgotten):
                found = await self.freshen(kept)
                return [kept[one.tag].aggregate for one in named], found.now

    async def as_of(self, one: Named[A], position: int) -> A:
        """The aggregate as it was at `position`, folded anew. Raises `Unavailable`."""
        aggregate, after = one.unfolded(), 0
        while facts := await self._journal.of_tag(one.tag, after=after, to=position):
            for fact in facts:
                aggregate.fold(fact.event)
            after = facts[-1].position
        return aggregate
