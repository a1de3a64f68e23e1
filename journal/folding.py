"""Aggregates, folded from the facts that bear their tag and kept fresh: each command reads only what is new to it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from booking.allowances import Allowance
from booking.bookings import Booking
from booking.calendars import Calendar
from booking.events import Event
from booking.slots import Slot
from booking.spaces import Space
from booking.users import Admins, User
from journal import tags
from journal.journal import PER_TAG, Journal, Known
from journal.recent import Recent


class Aggregate(Protocol):
    """What an entity is, as far as the facts bearing its tag tell."""

    def fold(self, event: Event) -> None:
        """Take in the next fact; never object."""


A = TypeVar("A", bound=Aggregate)


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


def calendars(space_id: UUID, slot: Slot) -> list[Named[Calendar]]:
    """The calendar of every UTC date that `slot` touches."""
    return [Named(tags.calendar(space_id, day), lambda day=day: Calendar(day)) for day in slot.dates()]  # type: ignore[misc]


def admins() -> Named[Admins]:
    return Named(tags.ADMINS, Admins)


@dataclass(slots=True)
class Kept:
    """An aggregate and the position up to which it has every fact of its tag."""

    aggregate: Aggregate
    position: int = 0


@dataclass(frozen=True, slots=True)
class Fresh:
    """The aggregates asked for, as they are in one journal at `now`, and the wanted commands already carried out."""

    journal_id: UUID
    now: datetime
    kept: dict[str, Kept]
    known: dict[UUID, Known]

    @property
    def after(self) -> int:
        """The position up to which every one of them has its facts."""
        return min(kept.position for kept in self.kept.values())


class Aggregates:
    """The aggregates this process has folded, bounded, and dropped whenever they might be of another past."""

    def __init__(self, journal: Journal, *, keep: int = 20_000) -> None:
        self._journal = journal
        self._kept: Recent[str, Kept] = Recent(keep)
        self._past: tuple[UUID | None, int] = None, 0

    async def fresh(self, named: Iterable[Named[Aggregate]], command_ids: Iterable[UUID] = ()) -> Fresh:
        """Bring `named` up to date with one shared read, or several for a long history. Raises `Unavailable`.

        Others may bring the same aggregates further before the caller looks at them; never back.
        """
        named = list(named)
        while True:
            kept = {one.tag: self._kept.get(one.tag) or Kept(one.unfolded()) for one in named}
            past = self._past
            reading = await self._journal.read({tag: one.position for tag, one in kept.items()}, command_ids)
            if (reading.journal_id, self._journal.sessions) != self._past:
                self._kept.clear()
                self._past = reading.journal_id, self._journal.sessions
            if past != self._past:
                continue  # what was kept, and so the positions asked for, may be of another past
            more = False
            for tag, one in kept.items():
                facts = reading.facts.get(tag, ())
                for position, event in facts:
                    if position > one.position:
                        one.aggregate.fold(event)
                        one.position = position
                if len(facts) >= PER_TAG:
                    more = True
                else:
                    one.position = max(one.position, reading.head)
                self._kept.put(tag, one)
            if not more:
                return Fresh(reading.journal_id, reading.now, kept, dict(reading.known))

    async def as_of(self, one: Named[A], position: int) -> A:
        """The aggregate as it was at `position`, folded anew. Raises `Unavailable`."""
        aggregate, after = one.unfolded(), 0
        while facts := await self._journal.of_tag(one.tag, after=after, to=position):
            for fact in facts:
                aggregate.fold(fact.event)
            after = facts[-1].position
        return aggregate
