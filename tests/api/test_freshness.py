"""How fresh a query's answer is: what the caller would have read (Read-After), and what they have already (304)."""

import asyncio

import pytest

from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, at
from tests.journals import Place

QUERIES = {
    "/spaces": {},
    "/spaces/{space}": {},
    "/spaces/search": a_slot(14, 15),
    "/spaces/{space}/availability": a_slot(14, 15),
    "/spaces/{space}/slots": {"date": at(0)[:10]},
    "/spaces/{space}/next-available": {"after": at(9)},
    "/spaces/{space}/calendar": {"from": at(0), "to": at(24)},
    "/bookings": {},
    "/bookings/{booking}": {},
    "/dashboards/utilisation": {"from": at(0)[:10], "to": at(24)[:10]},
    "/dashboards/bookings": {"from": at(0)[:10], "to": at(24)[:10]},
}


async def test_whoever_has_an_answer_is_not_sent_it_again(house: House) -> None:
    space_id, staff = await house.space(), await house.signed_in(Role.STAFF)
    made = await staff.post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})

    for path, params in QUERIES.items():
        url = path.format(space=space_id, booking=made.json()["id"])
        first = await staff.get(url, params=params, headers={"Read-After": made.headers["Journal-Position"]})
        assert first.status_code == 200, (path, first.text)
        assert int(first.headers["Projection-Position"]) >= int(made.headers["Journal-Position"]), path
        for tag in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
            again = await staff.get(url, params=params, headers={"If-None-Match": tag})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"]), path
        assert (await staff.get(url, params=params, headers={"If-None-Match": '"other"'})).status_code == 200, path


async def test_an_answer_that_changed_is_sent_again(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})
    path, had = made.headers["Location"], {"If-None-Match": made.headers["ETag"]}
    before = await student.get(path, headers=had)
    await student.patch(path, json=a_slot(11, 13))

    after = await student.get(path, headers=had)

    assert (before.status_code, after.status_code, after.json()["start"]) == (304, 200, at(11))


async def test_whoever_did_not_wait_may_read_after_what_they_did(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    body = {"space_id": space_id, **a_slot(10, 12)}
    made = await student.post("/bookings", json=body, headers={"Prefer": "respond-async"})

    listed = await student.get("/bookings", headers={"Read-After": made.headers["Journal-Position"]})

    assert listed.json() == [made.json()]


@pytest.mark.one_process("their followers take every view further")
async def test_a_view_that_nobody_takes_further_is_not_awaited_for_ever(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place):
        pass  # its follower leaves views behind
    async with a_house(stores, own_place, following=False) as house:
        space_id, student = await house.space(), await house.signed_in()
        made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})
        after = {"Read-After": made.headers["Journal-Position"]}

        async with asyncio.timeout(5):
            answer = await student.get("/bookings", headers=after | {"Prefer": "wait=60"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["type"] == "urn:daybook:problem:not-caught-up"


@pytest.mark.one_process("their followers take every view further")
async def test_whoever_says_how_long_they_would_wait_waits_so_long(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place):
        pass
    async with a_house(stores, own_place, following=False) as house:
        space_id, student = await house.space(), await house.signed_in()
        made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})
        after = {"Read-After": made.headers["Journal-Position"]}
        clock = asyncio.get_running_loop().time

        async def waited(path: str, seconds: int) -> float:
            reader, began = await house.signed_in(Role.STAFF), clock()
            answer = await reader.get(path, params=day, headers=after | {"Prefer": f"wait={seconds}"})
            assert answer.status_code == 503, answer.text
            return clock() - began

        # Two views that nobody waited for before: one that kept somebody waiting in vain is not waited for again.
        day = {"from": at(0)[:10], "to": at(0)[:10]}
        one = await waited("/dashboards/utilisation", 1)
        three = await waited("/dashboards/bookings", 3)

    assert 1 <= one < 3 <= three


@pytest.mark.parametrize("position", ["", "x", "-1", "1.0", "²", "9" * 18, "9" * 40])
async def test_a_position_that_is_none_is_not_awaited(house: House, position: str) -> None:
    student = await house.signed_in()

    refused = await student.get("/bookings", headers=[(b"Read-After", position.encode())])

    assert (refused.status_code, refused.json()["type"]) == (422, "urn:daybook:problem:bad-read-after")


@pytest.mark.one_process("it asks what one has heard")
async def test_a_process_that_begins_has_heard_how_far_the_views_are(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place), a_house(stores, own_place, following=False) as other:
        assert await other.rooms.views.caught_up(0, within=0)
