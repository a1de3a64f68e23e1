"""Operators' commands while a store is away or the database is none of ours: one line, and the code that says so."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import Result
from typer.testing import CliRunner

from daybook.cli import app
from daybook.embedded import Stores
from projections.following import VIEWS
from projections.rebuilding import Rebuilder
from tests.daybook.environments import named_by_the_environment
from tests.examples import space_created
from tests.journals import Place, a_journal, a_place, entry
from tests.timetables import EXAMPLES

SOMEBODY = UUID(int=1)
NOT_CHECKED = 2

IMPORT = ("import", "--as", "ana@example.com", "--timezone", "UTC", EXAMPLES / "open-weekend.csv")
JOURNAL = {
    IMPORT: NOT_CHECKED,
    ("audit", "history", "user", SOMEBODY): NOT_CHECKED,
    ("audit", "verify"): NOT_CHECKED,
    ("notices", "list"): 1,
    ("notices", "retry", "--all"): 1,
    ("users", "list"): 1,
    ("users", "promote", "ana@example.com", "--role", "ADMIN"): 1,
    ("users", "deactivate", "ana@example.com"): 1,
    ("users", "activate", "ana@example.com"): 1,
    ("users", "erase", SOMEBODY): 1,
}
VIEW = VIEWS[0].name
BOTH = {
    ("projections", "list"): 1,
    ("projections", "rebuild", VIEW): 1,
    ("projections", "verify", VIEW): NOT_CHECKED,
}
REDIS = {**BOTH, ("projections", "rollback", VIEW): 1}

Daybook = Callable[..., Result]


@pytest.fixture
def place(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A journal with a view that answers, and an environment that names them."""
    with a_place(stores) as place:
        named_by_the_environment(place, tmp_path, monkeypatch)
        monkeypatch.setenv("REDIS_URL", stores.redis_url)
        asyncio.run(_rebuild(place, stores.redis_url))
        yield place


async def _rebuild(place: Place, redis_url: str) -> None:
    async with a_journal(place) as journal:
        await journal.append(await entry(journal, space_created()))
        rebuilder = Rebuilder(redis_url, place.schema, journal)
        await rebuilder.rebuild(VIEWS[0], lambda *_: None)
        await rebuilder.close()


@pytest.fixture
def daybook(place: Place) -> Daybook:
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def ends_in_a_line(ended: Result, code: int) -> str:
    """The line in which a command says why it could not be carried out."""
    assert (ended.exit_code, ended.stdout) == (code, ""), ended.output
    (line,) = ended.stderr.splitlines()
    assert line.startswith("daybook: ")
    return line


def named(cases: dict[tuple[object, ...], int]) -> list[object]:
    return [pytest.param(*case, id=" ".join(map(str, case[0][:2]))) for case in cases.items()]


@pytest.mark.parametrize(("command", "code"), named(JOURNAL | BOTH))
def test_postgresql_that_cannot_be_reached_is_told_in_a_line(
    daybook: Daybook, monkeypatch: pytest.MonkeyPatch, command: tuple[object, ...], code: int
):
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        monkeypatch.setenv(name, "postgresql://daybook@127.0.0.1:1/d")

    assert "Connection refused" in ends_in_a_line(daybook(*command), code)


@pytest.mark.parametrize(("command", "code"), named(JOURNAL | BOTH))
def test_a_database_that_is_not_migrated_is_told_in_a_line(
    place: Place, daybook: Daybook, command: tuple[object, ...], code: int
):
    place.end()
    try:
        line = ends_in_a_line(daybook(*command), code)
    finally:
        place.begin()

    assert "run `daybook migrate` first" in line


@pytest.mark.parametrize(("command", "code"), named(REDIS))
def test_redis_that_cannot_be_reached_is_told_in_a_line(
    daybook: Daybook, monkeypatch: pytest.MonkeyPatch, command: tuple[object, ...], code: int
):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")

    assert "Redis does not answer" in ends_in_a_line(daybook(*command), code)


def test_what_faults_is_no_verdict_on_a_view(place: Place, daybook: Daybook):
    with place.owner() as owner:
        owner.execute("update events set type = 'NobodyHeardOf'")

    ended = daybook("projections", "verify", VIEW)

    assert (ended.exit_code, ended.stdout) == (NOT_CHECKED, "")
    assert "NobodyHeardOf" in ended.stderr
