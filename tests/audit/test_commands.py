"""`daybook audit` as an auditor runs it: what it tells people and programs, and its exit codes."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import Result
from typer.testing import CliRunner

from booking.events import AllowanceChanged
from daybook.auditing import Kind
from daybook.cli import app
from daybook.embedded import Stores
from tests.examples import ANA, MONDAY_8AM, ROOM, cancelled, created, hours, registered, rescheduled, space_created
from tests.journals import Place, a_journal, a_place, entry

MADE = created(hours(10, 12), notes="\x1b[2Jfür zwei\n")
HISTORIES = {
    Kind.BOOKING: (MADE.booking_id, [3, 4, 5]),
    Kind.SPACE: (ROOM, [1, 3, 4, 5]),
    Kind.USER: (ANA, [2, 3, 4, 5, 6]),
}


@pytest.fixture(scope="module")
def place(stores: Stores) -> Iterator[Place]:
    """A space, a user and a booking with a life."""
    with a_place(stores) as place:
        asyncio.run(_enter_facts(place))
        yield place


async def _enter_facts(place: Place) -> None:
    with place.role() as role:
        role.execute("insert into sealing_keys values (%s, sha256('a key'))", (ANA,))
    place.set_clock(MONDAY_8AM)
    moved = rescheduled(MADE, hours(10, 13))
    async with a_journal(place) as journal:
        for fact in (
            space_created(ROOM),
            registered(ANA),
            MADE,
            moved,
            cancelled(MADE, reason="rain"),
            AllowanceChanged(user_id=ANA, max_active_bookings=9, at=MONDAY_8AM),
        ):
            await journal.append(await entry(journal, fact))


@pytest.fixture
def environment(place: Place, tmp_path: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if name.startswith(("PATH", "COVERAGE", "TZ", "LANG"))},
        "PYTHONPATH": os.fspath(Path(__file__).parent.parent.parent),
        "DATABASE_URL": place.url,
        "DAYBOOK_SCHEMA": place.schema,
        "DAYBOOK_DATA": os.fspath(tmp_path / "data"),
    }


def ran(environment: dict[str, str], *arguments: object) -> Result:
    """`daybook audit …` with its output going to programs."""
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], env=environment)


def on_a_terminal(environment: dict[str, str], *arguments: object) -> tuple[int, str]:
    """The exit code of `daybook audit …` and what it shows people."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        _command(*arguments), env=environment | {"TERM": "xterm", "COLUMNS": "200"}, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while some := os.read(ours, 65536):
            shown += some
    except OSError:  # how a terminal ends
        pass
    os.close(ours)
    return process.wait(60), shown.decode()


def plain(shown: str) -> list[str]:
    """The lines without what colours them and moves the cursor."""
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).splitlines()]


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-P", "-m", "daybook", "audit", *map(str, arguments)]


def tampered(place: Place, change: str) -> None:
    with place.owner() as owner:
        assert owner.execute(change).rowcount


def test_a_whole_journal_ends_with_0(environment: dict[str, str], place: Place):
    done = ran(environment, "verify")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"whole: 6 facts, the last with the hash {place.rows()[-1].hash.hex()}\n"


def test_a_broken_journal_ends_with_1_and_its_position(environment: dict[str, str], place: Place):
    tampered(place, "update events set actor = 'user:x' where position = 5")
    try:
        done = ran(environment, "verify")
    finally:
        tampered(place, "update events set actor = 'system:test' where position = 5")

    assert (done.exit_code, done.stderr) == (1, "")
    assert done.stdout == "broken at position 5: its hash is not that of its contents and the row before\n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"DATABASE_URL": "postgresql:///nothing?host=/nowhere"},
        {"DATABASE_URL": ""},
        {"DATABASE_URL": "mysql://x"},
        {"DAYBOOK_SCHEMA": "elsewhere"},
        {"SECRET_KEY": "short"},
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_what_could_not_be_checked_ends_with_2(environment: dict[str, str], wrong: dict[str, str]):
    done = ran(environment | wrong, "verify")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr
    assert all(line.startswith("daybook: ") for line in done.stderr.splitlines())


