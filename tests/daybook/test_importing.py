"""`daybook import`: what it tells, how it ends, and that the examples in the documentation are what they say."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from commands.deciding import Deciding
from commands.users import RegisterUser
from daybook.cli import app
from daybook.embedded import Stores
from journal.folding import Aggregates
from tests.commands.people import SYSTEM, account, request
from tests.daybook.environments import named_by_the_environment
from tests.examples import ANA
from tests.journals import Place, a_journal, a_place
from tests.timetables import EXAMPLES, festival, told

A_MONTH_ON = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
FOR_ANA = ["--as", "Ana@Example.com", "--timezone", "Europe/Berlin", "--starting", A_MONTH_ON]

Import = Callable[..., Result]


@pytest.fixture
def place(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A journal in which ANA is a STUDENT, and an environment that names it."""
    with a_place(stores) as place:
        asyncio.run(_register(place))
        named_by_the_environment(place, tmp_path, monkeypatch)
        yield place


async def _register(place: Place) -> None:
    async with a_journal(place) as journal:
        command = RegisterUser(user_id=ANA, account=account("ana@example.com"))
        await Deciding(journal, Aggregates(journal)).do(command, by=SYSTEM, request=request())


@pytest.fixture
def daybook_import(place: Place) -> Import:
    return lambda file, *options: CliRunner().invoke(app, ["import", str(file), *options])


@pytest.fixture
def festival_file(tmp_path: Path) -> Path:
    file = tmp_path / "festival.csv"
    file.write_text(festival(), encoding="utf-8-sig", newline="\r\n")
    return file


def test_the_examples_import_whole_and_once(place: Place, daybook_import: Import):
    made = daybook_import(EXAMPLES / "open-weekend.csv", *FOR_ANA, "--grant")
    again = daybook_import(EXAMPLES / "open-weekend.csv", *FOR_ANA, "--grant")

    assert made.output.splitlines() == [
        "granted: the role STAFF and an allowance of 12",
        "spaces made: Great Hall, Workshop",
        "12 rows: 12 booked, 0 there before, 0 refused, 0 skipped",
    ]
    assert again.output.splitlines() == ["12 rows: 0 booked, 12 there before, 0 refused, 0 skipped"]
    assert (made.exit_code, again.exit_code) == (0, 0)
    assert len(place.rows()) == 1 + 2 + 2 + 12


def test_the_calendar_example_skips_what_was_called_off_and_shares_sessions_with_the_other(daybook_import: Import):
    made = daybook_import(EXAMPLES / "open-weekend.ics", *FOR_ANA, "--grant")

    assert made.exit_code == 0
    *_, verdict, _, _, summary = made.output.splitlines()
    assert verdict.startswith("line 29 skipped: Garden, ")
    assert verdict.endswith("Picnic: cancelled: The event was called off.")
    assert summary == "4 rows: 3 booked, 0 there before, 0 refused, 1 skipped"

    both = daybook_import(EXAMPLES / "open-weekend.csv", *FOR_ANA, "--grant")

    assert both.output.splitlines()[-1] == "12 rows: 10 booked, 2 there before, 0 refused, 0 skipped"


def test_a_dry_run_tells_what_the_import_does(place: Place, daybook_import: Import, festival_file: Path):
    foretold = daybook_import(festival_file, *FOR_ANA, "--grant", "--dry-run")
    before = len(place.rows())
    done = daybook_import(festival_file, *FOR_ANA, "--grant")

    assert before == 1
    assert foretold.output.replace("would be ", "") == done.output
    assert "spaces would be made: Aula, Cellar, Tent" in foretold.output
    assert "51 would be booked" in foretold.output
    assert len(place.rows()) == 1 + 2 + 3 + 51


