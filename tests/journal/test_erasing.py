"""Keys of who was erased: destroyed in the table, and forgotten by every process that hears of it."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from booking.events import BookingCreated, UserErased
from booking.roles import Role
from journal import tags
from journal.journal import Journal
from journal.sealing import new_key
from tests.examples import ANA, BEN, MONDAY_8AM, created, hours
from tests.journals import Place, a_journal, entry

ERASED = UserErased(user_id=ANA, role=Role.STUDENT, at=MONDAY_8AM)


@pytest.fixture
async def elsewhere(place: Place) -> AsyncIterator[Journal]:
    """Another process over the same journal."""
    async with a_journal(place, name="another process") as journal:
        yield journal


@pytest.fixture
async def written(place: Place, journal: Journal) -> None:
    """Two people with a key, each with a text in a fact."""
    with place.role() as role:
        for person in (ANA, BEN):
            role.execute("insert into sealing_keys (user_id, key) values (%s, %s)", (person, new_key()))
    facts = [created(hours(10 + n, 11 + n), user_id=person, notes="tea") for n, person in enumerate((ANA, BEN))]
    await journal.append(await entry(journal, *facts))


async def notes(journal: Journal) -> dict[UUID, str | None]:
    facts = [fact.event for fact in await journal.page(0, 10)]
    return {fact.user_id: fact.notes for fact in facts if isinstance(fact, BookingCreated)}


async def erase(place: Place, journal: Journal) -> None:
    await journal.append(await entry(journal, ERASED))
    with place.role() as role:
        role.execute("delete from sealing_keys where user_id = %s", (ANA,))


@pytest.mark.usefixtures("written")
async def test_the_process_that_erases_forgets_the_key_at_once(place: Place, journal: Journal):
    assert await notes(journal) == {ANA: "tea", BEN: "tea"}

    await erase(place, journal)

    assert await notes(journal) == {ANA: None, BEN: "tea"}


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("hearing", ["page", "read", "user_facts"])
async def test_another_process_forgets_the_key_however_it_hears_of_it(
    place: Place, journal: Journal, elsewhere: Journal, hearing: str
):
    assert await notes(elsewhere) == {ANA: "tea", BEN: "tea"}
    await erase(place, journal)

    if hearing == "page":
        await elsewhere.page(2, 1)
    elif hearing == "read":
        await elsewhere.read({tags.user(ANA): 0})
    else:
        await elsewhere.user_facts(after=0)

    assert await elsewhere.keys.of([ANA]) == {}
    assert (await elsewhere.of_tag(tags.allowance(ANA)))[0].event.notes is None  # type: ignore[union-attr]


@pytest.mark.usefixtures("written")
async def test_a_key_that_was_read_before_it_was_destroyed_is_not_kept(journal: Journal):
    journal.keys.forget(ANA)

    assert (await journal.keys.of([ANA, BEN])).keys() == {BEN}


@pytest.mark.usefixtures("written")
async def test_an_erasure_begins_an_era_once_however_often_it_is_heard_of(place: Place, journal: Journal):
    before = journal.era

    await erase(place, journal)
    await journal.page(0, 10)
    await journal.user_facts(after=0)

    assert journal.era == before + 1


@pytest.mark.usefixtures("written")
async def test_the_same_person_in_another_journal_has_a_key(place: Place, journal: Journal):
    await journal.read({})
    await erase(place, journal)
    place.begin_anew()
    with place.role() as role:
        role.execute("insert into sealing_keys (user_id, key) values (%s, %s)", (ANA, new_key()))

    await journal.read({})

    assert (await journal.keys.of([ANA])).keys() == {ANA}