def test_an_unknown_format_ends_with_2(environment: dict[str, str], place: Place):
    tampered(place, "update events set hash_format = 9 where position >= 2")
    try:
        done = ran(environment, "verify")
    finally:
        tampered(place, "update events set hash_format = 1 where position >= 2")

    assert done.exit_code == 2
    assert "position 2: unknown hash format 9" in done.stderr


def test_people_see_how_far_it_is(environment: dict[str, str]):
    code, shown = on_a_terminal(environment, "verify")

    assert code == 0
    assert "facts" in shown
    assert "6/6" in shown
    assert plain(shown)[-1].startswith("whole: 6 facts")


@pytest.mark.parametrize("kind", Kind)
def test_programs_get_a_line_of_json_for_each_fact(environment: dict[str, str], place: Place, kind: Kind):
    id, positions = HISTORIES[kind]

    done = ran(environment, "history", kind, id)

    assert (done.exit_code, done.stderr) == (0, "")
    facts = [json.loads(line) for line in done.stdout.splitlines()]
    rows = [row for row in place.rows() if row.position in positions]
    assert [(fact["position"], fact["type"], fact["command_id"], fact["hash"]) for fact in facts] == [
        (row.position, row.type, str(row.command_id), row.hash.hex()) for row in rows
    ]
    assert {fact["actor"] for fact in facts} == {"system:test"}
    assert {fact["recorded_at"] for fact in facts} == {"2026-01-05T08:00:00Z"}


def test_programs_are_told_what_changed(environment: dict[str, str]):
    done = ran(environment, "history", "booking", MADE.booking_id)

    made, moved, given_up = [json.loads(line)["changes"] for line in done.stdout.splitlines()]
    assert made["notes"] == {"before": None, "after": MADE.notes}
    assert moved == {"end": {"before": "2026-01-05T12:00:00Z", "after": "2026-01-05T13:00:00Z"}}
    assert given_up == {
        "status": {"before": "confirmed", "after": "cancelled"},
        "reason": {"before": None, "after": "rain"},
    }


def test_people_are_told_when_who_what_and_under_which_request(environment: dict[str, str]):
    code, shown = on_a_terminal(environment, "history", "booking", MADE.booking_id)

    assert code == 0
    assert "\x1b[2J" not in shown
    lines = plain(shown)
    assert lines[0] == "2026-01-05 08:00:00Z  3  BookingCreated  by system:test  request a test"
    assert "    notes: \\x1b[2Jfür zwei\\n" in lines
    assert lines[-5:] == [
        "2026-01-05 08:00:00Z  4  BookingRescheduled  by system:test  request a test",
        "    end: 2026-01-05 12:00:00Z → 2026-01-05 13:00:00Z",
        "2026-01-05 08:00:00Z  5  BookingCancelled  by system:test  request a test",
        "    status: confirmed → cancelled",
        "    reason: rain",
    ]


def test_what_has_no_history_ends_with_1(environment: dict[str, str]):
    id = uuid4()

    done = ran(environment, "history", "space", id)

    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"daybook: no space goes by {id}\n")


def test_history_without_a_journal_ends_with_2(environment: dict[str, str]):
    wrong = environment | {"DATABASE_URL": "postgresql:///nothing?host=/nowhere"}

    done = ran(wrong, "history", "space", ROOM)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("daybook: PostgreSQL cannot be reached")


def test_a_reader_who_has_had_enough_is_no_fault(environment: dict[str, str]):
    read, write = os.pipe()
    os.close(read)
    command = _command("history", "booking", MADE.booking_id)
    done = subprocess.run(command, env=environment, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)

    assert (done.returncode, done.stderr) == (0, b"")
