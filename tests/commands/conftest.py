"""A journal of its own for each test that asks for one, and the real way to carry out commands over it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from commands.deciding import Deciding
from daybook.embedded import Stores
from journal.folding import Aggregates
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


@pytest.fixture
def deciding(journal: Journal) -> Deciding:
    return Deciding(journal, Aggregates(journal))
