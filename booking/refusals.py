"""Every way the rules say no. A refusal is an answer: it carries what its reader needs to choose differently."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from booking.opening_hours import Stretch
from booking.roles import Role
from booking.slots import Span


class Refusal(ABC):
    """A rule said no."""

    __slots__ = ()

    @property
    def code(self) -> str:
        """The stable name clients match on."""
        return code_of(type(self))

    @property
    @abstractmethod
    def detail(self) -> str:
        """One sentence for a person."""


def code_of(kind: type[Refusal]) -> str:
    """The name of the class in kebab case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


class Refused(Exception):
    """The rules say no; `refusals` holds every objection, at least one."""

    def __init__(self, refusals: Iterable[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__(", ".join(refusal.code for refusal in self.refusals))


class NotFound(Exception):
    """Nothing, or nothing its author may know of, goes by this id."""

    def __init__(self, kind: str, id: UUID) -> None:
        self.kind, self.id = kind, id
        super().__init__(f"no {kind} {id}")


class NotAllowed(Exception):
    """The author's role or state does not permit the command."""


def refuse_if(objections: Iterable[Refusal]) -> None:
    """Raise `Refused` with every objection, if there is one."""
    if refusals := tuple(objections):
        raise Refused(refusals)


@dataclass(frozen=True, slots=True)
class SlotTooShort(Refusal):
    """The slot is shorter than the space allows"""

    minimum_minutes: int

    @property
    def detail(self) -> str:
        return f"A booking of this space lasts at least {self.minimum_minutes} minutes."


@dataclass(frozen=True, slots=True)
class SlotTooLong(Refusal):
    """The slot is longer than the space allows"""

    maximum_minutes: int

    @property
    def detail(self) -> str:
        return f"A booking of this space lasts at most {self.maximum_minutes} minutes."


@dataclass(frozen=True, slots=True)
class TooLittleNotice(Refusal):
    """The slot begins too soon"""

    earliest_start: datetime

    @property
    def detail(self) -> str:
        return f"The earliest start is now {_utc(self.earliest_start)}."


@dataclass(frozen=True, slots=True)
class TooFarAhead(Refusal):
    """The slot begins too far in the future"""

    latest_date: date
    timezone: str

    @property
    def detail(self) -> str:
        return f"The last date that can be booked now is {self.latest_date} in {self.timezone}."


@dataclass(frozen=True, slots=True)
class OutsideOpeningHours(Refusal):
    """The space is not open during the whole slot"""

    timezone: str
    open: tuple[Stretch, ...]

    @property
    def detail(self) -> str:
        times = " and ".join(f"{_utc(start)} to {_utc(end)}" for start, end in self.open) or "at no time near the slot"
        return f"The space keeps its hours in {self.timezone}; it is open {times}."


@dataclass(frozen=True, slots=True)
class SpaceInactive(Refusal):
    """The space takes no bookings"""

    @property
    def detail(self) -> str:
        return "The space has been deactivated."


@dataclass(frozen=True, slots=True)
class SlotTaken(Refusal):
    """The slot is taken"""

    conflicting_slots: tuple[Span, ...]

    @property
    def detail(self) -> str:
        times = ", ".join(f"{_utc(slot.start)} to {_utc(slot.end)}" for slot in self.conflicting_slots)
        return f"Already held: {times}."


@dataclass(frozen=True, slots=True)
class AllowanceUsedUp(Refusal):
    """The user holds as many bookings as allowed"""

    max_active_bookings: int

    @property
    def detail(self) -> str:
        return f"At most {self.max_active_bookings} bookings may be held at once."


@dataclass(frozen=True, slots=True)
class DeadlinePassed(Refusal):
    """The deadline for this change has passed"""

    deadline: datetime

    @property
    def detail(self) -> str:
        return f"This was possible until {_utc(self.deadline)}."


@dataclass(frozen=True, slots=True)
class BookingNotActive(Refusal):
    """The booking is no longer held"""

    status: str

    @property
    def detail(self) -> str:
        return f"The booking is {self.status}."


@dataclass(frozen=True, slots=True)
class BookingNotPending(Refusal):
    """The booking does not wait for a decision"""

    status: str

    @property
    def detail(self) -> str:
        return f"The booking is {self.status}."


@dataclass(frozen=True, slots=True)
class UserInactive(Refusal):
    """The user may not hold bookings"""

    @property
    def detail(self) -> str:
        return "The user has been deactivated."


@dataclass(frozen=True, slots=True)
class RoleHoldsNoBookings(Refusal):
    """Users of this role hold no bookings"""

    role: Role

    @property
    def detail(self) -> str:
        return f"An {self.role} reads history and does nothing else; give the user another role first."


@dataclass(frozen=True, slots=True)
class LastAdmin(Refusal):
    """There must be an active ADMIN"""

    @property
    def detail(self) -> str:
        return "This is the last active ADMIN; make another one first."


@dataclass(frozen=True, slots=True)
class EmailTaken(Refusal):
    """The e-mail address has an account"""

    @property
    def detail(self) -> str:
        return "Sign in with this address, or register another one."


@dataclass(frozen=True, slots=True)
class PasswordAlreadyChanged(Refusal):
    """The password was changed meanwhile"""

    @property
    def detail(self) -> str:
        return "What proved who you are was good for the password before: sign in with the new one."


def _utc(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
