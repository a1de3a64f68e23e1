"""What tests of the façade may ask for."""

from collections.abc import AsyncIterator, Iterator

import pytest

from daybook.embedded import Stores
from tests.api.houses import House, a_house
from tests.api.served import Served, left_out, two_of_everything
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


@pytest.fixture(autouse=True)
def asks_processes(request: pytest.FixtureRequest) -> None:
    """With two of everything leaves out what does not ask them."""
    if not request.config.getoption("two_of_everything"):
        return
    for name, because in LOOKING_INSIDE.items():
        if name in request.fixturenames:
            left_out(because)
    if not {"house", "place", "own_place"} & set(request.fixturenames):
        left_out("it asks no system")
    if alone := request.node.get_closest_marker("one_process"):
        left_out(str(alone.args[0]))
