"""Administration over HTTP: who may read and change what, and what is left of a person who was erased."""

import pytest

from booking.roles import Role
from tests.api.houses import House, a_slot


@pytest.mark.parametrize(
    "path",
    ["/admin/projections", "/admin/spaces", "/dashboards/bookings?from=2026-01-01&to=2026-01-02"],
)
async def test_an_auditor_reads_history_and_nothing_else_that_needs_a_role(house: House, path: str) -> None:
    auditor = await house.signed_in(Role.AUDITOR)

    assert (await auditor.get("/audit/events")).status_code == 200
    assert (await auditor.get(path)).status_code == 403


async def test_an_auditor_changes_nothing(house: House) -> None:
    auditor, space_id, other = await house.signed_in(Role.AUDITOR), await house.space(), await house.user()

    booked = await auditor.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})

    assert (booked.status_code, booked.json()["refusals"][0]["code"]) == (409, "role-holds-no-bookings")
    assert "alternatives" not in booked.json() or not booked.json()["alternatives"]
    assert (await auditor.patch(f"/admin/spaces/{space_id}", json={"name": "Mine"})).status_code == 403
    assert (await auditor.patch(f"/admin/users/{other}", json={"role": "ADMIN"})).status_code == 403


async def test_who_becomes_an_auditor_gives_back_what_they_hold_and_moves_nothing(house: House) -> None:
    space_id, user_id, admin = await house.space(), await house.user(), await house.signed_in(Role.ADMIN)
    user = house.client(user_id)
    booked = (await user.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})).json()
    await admin.patch(f"/admin/users/{user_id}", json={"role": "AUDITOR"})

    moved = await user.patch(f"/bookings/{booked['id']}", json=a_slot(12, 13))
    cancelled = await user.delete(f"/bookings/{booked['id']}")

    assert (moved.status_code, cancelled.status_code) == (409, 200)
