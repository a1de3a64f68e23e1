"""What a development system offers, and the whole story of it over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from daybook import wiring
from daybook.embedded import Stores
from daybook.settings import Settings
from tests.api.houses import House, a_house, a_slot, a_space
from tests.journals import Place
from tests.processes import eventually

SEEDED = ["Meeting Room A", "Open Coworking", "Private Office B"]


@pytest.fixture
async def house(stores: Stores, own_place: Place) -> AsyncIterator[House]:
    settings = Settings(
        app_env="development",
        database_url=SecretStr(own_place.url),
        database_owner_url=SecretStr(own_place.owner_url),
        redis_url=SecretStr(stores.redis_url),
        daybook_schema=own_place.schema,
    )

    async def reset() -> None:
        await asyncio.to_thread(wiring.reset, settings)

    async with a_house(stores, own_place, reset=reset) as house:
        yield house


async def names(house: House) -> list[str]:
    answer = await house.client().get("/spaces")
    return [space["name"] for space in answer.json()] if answer.status_code == 200 else []


@pytest.mark.one_process("they are for development")
async def test_a_system_that_is_not_for_development_offers_none_of_it(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        seeded = await house.client().post("/dev/seed")
        reset = await house.client().delete("/dev/reset")
        paths = (await house.client().get("/openapi.json")).json()["paths"]

    assert (seeded.status_code, reset.status_code) == (404, 404)
    assert not [path for path in paths if path.startswith("/dev")]


@pytest.mark.one_process("it signs in with passwords that cost as much as in production")
async def test_seeding_makes_sign_ins_and_spaces_and_again_nothing(house: House) -> None:
    first = await house.client().post("/dev/seed")
    _, position, _ = await house.rooms.journal.head()
    second = await house.client().post("/dev/seed")

    assert first.status_code == second.status_code == 200, first.text
    said = first.json()
    assert said.keys() == {
        "message",
        "admin_email",
        "admin_password",
        "user_email",
        "user_password",
        "access_token",
        "token_type",
    }
    assert said | {"access_token": ""} == second.json() | {"access_token": ""}
    assert (await house.rooms.journal.head())[1] == position
    assert await names(house) == SEEDED
    prices = [(space["capacity"], space["price_per_hour"]) for space in (await house.client().get("/spaces")).json()]
    assert prices == [(10, 25.0), (20, 10.0), (2, 15.0)]
    for whose, role, limit in (("admin", "ADMIN", 100), ("user", "STUDENT", 5)):
        credentials = {"email": said[f"{whose}_email"], "password": said[f"{whose}_password"]}
        token = (await house.client().post("/auth/login", json=credentials)).json()["access_token"]
        me = (await house.client(Authorization=f"Bearer {token}").get("/auth/me")).json()
        assert (me["role"], me["max_active_bookings"]) == (role, limit)


async def test_seeding_at_once_is_seeding_once(house: House) -> None:
    answers = await asyncio.gather(*(house.client().post("/dev/seed") for _ in range(4)))

    assert {answer.status_code for answer in answers} == {200}
    assert await names(house) == SEEDED


async def test_where_there_is_a_space_seeding_adds_none(house: House) -> None:
    await house.space(name="Ours")

    await house.client().post("/dev/seed")

    assert await names(house) == ["Ours"]


async def test_a_reset_begins_a_new_journal_with_nothing_in_it(house: House) -> None:
    before = (await house.client().post("/dev/seed")).json()
    journal_id, _, _ = await house.rooms.journal.head()

    answer = await house.client().delete("/dev/reset")

    assert (answer.status_code, answer.json()) == (200, {"message": "All data wiped — database is clean"})
    new_id, position, _ = await house.rooms.journal.head()
    assert (new_id != journal_id, position) == (True, 0)
    assert (await house.client(Authorization=f"Bearer {before['access_token']}").get("/auth/me")).status_code == 401
    credentials = {"email": before["admin_email"], "password": before["admin_password"]}
    assert (await house.client().post("/auth/login", json=credentials)).status_code == 401
    after = (await house.client().post("/dev/seed")).json()
    assert (await house.client(Authorization=f"Bearer {after['access_token']}").get("/auth/me")).status_code == 200

    async def shown() -> bool:
        return await names(house) == SEEDED

    await eventually(shown)


async def test_after_a_reset_texts_are_sealed_under_the_new_keys(
    house: House, stores: Stores, own_place: Place
) -> None:
    """Registered again under the same key, the same person has the same id and another key for their texts."""
    body = {"email": "ana@example.org", "password": "correct horse", "full_name": "Ana"}

    async def note() -> None:
        made = await house.client().post("/auth/register", json=body, headers={"Idempotency-Key": "ana"})
        ana = house.client(Authorization=f"Bearer {made.json()['access_token']}")
        booking = {"space_id": await house.space(), **a_slot(10, 11), "notes": "quietly"}
        assert (await ana.post("/bookings", json=booking)).status_code == 201

    await note()
    await house.client().delete("/dev/reset")
    await note()

    async with a_house(stores, own_place, following=False) as other:  # one that remembers nothing
        facts = await other.rooms.journal.page(0, 100)
    assert [notes for fact in facts if (notes := getattr(fact.event, "notes", None))] == ["quietly"]


@pytest.mark.one_process("it signs in with passwords that cost as much as in production")
async def test_the_story_from_seed_to_deactivation(house: House) -> None:
    seeded = (await house.client().post("/dev/seed")).json()
    form = {"username": seeded["admin_email"], "password": seeded["admin_password"]}
    token = (await house.client().post("/auth/login", data=form)).json()["access_token"]
    admin = house.client(Authorization=f"Bearer {token}")
    ana = {"email": "ana@example.org", "password": "correct horse", "full_name": "Ana"}
    registered = (await house.client().post("/auth/register", json=ana)).json()
    student = house.client(Authorization=f"Bearer {registered['access_token']}")

    space = (await student.get("/spaces")).json()[0]
    availability = f"/spaces/{space['id']}/availability"
    assert (await student.get(availability, params=a_slot(10, 12))).json()["is_available"] is True
    booked = await student.post("/bookings", json={"space_id": space["id"], **a_slot(10, 12), "notes": "Standup"})
    assert booked.status_code == 201
    assert (await student.get(availability, params=a_slot(11, 12))).json()["conflicting_slots"] == [a_slot(10, 12)]
    overlapping = await student.post("/bookings", json={"space_id": space["id"], **a_slot(11, 13)})
    assert overlapping.status_code == 409
    assert (await student.get("/bookings")).json() == [booked.json()]
    cancelled = await student.delete(f"/bookings/{booked.json()['id']}", params={"reason": "ill"})
    assert cancelled.json()["status"] == "cancelled"

    assert (await student.post("/admin/spaces", json=a_space())).status_code == 403
    hall = (await admin.post("/admin/spaces", json=a_space(name="Hall"))).json()
    changed = await admin.patch(f"/admin/spaces/{hall['id']}", json={"capacity": 200})
    assert changed.json()["capacity"] == 200
    held = (await student.post("/bookings", json={"space_id": hall["id"], **a_slot(10, 12)})).json()
    deactivated = await admin.delete(f"/admin/spaces/{hall['id']}")
    assert deactivated.json()["held_bookings"] == [held]
    assert hall["id"] not in [one["id"] for one in (await student.get("/spaces")).json()]
