"""What tests of the façade may ask for."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from daybook.embedded import Stores
from tests.api.houses import House, a_house
from tests.api.served import Served, two_of_everything
from tests.journals import Place, a_place


@pytest.fixture(scope="session")
def served(
    request: pytest.FixtureRequest, stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served | None]:
    """The journal of two processes of each kind, if this run is about those."""
    if not request.config.getoption("two_of_everything"):
        yield None
        return
    with two_of_everything(stores, tmp_path_factory.mktemp("processes")) as served:
        yield served


@pytest.fixture(scope="module")
def place(stores: Stores, served: Served | None) -> Iterator[Place]:
    """A journal for the tests of one file; each makes users and spaces of its own."""
    if served:
        yield served
        return
    with a_place(stores) as place:
        yield place


@pytest.fixture
async def house(stores: Stores, place: Place) -> AsyncIterator[House]:
    async with a_house(stores, place) as house:
        yield house


@pytest.fixture
def own_place(stores: Stores, served: Served | None) -> Iterator[Place]:
    """A journal for one test: it has its own clock, or nothing in it."""
    if served:
        served.begin_anew()
        yield served
        served.put_clock_forward(timedelta(0))
        if served.is_ahead():
            served.begin_anew()
        return
    with a_place(stores) as place:
        yield place


LOOKING_INSIDE = {
    "caplog": "it reads the log of its own process",
    "monkeypatch": "it changes what is in its own process",
    "own_stores": "it hurts the stores that all tests share",
    "api": "it starts processes of its own",
}
"""Fixtures that processes of their own have no use for, and why."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With two of everything leave out what does not ask them, before anything is started for it."""
    if not config.getoption("two_of_everything"):
        return
    for item in items:
        if because := _left_out(item):
            item.add_marker(pytest.mark.skip(f"with two of everything: {because}"))


def _left_out(item: pytest.Item) -> str | None:
    fixtures = set(getattr(item, "fixturenames", ()))
    if alone := item.get_closest_marker("one_process"):
        return str(alone.args[0])
    if not fixtures & {"house", "place", "own_place"}:
        return "it asks no system"
    return next((because for name, because in LOOKING_INSIDE.items() if name in fixtures), None)
