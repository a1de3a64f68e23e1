"""Two API processes, eight clients each, all after the same slots: what the journal holds afterwards is the judge."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from booking.events import BookingCancelled, BookingCreated, BookingEvent, BookingRescheduled, Event
from booking.slots import Slot
from daybook.embedded import Stores
from journal import chain, codec
from tests.journals import Place, a_journal, a_place
from tests.processes import Api, a_space, daybook, eventually, registered, seeded, slot, started

ALLOWANCE = 5
CLIENTS = 8
TRIES = 25


@pytest.fixture(scope="module")
def place(stores: Stores) -> Iterator[Place]:
    with a_place(stores) as place:
        yield place


@pytest.fixture(scope="module")
def apis(stores: Stores, place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Api]]:
    """Two API processes on one journal; each test races in spaces of its own."""
    with daybook(stores, place, tmp_path_factory.mktemp("apis"), apis=2) as apis:
        yield apis


@pytest.fixture
def own_place(stores: Stores) -> Iterator[Place]:
    with a_place(stores) as place:
        yield place


class Client:
    """Somebody who books, moves, cancels and books again, and remembers every success."""

    def __init__(self, api: Api, token: str, spaces: list[str], seed: int) -> None:
        self.api, self.token, self.spaces = api, token, spaces
        self.chance = random.Random(seed)
        self.successes: Counter[tuple[str, str, int]] = Counter()
        self.statuses: Counter[int] = Counter()

    async def run(self) -> None:
        mine: dict[str, dict[str, str]] = {}
        async with self.api.client(self.token) as client:
            for _ in range(TRIES):
                doing, wanted = self.chance.random(), self.wanted()
                booking = self.chance.choice(list(mine)) if mine else None
                if (
                    booking and doing < 0.25 and wanted != mine[booking]
                ):  # nothing is recorded of a move to the same slot
                    event = "BookingRescheduled"
                    answer = await client.patch(f"/bookings/{booking}", json=wanted, headers=new_key())
                elif booking and doing < 0.5:
                    event, wanted = "BookingCancelled", mine.pop(booking)
                    answer = await client.delete(f"/bookings/{booking}", headers=new_key())
                else:
                    event = "BookingCreated"
                    body = {"space_id": self.chance.choice(self.spaces), **wanted, "notes": "a race"}
                    answer = await client.post("/bookings", json=body, headers=new_key())
                self.statuses[answer.status_code] += 1
                if answer.is_success:
                    self.successes[event, answer.json()["id"], int(answer.headers["Journal-Position"])] += 1
                    if event != "BookingCancelled":
                        mine[answer.json()["id"]] = wanted

    def wanted(self) -> dict[str, str]:
        return slot(self.chance.randrange(60), self.chance.randrange(2, 9))


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


async def test_clients_of_two_processes_racing_for_overlapping_slots_overbook_nothing(
    apis: list[Api], place: Place
) -> None:
    admin = await seeded(apis[0])
    single, double = await a_space(apis[0], admin), await a_space(apis[0], admin, concurrent_bookings=2)
    tokens = [await registered(apis[0]) for _ in range(CLIENTS)]  # each of them signed in at both processes
    clients = [Client(api, token, [single, double], seed) for api in apis for seed, token in enumerate(tokens)]
    await asyncio.gather(*(client.run() for client in clients))

    statuses = sum((client.statuses for client in clients), Counter())
    assert set(statuses) <= {200, 201, 409}, statuses
    assert statuses[201] > CLIENTS
    assert statuses[409] > 0

    rows = place.rows()
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    async with a_journal(place) as journal:
        journal_id, head, hash = await journal.head()
    assert chain.check(chain.origin(journal_id), 0, rows) == hash
    assert head == len(rows)

    events = {row.position: codec.decode(row.type, row.version, row.payload) for row in rows}
    raced = {
        position: event
        for position, event in events.items()
        if isinstance(event, BookingEvent) and str(event.space_id) in {single, double}
    }
    in_journal = Counter((type(event).__name__, str(event.booking_id), nth) for nth, event in raced.items())
    assert in_journal == sum((client.successes for client in clients), Counter())
    assert {kind for kind, _, _ in in_journal} == {"BookingCreated", "BookingRescheduled", "BookingCancelled"}
    assert_nothing_is_overbooked(list(raced.values()), {UUID(single): 1, UUID(double): 2})


def assert_nothing_is_overbooked(history: list[Event], at_most: dict[UUID, int]) -> None:
    """Replay with an oracle of our own: what is held when each booking is made, instant by instant."""
    held: dict[UUID, tuple[UUID, UUID, Slot]] = {}
    for event in history:
        match event:
            case BookingCreated() | BookingRescheduled():
                held[event.booking_id] = event.space_id, event.user_id, event.slot
                slots = [slot for space, _, slot in held.values() if space == event.space_id]
                assert busiest(slots) <= at_most[event.space_id]
                assert sum(user == event.user_id for _, user, _ in held.values()) <= ALLOWANCE
            case BookingCancelled():
                del held[event.booking_id]


def busiest(slots: list[Slot]) -> int:
    """The most slots that hold at one instant: at the same instant ends count before starts."""
    changes: list[tuple[datetime, int]] = [(slot.start, 1) for slot in slots] + [(slot.end, -1) for slot in slots]
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


async def test_moves_cancels_and_ends_that_race_have_one_outcome_each(
    stores: Stores, own_place: Place, tmp_path: Path
) -> None:
    told: Counter[tuple[str, str]] = Counter()

    async def end(api: Api, token: str, booking: str, later: dict[str, str] | None) -> None:
        """Cancel the booking, or move it to `later`."""
        async with api.client(token) as client:
            path = f"/bookings/{booking}"
            answer = await (client.patch(path, json=later) if later else client.delete(path))
        assert answer.status_code in {200, 409, 422}, answer.text  # 422: the deadline has passed too
        if answer.is_success:
            told["BookingRescheduled" if later else "BookingCancelled", booking] += 1

    with daybook(stores, own_place, tmp_path, apis=2) as apis, started("work", stores, own_place, tmp_path, number=2):
        room = await a_space(apis[0], await seeded(apis[0]), concurrent_bookings=CLIENTS, min_duration_minutes=15)
        tokens = [await registered(apis[0]) for _ in range(CLIENTS)]
        for quarter in range(4):
            now, soon, later = slot(quarter, 1), slot(quarter + 1, 1), slot(quarter + 50, 1)
            own_place.set_clock(datetime.fromisoformat(now["start"]))
            async with asyncio.TaskGroup() as tasks:
                for number, token in enumerate(tokens):
                    async with apis[0].client(token) as client:
                        made = await client.post("/bookings", json={"space_id": room, **now})
                    assert made.status_code == 201, made.text
                    for api, moved in ((apis[number % 2], None), (apis[(number + 1) % 2], later)):
                        tasks.create_task(end(api, token, made.json()["id"], moved))
                await asyncio.to_thread(own_place.set_clock, datetime.fromisoformat(soon["start"]))

        async with a_journal(own_place) as journal:
            bell = journal.bell()
            async with asyncio.timeout(15):
                while any(life[-1] == "BookingCreated" for life in lives(own_place).values()):
                    await bell.wait(0.5)
            await bell.close()

    lived = lives(own_place)
    assert len(lived) == 4 * CLIENTS
    assert {tuple(life) for life in lived.values()} <= {
        ("BookingCreated", "BookingCancelled"),
        ("BookingCreated", "BookingExpired"),
        ("BookingCreated", "BookingRescheduled"),
        ("BookingCreated", "BookingRescheduled", "BookingCancelled"),
    }
    by_clients = {"BookingCancelled", "BookingRescheduled"}
    assert told == Counter((kind, id) for id, life in lived.items() for kind in life if kind in by_clients)


def lives(place: Place) -> dict[str, list[str]]:
    """The kinds of facts of each booking, in order."""
    found: dict[str, list[str]] = {}
    for row in place.rows():
        if row.type.startswith("Booking"):
            found.setdefault(json.loads(row.payload)["booking_id"], []).append(row.type)
    return found


async def test_twenty_identical_requests_with_one_key_give_one_booking_and_one_answer(
    apis: list[Api], place: Place
) -> None:
    space = await a_space(apis[0], await seeded(apis[0]))
    token = await registered(apis[0])
    body = {"space_id": space, **slot(40), "notes": "once"}

    async def ask(api: Api) -> tuple[int, bytes, str]:
        async with api.client(token) as client:
            answer = await client.post("/bookings", json=body, headers={"Idempotency-Key": "the same"})
            return answer.status_code, answer.content, answer.headers["ETag"]

    answers = await asyncio.gather(*(ask(apis[n % 2]) for n in range(20)))

    assert len(set(answers)) == 1
    assert answers[0][0] == 201
    assert [space in row.payload for row in place.rows()].count(True) == 2  # the space, and the one booking of it


async def test_an_api_killed_straight_after_its_answer_has_lost_nothing(
    stores: Stores, own_place: Place, tmp_path: Path
) -> None:
    promised = []
    with daybook(stores, own_place, tmp_path) as (api,):
        space = await a_space(api, await seeded(api))
        token = await registered(api)
        for attempt in range(2):
            async with api.client(token) as client:
                headers = {"Prefer": "respond-async"}  # nothing may have happened after the commit yet
                answer = await client.post("/bookings", json={"space_id": space, **slot(8 * attempt)}, headers=headers)
                api.kill()
            assert answer.status_code == 201, answer.text
            promised.append(answer.json()["id"])
            api.start()
            api.await_ready()
        async with api.client(token) as client:
            for id in promised:
                assert (await client.get(f"/bookings/{id}")).json()["status"] == "confirmed"

    made = [
        str(codec.decode(row.type, 1, row.payload).booking_id)
        for row in own_place.rows()
        if row.type == "BookingCreated"
    ]
    assert made == promised


async def test_a_demotion_in_one_process_acts_in_the_other_within_a_second(apis: list[Api]) -> None:
    here, there = apis
    admin, token = await seeded(here), await registered(here)
    async with here.client(admin) as demoting, there.client(token) as demoted:
        user_id = (await demoted.get("/auth/me")).json()["id"]
        assert (await demoting.patch(f"/admin/users/{user_id}", json={"role": "STAFF"})).status_code == 200
        assert (await demoted.get("/admin/spaces")).status_code == 200

        assert (await demoting.patch(f"/admin/users/{user_id}", json={"role": "STUDENT"})).status_code == 200

        async def turned_away() -> bool:
            return (await demoted.get("/admin/spaces")).status_code == 403

        await eventually(turned_away, within=1)
