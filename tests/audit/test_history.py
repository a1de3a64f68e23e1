"""History as it was recorded: every filter, every moment, a page at a time, whatever became of the facts since."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from audit import history
from audit.history import Fact
from booking.bookings import Booking, Status
from booking.events import Event
from booking.refusals import NotFound
from daybook.embedded import Stores
from journal import codec, tags
from journal.journal import Journal
from tests.examples import (
    ANA,
    BEN,
    DESK,
    MONDAY_8AM,
    ROOM,
    cancelled,
    created,
    expired,
    given,
    hours,
    notes_changed,
    registered,
    rescheduled,
    space_created,
)
from tests.journals import Place, a_journal, a_place, entry

MINUTE = timedelta(minutes=1)
BOOKING = UUID(int=0xC1)
MADE = created(hours(10, 12), booking_id=BOOKING, notes="für zwei")
MOVED = rescheduled(MADE, hours(14, 15))
STORY: Sequence[tuple[str, Sequence[Event]]] = (
    ("system:seed", [space_created(ROOM), space_created(DESK)]),
    ("system:seed", [registered(ANA)]),
    (f"user:{ANA}", [MADE]),
    (f"user:{BEN}", [created(hours(10, 11), space_id=DESK, user_id=BEN)]),
    (f"user:{ANA}", [MOVED, notes_changed(MADE, "für drei")]),
    (f"user:{BEN}", [created(hours(13, 14), user_id=BEN)]),
    ("system:work", [expired(MOVED, at=MONDAY_8AM + 8 * MINUTE)]),
)
"""Who entered what, a minute apart from Monday at eight on."""


TOLD: Sequence[Event] = [event for _, events in STORY for event in events]
"""Its facts in order of their positions."""


@pytest.fixture(scope="module")
def place(stores: Stores) -> Iterator[Place]:
    """Where the story was entered; the clock stands at its end."""
    with a_place(stores) as place:
        asyncio.run(enter(place))
        yield place


@pytest.fixture
def own_place(stores: Stores) -> Iterator[Place]:
    """The same for one test."""
    with a_place(stores) as place:
        asyncio.run(enter(place))
        yield place


async def enter(place: Place) -> None:
    with place.role() as role:
        role.execute("insert into sealing_keys values (%s, sha256('a key'))", (ANA,))
    async with a_journal(place) as journal:
        for minute, (actor, events) in enumerate(STORY):
            place.set_clock(MONDAY_8AM + minute * MINUTE)
            await journal.append(replace(await entry(journal, *events), actor=actor))


async def walked(journal: Journal, *, limit: int = 2, **filters: Any) -> list[Fact]:
    """Every fact that fits, page by page."""
    found: list[Fact] = []
    after, at_end = 0, False
    while not at_end:
        page = await history.page(journal, after=after, limit=limit, **filters)
        assert len(page.facts) <= limit
        assert at_end or page.to > after or not page.facts
        found += page.facts
        after, at_end = page.to, page.at_end
    return found


async def positions(journal: Journal, **filters: Any) -> list[int]:
    return [fact.position for fact in await walked(journal, **filters)]


async def test_a_fact_comes_with_everything_recorded_of_it(place: Place, journal: Journal):
    facts = await walked(journal)

    assert [fact.row for fact in facts] == place.rows()
    assert [fact.event for fact in facts] == list(TOLD)
    made = facts[3].document()
    row = place.rows()[3]
    assert made == {
        "position": 4,
        "type": "BookingCreated",
        "version": 1,
        "recorded_at": MONDAY_8AM + 2 * MINUTE,
        "actor": f"user:{ANA}",
        "correlation_id": "a test",
        "causation_id": None,
        "command_id": row.command_id,
        "tags": tags.of(MADE),
        "payload": made["payload"],
        "hash": row.hash.hex(),
    }
    assert made["payload"]["notes"] == "für zwei"
    assert made["payload"]["booking_id"] == str(BOOKING)


@pytest.mark.parametrize("limit", [1, 2, 3, 8, 200])
async def test_every_filter_finds_what_fits_and_nothing_else(place: Place, journal: Journal, limit: int):
    rows = place.rows()
    wanted_tags = {tag for row in rows for tag in row.tags} | {"space:none"}
    for tag in (None, *wanted_tags):
        for type in (None, "BookingCreated", "SpaceCreated", "None"):
            for actor in (None, f"user:{BEN}", "system:seed"):
                fitting = [
                    row.position
                    for row in rows
                    if (tag is None or tag in row.tags)
                    and (type is None or type == row.type)
                    and (actor is None or actor == row.actor)
                ]

                assert await positions(journal, tag=tag, type=type, actor=actor, limit=limit) == fitting


async def test_times_are_from_then_on_until_before_then(place: Place, journal: Journal):
    rows = place.rows()
    instants = [row.recorded_at + shift for row in rows for shift in (-MINUTE / 2, timedelta(0), MINUTE / 2)]
    for since in (None, *instants[::4]):
        for before in (None, *instants[::3]):
            fitting = [
                row.position
                for row in rows
                if (since is None or row.recorded_at >= since) and (before is None or row.recorded_at < before)
            ]

            assert await positions(journal, since=since, before=before, limit=200) == fitting


async def test_times_at_the_ends_of_time(journal: Journal):
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

    assert await positions(journal, since=first, before=last) == list(range(1, 10))
    assert await positions(journal, since=last) == []
    assert await positions(journal, before=first) == []
    assert (await history.booking_as_of(journal, BOOKING, last)).booking.revision == 4
    with pytest.raises(NotFound):
        await history.booking_as_of(journal, BOOKING, first)


async def test_a_page_goes_on_from_where_the_one_before_ended(journal: Journal):
    page = await history.page(journal, after=3, limit=4)

    assert ([fact.position for fact in page.facts], page.to, page.at_end) == ([4, 5, 6, 7], 7, False)
    page = await history.page(journal, after=7, limit=4)
    assert ([fact.position for fact in page.facts], page.to, page.at_end) == ([8, 9], 9, True)
    page = await history.page(journal, after=99, limit=4)
    assert (page.facts, page.at_end) == ([], True)


@pytest.mark.parametrize("tag", [None, tags.bookings_of(ROOM)])
async def test_a_page_ends_in_time_however_few_facts_fit(journal: Journal, tag: str | None):
    ends, found, after = [], [], 0
    while True:
        page = await history.page(
            journal, tag=tag, actor="system:work", after=after, limit=50, look_for=timedelta(0), at_once=2
        )
        ends.append(page.to)
        found += [fact.position for fact in page.facts]
        after = page.to
        if page.at_end:
            break

    assert found == [9]
    assert ends == ([2, 4, 6, 8, 9] if tag is None else [6, 8, 9])


async def test_a_page_looks_on_until_it_is_full(journal: Journal):
    page = await history.page(journal, type="BookingCreated", limit=2, at_once=1)

    assert ([fact.position for fact in page.facts], page.to, page.at_end) == ([4, 5], 5, False)


async def test_without_its_key_a_text_is_none(own_place: Place):
    with own_place.role() as role:
        role.execute("delete from sealing_keys where user_id = %s", (ANA,))
    async with a_journal(own_place) as later:
        facts = [fact async for fact in history.of_tags(later, [tags.booking(BOOKING)])]

        assert [fact.payload.get("notes") for fact in facts] == [None] * 4
        assert "notes" in facts[0].payload
        assert (await history.booking_as_of(later, BOOKING)).booking.notes is None


UNREADABLE = {
    "type = 'BookingDreamt'": dict,
    "version = 99": dict,
    "payload = '{\"notes\": 1}'": {"notes": 1},
    "payload = 'nothing'": "nothing",
    "payload = '[1]'": [1],
    """payload = replace(payload, '"notes":"', '"notes":"AAAA')""": dict,
    """payload = regexp_replace(payload, '"notes":"[^"]*"', '"notes":"?"')""": dict,
}
"""What may become of a fact, and what is shown of its payload then."""


async def test_what_cannot_be_read_is_shown_as_it_is_stored(own_place: Place):
    (as_it_was,) = [row for row in own_place.rows() if row.position == 4]
    with own_place.owner() as owner:
        for change, payload in UNREADABLE.items():
            assert owner.execute(f"update events set {change} where position = 4").rowcount
            async with a_journal(own_place) as journal:
                fact = (await walked(journal))[3]

                assert fact.event is None
                assert fact.row == own_place.rows()[3]
                assert isinstance(fact.payload, dict) if payload is dict else fact.payload == payload
                with pytest.raises(codec.UnknownFact):
                    await history.booking_as_of(journal, BOOKING)
            owner.execute(
                "update events set type = %s, version = %s, payload = %s where position = 4",
                (as_it_was.type, as_it_was.version, as_it_was.payload),
            )


async def test_a_booking_at_every_position_is_the_fold_of_its_facts_so_far(journal: Journal):
    mine = [(position, event) for position, event in enumerate(TOLD, 1) if tags.booking(BOOKING) in tags.of(event)]
    for position in range(10):
        so_far = [event for at, event in mine if at <= position]
        if not so_far:
            with pytest.raises(NotFound):
                await history.booking_as_of(journal, BOOKING, position)
            continue

        then = await history.booking_as_of(journal, BOOKING, position)

        assert then.booking == given(Booking(BOOKING), *so_far)
        assert [fact.event for fact in then.facts] == so_far
        assert then.position == position


async def test_a_booking_at_every_time_is_the_fold_of_its_facts_so_far(place: Place, journal: Journal):
    for row in place.rows():
        for shift in (-1, 0, 1):
            time = row.recorded_at + timedelta(microseconds=shift)
            position = max((other.position for other in place.rows() if other.recorded_at <= time), default=0)
            if position < 4:
                with pytest.raises(NotFound):
                    await history.booking_as_of(journal, BOOKING, time)
            else:
                then = await history.booking_as_of(journal, BOOKING, time)
                assert then.position == position
                assert then.booking == (await history.booking_as_of(journal, BOOKING, position)).booking


async def test_a_booking_is_told_with_the_status_it_had_then(own_place: Place):
    own_place.set_clock(MOVED.slot.end)
    other = created(hours(13, 14), user_id=BEN)

    async with a_journal(own_place) as journal:

        async def status(booking_id: UUID, as_of: int | datetime) -> Status:
            then = await history.booking_as_of(journal, booking_id, as_of)
            answer: Status = then.document()["booking"]["status"]
            return answer

        assert await status(BOOKING, 8) is Status.CONFIRMED
        assert await status(BOOKING, MOVED.slot.start) is Status.EXPIRED  # recorded
        assert await status(other.booking_id, 9) is Status.CONFIRMED
        assert await status(other.booking_id, other.slot.end - MINUTE) is Status.CONFIRMED
        assert await status(other.booking_id, other.slot.end) is Status.EXPIRED  # not recorded


async def test_what_is_yet_to_come_is_as_now(place: Place, journal: Journal):
    now = await history.booking_as_of(journal, BOOKING)

    assert (now.position, now.moment) == (9, MONDAY_8AM + 6 * MINUTE)
    assert (await history.booking_as_of(journal, BOOKING, 10**15)) == now
    assert (await history.booking_as_of(journal, BOOKING, MONDAY_8AM + timedelta(days=900))) == now


async def test_a_booking_that_never_was_is_not_found(journal: Journal):
    with pytest.raises(NotFound):
        await history.booking_as_of(journal, uuid4())


async def test_facts_of_several_tags_come_in_order_and_once(journal: Journal):
    for at_once in (1, 2, 3, 500):
        wanted = [tags.space(ROOM), tags.bookings_of(ROOM), tags.booking(BOOKING), tags.allowance(ANA)]

        found = [fact.position async for fact in history.of_tags(journal, wanted, at_once=at_once)]

        assert found == [1, 4, 6, 7, 8, 9]


async def test_a_reason_is_opened_as_well(own_place: Place):
    made = created(hours(10, 12))
    async with a_journal(own_place) as journal:
        await journal.append(await entry(journal, made, cancelled(made, reason="rain")))

        then = await history.booking_as_of(journal, made.booking_id)

    assert then.document()["facts"][1]["payload"]["reason"] == "rain"
    assert then.booking.recorded_status is Status.CANCELLED
