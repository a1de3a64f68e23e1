"""`daybook users`: who has an account; making the first ADMIN of a system; stopping and erasing somebody."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
import typer
from rich.console import Console
from rich.table import Table

from booking.roles import Role
from booking.users import User
from commands import accounts, directory
from commands.command import Author, Command
from commands.deciding import Deciding, Request
from commands.directory import Listed
from commands.users import ChangeUser, EraseUser
from daybook.operating import over_journal, printable
from daybook.settings import Settings
from daybook.supervisor import CannotRun
from journal.folding import Aggregates
from journal.journal import Journal

OPERATOR = Author.system("operator")
PAGE = 200

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The address of their account.", show_default=False)]


def commands(stores: Callable[[], Settings], complaining: Callable[[int], AbstractContextManager[None]]) -> typer.Typer:
    """The commands; `stores` gives the settings, `complaining` tells what people can mend and exits with a code."""
    app = typer.Typer(no_args_is_help=True, help=__doc__)

    def run(do: Callable[[Journal], Coroutine[Any, Any, None]]) -> None:
        with complaining(1):
            asyncio.run(over_journal(stores(), do, name="users"))

    @app.command("list")
    def tell(
        search: Annotated[str | None, typer.Option(help="Part of an address or a name.")] = None,
        role: Annotated[Role | None, typer.Option(help="Those in this role.")] = None,
    ) -> None:
        """Tell who has an account: a table on a terminal, else one JSON object a line."""
        run(lambda journal: _tell(journal, search, role))

    @app.command()
    def promote(
        email: Email, role: Annotated[Role, typer.Option(help="The role they act in from now on.", show_default=False)]
    ) -> None:
        """Give somebody another role. A production system gets its first ADMIN this way."""
        run(lambda journal: _change(journal, email, lambda id: ChangeUser(user_id=id, role=role)))

    @app.command()
    def deactivate(email: Email) -> None:
        """Stop somebody from acting; the bookings they hold stay."""
        run(lambda journal: _change(journal, email, lambda id: ChangeUser(user_id=id, is_active=False)))

    @app.command()
    def activate(email: Email) -> None:
        """Let somebody act again who was deactivated."""
        run(lambda journal: _change(journal, email, lambda id: ChangeUser(user_id=id, is_active=True)))

    @app.command()
    def erase(id: Annotated[UUID, typer.Argument(help="The id of the user.", show_default=False)]) -> None:
        """Forget somebody for good: their account and texts go, and the bookings they hold are cancelled."""
        run(lambda journal: _erase(journal, id))

    return app


async def _tell(journal: Journal, search: str | None, role: Role | None) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        async for one in _people(journal, search, role):
            typer.echo(orjson.dumps(_document(one), option=orjson.OPT_UTC_Z))
        return
    table = Table("e-mail", "name", "role", "state", "id", box=None)
    async for one in _people(journal, search, role):
        state = "active" if one.user.is_active else "deactivated"
        table.add_row(printable(one.email), printable(one.full_name), one.user.role, state, str(one.user.id))
    console.print(table)


async def _people(journal: Journal, search: str | None, role: Role | None) -> AsyncIterator[Listed]:
    aggregates, after = Aggregates(journal), None
    while True:
        found = await directory.listing(journal, aggregates, text=search, role=role, limit=PAGE, after=after)
        for one in found.people:
            yield one
        if found.last is None:
            return
        after = found.last


def _document(one: Listed) -> dict[str, Any]:
    return {
        "id": one.user.id,
        "email": one.email,
        "full_name": one.full_name,
        "role": one.user.role,
        "max_active_bookings": one.user.max_active_bookings,
        "is_active": one.user.is_active,
        "created_at": one.created_at,
    }


async def _change(journal: Journal, email: str, change: Callable[[UUID], Command[User]]) -> None:
    found = await accounts.by_email(journal, email.strip().lower())
    if found is None:
        raise CannotRun(f"nobody has the e-mail address {email}")
    user = await _do(journal, change(found[0]))
    typer.echo(f"{email} is {user.role}, {'active' if user.is_active else 'deactivated'}")


async def _erase(journal: Journal, user_id: UUID) -> None:
    await _do(journal, EraseUser(user_id=user_id))
    typer.echo(f"{user_id} is erased")


async def _do(journal: Journal, command: Command[User]) -> User:
    request = Request(command_id=uuid4(), correlation_id=f"operator:{uuid4()}")
    return (await Deciding(journal, Aggregates(journal)).do(command, by=OPERATOR, request=request)).subject
