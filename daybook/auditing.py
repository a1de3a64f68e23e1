"""`daybook audit`: what became of a booking, a space or a user, and whether the journal is whole."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from audit import history, proof
from audit.changes import Comparison
from audit.history import Fact
from audit.proof import CannotCheck, Told
from daybook.operating import journal_of, printable
from daybook.settings import Settings
from daybook.supervisor import CannotRun
from journal import tags
from journal.chain import Broken

BROKEN, NOT_CHECKED = 1, 2
"""Exit codes of `daybook audit verify` beside 0."""

NOT_THERE = 1
"""Exit code of `daybook audit history` when there are no facts."""


class Kind(StrEnum):
    """What has a history."""

    BOOKING = "booking"
    SPACE = "space"
    USER = "user"


TAGS: Mapping[Kind, Callable[[UUID], list[str]]] = {
    Kind.BOOKING: lambda id: [tags.booking(id)],
    Kind.SPACE: lambda id: [tags.space(id), tags.bookings_of(id)],
    Kind.USER: lambda id: [tags.user(id), tags.allowance(id)],
}
"""The tags whose facts make each history."""


def commands(stores: Callable[[], Settings], complaining: Callable[[int], AbstractContextManager[None]]) -> typer.Typer:
    """The commands; `stores` gives the settings, `complaining` tells what people can mend and exits with a code."""
    app = typer.Typer(no_args_is_help=True, help=__doc__)

    @app.command("history")
    def tell_history(kind: Kind, id: UUID) -> None:
        """Tell every fact about a booking, a space with its bookings, or a user with theirs: for people on a terminal,
        else one JSON object a line."""
        with complaining(NOT_CHECKED):
            told = asyncio.run(_tell(stores(), kind, id))
        if not told:
            typer.echo(f"daybook: no {kind} goes by {id}", err=True)
            raise typer.Exit(NOT_THERE)

    @app.command()
    def verify() -> None:
        """Check the whole journal: exit code 0 if it is whole, 1 if it is broken, 2 if that could not be checked."""
        with complaining(NOT_CHECKED):
            settings = stores()
            try:
                with (
                    proof.reading(settings.database_url.get_secret_value(), settings.daybook_schema) as connection,
                    _progress() as told,
                ):
                    head = proof.verify(connection, told)
            except Broken as broken:
                typer.echo(f"broken at {broken}")
                raise typer.Exit(BROKEN) from None
            except CannotCheck as reason:
                raise CannotRun(f"the journal could not be checked: {reason}") from None
        typer.echo(f"whole: {head.position} facts, the last with the hash {head.hash.hex()}")

    return app


async def _tell(settings: Settings, kind: Kind, id: UUID) -> int:
    """Tell the history and how many facts there were."""
    comparison, console, number = Comparison(), Console(highlight=False, markup=False, soft_wrap=True), 0
    async with journal_of(settings, name="audit") as journal:
        async for fact in history.of_tags(journal, TAGS[kind](id)):
            changes = comparison.changes(fact.event) if fact.event is not None else {}
            if console.is_terminal:
                console.print(_for_people(fact, changes))
            else:
                document = fact.document() | {"changes": changes}
                typer.echo(orjson.dumps(document, option=orjson.OPT_UTC_Z))
            number += 1
    return number


def _for_people(fact: Fact, changes: Mapping[str, Mapping[str, Any]]) -> Text:
    """When, what, who and under which request; below it what changed."""
    row = fact.row
    told = Text.assemble(
        (_written(row.recorded_at), "cyan"),
        f"  {row.position}  ",
        (printable(row.type), "bold"),
        f"  by {printable(row.actor)}",
        (f"  request {printable(row.correlation_id)}", "dim"),
    )
    if fact.event is None:
        told.append(f"\n    cannot be read: {_written(fact.payload)}", "red")
    for name, change in changes.items():
        told.append(f"\n    {name}: ", "dim")
        if change["before"] is not None:
            told.append(f"{_written(change['before'])} → ")
        told.append(_written(change["after"]))
    return told


def _written(value: object) -> str:
    match value:
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case str():
            return printable(value)
    return printable(orjson.dumps(value).decode())


@contextmanager
def _progress() -> Iterator[Told]:
    """Shows on a terminal how far we are."""
    shown: dict[str, TaskID] = {}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:

        def told(what: str, done: int, of: int | None) -> None:
            if what not in shown:
                shown[what] = progress.add_task(what, total=of)
            progress.update(shown[what], completed=done, total=of)

        yield told
