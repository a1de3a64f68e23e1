"""What a development system offers, and the whole story of it over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from httpx import Response
from pydantic import SecretStr
from redis.asyncio import Redis

from booking.roles import Role
from daybook.embedded import Store, Stores
from daybook.resetting import reset
from daybook.settings import Settings
from tests.api.houses import GENEROUS, House, a_house, a_slot, a_space
from tests.journals import Place, a_place
from tests.processes import eventually

SEEDED = ["Meeting Room A", "Open Coworking", "Private Office B"]


@asynccontextmanager
async def for_development(stores: Stores, place: Place, **more: Any) -> AsyncIterator[House]:
    settings = Settings(
        app_env="development",
        database_url=SecretStr(place.url),
        database_owner_url=SecretStr(place.owner_url),
        redis_url=SecretStr(stores.redis_url),
        daybook_schema=place.schema,
    )
    async with a_house(stores, place, reset=partial(reset, settings), **more) as house:
        yield house


@pytest.fixture
async def house(stores: Stores, own_place: Place) -> AsyncIterator[House]:
    async with for_development(stores, own_place) as house:
        yield house


@contextmanager
def away(store: Store, fault: str) -> Iterator[None]:
    """The store is killed or hangs, and is back afterwards."""
    stopped = store.processes() if fault == "hung" else []
    for process in stopped:
        process.suspend()
    if fault == "killed":
        store.kill()
    try:
        yield
    finally:
        for process in stopped:
            process.resume()
        if fault == "killed":
            store.restart()


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
    assert await names(house) == SEEDED


async def test_whoever_was_told_of_a_reset_can_go_on_at_once(house: House) -> None:
    for _ in range(5):
        await house.client().post("/dev/seed")

        assert (await house.client().delete("/dev/reset")).status_code == 200

        listed = await house.client().get("/spaces")
        assert (listed.status_code, listed.text) == (200, "[]")


async def test_who_was_known_before_a_reset_is_not_after_it(house: House) -> None:
    admin = await house.signed_in(Role.ADMIN)
    assert (await admin.get("/admin/spaces")).status_code == 200  # looked up, and remembered

    await house.client().delete("/dev/reset")

    async def unknown() -> bool:
        return (await admin.get("/admin/spaces")).status_code == 401

    await eventually(unknown, within=1.0)
    assert (await admin.post("/admin/spaces", json=a_space())).status_code == 401


async def test_a_key_that_was_used_before_a_reset_is_good_for_another_command_after_it(house: House) -> None:
    body = {"email": "ana@example.org", "password": "correct horse", "full_name": "Ana"}

    async def booked(start: int) -> Response:
        made = await house.client().post("/auth/register", json=body, headers={"Idempotency-Key": "ana"})
        ana = house.client(Authorization=f"Bearer {made.json()['access_token']}")  # of the same id each time
        booking = {"space_id": await house.space(), **a_slot(start, start + 1)}
        return await ana.post("/bookings", json=booking, headers={"Idempotency-Key": "1"})

    before = await booked(10)
    await house.client().delete("/dev/reset")
    after = await booked(14)

    assert (before.status_code, after.status_code) == (201, 201)
    assert after.json()["start"] == a_slot(14, 15)["start"]


async def test_seeds_and_resets_at_once_all_succeed_and_leave_what_another_seed_completes(house: House) -> None:
    async def asked(method: str, path: str) -> Response:
        return await house.client().request(method, path)

    sent = [asked("POST", "/dev/seed") if n % 2 else asked("DELETE", "/dev/reset") for n in range(6)]
    answers = await asyncio.gather(*sent)

    assert [(answer.status_code, answer.text) for answer in answers if answer.status_code != 200] == []
    assert (await house.client().post("/dev/seed")).status_code == 200
    assert await names(house) == SEEDED


async def test_a_reset_empties_redis_of_its_own_schema_alone(stores: Stores, own_place: Place) -> None:
    schema = own_place.schema
    with a_place(stores) as other:
        async with (
            for_development(stores, other),
            for_development(
                stores, own_place, following=False, limits=replace(GENEROUS, sign_ins_per_account=1)
            ) as house,
            Redis.from_url(stores.redis_url) as redis,
        ):
            guess = {"email": "ana@example.org", "password": "a guess"}
            guessed = [(await house.client().post("/auth/login", json=guess)).status_code for _ in range(2)]
            theirs = [
                *(f"daybook:{schema}2:due", f"daybook:{schema}", f"{schema}:due", f"other:throttle:{{{schema}}}:x"),
                *(f"v:{{bookings@{schema}2}}:active", f"v:{{bookings@{schema}}}s:active"),
            ]
            ours = [
                *(f"daybook:{schema}:due", f"daybook:{schema}:due.msgs", f"daybook:{schema}:__heartbeats__"),
                *(f"v:{{bookings@{schema}}}:{name}" for name in ("active", "previous", "building", "erased")),
                *(f"v:{{bookings@{schema}}}:g{n}:{name}" for n in (1, 2, 3) for name in ("mark", "booking:x")),
            ]
            await redis.mset(dict.fromkeys(ours + theirs, "3"))
            await redis.set(f"v:{{bookings@{schema}}}:last", 3)
            of_the_other = {key async for key in redis.scan_iter(f"*{other.schema}*")}

            assert (await house.client().delete("/dev/reset")).status_code == 200

            left = {key.decode() async for key in redis.scan_iter(f"*{schema}*")}
            again = (await house.client().post("/auth/login", json=guess)).status_code
            for_the_other = {key async for key in redis.scan_iter(f"*{other.schema}*")}
            await redis.delete(*theirs)

    assert (guessed, again) == ([401, 429], 401)
    # The counter stays, so that no number is given twice.
    assert {key for key in left if not key.startswith("throttle:")} == {*theirs, f"v:{{bookings@{schema}}}:last"}
    assert for_the_other >= of_the_other


@pytest.mark.parametrize("fault", ["killed", "hung"])
@pytest.mark.parametrize("store", ["postgres", "redis"])
async def test_where_a_store_is_away_nothing_is_reset_and_everything_is_once_it_is_back(
    own_stores: Stores, store: str, fault: str
) -> None:
    with a_place(own_stores) as place:
        async with for_development(own_stores, place) as house:
            hurt = getattr(own_stores, store)
            assert (await house.client().post("/dev/seed")).status_code == 200
            journal_id, head, _ = await house.rooms.journal.head()

            with away(hurt, fault):
                began = time.monotonic()
                refused = await house.client().delete("/dev/reset")
                took = time.monotonic() - began

            async def kept() -> bool:
                answer = await house.client(**{"Read-After": str(head)}).get("/spaces")
                return answer.status_code == 200 and [space["name"] for space in answer.json()] == SEEDED

            await eventually(kept)
            assert (await house.rooms.journal.head())[:2] == (journal_id, head)
            assert (await house.client().delete("/dev/reset")).status_code == 200
            assert (await house.rooms.journal.head())[0] != journal_id
            assert await names(house) == []

    assert (refused.status_code, refused.json()["type"]) == (503, "urn:daybook:problem:unavailable"), refused.text
    assert "Retry-After" in refused.headers
    assert took < 5


async def test_whoever_waits_for_a_reset_that_waits_for_them_goes_first(house: House, own_place: Place) -> None:
    with own_place.owner() as other, other.transaction():
        other.execute("lock table events")
        resetting = asyncio.create_task(house.client().delete("/dev/reset"))
        await asyncio.to_thread(own_place.wait_for_a_lock, the_owner=True)
        await asyncio.to_thread(other.execute, "lock table accounts")

    assert (await resetting).status_code == 200


async def test_a_redis_that_fails_in_the_middle_leaves_the_journal_as_it_was(own_stores: Stores) -> None:
    """It takes writes no more, but everything else: what is removed first was removed in vain, and is made again."""
    with a_place(own_stores) as place:
        async with (
            for_development(own_stores, place) as house,
            Redis.from_url(own_stores.redis_url) as redis,
        ):
            assert (await house.client().post("/dev/seed")).status_code == 200
            before = await house.rooms.journal.head()
            await redis.execute_command("ACL", "SETUSER", "default", "-unlink")
            refused = await house.client().delete("/dev/reset")
            await redis.execute_command("ACL", "SETUSER", "default", "+unlink")

            async def shown() -> bool:
                return await names(house) == SEEDED

            await eventually(shown)
            assert await house.rooms.journal.head() == before
            assert (await house.client().delete("/dev/reset")).status_code == 200
            assert await names(house) == []

    assert refused.status_code == 503


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
