"""A journal of its own for each test that asks for one."""

from collections.abc import AsyncIterator, Iterator

import pytest

from daybook.embedded import Stores
from journal.journal import Journal
from tests.journals import Place, a_journal, a_place


@pytest.fixture
def place(stores: Stores) -> Iterator[Place]:
    with a_place(stores) as place:
        yield place


@pytest.fixture
async def journal(place: Place) -> AsyncIterator[Journal]:
    async with a_journal(place) as journal:
        yield journal
