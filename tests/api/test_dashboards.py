"""Dashboards over HTTP: how much of the spaces is used, what became of bookings, and how the views stand."""

from datetime import UTC, datetime

import pytest

from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, at
from tests.journals import Place

DAY, NEXT_DAY = at(0)[:10], at(24)[:10]


async def test_booked_and_open_minutes_are_told_of_each_space_and_of_each_day(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        small, large = await house.space(name="a"), await house.space(name="b")
        student, staff = await house.signed_in(), await house.signed_in(Role.STAFF)
        for space_id, slot in ((small, a_slot(10, 12)), (large, a_slot(9, 10)), (large, a_slot(9, 10, day=8))):
            assert (await student.post("/bookings", json={"space_id": space_id, **slot})).status_code == 201
        given_back = await student.post("/bookings", json={"space_id": small, **a_slot(14, 16)})
        await student.delete(given_back.headers["Location"])

        by_space = await staff.get("/dashboards/utilisation", params={"from": DAY, "to": NEXT_DAY})
        by_day = await staff.get("/dashboards/utilisation", params={"from": DAY, "to": NEXT_DAY, "by": "day"})

    open_minutes = 2 * 14 * 60
    assert by_space.json() == [
        {"space_id": small, "name": "a", "booked_minutes": 120, "open_minutes": open_minutes},
        {"space_id": large, "name": "b", "booked_minutes": 120, "open_minutes": open_minutes},
    ]
    assert by_day.json() == [
        {"date": DAY, "booked_minutes": 180, "open_minutes": open_minutes},
        {"date": NEXT_DAY, "booked_minutes": 60, "open_minutes": open_minutes},
    ]


async def test_what_became_of_bookings_is_told_of_each_day(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        own_place.set_clock(datetime.now(UTC).replace(hour=12))
        space_id, student, staff = await house.space(), await house.signed_in(), await house.signed_in(Role.STAFF)
        made = [
            await student.post("/bookings", json={"space_id": space_id, **a_slot(hour, hour + 1)}) for hour in (10, 11)
        ]
        await student.delete(made[0].headers["Location"])
        today = at(0, day=0)[:10]

        answer = await staff.get("/dashboards/bookings", params={"from": today, "to": today})

    (day,) = answer.json()
    assert (day["date"], day["made"], day["cancelled"], day["expired"]) == (today, 2, 1, 0)
    assert sum(day["lead_times"].values()) == 2
    assert 6 * 24 * 60 < day["mean_lead_minutes"] < 8 * 24 * 60


@pytest.mark.parametrize("path", ["/dashboards/utilisation", "/dashboards/bookings"])
@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-02-02", "2026-02-01"),
        ("2026-01-01", "2027-02-01"),
        ("2026-02-30", "2026-03-01"),
        ("0001-01-01", "9999-12-31"),
    ],
)
async def test_a_range_that_is_none_is_unfit(house: House, path: str, first: str, last: str) -> None:
    staff = await house.signed_in(Role.STAFF)

    assert (await staff.get(path, params={"from": first, "to": last})).status_code == 422


@pytest.mark.parametrize("path", ["/dashboards/utilisation", "/dashboards/bookings", "/admin/projections"])
async def test_dashboards_are_not_for_everybody(house: House, path: str) -> None:
    student, times = await house.signed_in(), {"from": DAY, "to": DAY}

    assert (await house.client().get(path, params=times)).status_code == 401
    assert (await student.get(path, params=times)).status_code == 403


async def test_an_admin_sees_how_every_view_stands(house: House) -> None:
    admin = await house.signed_in(Role.ADMIN)
    await house.space()

    answer = await admin.get("/admin/projections")

    views = {one["view"]: one for one in answer.json()}
    assert {"availability", "bookings", "spaces", "utilisation", "activity"} <= views.keys()
    assert {one["state"] for one in views.values()} == {"followed"}
    assert all(one["position"] + one["behind"] == int(answer.headers["Projection-Position"]) for one in views.values())
