"""`daybook users`: the first ADMIN of a system, who has an account, and who is stopped."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from booking.roles import Role
from commands.deciding import Deciding
from commands.users import RegisterUser
from daybook.cli import app
from daybook.embedded import Stores
from journal.folding import Aggregates
from tests.commands.people import SYSTEM, account, request
from tests.daybook.environments import named_by_the_environment
from tests.examples import ANA, BEN
from tests.journals import Place, a_journal, a_place

Users = Callable[..., Result]


@pytest.fixture
def place(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A journal in which ANA and BEN are STUDENTs, and an environment that names it."""
    with a_place(stores) as place:
        asyncio.run(_register(place))
        named_by_the_environment(place, tmp_path, monkeypatch)
        yield place


async def _register(place: Place) -> None:
    async with a_journal(place) as journal:
        deciding = Deciding(journal, Aggregates(journal))
        for user_id, name in ((ANA, "ana"), (BEN, "ben")):
            command = RegisterUser(user_id=user_id, account=account(f"{name}@example.com"))
            await deciding.do(command, by=SYSTEM, request=request())


@pytest.fixture
def users(place: Place) -> Users:
    return lambda *arguments: CliRunner().invoke(app, ["users", *map(str, arguments)])


def told(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_the_first_admin_of_a_system_is_promoted_and_the_fact_says_by_whom(place: Place, users: Users):
    made = users("promote", "Ana@Example.com", "--role", "ADMIN")

    assert (made.exit_code, made.output) == (0, "Ana@Example.com is ADMIN, active\n")
    assert (place.rows()[-1].type, place.rows()[-1].actor) == ("RoleChanged", "system:operator")
    (ana,) = told(users("list", "--role", "ADMIN"))
    assert (ana["id"], ana["role"]) == (str(ANA), "ADMIN")


def test_everybody_who_has_an_account_is_told_one_a_line(users: Users):
    assert [one["email"] for one in told(users("list"))] == ["ana@example.com", "ben@example.com"]
    assert [one["email"] for one in told(users("list", "--search", "BEN@"))] == ["ben@example.com"]


def test_on_a_terminal_everybody_is_a_row_of_a_table(users: Users, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    users("deactivate", "ben@example.com")

    shown = users("list")

    _, ana, ben = shown.output.splitlines()
    assert [word in ana for word in ("ana@example.com", "Somebody", "STUDENT", " active", str(ANA))] == [True] * 5
    assert "deactivated" in ben


def test_a_reader_who_has_had_enough_is_no_fault(place: Place):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "daybook", "users", "list"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)

    assert (done.returncode, done.stderr) == (0, b"")


def test_somebody_is_deactivated(users: Users):
    assert users("deactivate", "ben@example.com").output == "ben@example.com is STUDENT, deactivated\n"

    assert [one["is_active"] for one in told(users("list"))] == [True, False]


def test_who_was_deactivated_is_let_act_again(users: Users):
    users("deactivate", "ben@example.com")

    assert users("activate", "ben@example.com").output == "ben@example.com is STUDENT, active\n"


@pytest.mark.parametrize(
    "command", [("deactivate", "ana@example.com"), ("promote", "ana@example.com", "--role", "STAFF")]
)
def test_the_last_active_admin_stays(place: Place, users: Users, command: tuple[str, ...]):
    users("promote", "ana@example.com", "--role", Role.ADMIN)
    before = len(place.rows())

    refused = users(*command)

    assert refused.exit_code == 1
    assert "This is the last active ADMIN; make another one first." in refused.output
    assert len(place.rows()) == before


def test_an_address_nobody_has_and_a_role_that_is_none_are_told(users: Users):
    nobody, no_role = users("promote", "cleo@example.com", "--role", "ADMIN"), users("promote", "x", "--role", "OWNER")

    assert (nobody.exit_code, nobody.output) == (1, "daybook: nobody has the e-mail address cleo@example.com\n")
    assert no_role.exit_code == 2


def test_a_journal_that_is_not_there_is_told_in_a_line(users: Users, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAYBOOK_SCHEMA", "nowhere")

    refused = users("promote", "ana@example.com", "--role", "ADMIN")

    assert (refused.exit_code, refused.output) == (
        1,
        "daybook: the database is not as it should be: run `daybook migrate` first\n",
    )


def test_somebody_is_erased_by_id(place: Place, users: Users):
    erased, again = users("erase", BEN), users("erase", BEN)

    assert (erased.exit_code, erased.output) == (0, f"{BEN} is erased\n")
    assert [one["email"] for one in told(users("list"))] == ["ana@example.com"]
    assert (again.exit_code, again.output) == (1, f"daybook: no user {BEN}\n")
    assert (place.rows()[-1].type, place.rows()[-1].actor) == ("UserErased", "system:operator")
