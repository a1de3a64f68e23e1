"""Commands about spaces."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from booking import spaces
from booking.bookings import HELD, Booking
from booking.opening_hours import OpeningHours
from booking.refusals import NotAllowed
from booking.roles import Role
from booking.spaces import Space, SpecialHours
from booking.terms import Description, Rules
from commands.command import Command, must_be_seen
from journal import tags
from journal.folding import Aggregates, Named, booking, space, user
from journal.journal import Journal


@dataclass(eq=False, kw_only=True)
class CreateSpace(Command[Space]):
    """Offer a space. One of this id that exists already stays as it is.

    Raises `NotAllowed`, `UnknownZone`, and `NotFound` for a manager who is no user.
    """

    space_id: UUID
    description: Description
    timezone: str = "UTC"
    rules: Rules = field(default_factory=Rules)
    opening_hours: OpeningHours
    special_hours: Mapping[date, SpecialHours] = field(default_factory=dict)
    managers: Sequence[UUID] = ()

    def name(self) -> None:
        self.space = self.writes(self.subject())
        self.named = [self.reads(user(id)) for id in self.managers]

    def subject(self) -> Named[Space]:
        return space(self.space_id)

    def execute(self) -> None:
        self.must_be(Role.STAFF, Role.ADMIN)
        self.record(
            spaces.create(
                self.space,
                description=self.description,
                timezone=self.timezone,
                rules=self.rules,
                opening_hours=self.opening_hours,
                special_hours=self.special_hours,
                managers=self.named,
                now=self.now,
            )
        )


@dataclass(eq=False, kw_only=True)
class ChangeSpace(Command[Space]):
    """Describe a space anew, change its rules or hours, deactivate or activate it; what is not given stays.

    `description` and `rules` hold the fields to change by name, `special_hours` every local date that is to have them,
    `managers` every user who is to act as STAFF for it. `if_revisions` are those the author would have changed, None
    for any. Raises `NotAllowed`, `NotFound`, `BadRules`, `PreconditionFailed`.
    """

    space_id: UUID
    if_revisions: Container[int] | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    opening_hours: OpeningHours | None = None
    special_hours: Mapping[date, SpecialHours] | None = None
    managers: Sequence[UUID] | None = None
    is_active: bool | None = None

    def name(self) -> None:
        self.space = self.writes(self.subject())
        self.named = None if self.managers is None else [self.reads(user(id)) for id in self.managers]

    def subject(self) -> Named[Space]:
        return space(self.space_id)

    def execute(self) -> None:
        if not self.author_runs(self.space):
            raise NotAllowed
        spaces.known(self.space)
        must_be_seen(self.space.revision, self.if_revisions)
        self.record(
            spaces.change(
                self.space,
                description=replace(self.space.description, **self.description),
                rules=replace(self.space.rules, **self.rules),
                opening_hours=self.opening_hours,
                special_hours=self.special_hours,
                managers=self.named,
                is_active=self.is_active,
                now=self.now,
            )
        )


async def held_bookings(journal: Journal, aggregates: Aggregates, space_id: UUID, *, now: datetime) -> list[Booking]:
    """The bookings of a space held and not ended at `now`, by start; its calendars of today and later name them."""
    today, beyond = tags.calendar(space_id, now.date()), tags.calendar_end(space_id)
    # Only booking facts bear a calendar. One that was moved to a later date has left its first facts on another.
    ids = {fact.event.booking_id for fact in await journal.of_tags_between(today, beyond)}  # type: ignore[union-attr]
    bookings, _ = await aggregates.all_fresh([booking(id) for id in ids])
    return sorted((one for one in bookings if one.status(now) in HELD), key=lambda one: (one.slot, one.id))
