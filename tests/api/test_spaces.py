"""Spaces over HTTP: offered, changed, taken out of use, listed, and asked whether a slot is free."""

from uuid import uuid4

import pytest
from httpx import AsyncClient

from booking.opening_hours import WEEKDAYS
from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, a_space, at
from tests.journals import Place


async def test_a_space_is_offered_with_every_rule_at_its_default(house: House) -> None:
    staff = await house.signed_in(Role.STAFF)

    made = await staff.post("/admin/spaces", json=a_space())

    assert made.status_code == 201, made.text
    space = made.json()
    daily = [{"opens": "08:00", "closes": "22:00"}]
    assert space == {
        "id": space["id"],
        "name": "Meeting Room",
        "description": "",
        "capacity": 10,
        "price_per_hour": 25.0,
        "timezone": "UTC",
        "is_active": True,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "requires_approval": False,
        "approval_ttl_hours": 48,
        "approval_deadline_hours": 1,
        "managers": [],
        "special_hours": [],
        "concurrent_bookings": 1,
        "min_duration_minutes": 30,
        "max_duration_minutes": 480,
        "min_advance_minutes": 60,
        "max_advance_days": 365,
        "cancellation_deadline_hours": 24,
        "opening_hours": every_day(daily),
        "created_at": space["created_at"],
    }
    assert made.headers["Location"] == f"/spaces/{space['id']}"
    found = await house.client().get(made.headers["Location"])
    assert (found.json(), found.headers["ETag"]) == (space, '"1"')


async def test_a_space_is_offered_with_hours_of_each_weekday(house: House) -> None:
    staff = await house.signed_in(Role.STAFF)
    hours = {"mon": [{"opens": "09:00", "closes": "12:00"}, {"opens": "22:00", "closes": "02:00"}]}

    made = await staff.post("/admin/spaces", json=a_space(opening_hours=hours, timezone="Europe/Berlin"))

    assert made.status_code == 201, made.text
    assert made.json()["opening_hours"] == every_day([]) | hours
    assert made.json()["timezone"] == "Europe/Berlin"


async def test_opening_and_closing_time_are_those_of_every_day(house: House) -> None:
    staff = await house.signed_in(Role.STAFF)

    made = await staff.post("/admin/spaces", json=a_space(opening_time="07:30", closing_time="24:00"))
    half = await staff.post("/admin/spaces", json=a_space(closing_time="18:00"))

    assert made.json()["opening_hours"] == every_day([{"opens": "07:30", "closes": "24:00"}])
    assert half.json()["opening_hours"] == every_day([{"opens": "08:00", "closes": "18:00"}])


async def test_what_is_given_of_a_space_changes_and_the_rest_stays(house: House) -> None:
    space_id, staff = await house.space(), await house.signed_in(Role.STAFF)
    before = (await staff.get(f"/spaces/{space_id}")).json()
    change = {"name": "Hall", "price_per_hour": 12.34, "max_duration_minutes": 120, "opening_time": "10:00"}

    changed = await staff.patch(f"/admin/spaces/{space_id}", json=change | {"closing_time": "11:00"})

    assert changed.status_code == 200, changed.text
    hours = {"opening_hours": every_day([{"opens": "10:00", "closes": "11:00"}])}
    del change["opening_time"]
    assert changed.json() == before | change | hours
    assert changed.headers["ETag"] == '"4"'
    assert (await staff.get(f"/spaces/{space_id}")).json() == changed.json()


async def test_a_change_that_changes_nothing_is_answered_with_what_is(house: House) -> None:
    space_id, staff = await house.space(), await house.signed_in(Role.STAFF)
    before = (await staff.get(f"/spaces/{space_id}")).json()

    answers = [await staff.patch(f"/admin/spaces/{space_id}", json=body) for body in ({}, {"name": before["name"]})]

    assert [(answer.status_code, answer.json(), answer.headers["ETag"]) for answer in answers] == [
        (200, before, '"1"')
    ] * 2


@pytest.mark.parametrize("how", ["DELETE", "PATCH"])
async def test_a_space_taken_out_of_use_keeps_its_bookings_and_lists_them(house: House, how: str) -> None:
    space_id, staff, student = await house.space(), await house.signed_in(Role.STAFF), await house.signed_in()
    later, sooner, given_back = [
        (await student.post("/bookings", json={"space_id": space_id, **a_slot(hour, hour + 1)})).json()
        for hour in (12, 10, 14)
    ]
    await student.delete(f"/bookings/{given_back['id']}")

    body = {"json": {"is_active": False}} if how == "PATCH" else {}
    answer = await staff.request(how, f"/admin/spaces/{space_id}", **body)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["is_active"], answer.json()["held_bookings"]) == (False, [sooner, later])
    assert (await student.get(f"/bookings/{sooner['id']}")).json() == sooner
    refused = await student.post("/bookings", json={"space_id": space_id, **a_slot(16, 17)})
    assert (refused.status_code, refused.json()["refusals"][0]["code"]) == (409, "space-inactive")


