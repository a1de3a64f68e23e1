"""One story over HTTP, from an empty development system on: everything people do with it, one after the other."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from httpx import AsyncClient, Response

from booking.bookings import Status
from commands.letters import Kind
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, a_space
from tests.journals import Place


@pytest.fixture
async def house(stores: Stores, own_place: Place) -> AsyncIterator[House]:
    async def reset() -> None:
        own_place.begin_anew()

    async with a_house(stores, own_place, reset=reset) as house:
        yield house


async def answered(sent: Awaitable[Response], status: int = 200) -> Any:
    answer = await sent
    assert answer.status_code == status, answer.text
    return answer.json()


def bears(client: AsyncClient, signed: dict[str, Any]) -> None:
    """The client shows this token from here on."""
    client.headers["Authorization"] = f"Bearer {signed['access_token']}"


@pytest.mark.one_process("letters are written in another process")
async def test_the_whole_of_it(house: House) -> None:
    # Seeded, there are an administrator and spaces.
    admin = house.client()
    seeded = await answered(admin.post("/dev/seed"))
    credentials = {"email": seeded["admin_email"], "password": seeded["admin_password"]}
    bears(admin, await answered(admin.post("/auth/login", json=credentials)))
    assert (await answered(admin.get("/auth/me")))["is_admin"] is True

    # Somebody registers, goes on for another while, and forgets their password.
    ana = house.client()
    who = {"email": "ana@example.org", "password": "before it is forgotten", "full_name": "Ana Ñandú"}
    registered = await answered(ana.post("/auth/register", json=who), 201)
    bears(ana, await answered(ana.post("/auth/refresh")))
    asked = await answered(ana.post("/auth/password-reset/request", json={"email": who["email"]}))
    assert asked == {"detail": "If the email exists, instructions will be sent"}
    token = next(letter.token for letter in house.letters if letter.kind is Kind.PASSWORD_RESET)
    new = {"token": token, "new_password": "after it was forgotten"}
    reset = await answered(ana.post("/auth/password-reset/confirm", json=new))
    assert reset == {"detail": "Password has been reset"}
    await answered(ana.post("/auth/refresh"), 401)
    await answered(ana.post("/auth/login", json={"email": who["email"], "password": who["password"]}), 401)
    again = {"email": who["email"], "password": new["new_password"]}
    bears(ana, await answered(ana.post("/auth/login", json=again)))

    # They find a space, hold a slot of it, move it, and give it back.
    spaces = await answered(ana.get("/spaces"))
    assert {space["name"] for space in spaces} == {"Meeting Room A", "Private Office B", "Open Coworking"}
    room = next(space for space in spaces if space["name"] == "Meeting Room A")
    availability = f"/spaces/{room['id']}/availability"
    assert (await answered(ana.get(availability, params=a_slot(10, 11))))["is_available"] is True
    booking = await answered(ana.post("/bookings", json={"space_id": room["id"], **a_slot(10, 11)}), 201)
    assert (await answered(ana.get(availability, params=a_slot(10, 11))))["is_available"] is False
    await answered(admin.post("/bookings", json={"space_id": room["id"], **a_slot(10, 11)}), 409)
    moved = await answered(ana.patch(f"/bookings/{booking['id']}", json=a_slot(14, 15)))
    assert moved["start"] == a_slot(14, 15)["start"]
    assert (await answered(ana.get(availability, params=a_slot(10, 11))))["is_available"] is True
    assert [one["id"] for one in await answered(ana.get("/bookings"))] == [booking["id"]]
    cancelled = await answered(ana.delete(f"/bookings/{booking['id']}"))
    assert cancelled["status"] == Status.CANCELLED

    # The administrator makes a space, changes it and closes it for good.
    attic = await answered(admin.post("/admin/spaces", json=a_space(name="Attic")), 201)
    changed = await answered(admin.patch(f"/admin/spaces/{attic['id']}", json={"capacity": 3}))
    assert (changed["name"], changed["capacity"]) == ("Attic", 3)
    assert (await answered(admin.delete(f"/admin/spaces/{attic['id']}")))["is_active"] is False
    await answered(ana.post("/bookings", json={"space_id": attic["id"], **a_slot(10, 11)}), 409)

    # Nobody else may.
    await answered(ana.post("/admin/spaces", json=a_space()), 403)
    await answered(ana.patch(f"/admin/spaces/{room['id']}", json={"capacity": 3}), 403)
    await answered(ana.delete(f"/admin/spaces/{room['id']}"), 403)
    await answered(ana.patch(f"/admin/users/{registered['user']['id']}", json={"role": "ADMIN"}), 403)
    await answered(house.client().post("/admin/spaces", json=a_space()), 401)
