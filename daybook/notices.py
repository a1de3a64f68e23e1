"""`daybook notices`: what people were and will be told by mail, and what could not be sent to them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from commands import notices
from commands.notices import Listed, State
from daybook.operating import over_journal
from daybook.settings import Settings
from daybook.supervisor import CannotRun
from journal.journal import Journal

PAGE = 500

NARROWEST = 100
"""Columns a table needs to have every id whole; on a narrower terminal its lines run over."""


def commands(stores: Callable[[], Settings], complaining: Callable[[int], AbstractContextManager[None]]) -> typer.Typer:
    """The commands; `stores` gives the settings, `complaining` tells what people can mend and exits with a code."""
    app = typer.Typer(no_args_is_help=True, help=__doc__)

    def run(do: Callable[[Journal], Coroutine[Any, Any, None]]) -> None:
        with complaining(1):
            asyncio.run(over_journal(stores(), do, name="notices"))

    @app.command("list")
    def tell(dead: Annotated[bool, typer.Option("--dead", help="Those alone that are tried no more.")] = False) -> None:
        """Tell of the notices that wait, are dead, sent or logged lately: a table on a terminal, else JSON lines."""
        run(lambda journal: _tell(journal, State.DEAD if dead else None))

    @app.command()
    def retry(
        id: Annotated[UUID | None, typer.Argument(help="The id of a notice.", show_default=False)] = None,
        every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    ) -> None:
        """Have notices sent now that failed, unless a later one of their booking was, or is being, sent."""
        if (id is None) is not every:
            raise typer.BadParameter("name one notice, or --all of them")
        run(lambda journal: _retry(journal, id))

    @app.command()
    def drop(
        id: Annotated[UUID | None, typer.Argument(help="The id of a notice.", show_default=False)] = None,
        dead: Annotated[bool, typer.Option("--dead", help="All that are tried no more.")] = False,
    ) -> None:
        """Forget notices that failed: nobody is sent them any more."""
        if (id is None) is not dead:
            raise typer.BadParameter("name one notice, or all that are --dead")
        run(lambda journal: _drop(journal, id))

    return app


async def _tell(journal: Journal, state: State | None) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        async for one in _all(journal, state):
            typer.echo(orjson.dumps(one, option=orjson.OPT_UTC_Z))
        return
    console.width = max(console.width, NARROWEST)
    whole = [Column(name, no_wrap=True) for name in ("id", "kind", "state", "when", "tried")]
    table = Table(*whole, "why not", box=None)
    async for one in _all(journal, state):
        when = _moment(one.sent_at or one.at)
        why_not = Text(one.error or "", no_wrap=True, overflow="ellipsis")
        table.add_row(str(one.id), one.kind, one.state, when, str(one.attempts), why_not)
    console.print(table)


async def _all(journal: Journal, state: State | None) -> AsyncIterator[Listed]:
    last = None
    while page := await notices.listed(journal, state=state, limit=PAGE, after=last):
        for one in page:
            yield one
        last = page[-1]


async def _retry(journal: Journal, id: UUID | None) -> None:
    retried = await notices.retry(journal, id)
    if id is not None and not retried:
        raise CannotRun(f"no notice {id} has failed, or a later one of its booking was, or is being, sent")
    typer.echo(f"{retried} to be sent")


async def _drop(journal: Journal, id: UUID | None) -> None:
    dropped = await notices.drop_failed(journal, id)
    if id is not None and not dropped:
        raise CannotRun(f"no notice {id} has failed, or it is being sent")
    typer.echo(f"{dropped} dropped")


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%MZ}"
