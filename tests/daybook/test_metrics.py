"""Metrics: told on a port of their own, in the format of Prometheus, also while the stores are away."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from daybook import metrics, standing, wiring
from daybook.embedded import Stores
from daybook.settings import Settings
from daybook.standing import Ask, Told
from journal.journal import Journal
from journal.tallies import EVERY, Counter, Histogram
from tests.journals import a_journal, a_place
from tests.processes import PLAIN, free_port

ALERTS = Path("deploy/alerts.yml").read_text()

Sample = tuple[str, tuple[tuple[str, str], ...]]


@asynccontextmanager
async def telling(**questions: Ask) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the port on which metrics are told."""
    port = free_port()
    async with (
        metrics.served("127.0.0.1", port, questions, role="test", version="1"),
        httpx.AsyncClient(**PLAIN) as client,
    ):
        client.base_url = httpx.URL(f"http://127.0.0.1:{port}")
        yield client


async def told(client: httpx.AsyncClient) -> dict[Sample, float]:
    text = (await client.get("/metrics")).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def own_tallies() -> Iterator[None]:
    before = EVERY[:]
    yield
    EVERY[:] = before


@pytest.mark.usefixtures("own_tallies")
async def test_what_was_counted_is_told_by_its_labels() -> None:
    counter = Counter("a_count", "How often.", ("colour",))
    histogram = Histogram("a_length", "How long.", ("colour",), bounds=(1, 2))
    counter.add("red")
    counter.add("red", count=2)
    for value in (0.5, 1, 1.5, 9):
        histogram.add(value, "blue")

    async with telling() as client:
        found = await told(client)

    blue, red = ("colour", "blue"), ("colour", "red")
    assert found["a_count_total", (red,)] == 3
    assert [found["a_length_bucket", (blue, ("le", bound))] for bound in ("1.0", "2.0", "+Inf")] == [2, 3, 4]
    assert (found["a_length_count", (blue,)], found["a_length_sum", (blue,)]) == (4, 12)


async def test_the_process_itself_is_told_of() -> None:
    async with telling() as client:
        found = await told(client)

    assert ("process_resident_memory_bytes", ()) in found
    assert found["daybook_info", (("role", "test"), ("version", "1"))] == 1


async def test_what_does_not_answer_is_down_and_the_rest_is_told_all_the_same() -> None:
    away = Journal(f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere", "daybook")

    async def hangs() -> list[Told]:
        await asyncio.Event().wait()
        return []

    async def answers() -> list[Told]:
        return [Told("a_level", "How high.", {(): 7})]

    async with telling(journal=standing.of_journal(away), other=hangs, third=answers) as client:
        found = await told(client)

    up = {of: found["daybook_up", (("of", of),)] for of in ("journal", "other", "third")}
    assert up == {"journal": 0, "other": 0, "third": 1}
    assert found["a_level", ()] == 7
    assert ("daybook_journal_position", ()) not in found


async def test_what_alerts_compare_with_a_number_is_told_before_anything_happened(stores: Stores) -> None:
    asked = {
        metric: tuple(re.findall(r'(\w+)="([^"]*)"', labels or ""))
        for rule in yaml.safe_load(ALERTS)["groups"][0]["rules"]
        for metric, labels in re.findall(r"^max\((daybook_(?!up|view)\w+)(?:\{(.*)\})?\) >", rule["expr"])
    }
    with a_place(stores) as place:
        async with a_journal(place) as journal:
            questions = {"due": standing.of_due, "notices": standing.of_notices, "deliveries": standing.of_deliveries}
            async with telling(**{name: of(journal) for name, of in questions.items()}) as client:
                found = await told(client)

    assert len(asked) == 5
    assert [found[sample] for sample in asked.items()] == [0] * 5


@pytest.mark.parametrize("path", ["/", "/metrics/", "/health"])
async def test_nothing_else_is_told_there(path: str) -> None:
    async with telling() as client:
        assert (await client.get(path)).status_code == 404
        assert (await client.post("/metrics")).status_code == 404


async def test_whoever_speaks_no_http_is_hung_up_on() -> None:
    async with telling() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"x" * metrics.LONGEST_HEAD * 2)

        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()


@pytest.mark.usefixtures("logging_as_before")
def test_a_port_that_is_taken_is_one_clear_line(stores: Stores) -> None:
    with socket.socket() as taken, a_place(stores) as place:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(
            database_url=SecretStr(place.url),
            redis_url=SecretStr(stores.redis_url),
            daybook_schema=place.schema,
            metrics_port=port,
            log_format="people",
        )

        with pytest.raises(SystemExit, match=rf"^daybook: METRICS_PORT {port} of 127\.0\.0\.1 cannot be used \(.*\)$"):
            wiring.follow(settings)
