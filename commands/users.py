"""Commands about users. Who a user is, by name and address, stands in the accounts."""

from dataclasses import dataclass
from uuid import UUID

from booking import bookings, users
from booking.bookings import HELD, Booking
from booking.roles import Role
from booking.users import Admins, User
from commands.accounts import Account, erased_along
from commands.command import Command
from commands.letters import password_changed_along, verified_along
from commands.sessions import closed_along
from journal.folding import Aggregates, Named, admins, allowance, booking, space, user
from journal.journal import Along

DEFAULT_ALLOWANCE = 5


@dataclass(eq=False, kw_only=True)
class _AboutUser(Command[User]):
    user_id: UUID

    def name(self) -> None:
        self.user = self.writes(self.subject())

    def subject(self) -> Named[User]:
        return user(self.user_id)


@dataclass(eq=False, kw_only=True)
class RegisterUser(_AboutUser):
    """Let somebody act here, together with their account. A user of this id that exists stays as it is."""

    account: Account
    role: Role = Role.STUDENT
    max_active_bookings: int = DEFAULT_ALLOWANCE

    def execute(self) -> None:
        self.record(
            users.register(self.user, role=self.role, max_active_bookings=self.max_active_bookings, now=self.now)
        )

    def along(self) -> Along:
        return self.account.stored_along(self.user_id)


@dataclass(eq=False, kw_only=True)
class ChangeUser(_AboutUser):
    """Give a user another role, limit or state, all that is named or nothing; None stays, and so do held bookings.

    Raises `NotAllowed`, `NotFound`, `Refused`.
    """

    role: Role | None = None
    is_admin: bool | None = None
    max_active_bookings: int | None = None
    is_active: bool | None = None

    def name(self) -> None:
        super().name()
        # A limit alone makes and unmakes no ADMIN: it need not wait for those who do.
        unmakes_none = self.role is None and self.is_admin is None and self.is_active is None
        self.admins = Admins() if unmakes_none else self.writes(admins())

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(
            users.change(
                self.user,
                self.admins,
                role=self.role,
                is_admin=self.is_admin,
                max_active_bookings=self.max_active_bookings,
                is_active=self.is_active,
                now=self.now,
            )
        )

    def along(self) -> Along | None:
        return closed_along(self.user_id) if self.is_active is False else None


@dataclass(eq=False, kw_only=True)
class EraseUser(_AboutUser):
    """Forget who a user is: their account and the key of their texts go, and every booking they hold is cancelled.

    One's own command, or an ADMIN's. Raises `NotAllowed`, `NotFound`, `Refused`.
    """

    names_by_reading = True  # the bookings held, and their spaces

    def name(self) -> None:
        super().name()
        self.admins = self.writes(admins())
        self.allowance = self.writes(allowance(self.user_id))
        self.held = {id: self.writes(booking(id)) for id in self.allowance.held}
        self.spaces = {one.space_id: self.reads(space(one.space_id)) for one in self.held.values() if one.revision}

    def execute(self) -> None:
        self.must_be(*(Role if self.by.user_id == self.user_id else (Role.ADMIN,)))
        erased = list(users.erase(self.user, self.admins, now=self.now))
        for id in self.allowance.holding(self.now):
            one = self.held[id]
            self.record(
                bookings.cancel(
                    one, self.spaces[one.space_id], by=self.by.user_id, at_any_time=True, reason=None, now=self.now
                )
            )
        self.record(erased)

    def along(self) -> Along:
        return erased_along(self.user_id)


@dataclass(eq=False, kw_only=True)
class ChangePassword(_AboutUser):
    """Let a user sign in with another password, and end every session. Raises `NotFound`, `Refused`.

    What lets them, a password or the token of a letter, was checked after they had changed it `seen` times.
    """

    password_hash: str
    seen: int
    reset: bool = False

    def execute(self) -> None:
        self.record(users.change_password(self.user, seen=self.seen, reset=self.reset, now=self.now))

    def along(self) -> Along:
        return password_changed_along(self.user_id, self.password_hash)


@dataclass(eq=False, kw_only=True)
class VerifyEmail(_AboutUser):
    """Record that a user reads what is sent to their address. Raises `NotFound`."""

    def execute(self) -> None:
        self.record(users.verify_email(self.user, now=self.now))

    def along(self) -> Along:
        return verified_along(self.user_id)


async def held_bookings(aggregates: Aggregates, user_id: UUID) -> list[Booking]:
    """The bookings a user holds now, by start. Raises `Unavailable`."""
    theirs, now = await aggregates.fresh(allowance(user_id))
    held, now = await aggregates.all_fresh([booking(id) for id in theirs.holding(now)])
    return sorted((one for one in held if one.status(now) in HELD), key=lambda one: (one.slot, one.id))
