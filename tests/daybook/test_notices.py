"""`daybook notices`: what waits, what is dead and why, and dead ones put back."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from commands import notices
from daybook.cli import app
from daybook.embedded import Stores
from tests.commands.people import enter
from tests.daybook.environments import named_by_the_environment
from tests.examples import MONDAY_8AM, cancelled, created, hours, registered, space_created
from tests.journals import Place, a_journal, a_place

Notices = Callable[..., Result]

REFUSED = created(hours(9, 10))
OVERTAKEN = created(hours(11, 12))
FINE = created(hours(14, 15))


@pytest.fixture
def place(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A journal with a dead notice, another that was overtaken, one that was sent and one that waits."""
    with a_place(stores) as place:
        place.set_clock(MONDAY_8AM)
        enter(place, space_created(), registered(), REFUSED, OVERTAKEN, FINE, cancelled(OVERTAKEN))
        asyncio.run(_fail(place))
        named_by_the_environment(place, tmp_path, monkeypatch)
        yield place


async def _fail(place: Place) -> None:
    async with a_journal(place) as journal:
        await notices.posting(remind_before=timedelta(0)).post(journal)
        for _ in range(2):
            for handed in await notices.take(journal, limit=10):
                begun = await notices.begin(journal, handed)
                assert begun
                if begun.booking_id == FINE.booking_id:
                    continue
                if begun.kind == "cancellation":
                    await notices.note_sent(journal, begun)
                else:
                    await notices.note_failed(journal, begun, "the mail server refused: 550", again_after=None)


@pytest.fixture
def daybook(place: Place) -> Notices:
    return lambda *arguments: CliRunner().invoke(app, ["notices", *map(str, arguments)])


def told(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_what_waits_and_what_is_dead_is_told_and_dead_ones_are_put_back(
    daybook: Notices, monkeypatch: pytest.MonkeyPatch
):
    everything, dead = told(daybook("list")), told(daybook("list", "--dead"))
    refused = next(one for one in dead if one["booking_id"] == str(REFUSED.booking_id))
    overtaken = next(one for one in dead if one["booking_id"] == str(OVERTAKEN.booking_id))

    assert sorted(str(one["state"]) for one in everything) == ["dead", "dead", "sent", "waiting"]
    assert len(dead) == 2
    assert (refused["kind"], refused["attempts"], refused["error"]) == (
        "confirmation",
        1,
        "the mail server refused: 550",
    )

    retried, again = daybook("retry", refused["id"]), daybook("retry", refused["id"])
    assert (retried.exit_code, retried.output) == (0, "1 to be sent\n")
    assert (again.exit_code, again.output) == (
        1,
        f"daybook: no notice {refused['id']} has failed, or a later one of its booking was, or is being, sent\n",
    )
    assert daybook("retry", overtaken["id"]).exit_code == 1
    assert daybook("retry", "--all").output == "0 to be sent\n"
    assert [one["id"] for one in told(daybook("list", "--dead"))] == [overtaken["id"]]
    assert [daybook("retry").exit_code, daybook("retry", refused["id"], "--all").exit_code] == [2, 2]

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    _, row = daybook("list", "--dead").output.splitlines()
    assert [word for word in ("confirmation", " dead ", "2026-01-05 08:00Z", "refused: 550") if word not in row] == []
    for columns in ("100", "60"):
        monkeypatch.setenv("COLUMNS", columns)
        _, row = daybook("list", "--dead").output.splitlines()
        assert row.split()[0] == overtaken["id"], "what `retry` takes is whole"
        assert len(row.rstrip()) <= 100


def test_what_nobody_is_to_be_sent_any_more_is_dropped_and_nothing_else(daybook: Notices) -> None:
    everything = told(daybook("list"))
    refused, overtaken = [str(one["id"]) for one in everything if one["state"] == "dead"]
    waiting, sent = [
        next(str(one["id"]) for one in everything if one["state"] == state) for state in ("waiting", "sent")
    ]

    assert daybook("drop", overtaken).output == "1 dropped\n"
    again = daybook("drop", overtaken)
    assert (again.exit_code, again.output) == (1, f"daybook: no notice {overtaken} has failed, or it is being sent\n")
    assert [daybook("drop", id).exit_code for id in (waiting, sent)] == [1, 1]
    assert daybook("drop", "--dead").output == "1 dropped\n"
    assert {str(one["id"]) for one in told(daybook("list"))} == {waiting, sent}
    assert daybook("drop", "--dead").output == "0 dropped\n"
    assert [daybook("drop").exit_code, daybook("drop", refused, "--dead").exit_code] == [2, 2]


async def test_one_that_is_put_off_is_dropped_by_its_id_alone(place: Place) -> None:
    async with a_journal(place) as journal:
        ((id, attempts),) = await journal.query(
            "update notices set lent_until = null where state = 'waiting' returning notice_id, attempts - 1", {}
        )
        begun = await notices.begin(journal, notices.Handed(id, attempts + 1))
        assert begun
        assert await notices.drop_failed(journal, id) == 0, "it is being sent"
        await notices.note_failed(journal, begun, "the mail server refused: 452", again_after=timedelta(hours=1))

        assert await notices.drop_failed(journal) == 2
        assert await notices.drop_failed(journal, id) == 1
        assert [one.state for one in await notices.listed(journal, limit=9)] == ["sent"]


def test_a_journal_that_is_not_there_is_told_in_a_line(daybook: Notices, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAYBOOK_SCHEMA", "nowhere")

    refused = daybook("list")

    assert (refused.exit_code, refused.output) == (
        1,
        "daybook: the database is not as it should be: run `daybook migrate` first\n",
    )
