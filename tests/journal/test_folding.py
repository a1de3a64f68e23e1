"""Aggregates kept fresh: bounded, whatever the length of their history, and harmless when the past changes."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import hypothesis
import pytest
from hypothesis import strategies as st

from booking.slots import Slot
from booking.spaces import Space
from booking.users import Admins
from journal import folding, tags
from journal.folding import UNREAD_AT_ONCE, Aggregates, Forgotten, admins, allowance, booking, calendars, space, user
from journal.journal import PER_TAG, Journal, Reading
from journal.recent import Recent
from tests.examples import ANA, DESK, ROOM, cancelled, created, hours, registered, space_created
from tests.journals import Place, a_journal, activated, entry
from tests.pieces import counted


@pytest.fixture
def aggregates(journal: Journal) -> Aggregates:
    return Aggregates(journal)


def test_every_aggregate_goes_by_its_tag():
    booking_id = UUID(int=1)

    assert [one.tag for one in (space(ROOM), user(ANA), allowance(ANA), booking(booking_id), admins())] == [
        tags.space(ROOM),
        tags.user(ANA),
        tags.allowance(ANA),
        tags.booking(booking_id),
        tags.ADMINS,
    ]
    assert [one.tag for one in calendars(ROOM, hours(22, 50))] == [
        f"calendar:{ROOM}/2026-01-05",
        f"calendar:{ROOM}/2026-01-06",
        f"calendar:{ROOM}/2026-01-07",
    ]
    assert [one.unfolded().day.day for one in calendars(ROOM, hours(22, 50))] == [5, 6, 7]
    assert admins().unfolded() == Admins()


async def test_an_aggregate_is_brought_up_to_date_with_what_is_new_to_it(journal: Journal, aggregates: Aggregates):
    before, _ = await aggregates.fresh(space(ROOM))
    assert before == Space(ROOM)

    await journal.append(await entry(journal, space_created()))
    after, now = await aggregates.fresh(space(ROOM))

    assert after is before  # in place, for everybody
    assert after.revision == 1
    assert now - datetime.now(UTC) < timedelta(minutes=1)


async def test_a_fact_is_folded_once_however_many_ask_at_the_same_time(journal: Journal, aggregates: Aggregates):
    for n in range(5):
        await journal.append(await entry(journal, activated()))
        found = await asyncio.gather(*(aggregates.fresh(space(ROOM)) for _ in range(20)))

        assert {one.revision for one, _ in found} == {n + 1}


async def test_a_long_history_is_read_in_pages(journal: Journal, aggregates: Aggregates):
    length = 2 * PER_TAG + 1
    await journal.append(await entry(journal, *[activated()] * length))
    await journal.append(await entry(journal, *[activated(DESK)] * PER_TAG, tags=[tags.space(DESK)]))

    together = await asyncio.gather(*(aggregates.fresh(space(id)) for id in (ROOM, DESK, ROOM)))

    assert [one.revision for one, _ in together] == [length, PER_TAG, length]
    reading = await journal.read({tags.space(ROOM): 0, tags.space(DESK): 0})
    assert [len(facts) for facts in reading.facts.values()] == [PER_TAG, PER_TAG]


async def test_the_calendars_of_a_month_are_read_a_few_at_a_time(place: Place, journal: Journal):
    month = hours(0, 24 * 30)
    longest = created(month, booking_id=UUID(int=1))
    nights = [created(hours(24 * n + 20, 24 * n + 30), booking_id=UUID(int=2 + n)) for n in range(10)]
    await journal.append(await entry(journal, longest, *nights))
    monday = [created(hours(9, 10), booking_id=UUID(int=100 + n)) for n in range(PER_TAG)]
    await journal.append(await entry(journal, *monday))
    named = [space(ROOM), *calendars(ROOM, month)]
    asked = Asked(place.url, place.schema)
    aggregates = Aggregates(asked)
    try:
        folded, _ = await aggregates.all_fresh(named)
        first, asked.tags = asked.tags, []
        again, _ = await aggregates.all_fresh(named)
    finally:
        await asked.close()

    assert again == folded
    assert [len(one.held) for one in folded[1:12]] == [PER_TAG + 2, *[3] * 9, 2]
    unread: set[str] = {one.tag for one in named[1:]}
    for tags_read in first[:-1]:
        assert len(unread & {*tags_read}) <= UNREAD_AT_ONCE
    assert asked.tags == [[one.tag for one in named]]  # what is kept is brought up to date with one read


class Asked(Journal):
    """A journal that knows which tags each read was for."""

    tags: Sequence[list[str]] = ()

    async def read(self, wanted: Mapping[str, int], command_ids: Iterable[UUID] = ()) -> Reading:
        self.tags = [*self.tags, [*wanted]]
        return await super().read(wanted, command_ids)


async def test_a_long_read_is_made_facts_of_in_pieces(journal: Journal):
    """Whoever else is at work has a turn in between."""
    for n in range(4):
        await journal.append(await entry(journal, *[activated(UUID(int=n))] * PER_TAG, tags=[tags.space(UUID(int=n))]))

    done = await counted(journal.read({tags.space(UUID(int=n)): 0 for n in range(4)}))

    assert sum(len(facts) for facts in done.result.facts.values()) == 4 * PER_TAG
    assert done.longest < done.calls / 2


async def test_a_reader_who_is_behind_does_not_bring_others_back(journal: Journal, aggregates: Aggregates):
    """Two who share a read get it from where the one further behind stands."""
    await journal.append(await entry(journal, *[activated()] * (PER_TAG + 10)))
    warm, _ = await aggregates.fresh(space(ROOM))
    await journal.append(await entry(journal, activated()))

    (again, _), (cold, _) = await asyncio.gather(aggregates.fresh(space(ROOM)), Aggregates(journal).fresh(space(ROOM)))

    assert again.revision == cold.revision == PER_TAG + 11
    assert again is warm


async def test_what_was_is_folded_anew_up_to_a_position(journal: Journal, aggregates: Aggregates):
    await journal.append(await entry(journal, *[activated()] * (PER_TAG + 20)))

    for position in (0, 1, PER_TAG, PER_TAG + 1, PER_TAG + 20, 10**6):
        revision = (await aggregates.as_of(space(ROOM), position)).revision
        assert revision == min(position, PER_TAG + 20)


async def test_the_aggregates_kept_are_bounded(journal: Journal):
    aggregates = Aggregates(journal, keep=3)
    people = [UUID(int=n) for n in range(10)]
    await journal.append(await entry(journal, *map(registered, people)))

    first, _ = await aggregates.fresh(user(people[0]))
    for person in people:
        assert (await aggregates.fresh(user(person)))[0].exists

    assert len(aggregates._kept._kept) == 3
    again, _ = await aggregates.fresh(user(people[0]))
    assert again == first
    assert again is not first


@hypothesis.given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans())), st.integers(1, 4))
def test_the_one_not_used_for_longest_is_forgotten(uses: list[tuple[str, bool]], size: int):
    recent: Recent[str, int] = Recent(size)
    model: dict[str, int] = {}
    for n, (key, put) in enumerate(uses):
        if put:
            recent.put(key, n)
            model.pop(key, None)
            model[key] = n
            model = dict(list(model.items())[-size:])
        else:
            assert recent.get(key) == model.get(key)
            if key in model:
                model[key] = model.pop(key)
    recent.drop("a")
    assert recent.get("a") is None
    recent.clear()
    assert all(recent.get(key) is None for key in "abcde")


async def reset(place: Place) -> None:
    place.end()
    place.begin()


async def test_another_journal_under_the_same_name_is_another_past(
    place: Place, journal: Journal, aggregates: Aggregates
):
    await journal.append(await entry(journal, space_created(), activated(), activated()))
    assert (await aggregates.fresh(space(ROOM)))[0].revision == 3
    await reset(place)

    assert (await aggregates.fresh(space(ROOM)))[0] == Space(ROOM)
    await journal.append(await entry(journal, space_created()))
    assert (await aggregates.fresh(space(ROOM)))[0].revision == 1


async def test_what_was_decided_before_a_reset_is_not_recorded_after_it(place: Place, journal: Journal):
    decided = await entry(journal)
    await reset(place)
    for _ in range(3):
        await journal.append(await entry(journal, activated(DESK), tags=[tags.space(DESK)]))

    assert await journal.append(decided) == 0
    assert len(place.rows()) == 3


async def test_who_named_aggregates_before_a_reset_has_to_name_them_anew(
    place: Place, journal: Journal, aggregates: Aggregates
):
    """A command may have named its aggregates and wait for its turn while others find the journal to be another."""
    await journal.append(await entry(journal, space_created()))
    await aggregates.fresh(space(ROOM))
    named = {tags.space(ROOM): aggregates.kept(space(ROOM))}
    await reset(place)
    for _ in range(3):
        await journal.append(await entry(journal, activated(DESK), tags=[tags.space(DESK)]))
    await aggregates.fresh(space(DESK))

    with pytest.raises(Forgotten):
        await aggregates.freshen(named)

    assert (await aggregates.fresh(space(ROOM)))[0] == Space(ROOM)


async def test_a_new_connection_may_be_to_another_past(place: Place, journal: Journal, aggregates: Aggregates):
    """A backup may have been restored under the same id."""
    await journal.append(await entry(journal, space_created(), activated()))
    before, _ = await aggregates.fresh(space(ROOM))
    with place.role() as role:
        role.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'daybook journal read'"
        )

    after, _ = await aggregates.fresh(space(ROOM))

    assert after == before
    assert after is not before
    assert journal.era == 2


async def test_bookings_as_they_stand_in_every_aggregate(place: Place, journal: Journal, aggregates: Aggregates):
    slot = hours(22, 26)
    first, second = created(slot), created(Slot(slot.end, slot.end + timedelta(hours=1)))
    await journal.append(await entry(journal, first, second, cancelled(first)))

    found = [(await aggregates.fresh(one))[0].held for one in calendars(ROOM, slot)]
    held, _ = await aggregates.fresh(allowance(ANA))
    ended, _ = await aggregates.fresh(booking(first.booking_id))

    assert [list(one) for one in found] == [[], [second.booking_id]]
    assert list(held.held) == [second.booking_id]
    assert ended.recorded_status == "cancelled"


async def test_two_processes_see_what_the_other_wrote(place: Place, journal: Journal, aggregates: Aggregates):
    async with a_journal(place, name="other") as other:
        there = Aggregates(other)
        for n in range(3):
            await there.fresh(space(ROOM))
            await journal.append(await entry(journal, activated()))
            assert (await there.fresh(space(ROOM)))[0].revision == n + 1
    assert folding.space(ROOM).tag in {row.tags[0] for row in place.rows()}
