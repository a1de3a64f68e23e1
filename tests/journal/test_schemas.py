"""Two journals in two schemas of one database do not see each other."""

from collections.abc import AsyncIterator, Iterator

import pytest

from daybook.embedded import Stores
from journal import tags
from journal.connection import Line, SessionNotKept
from journal.folding import Aggregates, space
from journal.journal import Journal
from tests.examples import ANA, DESK, ROOM
from tests.journals import Place, a_journal, a_place, activated, entry, rings


@pytest.fixture
def elsewhere(stores: Stores) -> Iterator[Place]:
    with a_place(stores) as place:
        yield place


@pytest.fixture
async def other(elsewhere: Place) -> AsyncIterator[Journal]:
    async with a_journal(elsewhere) as journal:
        yield journal


async def test_facts_positions_ids_and_keys_are_each_ones_own(
    place: Place, journal: Journal, elsewhere: Place, other: Journal
):
    one = await entry(journal)
    theirs = await entry(other, activated(DESK), tags=one.tags, command_id=one.command_id)
    with place.role() as role:
        role.execute("insert into sealing_keys values (%s, '\\x01')", (ANA,))

    assert await journal.append(one) == 1
    assert await other.append(theirs) == 1
    assert await other.append(one) == -1  # their own command of that id
    assert await journal.append(await entry(other)) == 0  # an entry meant for the other one

    assert (await journal.head())[0] != (await other.head())[0]
    assert [row.tags for row in place.rows()] == [[tags.space(ROOM)]]
    assert [row.tags for row in elsewhere.rows()] == [[tags.space(DESK)]]
    assert await other.of_tag(tags.space(ROOM)) == []
    assert (await Aggregates(other).fresh(space(ROOM)))[0].revision == 0
    assert await journal.keys.of([ANA]) == {ANA: b"\1"}
    assert await other.keys.of([ANA]) == {}


async def test_each_bell_rings_for_its_own_journal(journal: Journal, other: Journal):
    mine, theirs = journal.bell(), other.bell()
    for bell, of in ((mine, journal), (theirs, other)):
        while not await rings(bell, 0.1):  # it listens once it rings
            await of.append(await entry(of))

    await journal.append(await entry(journal))

    assert await rings(mine, 5)
    assert not await rings(theirs, 0.1)
    await mine.close()
    await theirs.close()


async def test_a_session_that_forgets_its_search_path_is_refused(place: Place):
    """As a transaction pooler would: statements would reach another schema."""
    with place.owner() as owner:
        owner.execute(f"create schema {place.schema}_else")
    line = Line(place.url, place.schema, name="test")
    line.schema = f"{place.schema}_else"
    try:
        with pytest.raises(SessionNotKept, match="session mode"):
            await line.execute("select 1")
    finally:
        await line.close()
        with place.owner() as owner:
            owner.execute(f"drop schema {place.schema}_else")