def test_a_row_that_is_refused_is_told_of_in_one_line(place: Place, daybook_import: Import, tmp_path: Path):
    rows = [
        ("Aula", "2026-07-04 10:00", "2026-07-04 11:00", "fine"),
        ("Aula", "2026-07-04 10:30", "2026-07-04 11:30", "late\x1b[2J\nline 9 refused"),
        ("Aula", "never", "2026-07-04 11:30", ""),
    ]
    file = tmp_path / "clash.csv"
    file.write_text(told(rows))

    made = daybook_import(file, *FOR_ANA, "--grant")

    assert made.exit_code == 1
    clash, unreadable, *_, summary = made.output.splitlines()
    what = f"Aula, {A_MONTH_ON} 10:30 to {A_MONTH_ON} 11:30, late\\x1b[2J\\nline 9 refused"
    assert clash.startswith(f"line 3 refused: {what}: slot-taken: Already held: ")
    assert unreadable.startswith("line 5 refused: Aula, never to 2026-07-04 11:30: no-time: ")
    assert summary == "3 rows: 1 booked, 0 there before, 2 refused, 0 skipped"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--as", "ben@example.com"], "nobody has the e-mail address ben@example.com"),
        (["--timezone", "Mars/Base"], "no time zone is called 'Mars/Base'"),
        (["--hours", "8-22"], "opens must be HH:MM"),
        (["--hours", "08:00"], "closes must be HH:MM"),
        (["--starting", "1999-12-31"], "1999-12-31 is outside the years 2000 to 2199"),
        (["--starting", "soon"], "soon"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_options_that_cannot_be_used_write_nothing(
    place: Place, daybook_import: Import, festival_file: Path, options: list[str], why: str
):
    made = daybook_import(festival_file, *FOR_ANA, "--grant", *options)

    assert made.exit_code == 2
    assert why in made.output
    assert len(place.rows()) == 1


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("none.csv", None, "No such file"),
        ("a.txt", b"", ".csv or an .ics"),
        ("latin.csv", "space,start,end,title\nAulä,,,".encode("latin-1"), "line 2 is not in UTF-8"),
        ("header.csv", b"room,from,to,what\n", "has to name each of space,start,end,title"),
        ("short.ics", b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "cut short"),
    ],
)
def test_a_file_that_cannot_be_used_writes_nothing(
    place: Place, daybook_import: Import, tmp_path: Path, name: str, content: bytes | None, why: str
):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    made = daybook_import(tmp_path / name, *FOR_ANA, "--grant")

    assert made.exit_code == 2
    (line,) = made.output.splitlines()
    assert line.startswith("daybook: ")
    assert why in line
    assert len(place.rows()) == 1


def test_a_journal_that_is_not_there_or_cannot_be_reached_is_told_in_a_line(
    daybook_import: Import, festival_file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAYBOOK_SCHEMA", "nowhere")
    not_there = daybook_import(festival_file, *FOR_ANA)
    monkeypatch.setenv("DATABASE_URL", "postgresql://daybook@localhost:1/daybook")
    not_reached = daybook_import(festival_file, *FOR_ANA)

    assert (not_there.exit_code, not_reached.exit_code) == (2, 2)
    assert "run `daybook migrate` first" in not_there.output
    assert "PostgreSQL cannot be reached" in not_reached.output


def test_a_terminal_sees_a_bar_and_the_output_is_free_of_it(place: Place, festival_file: Path):
    terminal, end = os.openpty()
    command = [sys.executable, "-P", "-m", "daybook", "import", str(festival_file), *FOR_ANA, "--grant"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=end, text=True) as importing:
        os.close(end)
        seen = b""
        with suppress(OSError):  # Linux says so when the other end is gone
            while part := os.read(terminal, 4096):
                seen += part
        output, _ = importing.communicate()
    os.close(terminal)

    assert b"booking" in seen
    assert b"51/51" in seen
    assert output.splitlines()[-1] == "51 rows: 51 booked, 0 there before, 0 refused, 0 skipped"
    assert "booking" not in output
