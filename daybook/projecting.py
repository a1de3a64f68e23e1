"""`daybook projections`: how the views stand; building one anew, switching back, holding one against the journal."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import Annotated, Any

import orjson
import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from daybook.operating import journal_of
from daybook.settings import Settings
from daybook.supervisor import CannotRun
from journal.journal import Journal
from projections import verifying
from projections.following import VIEWS
from projections.rebuilding import Busy, NoWayBack, Rebuilder
from projections.verifying import NothingToVerify
from projections.views import View

DIFFERS, NOT_CHECKED = 1, 2
"""Exit codes of `daybook projections verify` beside 0: a document is not as a fresh fold leaves it, or nobody knows."""

Name = Annotated[str, typer.Argument(metavar="VIEW", help=f"One of {', '.join(view.name for view in VIEWS)}.")]
Stores = Callable[[], Settings]
Complaining = Callable[[int], AbstractContextManager[None]]


def commands(stores: Stores, complaining: Complaining) -> typer.Typer:
    """The commands; `stores` gives the settings, `complaining` tells what people can mend and exits with a code."""
    app = typer.Typer(no_args_is_help=True, help=__doc__)

    @app.command("list")
    def tell() -> None:
        """Tell how every view stands: a table on a terminal, else one JSON object a line."""
        with complaining(1):
            asyncio.run(_tell(stores()))

    @app.command()
    def rebuild(
        view: Annotated[str | None, typer.Argument(metavar="VIEW")] = None,
        every: Annotated[bool, typer.Option("--all", help="Every view, one after the other.")] = False,
    ) -> None:
        """Fill a new generation beside the one that answers, and switch. Broken off, it goes on where it was."""
        with complaining(1):
            asyncio.run(_rebuild(stores(), _views(view, every=every)))

    @app.command()
    def rollback(view: Name) -> None:
        """Answer from the generation before again, for an hour after a switch."""
        with complaining(1):
            asyncio.run(_roll_back(stores(), _views(view)[0]))

    @app.command()
    def verify(view: Name) -> None:
        """Name every document that differs from a fresh fold of the journal. Exit 0: none, 1: some, 2: not checked."""
        with complaining(NOT_CHECKED):
            differing = asyncio.run(_verify(stores(), _views(view)[0]))
        for name in differing:
            typer.echo(name)
        if differing:
            raise typer.Exit(DIFFERS)

    return app


@asynccontextmanager
async def _rebuilder(settings: Settings) -> AsyncIterator[tuple[Rebuilder, Journal]]:
    """Closed at the end; what can go wrong is told in a line. Raises `CannotRun`."""
    async with journal_of(settings, name="projections") as journal:
        rebuilder = Rebuilder(settings.redis_url.get_secret_value(), settings.daybook_schema, journal)
        try:
            yield rebuilder, journal
        except (Busy, NoWayBack, NothingToVerify) as error:
            raise CannotRun(str(error)) from error
        except RedisError as error:
            raise CannotRun(f"Redis does not answer: {error}") from error
        finally:
            await rebuilder.close()


async def _tell(settings: Settings) -> None:
    async with _rebuilder(settings) as (rebuilder, journal):
        _, head, _ = await journal.head()
        rows = [(await rebuilder.looked_at(view)).document(view.name, head) for view in VIEWS]
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo(orjson.dumps(row).decode())
        return
    table = Table("view", "state", "version", "generation", "position", "behind", "before", "filled to")
    for row in rows:
        shown: Sequence[Any] = [*row.values()]
        table.add_row(*("" if value is None else str(value) for value in shown))
    Console().print(table)


async def _rebuild(settings: Settings, views: Sequence[View]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    async with _rebuilder(settings) as (rebuilder, _):
        for view in views:
            with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
                show = partial(_show, bar, bar.add_task(view.name, total=None))
                number = await rebuilder.rebuild(view, show)
            typer.echo(f"{view.name}: answered from generation {number}")


def _show(bar: Progress, task: TaskID, reached: int, head: int) -> None:
    bar.update(task, completed=reached, total=head)


async def _roll_back(settings: Settings, view: View) -> None:
    async with _rebuilder(settings) as (rebuilder, _):
        typer.echo(f"{view.name}: answered from generation {await rebuilder.roll_back(view)} again")


async def _verify(settings: Settings, view: View) -> Sequence[str]:
    async with _rebuilder(settings) as (_, journal):
        return await verifying.differences(
            settings.redis_url.get_secret_value(), settings.daybook_schema, journal, view
        )


def _views(name: str | None, *, every: bool = False) -> Sequence[View]:
    """The view of this name, or every one. Raises `CannotRun`."""
    if every and name is None:
        return VIEWS
    found = [view for view in VIEWS if view.name == name]
    if not found or every:
        raise CannotRun(f"name a view, one of {', '.join(view.name for view in VIEWS)}, or --all")
    return found


class _Rate(ProgressColumn):
    """Facts a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")
