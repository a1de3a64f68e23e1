"""Bookings moved over HTTP, and commands that are for what their sender has seen (If-Match)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient, Response

from booking.roles import Role
from booking.zones import TZDATA_VERSION
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, at
from tests.journals import Place


async def test_a_booking_is_moved_and_its_old_slot_is_free_at_once(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in(limit=1)
    booking = await booked(student, space_id, 10, 12)

    moved = await student.patch(f"/bookings/{booking['id']}", json=a_slot(11, 13))

    assert moved.status_code == 200, moved.text
    assert moved.json() == booking | a_slot(11, 13) | {"updated_at": moved.json()["updated_at"]}
    assert moved.headers["ETag"] == '"2"'
    assert (await student.get(f"/bookings/{booking['id']}")).json() == moved.json()
    free = await student.get(f"/spaces/{space_id}/availability", params=a_slot(9, 11))
    assert free.json()["is_available"] is True


async def test_only_the_end_that_is_given_moves(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    path = f"/bookings/{(await booked(student, space_id, 10, 12))['id']}"

    later = await student.patch(path, json={"end": at(13)})
    both = await student.patch(path, json={"start": at(11), "notes": "later"})

    assert (later.json()["start"], later.json()["end"]) == (at(10), at(13))
    assert (both.json()["start"], both.json()["end"], both.json()["notes"]) == (at(11), at(13), "later")


async def test_moving_obeys_every_rule_of_making_a_booking(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    await booked(student, space_id, 14, 16)
    booking = await booked(student, space_id, 10, 12)

    async def refusals(slot: dict[str, str]) -> tuple[int, list[str]]:
        refused = await student.patch(f"/bookings/{booking['id']}", json=slot)
        return refused.status_code, codes(refused)

    assert await refusals(a_slot(15, 17)) == (409, ["slot-taken"])
    assert await refusals(a_slot(7, 9)) == (422, ["outside-opening-hours"])
    assert await refusals(a_slot(10, 10.25)) == (422, ["slot-too-short"])
    assert await refusals(a_slot(10, 12, day=-1)) == (422, ["too-little-notice"])
    assert (await student.get(f"/bookings/{booking['id']}")).json() == booking


async def test_notes_need_no_deadline_and_a_move_does(house: House) -> None:
    space_id = await house.space(cancellation_deadline_hours=8_760)
    student, staff = await house.signed_in(), await house.signed_in(Role.STAFF)
    path = f"/bookings/{(await booked(student, space_id, 10, 12))['id']}"

    noted = await student.patch(path, json={"notes": "bring chairs"})
    moved = await student.patch(path, json=a_slot(11, 13))
    bare = await student.patch(path, json={"notes": None})
    by_staff = await staff.patch(path, json=a_slot(11, 13))

    assert (noted.status_code, noted.json()["notes"]) == (200, "bring chairs")
    assert (moved.status_code, codes(moved)) == (422, ["deadline-passed"])
    assert (bare.status_code, bare.json()["notes"]) == (200, None)
    assert by_staff.status_code == 200, by_staff.text


async def test_what_is_over_is_neither_moved_nor_given_back(stores: Stores, own_place: Place) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    slot = {"start": (now - timedelta(hours=2)).isoformat(), "end": (now - timedelta(hours=1)).isoformat()}
    own_place.set_clock(now - timedelta(hours=4))
    async with a_house(stores, own_place) as house:
        space_id = await house.space(opening_time="00:00", closing_time="24:00", cancellation_deadline_hours=0)
        student, staff = await house.signed_in(), await house.signed_in(Role.STAFF)
        made = await student.post("/bookings", json={"space_id": space_id, **slot})
        own_place.set_clock(now)

        path = made.headers["Location"]
        refused = [await who.patch(path, json=a_slot(10, 12)) for who in (student, staff)]
        refused += [await staff.delete(path)]

    assert all("booking-not-active" in codes(answer) for answer in refused)


async def test_somebody_elses_booking_is_not_there_to_be_moved(house: House) -> None:
    space_id, owner, other = await house.space(), await house.signed_in(), await house.signed_in()
    booking = await booked(owner, space_id, 10, 12)

    answers = [await other.patch(f"/bookings/{id}", json=a_slot(11, 13)) for id in (booking["id"], uuid4())]

    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize(
    "body",
    [{}, {"start": "soon"}, {"space_id": str(uuid4())}, {"start": at(12), "end": at(10)}, {"start": at(13)}],
)
async def test_a_change_that_is_none_is_unfit(house: House, body: dict[str, str]) -> None:
    space_id, student = await house.space(), await house.signed_in()
    booking = await booked(student, space_id, 10, 12)

    refused = await student.patch(f"/bookings/{booking['id']}", json=body)

    assert (refused.status_code, refused.json()["type"]) == (422, "urn:daybook:problem:invalid-request")


@pytest.mark.parametrize(("tag", "status"), [('"1"', 412), ('"2"', 200), ('"7", "2"', 200), ("*", 200), ("none", 412)])
async def test_a_move_is_of_the_booking_that_was_seen(house: House, tag: str, status: int) -> None:
    space_id, student = await house.space(), await house.signed_in()
    path = f"/bookings/{(await booked(student, space_id, 10, 12))['id']}"
    await student.patch(path, json={"notes": "seen"})

    answer = await student.patch(path, json=a_slot(11, 13), headers={"If-Match": tag})

    assert answer.status_code == status, answer.text
    assert (await student.get(path)).json()["start"] == (at(11) if status == 200 else at(10))


async def test_giving_back_is_of_the_booking_that_was_seen(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    path = f"/bookings/{(await booked(student, space_id, 10, 12))['id']}"
    moved = await student.patch(path, json=a_slot(11, 13))

    stale = await student.delete(path, headers={"If-Match": '"1"'})
    seen = await student.delete(path, headers={"If-Match": moved.headers["ETag"]})

    assert (stale.status_code, stale.json()["type"]) == (412, "urn:daybook:problem:precondition-failed")
    assert (seen.status_code, seen.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize("how", ["PATCH", "DELETE"])
async def test_a_change_is_of_the_space_that_was_seen(house: House, how: str) -> None:
    space_id, staff = await house.space(), await house.signed_in(Role.STAFF)
    path = f"/admin/spaces/{space_id}"
    changed = await staff.patch(path, json={"name": "Hall"})
    body = {"json": {"capacity": 12}} if how == "PATCH" else {}

    stale = await staff.request(how, path, headers={"If-Match": '"1"'}, **body)
    seen = await staff.request(how, path, headers={"If-Match": changed.headers["ETag"]}, **body)

    assert (stale.status_code, seen.status_code) == (412, 200)


async def test_of_two_who_saw_the_same_one_changes_it(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    path, seen = f"/bookings/{(await booked(student, space_id, 10, 12))['id']}", {"If-Match": '"1"'}

    answers = await asyncio.gather(
        *(student.patch(path, json=a_slot(hour, hour + 2), headers=seen) for hour in (12, 14, 16, 18)),
        student.delete(path, headers=seen),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    (kept,) = (answer for answer in answers if answer.status_code == 200)
    assert (await student.get(path)).json() == kept.json()


async def test_a_refused_booking_comes_with_slots_that_are_accepted(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    await booked(student, space_id, 10, 12)

    refused = await student.post("/bookings", json={"space_id": space_id, **a_slot(11, 12)})

    assert refused.json()["refusals"][0]["tzdata"] == TZDATA_VERSION
    others = refused.json()["alternatives"]
    assert 1 <= len(others) <= 3
    first = await student.post("/bookings", json={"space_id": space_id, **others[0]})
    assert first.status_code == 201, first.text


async def test_no_other_slot_is_offered_to_whom_none_would_be_given(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in(limit=1)
    await booked(student, space_id, 10, 12)

    refused = await student.post("/bookings", json={"space_id": space_id, **a_slot(14, 15)})

    assert (codes(refused), refused.json()["alternatives"]) == (["allowance-used-up"], [])


async def test_buffers_are_held_around_a_slot_and_special_hours_kept(house: House) -> None:
    day = at(0)[:10]
    space_id = await house.space(
        buffer_before_minutes=30,
        buffer_after_minutes=30,
        special_hours=[{"date": day, "windows": [{"opens": "10:00", "closes": "16:00"}], "reason": "Fair"}],
    )
    student = await house.signed_in()
    await booked(student, space_id, 11, 12)

    near = await student.post("/bookings", json={"space_id": space_id, **a_slot(12.5, 13.5)})
    early = await student.post("/bookings", json={"space_id": space_id, **a_slot(9, 10)})
    apart = await student.post("/bookings", json={"space_id": space_id, **a_slot(13, 14)})

    assert codes(near) == ["slot-taken"]
    assert "outside-opening-hours" in codes(early)
    assert apart.status_code == 201, apart.text


async def booked(client: AsyncClient, space_id: str, start: float, end: float) -> dict[str, Any]:
    made = await client.post("/bookings", json={"space_id": space_id, **a_slot(start, end)})
    assert made.status_code == 201, made.text
    booking: dict[str, Any] = made.json()
    return booking


def codes(answer: Response) -> list[str]:
    return [refusal["code"] for refusal in answer.json()["refusals"]]
