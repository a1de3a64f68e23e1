"""What tests of the façade may ask for."""

from collections.abc import AsyncIterator, Iterator

import pytest

from daybook.embedded import Stores
from tests.api.houses import House, a_house
from tests.journals import Place, a_place


@pytest.fixture(scope="module")
def place(stores: Stores) -> Iterator[Place]:
    """A journal for the tests of one file; each makes users and spaces of its own."""
    with a_place(stores) as place:
        yield place


@pytest.fixture
async def house(stores: Stores, place: Place) -> AsyncIterator[House]:
    async with a_house(stores, place) as house:
        yield house


@pytest.fixture
def own_place(stores: Stores) -> Iterator[Place]:
    """A journal for one test: it has its own clock, or nothing in it."""
    with a_place(stores) as place:
        yield place
