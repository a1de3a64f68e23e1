"""People and spaces to command with, and somebody else who is first."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson

from booking.events import Event
from booking.opening_hours import OpeningHours
from booking.roles import Role
from booking.slots import Slot
from booking.terms import Rules
from commands.accounts import Account
from commands.bookings import CancelBooking, CreateBooking
from commands.command import Author, Command
from commands.deciding import Deciding, Done, Request
from commands.spaces import CreateSpace
from commands.users import RegisterUser
from journal import codec, tags
from journal.folding import Aggregates, Named
from tests.examples import ALWAYS_OPEN, ANA, MEETING_ROOM, ROOM
from tests.journals import Place

SYSTEM = Author.system("test")


def request(command_id: UUID | None = None, **about: Any) -> Request:
    return Request(command_id=command_id or uuid4(), correlation_id="a test", **about)


def account(email: str = "ana@example.com") -> Account:
    return Account(email=email, full_name="Somebody", password_hash="x")


async def register(deciding: Deciding, *users: UUID, role: Role = Role.STUDENT, limit: int = 5) -> None:
    for user in users:
        command = RegisterUser(
            user_id=user, account=account(f"{user}@example.com"), role=role, max_active_bookings=limit
        )
        await deciding.do(command, by=SYSTEM, request=request())


async def offer(deciding: Deciding, space: UUID = ROOM, hours: OpeningHours = ALWAYS_OPEN, **rules: Any) -> None:
    command = CreateSpace(space_id=space, description=MEETING_ROOM, opening_hours=hours, rules=Rules(**rules))
    await deciding.do(command, by=SYSTEM, request=request())


async def book(
    deciding: Deciding,
    slot: Slot,
    *,
    of: UUID = ANA,
    space: UUID = ROOM,
    notes: str | None = None,
    asked: Request | None = None,
) -> Done[Any]:
    """Hold a slot; the booking goes by the id of the command."""
    asked = asked or request()
    command = CreateBooking(booking_id=asked.command_id, space_id=space, user_id=of, slot=slot, notes=notes)
    return await deciding.do(command, by=Author.person(of), request=asked)


async def give_back(deciding: Deciding, booking: UUID, *, by: UUID = ANA) -> Done[Any]:
    return await deciding.do(CancelBooking(booking_id=booking), by=Author.person(by), request=request())


def enter(place: Place, *facts: Event) -> None:
    """Somebody else records facts, on no condition."""
    stored: list[dict[str, Any]] = []
    for fact in facts:
        name, version, payload = codec.encode(fact, {})
        stored.append({"type": name, "version": version, "tags": tags.of(fact), "payload": payload})
    command = {"id": uuid4(), "after": 0, "actor": "system:else", "correlation_id": "", "events": stored}
    with place.role() as role:
        role.execute("select journal_append(%s::json)", (orjson.dumps([command]).decode(),))


def interrupted(command: Command[Any], *meanwhile: Callable[[], None]) -> Command[Any]:
    """The same command, between whose decisions and their record these things happen in turn."""
    kind, happening = type(command), iter(meanwhile)

    def execute(self: Command[Any]) -> None:
        kind.execute(self)
        for happens in happening:
            happens()
            return

    command.__class__ = type(kind.__name__, (kind,), {"execute": execute})
    return command


class Interrupted(Aggregates):
    """Aggregates of which `happens` takes place once, right after some were read for the first time."""

    happens: Callable[[], None]

    async def all_fresh(self, named: Sequence[Named[Any]]) -> tuple[list[Any], datetime]:
        found = await super().all_fresh(named)
        self.happens()
        self.happens = lambda: None
        return found
