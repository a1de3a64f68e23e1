"""Commands about users. Who a user is, by name and address, stands in the accounts."""

from dataclasses import dataclass
from uuid import UUID

from booking import users
from booking.roles import Role
from booking.users import User
from commands.accounts import Account
from commands.command import Command
from commands.letters import password_changed_along, verified_along
from commands.sessions import closed_along
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
class ChangeRole(_AboutUser):
    """Give a user another role. Raises `NotAllowed`, `NotFound`, `Refused`."""

    role: Role

    def name(self) -> None:
        super().name()
        self.admins = self.writes(admins())

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(users.change_role(self.user, self.admins, role=self.role, now=self.now))


@dataclass(eq=False, kw_only=True)
class ChangeAllowance(_AboutUser):
    """Let a user hold another number of bookings at once. Raises `NotAllowed`, `NotFound`."""

    max_active_bookings: int

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(users.change_allowance(self.user, max_active_bookings=self.max_active_bookings, now=self.now))


@dataclass(eq=False, kw_only=True)
class DeactivateUser(_AboutUser):
    """Stop a user from acting; bookings they hold stay. Raises `NotAllowed`, `NotFound`, `Refused`."""

    def name(self) -> None:
        super().name()
        self.admins = self.writes(admins())

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(users.deactivate(self.user, self.admins, now=self.now))

    def along(self) -> Along:
        return closed_along(self.user_id)


@dataclass(eq=False, kw_only=True)
class ActivateUser(_AboutUser):
    """Let a user act again. Raises `NotAllowed`, `NotFound`."""

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(users.activate(self.user, now=self.now))


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