async def test_the_public_list_holds_the_active_spaces_and_the_administrators_all(house: House) -> None:
    kept, closed = await house.space(name="Kept"), await house.space(name="Closed")
    staff = await house.signed_in(Role.STAFF)
    await staff.delete(f"/admin/spaces/{closed}")

    public, everything = await ids(house.client(), "/spaces"), await ids(staff, "/admin/spaces")

    assert (kept in public, closed in public) == (True, False)
    assert {kept, closed} <= set(everything)
    again = await staff.patch(f"/admin/spaces/{closed}", json={"is_active": True})
    assert again.json()["is_active"] is True
    assert closed in await ids(house.client(), "/spaces")


async def test_lists_of_spaces_come_in_pages_by_name(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        for name in ("b", "A", "c"):
            await house.space(name=name)

        first = await house.client().get("/spaces?limit=2")
        second = await house.client().get(first.links["next"]["url"])

    assert [space["name"] for space in first.json() + second.json()] == ["A", "b", "c"]
    assert "next" not in second.links


async def test_a_space_that_is_none_is_404(house: House) -> None:
    anybody, staff, none = house.client(), await house.signed_in(Role.STAFF), uuid4()

    answers = [
        await anybody.get(f"/spaces/{none}"),
        await anybody.get(f"/spaces/{none}/availability", params=a_slot(10, 11)),
        await staff.patch(f"/admin/spaces/{none}", json={"name": "x"}),
        await staff.delete(f"/admin/spaces/{none}"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4


async def test_students_change_no_spaces(house: House) -> None:
    space_id, student, nobody = await house.space(), await house.signed_in(), house.client()
    requests = [
        ("POST", "/admin/spaces", a_space()),
        ("PATCH", f"/admin/spaces/{space_id}", {"name": "Mine"}),
        ("DELETE", f"/admin/spaces/{space_id}", None),
        ("GET", "/admin/spaces", None),
    ]

    refused = [(await student.request(method, path, json=body)).status_code for method, path, body in requests]
    unknown = [(await nobody.request(method, path, json=body)).status_code for method, path, body in requests]

    assert (refused, unknown) == ([403] * 4, [401] * 4)


async def test_rules_that_no_booking_could_keep_are_told_so(house: House) -> None:
    space_id, staff = await house.space(), await house.signed_in(Role.STAFF)

    made = await staff.post("/admin/spaces", json=a_space(min_duration_minutes=60, max_duration_minutes=30))
    changed = await staff.patch(f"/admin/spaces/{space_id}", json={"max_duration_minutes": 5})

    assert [made.status_code, changed.status_code] == [422, 422]
    assert [made.json()["errors"][0]["code"], changed.json()["errors"][0]["code"]] == ["bad-rules"] * 2


async def test_availability_tells_what_a_booking_would_be_told(house: House) -> None:
    space_id, student = await house.space(max_duration_minutes=60), await house.signed_in()
    await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})
    anybody = house.client()

    free = await anybody.get(f"/spaces/{space_id}/availability", params=a_slot(11, 12))
    taken = await anybody.get(f"/spaces/{space_id}/availability", params=a_slot(10.5, 12))

    assert free.json() == {
        "space_id": space_id,
        **a_slot(11, 12),
        "is_available": True,
        "conflicting_slots": [],
        "refusals": [],
    }
    assert taken.json()["is_available"] is False
    assert taken.json()["conflicting_slots"] == [a_slot(10, 11)]
    posted = await student.post("/bookings", json={"space_id": space_id, **a_slot(10.5, 12)})
    assert taken.json()["refusals"] == posted.json()["refusals"]
    assert [refusal["code"] for refusal in taken.json()["refusals"]] == ["slot-too-long", "slot-taken"]


async def test_what_is_outside_opening_hours_is_told_with_when_it_is_open(house: House) -> None:
    space_id = await house.space(opening_time="09:00", closing_time="17:00")

    answer = await house.client().get(f"/spaces/{space_id}/availability", params=a_slot(16, 18))

    (refusal,) = answer.json()["refusals"]
    assert refusal["code"] == "outside-opening-hours"
    assert {"start": at(9), "end": at(17)} in refusal["open"]


async def test_an_offset_unescaped_in_a_query_is_understood(house: House) -> None:
    space_id = await house.space()
    start, end = at(10).replace("Z", "+00:00"), at(11).replace("Z", "+00:00")

    answer = await house.client().get(f"/spaces/{space_id}/availability?start={start}&end={end}")

    assert (answer.status_code, answer.json()["start"]) == (200, at(10))


async def test_an_offer_under_a_key_is_one_space(house: House) -> None:
    staff, key = await house.signed_in(Role.STAFF), {"Idempotency-Key": "offer"}

    first, second = [await staff.post("/admin/spaces", json=a_space(), headers=key) for _ in range(2)]

    assert (first.status_code, first.content) == (second.status_code, second.content) == (201, first.content)


def every_day(windows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    return dict.fromkeys(WEEKDAYS, windows)


async def ids(client: AsyncClient, path: str) -> list[str]:
    found: list[str] = []
    while path:
        page = await client.get(path)
        found += [space["id"] for space in page.json()]
        path = page.links.get("next", {}).get("url", "")
    return found
