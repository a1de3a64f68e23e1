"""Erasure over HTTP: afterwards nothing that is stored, shown or built anew tells who the person was."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient, Response
from redis.asyncio import Redis

from audit import proof
from booking.roles import Role
from daybook.embedded import Stores
from projections.asking import client
from projections.bookings import VIEW
from projections.rebuilding import Rebuilder
from projections.verifying import differences
from tests.api.houses import House, a_house, a_slot
from tests.journals import Place, a_journal
from tests.processes import eventually

PASSWORD = "correct horse battery staple"
NAME, NOTES = "Zwölfe Zibulski", "Zwetschgendatschi for two"


@pytest.fixture
async def redis(stores: Stores) -> AsyncIterator[Redis]:
    async with client(stores.redis_url, within=5) as redis:
        yield redis


async def registered(house: House, name: str = NAME) -> tuple[AsyncClient, UUID, str]:
    """A client of somebody with a name and an address, their id and the address."""
    body = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "full_name": name}
    made = (await house.client().post("/auth/register", json=body)).json()
    user_id = UUID(made["user"]["id"])
    return house.client(user_id), user_id, body["email"]


async def erased(person: AsyncClient, password: str = PASSWORD) -> Response:
    return await person.request("DELETE", "/auth/me", json={"password": password})


async def booked(person: AsyncClient, space_id: str, *hours: float, notes: str = NOTES) -> str:
    body = {"space_id": space_id, **a_slot(*hours), "notes": notes}
    answer = await person.post("/bookings", json=body)
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def rows_telling(place: Place, *words: str) -> list[str]:
    """The tables in any column of which one of the words stands."""
    found = []
    with place.owner() as owner:
        tables = owner.execute("select tablename from pg_tables where schemaname = %s", (place.schema,)).fetchall()
        assert len(tables) >= 7
        for (table,) in tables:
            for (row,) in owner.execute(f"select t::text from {table} t").fetchall():
                found += [table for word in words if word in row or word.encode().hex() in row]
    return found


async def keys_telling(redis: Redis, *words: str) -> list[str]:
    """The keys in Redis in which, or in the value of which, one of the words stands."""
    found, looked_at = [], 0
    async for key in redis.scan_iter(match="*", count=1_000):
        kind = await redis.type(key)
        value: Any
        match kind:
            case b"string":
                value = await redis.get(key)
            case b"zset":
                value = await redis.zrange(key, 0, -1)
            case b"set":
                value = await redis.smembers(key)
            case b"hash":
                value = [part for entry in (await redis.hgetall(key)).items() for part in entry]
            case b"none":
                continue
            case _:
                raise AssertionError(f"nobody looks into a {kind!r}")
        looked_at += 1
        text = repr(key) + (value if isinstance(value, bytes) else b" ".join(value)).decode(errors="replace")
        found += [key.decode() for word in words if word in text]
    assert looked_at
    return found


async def test_nothing_tells_who_was_erased_before_and_after_a_rebuild(
    stores: Stores, own_place: Place, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    mark = uuid4().hex
    async with a_house(stores, own_place) as house:
        person, user_id, email = await registered(house, name=f"Zwölfe Zibulski {mark}")
        staff, admin, space_id = (
            await house.signed_in(Role.STAFF),
            await house.signed_in(Role.ADMIN),
            await house.space(),
        )
        held = await booked(person, space_id, 10, 11, notes=f"for two {mark}")
        given_back = await booked(person, space_id, 12, 13, notes=f"alone {mark}")
        await staff.delete(f"/bookings/{given_back}", params={"reason": f"Zahnweh {mark}"})
        key = {"name": f"the key of {mark}", "scopes": ["bookings:write"], "user_id": str(user_id)}
        await admin.post("/admin/api-keys", json=key)
        assert sorted(rows_telling(own_place, mark, email)) == ["accounts", "accounts", "api_keys"]
        assert len(await keys_telling(redis, mark)) == 2

        answer = await erased(person)

        assert answer.status_code == 200, answer.text
        assert (await staff.get(f"/bookings/{held}")).json()["status"] == "cancelled"
        start, end = a_slot(0, 24).values()
        asked = [
            "/admin/users",
            "/admin/api-keys",
            "/admin/bookings",
            "/audit/events?limit=200",
            f"/audit/bookings/{held}",
            f"/bookings/{held}",
            f"/bookings/{given_back}",
            f"/spaces/{space_id}/calendar?from={start}&to={end}",
        ]
        for _ in range(2):
            for path in asked:
                told = await admin.get(path)
                assert told.status_code == 200, told.text
                assert mark not in told.text
                assert email not in told.text
            assert rows_telling(own_place, mark, email) == []
            assert await keys_telling(redis, mark, email) == []
            assert await differences(stores.redis_url, own_place.schema, house.rooms.journal, VIEW) == []
            rebuilder = Rebuilder(stores.redis_url, own_place.schema, house.rooms.journal)
            await rebuilder.rebuild(VIEW, lambda *_: None)
            await rebuilder.close()
        with proof.reading(own_place.url, own_place.schema) as connection:
            assert proof.verify(connection).position == len(own_place.rows())
        assert (own_place.rows()[-1].type, own_place.rows()[-1].actor) == ("UserErased", f"user:{user_id}")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert [line for line in ours if mark in line or email in line] == []


async def test_who_was_erased_does_nothing_more_and_the_address_is_free(house: House) -> None:
    person, user_id, email = await registered(house)
    admin, space_id = await house.signed_in(Role.ADMIN), await house.space()

    await erased(person)

    credentials = {"email": email, "password": PASSWORD}
    assert (await house.client().post("/auth/login", json=credentials)).status_code == 401
    assert (await person.get("/auth/me")).status_code == 401
    booking = {"space_id": space_id, **a_slot(15, 16), "notes": NOTES}

    async def turned_away() -> bool:
        return (await person.post("/bookings", json=booking)).status_code == 401

    await eventually(turned_away, within=1)
    assert (await admin.patch(f"/admin/users/{user_id}", json={"is_active": True})).status_code == 404
    again = await house.client().post("/auth/register", json=credentials | {"full_name": NAME})
    assert again.status_code == 201
    assert again.json()["user"]["id"] != str(user_id)


async def test_a_wrong_password_erases_nobody(house: House, place: Place) -> None:
    person, _, email = await registered(house)
    before = len(place.rows())

    answer = await erased(person, "a wrong password")

    assert (answer.status_code, answer.json()["type"]) == (403, "urn:daybook:problem:wrong-password")
    assert len(place.rows()) == before
    assert rows_telling(place, email) == ["accounts"]


async def test_the_last_active_admin_is_not_erased(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        person, user_id, email = await registered(house)
        maker = await house.user(Role.ADMIN)
        await house.client(maker).patch(f"/admin/users/{user_id}", json={"role": "ADMIN"})
        await house.client(maker).patch(f"/admin/users/{maker}", json={"role": "STUDENT"})

        answer = await erased(person)

        assert (answer.status_code, answer.json()["refusals"][0]["code"]) == (409, "last-admin")
        assert rows_telling(own_place, email) == ["accounts"]


async def test_another_process_reads_no_text_of_somebody_erased_within_a_second(house: House, place: Place) -> None:
    person, _, _ = await registered(house)
    space_id = await house.space()
    await booked(person, space_id, 10, 11)
    position = len(place.rows())
    async with a_journal(place, name="another process") as elsewhere:
        (fact,) = await elsewhere.page(position - 1, 1)
        assert fact.event.notes == NOTES  # type: ignore[union-attr]

        await erased(person)
        await elsewhere.user_facts(after=position)  # as the followers of callers ask again and again

        (fact,) = await elsewhere.page(position - 1, 1)
        assert fact.event.notes is None  # type: ignore[union-attr]


async def test_what_is_folded_while_redis_is_away_has_no_text_of_somebody_erased(
    stores: Stores, own_place: Place
) -> None:
    async with a_house(stores, own_place, following=False) as house:
        person, _, _ = await registered(house)
        staff = await house.signed_in(Role.STAFF)
        id = await booked(person, await house.space(), 10, 11)
        assert (await staff.get(f"/bookings/{id}")).json()["notes"] == NOTES

        await erased(person)

        assert (await staff.get(f"/bookings/{id}")).json()["notes"] is None


async def test_what_the_erased_ask_for_at_once_is_401(house: House) -> None:
    person, _, _ = await registered(house)
    await erased(person)

    change = {"current_password": PASSWORD, "new_password": "another password"}
    answers = [await person.post("/auth/verify/request"), await person.post("/auth/password", json=change)]

    assert [answer.status_code for answer in answers] == [401, 401]


async def test_a_registration_repeated_under_its_key_after_the_erasure_is_told_so(house: House) -> None:
    body = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "full_name": NAME}
    newcomer = house.client(**{"Idempotency-Key": "the same"})
    made = (await newcomer.post("/auth/register", json=body)).json()
    await erased(house.client(UUID(made["user"]["id"])))

    again = await newcomer.post("/auth/register", json=body)

    assert again.status_code == 422


async def test_who_listens_slowly_is_told_no_text_of_somebody_erased_meanwhile(house: House) -> None:
    person, user_id, _ = await registered(house)
    space_id = await house.space()
    slow, quick = [house.rooms.streams.listen(after=None, quiet=0.01) for _ in range(2)]
    assert [await anext(one) for one in (slow, quick)] == [[], []]  # from here on both are told

    async def told_quickly(name: str) -> Any:
        async for facts in quick:
            if of_person := [fact.event for fact in facts if type(fact.event).__name__ == name]:
                return of_person[0]

    async with aclosing(slow), aclosing(quick):
        await booked(person, space_id, 10, 11)
        assert (await told_quickly("BookingCreated")).notes == NOTES
        await erased(person)
        await told_quickly("UserErased")
        waited = {type(fact.event).__name__: fact.event for fact in await anext(slow)}

    assert waited["UserErased"].user_id == user_id
    assert waited["BookingCreated"].notes is None
