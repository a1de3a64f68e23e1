"""Approval over HTTP: requests that wait, who decides on them, who sees them, and managers of a space."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient, Response

from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, a_space
from tests.journals import Place


async def asking_space(house: House, **rules: Any) -> str:
    return await house.space(requires_approval=True, **rules)


async def asked(client: AsyncClient, space_id: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    made = await client.post("/bookings", json={"space_id": space_id, **a_slot(start, end), **more})
    assert made.status_code == 201, made.text
    booking: dict[str, Any] = made.json()
    return booking


def codes(answer: Response) -> list[str]:
    return [refusal["code"] for refusal in answer.json()["refusals"]]


async def test_a_request_waits_holds_its_slot_and_is_approved(house: House) -> None:
    space_id, student, other = await asking_space(house), await house.signed_in(), await house.signed_in()
    staff = await house.signed_in(Role.STAFF)

    booking = await asked(student, space_id, 10, 12)
    taken = await other.post("/bookings", json={"space_id": space_id, **a_slot(11, 13)})
    approved = await staff.post(f"/bookings/{booking['id']}/approve")
    again = await staff.post(f"/bookings/{booking['id']}/approve")

    assert booking["status"] == "pending"
    assert datetime.fromisoformat(booking["decide_by"]) == (
        datetime.fromisoformat(booking["created_at"]) + timedelta(hours=48)
    )
    assert codes(taken) == ["slot-taken"]
    assert approved.status_code == 200, approved.text
    assert (approved.json()["status"], approved.json()["decide_by"]) == ("confirmed", None)
    assert approved.headers["ETag"] == '"2"'
    assert (await student.get(f"/bookings/{booking['id']}")).json() == approved.json()
    assert (again.status_code, codes(again)) == (409, ["booking-not-pending"])


async def test_a_request_is_rejected_with_or_without_a_reason_and_its_slot_is_free(house: House) -> None:
    space_id, student, staff = await asking_space(house), await house.signed_in(), await house.signed_in(Role.STAFF)

    for body in ({}, {"json": {}}, {"json": {"reason": None}}, {"json": {"reason": "Repairs"}}):
        booking = await asked(student, space_id, 10, 12)
        rejected = await staff.post(f"/bookings/{booking['id']}/reject", **body)
        assert rejected.status_code == 200, rejected.text
        assert rejected.json()["status"] == "rejected"

    listed = await student.get("/bookings", params={"status": "rejected"})
    assert sorted(str(one["reason"]) for one in listed.json()) == ["None", "None", "None", "Repairs"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"reason": "x" * 501}}, 422),
        ({"json": {"why": "so"}}, 422),
        ({"json": []}, 422),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422),
        ({"content": b"no", "headers": {"Content-Type": "text/plain"}}, 415),
    ],
)
async def test_an_unfit_reason_rejects_nothing(house: House, sent: dict[str, Any], status: int) -> None:
    space_id, student, staff = await asking_space(house), await house.signed_in(), await house.signed_in(Role.STAFF)
    booking = await asked(student, space_id, 10, 12)

    answer = await staff.post(f"/bookings/{booking['id']}/reject", **sent)

    assert answer.status_code == status, answer.text
    assert (await student.get(f"/bookings/{booking['id']}")).json()["status"] == "pending"


async def test_nobody_decides_who_may_not(house: House) -> None:
    space_id, student, other = await asking_space(house), await house.signed_in(), await house.signed_in()
    booking = await asked(student, space_id, 10, 12)

    for what in ("approve", "reject"):
        path = f"/bookings/{booking['id']}/{what}"
        answers = [await who.post(path) for who in (student, other, house.client())]
        assert [answer.status_code for answer in answers] == [403, 404, 401]
        assert (await (await house.signed_in(Role.STAFF)).post(f"/bookings/{uuid4()}/{what}")).status_code == 404
    assert (await student.get(f"/bookings/{booking['id']}")).json() == booking


async def test_a_decision_is_about_what_was_seen_and_made_once_per_key(house: House) -> None:
    space_id, student, staff = await asking_space(house), await house.signed_in(), await house.signed_in(Role.STAFF)
    booking = await asked(student, space_id, 10, 12)
    path = f"/bookings/{booking['id']}/approve"
    await student.patch(f"/bookings/{booking['id']}", json={"notes": "for ten"})

    stale = await staff.post(path, headers={"If-Match": '"1"'})
    keyed = [await staff.post(path, headers={"If-Match": '"2"', "Idempotency-Key": "once"}) for _ in range(2)]

    assert stale.status_code == 412
    assert [answer.status_code for answer in keyed] == [200, 200]
    assert keyed[0].json() == keyed[1].json()
    assert keyed[0].headers["Journal-Position"] == keyed[1].headers["Journal-Position"]


async def test_a_students_move_asks_again_and_a_move_by_staff_does_not(house: House) -> None:
    space_id, student, staff = await asking_space(house), await house.signed_in(), await house.signed_in(Role.STAFF)
    path = f"/bookings/{(await asked(student, space_id, 10, 12))['id']}"
    await staff.post(f"{path}/approve")

    moved = await student.patch(path, json=a_slot(11, 13))
    by_staff = await staff.patch(path, json=a_slot(12, 14))

    assert (moved.json()["status"], moved.json()["decide_by"] is not None) == ("pending", True)
    assert (by_staff.json()["status"], by_staff.json()["decide_by"]) == ("confirmed", None)


async def test_what_staff_book_is_confirmed_for_themselves_and_for_others(house: House) -> None:
    space_id, staff = await asking_space(house), await house.signed_in(Role.STAFF)
    student_id = await house.user()

    own = await asked(staff, space_id, 10, 12)
    for_another = await asked(staff, space_id, 12, 14, user_id=str(student_id))

    assert (own["status"], for_another["status"], for_another["user_id"]) == ("confirmed", "confirmed", str(student_id))
    assert (await house.client(student_id).get("/bookings")).json() == [for_another]


async def test_a_student_books_for_nobody_else_and_nobody_for_who_is_no_user(house: House) -> None:
    space_id, student, staff = await house.space(), await house.signed_in(), await house.signed_in(Role.STAFF)
    body = {"space_id": space_id, **a_slot(10, 12)}

    by_student = await student.post("/bookings", json=body | {"user_id": str(await house.user())})
    for_nobody = await staff.post("/bookings", json=body | {"user_id": str(uuid4())})
    unfit = await staff.post("/bookings", json=body | {"user_id": "me"})

    assert [one.status_code for one in (by_student, for_nobody, unfit)] == [403, 404, 422]


async def test_no_time_left_to_decide_is_too_little_notice(house: House) -> None:
    space_id = await asking_space(house, approval_deadline_hours=8_760)
    student, staff = await house.signed_in(), await house.signed_in(Role.STAFF)
    body = {"space_id": space_id, **a_slot(10, 12)}

    refused = await student.post("/bookings", json=body)
    seen = await student.get(f"/spaces/{space_id}/availability", params=a_slot(10, 12))

    assert (refused.status_code, codes(refused)) == (422, ["too-little-notice"])
    assert codes(seen) == ["too-little-notice"]
    assert (await staff.post("/bookings", json=body)).status_code == 201


async def test_what_waits_is_listed_by_deadline_for_staff_and_for_managers_in_their_spaces(
    stores: Stores, own_place: Place
) -> None:
    async with a_house(stores, own_place) as house:
        quick, slow = await asking_space(house, approval_ttl_hours=2), await asking_space(house)
        manager, stranger, student = await house.user(), await house.signed_in(), await house.signed_in()
        staff = await house.signed_in(Role.STAFF)
        await staff.patch(f"/admin/spaces/{slow}", json={"managers": [str(manager)]})
        late = [await asked(student, slow, 10, 12), await asked(student, slow, 12, 14)]
        early = await asked(student, quick, 10, 12)
        gone = await asked(student, quick, 12, 14)
        await staff.post(f"/bookings/{gone['id']}/reject")

        everything = await staff.get("/admin/requests")
        theirs = await house.client(manager).get("/admin/requests")
        page = await staff.get("/admin/requests", params={"limit": 2})
        rest = await staff.get(page.links["next"]["url"])
        denied = [await who.get("/admin/requests") for who in (stranger, student)]

        assert everything.json() == [early, *late]
        assert theirs.json() == late
        assert (page.json(), rest.json(), "next" in rest.links) == ([early, late[0]], late[1:], False)
        assert [answer.status_code for answer in denied] == [403, 403]
        await staff.patch(f"/admin/spaces/{slow}", json={"managers": []})
        assert (await house.client(manager).get("/admin/requests")).status_code == 403


async def test_what_has_lapsed_is_declined_for_every_query_and_command_to_the_second(
    stores: Stores, own_place: Place
) -> None:
    own_place.put_clock_forward(timedelta(hours=-2))
    async with a_house(stores, own_place) as house:
        space_id = await asking_space(house, approval_ttl_hours=1)
        student, other = await house.signed_in(limit=1), await house.signed_in()
        staff = await house.signed_in(Role.STAFF)
        booking = await asked(student, space_id, 10, 12)
        path = f"/bookings/{booking['id']}"
        own_place.put_clock_forward(timedelta(0))

        one = await student.get(path)
        listed = await student.get("/bookings", params={"status": "declined"})
        pending = await student.get("/bookings", params={"status": "pending"})
        free = await student.get(f"/spaces/{space_id}/availability", params=a_slot(10, 12))
        start, end = a_slot(0, 24).values()
        calendar = await staff.get(f"/spaces/{space_id}/calendar", params={"from": start, "to": end})
        late = await staff.post(f"{path}/approve")
        again = [await asked(who, space_id, hour, hour + 2) for who, hour in ((student, 12), (other, 10))]

        assert one.json() == booking | {"status": "declined"}
        assert one.headers["ETag"] == '"1-over"'
        assert (listed.json(), pending.json()) == ([one.json()], [])
        assert free.json()["is_available"] is True
        assert calendar.json() == []
        assert (late.status_code, codes(late)) == (409, ["booking-not-pending"])
        assert [booking["status"] for booking in again] == ["pending", "pending"]
        assert {waiting["id"] for waiting in (await staff.get("/admin/requests")).json()} == {
            booking["id"] for booking in again
        }


async def test_a_manager_is_staff_for_their_space_alone(house: House) -> None:
    theirs, elsewhere = await asking_space(house), await asking_space(house)
    manager_id, student_id = await house.user(), await house.user()
    manager, student, staff = house.client(manager_id), house.client(student_id), await house.signed_in(Role.STAFF)
    named = await staff.patch(f"/admin/spaces/{theirs}", json={"managers": [str(manager_id)]})
    assert (named.status_code, named.json()["managers"]) == (200, [str(manager_id)])
    start, end = a_slot(0, 24).values()

    async def statuses(space_id: str) -> list[int]:
        booking = await asked(student, space_id, 10, 12)
        answers = [
            await manager.get(f"/bookings/{booking['id']}"),
            await manager.post(f"/bookings/{booking['id']}/approve"),
            await manager.patch(f"/bookings/{booking['id']}", json=a_slot(14, 16)),
            await manager.delete(f"/bookings/{booking['id']}"),
            await manager.post("/bookings", json={"space_id": space_id, "user_id": str(student_id), **a_slot(16, 17)}),
            await manager.patch(f"/admin/spaces/{space_id}", json={"capacity": 12}),
        ]
        return [answer.status_code for answer in answers]

    async def seen(space_id: str) -> set[bool]:
        calendar = await manager.get(f"/spaces/{space_id}/calendar", params={"from": start, "to": end})
        return {one["booking"] is not None for one in calendar.json()}

    assert await statuses(theirs) == [200, 200, 200, 200, 201, 200]
    assert await statuses(elsewhere) == [404, 404, 404, 404, 403, 403]
    assert (await seen(theirs), await seen(elsewhere)) == ({True}, {False})
    assert (await manager.post("/admin/spaces", json=a_space())).status_code == 403
    assert (await manager.get("/admin/spaces")).status_code == 403
    assert (await manager.delete(f"/admin/spaces/{theirs}")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"managers": [str(uuid4())]}, 404),
        ({"managers": ["me"]}, 422),
        ({"managers": [str(UUID(int=n)) for n in range(51)]}, 422),
        ({"requires_approval": "yes"}, 422),
        ({"approval_ttl_hours": 0}, 422),
        ({"approval_ttl_hours": 8_761}, 422),
        ({"approval_deadline_hours": -1}, 422),
    ],
)
async def test_unfit_terms_of_approval_change_nothing(house: House, body: dict[str, Any], status: int) -> None:
    space_id, staff = await house.space(), await house.signed_in(Role.STAFF)
    before = await staff.get(f"/spaces/{space_id}")

    answer = await staff.patch(f"/admin/spaces/{space_id}", json=body)

    assert answer.status_code == status, answer.text
    assert (await staff.get(f"/spaces/{space_id}")).json() == before.json()


async def test_a_space_tells_its_terms_of_approval_and_its_managers(house: House) -> None:
    manager = str(await house.user())

    plain = await house.client().get(f"/spaces/{await house.space()}")
    told = await house.client().get(
        f"/spaces/{await asking_space(house, approval_ttl_hours=4, approval_deadline_hours=2, managers=[manager])}"
    )

    names = ("requires_approval", "approval_ttl_hours", "approval_deadline_hours", "managers")
    assert [plain.json()[name] for name in names] == [False, 48, 1, []]
    assert [told.json()[name] for name in names] == [True, 4, 2, [manager]]


async def test_of_decisions_at_once_one_is_made(house: House) -> None:
    space_id, student = await asking_space(house), await house.signed_in()
    staff = [await house.signed_in(Role.STAFF) for _ in range(3)]
    path = f"/bookings/{(await asked(student, space_id, 10, 12))['id']}"

    answers = await asyncio.gather(*(who.post(f"{path}/{what}") for who in staff for what in ("approve", "reject")))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    (made,) = (answer for answer in answers if answer.status_code == 200)
    assert (await student.get(path)).json() == made.json()


async def test_the_dashboard_counts_decisions(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        space_id, student, staff = await asking_space(house), await house.signed_in(), await house.signed_in(Role.STAFF)
        kept, gone = [(await asked(student, space_id, hour, hour + 1))["id"] for hour in (10, 12)]
        await staff.post(f"/bookings/{kept}/approve")
        await staff.post(f"/bookings/{gone}/reject")
        day = datetime.now(UTC).date().isoformat()

        (today,) = (await staff.get("/dashboards/bookings", params={"from": day, "to": day})).json()

        assert (today["made"], today["approved"], today["rejected"], today["declined"]) == (2, 1, 1, 0)
