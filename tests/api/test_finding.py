"""Finding a slot over HTTP: what is offered can be had, and a calendar tells everybody no more than they may know."""

from itertools import pairwise

import orjson

from api.query_routers.spaces import busy_json
from booking.roles import Role
from booking.slots import Span
from daybook.embedded import Stores
from projections.bookings import Held
from tests.api.houses import House, a_house, a_slot, at
from tests.examples import ANA, BEN, HOUR, NEW_YEAR
from tests.journals import Place
from tests.pieces import counted

DATE = at(0)[:10]


async def test_every_slot_that_is_offered_of_a_date_is_accepted_at_once(house: House) -> None:
    space_id = await house.space(opening_time="08:00", closing_time="10:00", min_duration_minutes=30)
    student = await house.signed_in(limit=100)
    await student.post("/bookings", json={"space_id": space_id, **a_slot(8.5, 9)})
    path, asked = f"/spaces/{space_id}/slots", {"date": DATE, "duration": 30, "step": 30}

    offered = await house.client().get(path, params=asked)

    assert offered.json() == [a_slot(8, 8.5), a_slot(9, 9.5), a_slot(9.5, 10)]
    for slot in offered.json():
        accepted = await student.post("/bookings", json={"space_id": space_id, **slot})
        assert accepted.status_code == 201, accepted.text
    assert (await house.client().get(path, params=asked)).json() == []


async def test_the_next_slot_that_is_free_is_found_behind_what_is_taken(house: House) -> None:
    space_id = await house.space(opening_time="08:00", closing_time="10:00")
    student = await house.signed_in()
    await student.post("/bookings", json={"space_id": space_id, **a_slot(8, 10)})

    found = await house.client().get(f"/spaces/{space_id}/next-available", params={"duration": 60, "after": at(7)})

    assert found.json() == [a_slot(8, 9, day=8)]
    assert (await student.post("/bookings", json={"space_id": space_id, **found.json()[0]})).status_code == 201


async def test_spaces_are_found_by_what_they_are_and_whether_the_slot_can_be_had(
    stores: Stores, own_place: Place
) -> None:
    async with a_house(stores, own_place) as house:
        small, large, taken = [
            await house.space(name=name, capacity=capacity) for name, capacity in (("a", 2), ("b", 20), ("c", 20))
        ]
        student = await house.signed_in()
        await student.post("/bookings", json={"space_id": taken, **a_slot(10, 12)})

        async def found(**wanted: int) -> list[str]:
            answer = await house.client().get("/spaces/search", params=a_slot(11, 12) | wanted)
            return [space["id"] for space in answer.json()]

        assert await found() == [small, large]
        assert await found(capacity=3) == [large]
        assert await found(capacity=21) == []


async def test_a_calendar_tells_others_that_it_is_busy_and_staff_and_oneself_why(house: House) -> None:
    space_id = await house.space(buffer_before_minutes=15, buffer_after_minutes=30)
    student, somebody, staff = await house.signed_in(), await house.signed_in(), await house.signed_in(Role.STAFF)
    made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11), "notes": "between us"})
    busy = a_slot(9.75, 11.5)

    async def seen(client) -> list[dict]:
        answer = await client.get(f"/spaces/{space_id}/calendar", params={"from": at(0), "to": at(24)})
        return answer.json()

    assert await seen(somebody) == [{**busy, "booking": None}]
    assert await seen(student) == await seen(staff) == [{**busy, "booking": made.json()}]


async def test_who_is_refused_is_offered_the_nearest_slots_that_would_be_accepted(house: House) -> None:
    space_id, student = await house.space(opening_time="08:00", closing_time="12:00"), await house.signed_in()
    await student.post("/bookings", json={"space_id": space_id, **a_slot(9, 10)})

    refused = await student.post("/bookings", json={"space_id": space_id, **a_slot(9, 10)})

    offered = refused.json()["alternatives"]
    assert (refused.status_code, len(offered)) == (409, 3)
    assert a_slot(8, 9) in offered
    accepted = await student.post("/bookings", json={"space_id": space_id, **offered[0]})
    assert accepted.status_code == 201, accepted.text


async def test_pages_of_spaces_that_are_found_hold_each_once(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        made = [await house.space(name=f"Room {number}") for number in range(5)]
        path, pages = "/spaces/search", []
        answer = await house.client().get(path, params=a_slot(11, 12) | {"limit": 2})
        pages.append([space["id"] for space in answer.json()])
        while "next" in answer.links:
            answer = await house.client().get(answer.links["next"]["url"])
            pages.append([space["id"] for space in answer.json()])

    assert [id for page in pages for id in page] == made
    assert all(len(page) == 2 for page, _ in pairwise(pages))


async def test_a_calendar_of_thousands_is_written_whole_in_small_pieces() -> None:
    held = [
        Held(Span(NEW_YEAR + n * HOUR, NEW_YEAR + (n + 1) * HOUR), ANA if n % 2 else BEN, b'{"id":%d}' % n)
        for n in range(2_500)
    ]

    done = await counted(busy_json(held, shown_to=ANA))

    assert orjson.loads(done.result) == [
        {
            "start": one.span.start.isoformat().replace("+00:00", "Z"),
            "end": one.span.end.isoformat().replace("+00:00", "Z"),
            "booking": {"id": n} if n % 2 else None,
        }
        for n, one in enumerate(held)
    ]
    assert done.longest < done.calls / 2
    assert orjson.loads(await busy_json(held[:1], shown_to=None))[0]["booking"] == {"id": 0}
    assert await busy_json([], shown_to=None) == b"[]"
