"""Bookings over HTTP: made, found, listed and given back."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from httpx import Response

from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, at
from tests.journals import Place


async def test_a_booking_is_made_and_answered_with_its_place_and_revision(house: House) -> None:
    space_id, user_id = await house.space(), await house.user()
    student = house.client(user_id)

    made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 12), "notes": "Ænd nõtes 🙂"})

    assert made.status_code == 201, made.text
    booking = made.json()
    assert booking == {
        "id": booking["id"],
        "space_id": space_id,
        "user_id": str(user_id),
        **a_slot(10, 12),
        "status": "confirmed",
        "decide_by": None,
        "notes": "Ænd nõtes 🙂",
        "reason": None,
        "created_at": booking["created_at"],
        "updated_at": booking["created_at"],
    }
    assert made.headers["Location"] == f"/bookings/{booking['id']}"
    assert made.headers["ETag"] == '"1"'
    assert int(made.headers["Journal-Position"]) > 0
    found = await student.get(made.headers["Location"])
    assert (found.status_code, found.json(), found.headers["ETag"]) == (200, booking, '"1"')
    assert int(found.headers["Projection-Position"]) >= int(made.headers["Journal-Position"])


async def test_times_are_given_with_any_offset_and_answered_in_utc(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    start, end = at(10).replace("Z", "+00:00"), at(13).replace("Z", "+02:00")

    made = await student.post("/bookings", json={"space_id": space_id, "start": start, "end": end})

    assert made.status_code == 201, made.text
    assert (made.json()["start"], made.json()["end"]) == (at(10), at(11))


async def test_the_answer_shows_in_every_query_at_once(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()

    made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})
    listed = await student.get("/bookings")
    judged = await student.get(f"/spaces/{space_id}/availability", params=a_slot(10, 11))

    assert listed.json() == [made.json()]
    assert judged.json()["is_available"] is False


async def test_who_prefers_not_to_wait_is_told_so(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()

    made = await student.post(
        "/bookings", json={"space_id": space_id, **a_slot(10, 11)}, headers={"Prefer": "respond-async"}
    )

    assert (made.status_code, made.headers["Preference-Applied"]) == (201, "respond-async")


async def test_a_booking_is_given_back_with_a_reason(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    booking = (await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})).json()

    cancelled = await student.delete(f"/bookings/{booking['id']}", params={"reason": "rain"})

    assert cancelled.status_code == 200, cancelled.text
    updated_at = cancelled.json()["updated_at"]
    assert cancelled.json() == booking | {"status": "cancelled", "reason": "rain", "updated_at": updated_at}
    assert (await student.get(f"/bookings/{booking['id']}")).json() == cancelled.json()
    assert cancelled.headers["ETag"] == '"2"'
    again = await student.delete(f"/bookings/{booking['id']}")
    assert (again.status_code, codes(again)) == (409, ["booking-not-active"])
    free = await student.get(f"/spaces/{space_id}/availability", params=a_slot(10, 11))
    assert free.json()["is_available"] is True


async def test_every_rule_that_says_no_is_told_with_what_it_carries(house: House) -> None:
    space_id, student = await house.space(min_duration_minutes=60), await house.signed_in(limit=1)
    await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})

    refused = await student.post("/bookings", json={"space_id": space_id, **a_slot(11, 11.5)})

    problem = refused.json()
    assert refused.status_code == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert codes(refused) == ["slot-too-short", "slot-taken", "allowance-used-up"]
    assert problem["refusals"][0]["minimum_minutes"] == 60
    assert problem["refusals"][1]["conflicting_slots"] == [a_slot(10, 12)]
    assert problem["type"] == "urn:daybook:problem:slot-too-short"
    assert problem["status"] == 422


async def test_refusals_that_are_all_conflicts_are_a_409(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in(limit=1)
    await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})

    refused = await student.post("/bookings", json={"space_id": space_id, **a_slot(11, 13)})

    assert (refused.status_code, codes(refused)) == (409, ["slot-taken", "allowance-used-up"])


@pytest.mark.parametrize(
    ("slot", "code", "status"),
    [
        (a_slot(10, 10.25), "slot-too-short", 422),
        (a_slot(8, 17), "slot-too-long", 422),
        (a_slot(10, 11, day=-1), "too-little-notice", 422),
        (a_slot(10, 11, day=400), "too-far-ahead", 422),
        (a_slot(7, 9), "outside-opening-hours", 422),
    ],
)
async def test_each_rule_of_a_space_is_kept(house: House, slot: dict[str, str], code: str, status: int) -> None:
    space_id, student = await house.space(), await house.signed_in()

    refused = await student.post("/bookings", json={"space_id": space_id, **slot})

    assert (refused.status_code, codes(refused)) == (status, [code])


async def test_the_owner_gives_back_until_the_deadline_and_staff_always(house: House) -> None:
    space_id = await house.space(cancellation_deadline_hours=8_760)
    student, staff = await house.signed_in(), await house.signed_in(Role.STAFF)
    booking = (await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})).json()

    late = await student.delete(f"/bookings/{booking['id']}")
    by_staff = await staff.delete(f"/bookings/{booking['id']}")

    assert (late.status_code, codes(late)) == (422, ["deadline-passed"])
    assert (by_staff.status_code, by_staff.json()["status"]) == (200, "cancelled")


async def test_somebody_elses_booking_is_not_there_for_a_student(house: House) -> None:
    space_id, owner = await house.space(), await house.signed_in()
    other, staff = await house.signed_in(), await house.signed_in(Role.STAFF)
    booking = (await owner.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})).json()
    theirs, none = f"/bookings/{booking['id']}", f"/bookings/{uuid4()}"

    assert [(await other.get(theirs)).status_code, (await other.delete(theirs)).status_code] == [404, 404]
    assert [(await other.get(none)).status_code, (await other.delete(none)).status_code] == [404, 404]
    assert (await staff.get(theirs)).json() == booking
    assert (await other.get("/bookings")).json() == []


async def test_a_list_comes_newest_start_first_in_pages(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in(limit=10)
    for hour in (12, 9, 15, 10, 14):
        await student.post("/bookings", json={"space_id": space_id, **a_slot(hour, hour + 1)})

    found, path, pages = [], "/bookings?limit=2&status=confirmed", 0
    while path:
        page = await student.get(path)
        assert page.status_code == 200, page.text
        found += [booking["start"] for booking in page.json()]
        path, pages = page.links.get("next", {}).get("url"), pages + 1

    assert found == [at(15), at(14), at(12), at(10), at(9)]
    assert pages == 3


async def test_a_list_is_of_one_status_if_asked(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    kept, given_back = [
        (await student.post("/bookings", json={"space_id": space_id, **a_slot(hour, hour + 1)})).json()["id"]
        for hour in (9, 10)
    ]
    await student.delete(f"/bookings/{given_back}")

    async def listed(status: str) -> list[str]:
        return [booking["id"] for booking in (await student.get("/bookings", params={"status": status})).json()]

    assert [await listed(status) for status in ("confirmed", "cancelled", "expired")] == [[kept], [given_back], []]


async def test_a_booking_that_is_over_reads_expired_and_can_no_longer_be_given_back(
    stores: Stores, own_place: Place
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    slot = {"start": (now - timedelta(hours=2)).isoformat(), "end": (now - timedelta(hours=1)).isoformat()}
    own_place.set_clock(now - timedelta(hours=4))
    async with a_house(stores, own_place) as house:
        space_id = await house.space(opening_time="00:00", closing_time="24:00", cancellation_deadline_hours=0)
        student = await house.signed_in()
        booking = (await student.post("/bookings", json={"space_id": space_id, **slot})).json()
        own_place.set_clock(now)

        found = await student.get(f"/bookings/{booking['id']}")
        (listed,) = (await student.get("/bookings", params={"status": "expired"})).json()
        refused = await student.delete(f"/bookings/{booking['id']}")

    assert booking["status"] == "confirmed"
    assert found.json() == listed == booking | {"status": "expired"}
    assert found.headers["ETag"] == '"1-over"'
    assert "booking-not-active" in codes(refused)


async def test_twenty_equal_requests_under_one_key_are_one_booking_and_one_answer(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    body, key = {"space_id": space_id, **a_slot(10, 11)}, {"Idempotency-Key": str(uuid4())}

    answers = await asyncio.gather(*(student.post("/bookings", json=body, headers=key) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["Journal-Position"] for answer in answers}) == 1
    assert len((await student.get("/bookings")).json()) == 1


async def test_a_key_is_good_for_one_request_of_one_user(house: House) -> None:
    space_id, student, other = await house.space(), await house.signed_in(), await house.signed_in()
    body, key = {"space_id": space_id, **a_slot(10, 11)}, {"Idempotency-Key": "mine"}
    booking = (await student.post("/bookings", json=body, headers=key)).json()

    another_body = await student.post("/bookings", json=body | {"notes": "more"}, headers=key)
    another_command = await student.delete(f"/bookings/{booking['id']}", headers=key)
    another_user = await other.post("/bookings", json=body, headers=key)

    assert another_body.status_code == another_command.status_code == 422
    assert another_body.json()["type"] == "urn:daybook:problem:idempotency-key-reused"
    assert (another_user.status_code, codes(another_user)) == (409, ["slot-taken"])


async def test_a_refused_command_keeps_no_key(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    body, key = {"space_id": space_id, **a_slot(10, 11)}, {"Idempotency-Key": "again"}
    taken = (await student.post("/bookings", json=body)).json()

    refused = await student.post("/bookings", json=body, headers=key)
    await student.delete(f"/bookings/{taken['id']}")
    made = await student.post("/bookings", json=body, headers=key)

    assert (refused.status_code, made.status_code) == (409, 201)


async def test_giving_back_under_a_key_is_answered_alike(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    booking = (await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})).json()
    key = {"Idempotency-Key": "once"}

    first, second = [await student.delete(f"/bookings/{booking['id']}?reason=x", headers=key) for _ in range(2)]

    assert (first.status_code, first.content) == (200, second.content)
    other_reason = await student.delete(f"/bookings/{booking['id']}?reason=y", headers=key)
    assert other_reason.status_code == 422


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_none_is_told_so(house: House, key: str) -> None:
    space_id, student = await house.space(), await house.signed_in()

    refused = await student.post(
        "/bookings", json={"space_id": space_id, **a_slot(10, 11)}, headers={"Idempotency-Key": key}
    )

    assert refused.status_code == 422


async def test_a_space_that_is_none_is_404(house: House) -> None:
    student = await house.signed_in()

    refused = await student.post("/bookings", json={"space_id": str(UUID(int=0)), **a_slot(10, 11)})

    assert (refused.status_code, refused.json()["type"]) == (404, "urn:daybook:problem:not-found")


def codes(answer: Response) -> list[str]:
    return [refusal["code"] for refusal in answer.json()["refusals"]]
