"""A page is applied once, by the lease's owner, where the generation was left; otherwise nothing of it is."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from daybook.embedded import Stores
from journal import chain
from journal.journal import Journal, Recorded
from projections import bookings
from projections.asking import Asking
from projections.following import post
from projections.generations import Generation, Keys, Lease, Mark, Moved, NotOwner, Standing, forget
from tests.examples import cancelled, created, hours
from tests.journals import Place
from tests.projections.seeing import contents, enter, folded

VIEW = bookings.VIEW
MORNING, NOON = created(hours(9, 10), notes="tea"), created(hours(12, 13))
LONG = timedelta(minutes=1)


@pytest.fixture
def keys(place: Place) -> Keys:
    return Keys.of(VIEW.name, place.schema)


@pytest.fixture
def lease(asking: Asking, keys: Keys) -> Lease:
    return Lease(asking, keys, lasts=LONG)


@pytest.fixture
def another_lease(asking: Asking, keys: Keys) -> Lease:
    return Lease(asking, keys, lasts=LONG)


async def beginning(journal: Journal) -> Mark:
    journal_id, _, _ = await journal.head()
    return Mark(0, VIEW.version, journal_id, chain.origin(journal_id))


async def answering_empty(lease: Lease, journal: Journal) -> Generation:
    """A generation without a fact that answers queries."""
    await lease.take()
    generation = await lease.begin(await beginning(journal))
    await lease.switch(generation)
    return generation


async def facts(journal: Journal) -> list[Recorded]:
    await enter(journal, MORNING, NOON, cancelled(MORNING))
    return await journal.page(0, 10)


async def test_a_page_has_its_effect_and_moves_the_mark(
    lease: Lease, journal: Journal, redis: Redis, place: Place
) -> None:
    generation, page = await answering_empty(lease, journal), await facts(journal)

    reached = await post(page, VIEW, lease, generation)

    assert (reached.mark.position, reached.mark.hash) == (3, page[-1].hash)
    assert await contents(redis, place.schema, VIEW) == folded(VIEW, page)


async def test_a_page_delivered_again_has_no_second_effect(
    lease: Lease, journal: Journal, redis: Redis, place: Place
) -> None:
    generation, page = await answering_empty(lease, journal), await facts(journal)
    await post(page, VIEW, lease, generation)

    with pytest.raises(Moved):
        await post(page, VIEW, lease, generation)

    assert await contents(redis, place.schema, VIEW) == folded(VIEW, page)


async def test_a_page_that_leaves_facts_out_is_refused(
    lease: Lease, journal: Journal, redis: Redis, place: Place
) -> None:
    generation, page = await answering_empty(lease, journal), await facts(journal)
    ahead = Generation(generation.number, Mark(1, VIEW.version, generation.mark.journal_id, page[0].hash))

    with pytest.raises(Moved):
        await post(page[1:2], VIEW, lease, ahead)

    assert await contents(redis, place.schema, VIEW) == {}


@pytest.mark.parametrize("other", [{"hash": b"another past"}, {"version": VIEW.version + 1}, {"position": 1}])
async def test_a_page_after_another_mark_is_refused(
    lease: Lease, journal: Journal, redis: Redis, place: Place, other: dict[str, object]
) -> None:
    generation, page = await answering_empty(lease, journal), await facts(journal)
    mark = generation.mark
    known = {"position": mark.position, "version": mark.version, "journal_id": mark.journal_id, "hash": mark.hash}

    with pytest.raises(Moved):
        await post(page, VIEW, lease, Generation(generation.number, Mark(**(known | other))))

    assert await contents(redis, place.schema, VIEW) == {}


async def test_an_owner_whose_lease_ran_out_is_refused(
    lease: Lease, journal: Journal, redis: Redis, place: Place, keys: Keys
) -> None:
    generation, page = await answering_empty(lease, journal), await facts(journal)
    await redis.delete(keys.owner)

    with pytest.raises(NotOwner):
        await post(page, VIEW, lease, generation)

    assert await contents(redis, place.schema, VIEW) == {}


async def test_an_owner_that_stood_still_in_the_middle_of_a_page_is_refused_once_another_took_over(
    asking: Asking, another_lease: Lease, journal: Journal, redis: Redis, place: Place, keys: Keys
) -> None:
    class StandsStill(Lease):
        """Between reading and writing its lease runs out, and another owner is done with the page."""

        async def read(self, generation: Generation, names: Sequence[str]) -> dict[str, bytes | None]:
            stored = await super().read(generation, names)
            await redis.delete(keys.owner)
            assert await another_lease.take() == Standing(generation, None, None)
            await post(page, VIEW, another_lease, generation)
            return stored

    lease = StandsStill(asking, keys, lasts=LONG)
    generation, page = await answering_empty(lease, journal), await facts(journal)

    with pytest.raises(NotOwner):
        await post(page, VIEW, lease, generation)

    assert await contents(redis, place.schema, VIEW) == folded(VIEW, page)


async def test_without_the_lease_nothing_begins_takes_over_or_is_withdrawn(
    lease: Lease, another_lease: Lease, journal: Journal, redis: Redis, keys: Keys
) -> None:
    answering = await answering_empty(lease, journal)
    building = await lease.begin(answering.mark)
    before = await lease.take()
    await lease.release()
    await another_lease.take()

    for change in (lease.begin(answering.mark), lease.switch(building), lease.withdraw(answering)):
        with pytest.raises(NotOwner):
            await change

    assert await another_lease.take() == before


async def test_what_a_page_strikes_from_a_list_is_gone(
    lease: Lease, journal: Journal, redis: Redis, place: Place
) -> None:
    generation, page = await answering_empty(lease, journal), await facts(journal)

    await post(page[2:], VIEW, lease, await post(page[:2], VIEW, lease, generation))

    assert await contents(redis, place.schema, VIEW) == folded(VIEW, page)


async def test_a_lease_is_held_by_one_and_can_be_left_to_another(
    lease: Lease, another_lease: Lease, journal: Journal
) -> None:
    assert await lease.take() == Standing(None, None, None)
    assert await another_lease.take() is None
    assert await lease.take() == Standing(None, None, None)

    await another_lease.release()
    assert await another_lease.take() is None

    await lease.release()
    assert await another_lease.take() == Standing(None, None, None)
    assert await lease.take() is None


async def test_a_lease_runs_out_by_itself_and_each_page_prolongs_it(
    lease: Lease, journal: Journal, redis: Redis, keys: Keys
) -> None:
    generation, page = await answering_empty(lease, journal), await facts(journal)
    await redis.pexpire(keys.owner, 10_000)

    await post(page, VIEW, lease, generation)

    assert await redis.pttl(keys.owner) > 10_000


async def test_what_is_being_built_answers_only_after_the_switch(lease: Lease, journal: Journal) -> None:
    answering = await answering_empty(lease, journal)
    page = await facts(journal)
    building = await post(page, VIEW, lease, await lease.begin(await beginning(journal)))
    assert await lease.take() == Standing(answering, building, None)

    await lease.switch(building)

    assert await lease.take() == Standing(building, None, answering)


async def test_the_switch_is_refused_to_a_generation_that_was_left_behind(lease: Lease, journal: Journal) -> None:
    await answering_empty(lease, journal)
    page = await facts(journal)
    building = await lease.begin(await beginning(journal))
    ahead = await post(page, VIEW, lease, building)

    with pytest.raises(Moved):
        await lease.switch(building)

    assert ahead.mark.position == 3


async def test_a_generation_withdrawn_neither_answers_nor_is_built(lease: Lease, journal: Journal) -> None:
    answering = await answering_empty(lease, journal)
    building = await lease.begin(await beginning(journal))

    await lease.withdraw(answering)
    assert await lease.take() == Standing(None, building, None)

    await lease.withdraw(building)
    assert await lease.take() == Standing(None, None, None)


async def test_a_generation_withdrawn_is_not_gone_back_to_either(lease: Lease, journal: Journal) -> None:
    before = await answering_empty(lease, journal)
    answering = await answering_empty(lease, journal)

    await lease.withdraw(before)

    assert await lease.take() == Standing(answering, None, None)


async def test_a_generation_numbered_after_the_sweep_was_planned_is_not_swept(
    lease: Lease, journal: Journal, redis: Redis, keys: Keys
) -> None:
    await answering_empty(lease, journal)
    kept, last = await lease.keep(VIEW.version)
    begun = await lease.begin(await beginning(journal))

    await lease.sweep(kept, last)

    assert await redis.exists(keys.mark(begun.number))


async def test_older_generations_are_swept_and_nothing_else(
    lease: Lease, another_lease: Lease, journal: Journal, redis: Redis, keys: Keys, place: Place
) -> None:
    page = await facts(journal)
    old = await post(page, VIEW, lease, await answering_empty(lease, journal))
    new = await post(page, VIEW, lease, await lease.begin(await beginning(journal)))
    await lease.switch(new)
    being_built = await lease.begin(await beginning(journal))

    await lease.sweep({new.number, being_built.number}, int(being_built.number))

    assert [key async for key in redis.scan_iter(match=f"{keys.of_generation(old.number, ('',))[0]}*")] == []
    assert await contents(redis, place.schema, VIEW) == folded(VIEW, page)
    assert await redis.exists(keys.mark(being_built.number))
    await redis.set(keys.owner, "somebody else")
    with pytest.raises(NotOwner):
        await lease.sweep({being_built.number}, int(being_built.number))
    assert await contents(redis, place.schema, VIEW) == folded(VIEW, page)


async def test_generations_that_are_forgotten_are_gone_and_whoever_writes_one_begins_another(
    lease: Lease, asking: Asking, journal: Journal, redis: Redis, keys: Keys
) -> None:
    page = await facts(journal)
    active = await post(page, VIEW, lease, await answering_empty(lease, journal))
    filled = await lease.begin(await beginning(journal))

    await forget(asking, keys)

    for generation in (active, filled):
        with pytest.raises(Moved):
            await post(page, VIEW, lease, generation)
    assert set(await redis.keys(f"{keys.prefix}*")) == {keys.owner.encode(), keys.last.encode()}
    assert await lease.take() == Standing(None, None, None)
    another = await lease.begin(await beginning(journal))
    assert int(another.number) > int(filled.number)
    await post(page, VIEW, lease, another)


async def test_a_generation_begun_while_those_before_are_forgotten_stays_whole(
    stores: Stores, lease: Lease, journal: Journal, redis: Redis, keys: Keys
) -> None:
    class BeginsMeanwhile(Asking):
        """Once the others are known to be gone, and before they are removed, one begins and is filled."""

        async def names(self, start: str) -> AsyncIterator[list[bytes]]:
            begun.append(await post(page, VIEW, lease, await lease.begin(await beginning(journal))))
            async for found in super().names(start):
                yield found

    begun: list[Generation] = []
    page = await facts(journal)
    await post(page, VIEW, lease, await answering_empty(lease, journal))
    asking = BeginsMeanwhile(stores.redis_url, within=5)

    await forget(asking, keys)
    await asking.close()
    await lease.switch(begun[0])

    assert await contents(redis, journal.schema, VIEW) == folded(VIEW, page)
