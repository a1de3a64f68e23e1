"""`daybook import`: a timetable from a file, with a verdict on each row that is left out, and a summary."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from booking.opening_hours import BadOpeningHours, OpeningHours
from booking.zones import UnknownZone, zone
from commands import accounts, timetables
from commands.deciding import Deciding
from commands.importing import Import, Report, Wish
from commands.rehearsing import Rehearsal
from commands.timetables import Timetable, Unusable, Verdict
from daybook.operating import journal_of, printable
from daybook.settings import Settings
from daybook.supervisor import CannotRun
from journal.connection import Unavailable
from journal.folding import Aggregates

REFUSED, NOT_CARRIED_OUT = 1, 2
"""Exit codes beside 0."""

_PARAGRAPHS = """Book a timetable: each row of a file becomes a booking of one user.

A .csv file has the columns space,start,end,title under a first line that names them. Of an .ics file each VEVENT is a
row: LOCATION is the space, SUMMARY the title; an event that repeats or is for whole days is refused, and one that is
cancelled is skipped. Both are in UTF-8. The title becomes the booking's notes. A time without an offset is read on the
wall clock of --timezone.

A space is found by its name. One that is missing is made, if the user is STAFF or ADMIN: for 1 person, free of charge,
with --timezone and --hours, without notice, and otherwise by the usual rules, made as wide as the file needs: a booking
lasts 30 minutes to 8 hours, is made at most 365 days ahead and can be cancelled until 24 hours before. Spaces that are
there keep their rules.

Rows are decided in order. One that is refused is told of, with every reason, and the others go on. A second import of
the same file adds nothing.

The exit code is 0 when every row is in, 1 when some were refused, and 2 when the import was not carried out: nothing is
written where the file or the options cannot be used; where the journal is lost, what is booked stays, and another
import does the rest."""
HELP = "\n\n".join(paragraph.replace("\n", " ") for paragraph in _PARAGRAPHS.split("\n\n"))

File = Annotated[Path, typer.Argument(help="The timetable, a .csv or an .ics file.", show_default=False)]
As = Annotated[str, typer.Option("--as", metavar="EMAIL", help="The user the bookings are for.", show_default=False)]
Zone = Annotated[
    str, typer.Option("--timezone", metavar="ZONE", help="The timetable's IANA time zone.", show_default=False)
]
Hours = Annotated[str, typer.Option("--hours", metavar="HH:MM-HH:MM", help="When a space that is made opens, daily.")]
Starting = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        metavar="YYYY-MM-DD",
        help="Move the timetable so that its first local day is this one; wall clock times stay.",
        show_default=False,
    ),
]
Grant = Annotated[
    bool, typer.Option("--grant", help="Make the user STAFF and raise their allowance as far as the rows need it.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would come of it, and write nothing.")]


def run(
    settings: Settings,
    file: Path,
    *,
    email: str,
    timezone: str,
    hours: str,
    starting: date | None,
    grant: bool,
    dry_run: bool,
) -> int:
    """Import a file and tell what came of it; the exit code. Raises `CannotRun`."""
    try:
        tz = zone(timezone)
        timetable = timetables.read(file.name, file.read_bytes(), tz)
        if starting is not None:
            timetable = timetables.moved(timetable, starting, tz)
        wanted = _import(settings, timetable, email, timezone, _daily(hours), grant=grant, dry_run=dry_run)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(wanted)
    except OSError as error:
        return _cannot(f"{file}: {error.strerror}")
    except (Unusable, UnknownZone, BadOpeningHours) as error:
        return _cannot(str(error))
    _say(map(_told, report.verdicts))
    _say(_summary(report, of=len(timetable.rows) + len(timetable.verdicts), dry_run=dry_run))
    return REFUSED if report.refused else 0


async def _import(
    settings: Settings,
    timetable: Timetable,
    email: str,
    timezone: str,
    opening_hours: OpeningHours,
    *,
    grant: bool,
    dry_run: bool,
) -> Report:
    async with journal_of(settings, name="import") as journal:
        found = await accounts.by_email(journal, email.strip().lower())
        if found is None:
            raise Unusable(f"nobody has the e-mail address {email}")
        carries = Rehearsal(journal) if dry_run else Deciding(journal, Aggregates(journal))
        wish = Wish(user_id=found[0], timezone=timezone, opening_hours=opening_hours, grant=grant)
        with _bar() as bar:
            rows = bar.add_task("rehearsing" if dry_run else "booking", total=len(timetable.rows))
            importing = Import(journal, carries, wish, advance=lambda count: bar.advance(rows, count))
            try:
                return await importing.book(timetable)
            except Unavailable as error:
                raise CannotRun(f"{error}; what is booked stays, and another import does the rest") from None


def _cannot(why: str) -> int:
    _say([f"daybook: {why}"], stderr=True)
    return NOT_CARRIED_OUT


def _daily(hours: str) -> OpeningHours:
    opens, _, closes = hours.partition("-")
    return OpeningHours.daily(opens.strip(), closes.strip())


def _bar() -> Progress:
    """A bar on a terminal, nothing elsewhere; it leaves no trace."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _told(verdict: Verdict) -> str:
    why = "; ".join(f"{objection.code}: {objection.detail}" for objection in verdict.objections)
    return f"line {verdict.line} {'skipped' if verdict.skipped else 'refused'}: {verdict.what}: {why}"


def _summary(report: Report, *, of: int, dry_run: bool) -> Iterator[str]:
    would = "would be " if dry_run else ""
    if report.granted:
        yield f"{would}granted: {' and '.join(report.granted)}"
    if report.spaces:
        yield f"spaces {would}made: {', '.join(report.spaces)}"
    skipped = len(report.verdicts) - report.refused
    yield (
        f"{of} rows: {report.booked} {would}booked, {report.there} there before, {report.refused} {would}refused, "
        f"{skipped} skipped"
    )


def _say(lines: Iterable[str], *, stderr: bool = False) -> None:
    """Print lines; what a file says can begin no line and speak to no terminal."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=stderr)
    for line in lines:
        console.print(printable(line))
