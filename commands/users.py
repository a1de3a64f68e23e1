"""Commands about users. Who a user is, by name and address, stands in the accounts."""

from dataclasses import dataclass
from uuid import UUID

from booking import users
from booking.roles import Role
from booking.users import Admins, User
from commands.accounts import Account
from commands.command import Command
from journal.folding import Named, admins, user
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
    max_active_bookings: int | None = None
    is_active: bool | None = None

    def name(self) -> None:
        super().name()
        # A limit alone makes and unmakes no ADMIN: it need not wait for those who do.
        self.admins = Admins() if self.role is None and self.is_active is None else self.writes(admins())

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(
            users.change(
                self.user,
                self.admins,
                role=self.role,
                max_active_bookings=self.max_active_bookings,
                is_active=self.is_active,
                now=self.now,
            )
        )
