"""Users over HTTP: registered, signed in, changed by administrators."""

import asyncio
import time
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient

from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import LIFE, House, a_house, a_slot
from tests.journals import Place
from tests.processes import eventually

PASSWORD = "päss wörd with spaces 🙂"


def somebody(**fields: str) -> dict[str, str]:
    return {"email": f"{uuid4().hex}@Example.org", "password": PASSWORD, "full_name": "Ana Ñandú"} | fields


async def test_who_registers_is_a_student_and_signed_in(house: House) -> None:
    asked = somebody()

    made = await house.client().post("/auth/register", json=asked)

    assert made.status_code == 201, made.text
    user = made.json()["user"]
    assert user == {
        "id": user["id"],
        "email": asked["email"].lower(),
        "full_name": asked["full_name"],
        "role": "STUDENT",
        "is_admin": False,
    }
    assert made.json()["token_type"] == "bearer"
    own = house.client(Authorization=f"Bearer {made.json()['access_token']}")
    assert (await own.get("/auth/me")).json() == user | {"max_active_bookings": 5}
    assert PASSWORD not in made.text


async def test_of_parallel_registrations_of_one_address_one_is_made(house: House) -> None:
    asked = somebody()

    answers = await asyncio.gather(*(house.client().post("/auth/register", json=asked) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    (refused, *_) = [answer.json() for answer in answers if answer.status_code == 409]
    assert refused["refusals"][0]["code"] == "email-taken"


async def test_an_address_is_one_in_whatever_case(house: House) -> None:
    asked = somebody()
    await house.client().post("/auth/register", json=asked)

    again = await house.client().post("/auth/register", json=asked | {"email": asked["email"].upper()})

    assert again.status_code == 409


async def test_registering_again_under_one_key_is_one_account(house: House) -> None:
    asked, key = somebody(), {"Idempotency-Key": "register"}
    nobody = house.client()

    answers = await asyncio.gather(*(nobody.post("/auth/register", json=asked, headers=key) for _ in range(4)))
    answers.append(await nobody.post("/auth/register", json=asked, headers=key))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["user"]["id"] for answer in answers}) == 1


async def test_a_registration_is_repeated_in_another_process_and_after_the_secret_key_was_replaced(
    stores: Stores, own_place: Place
) -> None:
    asked, key = somebody(), {"Idempotency-Key": "register"}
    replaced = "the secret that takes the place of the other one"
    answers = []
    for keys in ([], [], [replaced]):
        async with a_house(stores, own_place, following=False, keys=keys) as house:
            answers.append(await house.client().post("/auth/register", json=asked, headers=key))

    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["user"]["id"] for answer in answers}) == 1


@pytest.mark.one_process("what an id is made of is the same however many there are")
async def test_an_id_tells_nothing_to_who_guesses_the_address_and_the_key_of_the_registration(
    stores: Stores, own_place: Place
) -> None:
    """Facts keep the id for ever, also of somebody who was erased."""
    asked, ids = somebody(), []
    for secret in ("one secret that is long enough to sign with", "another secret that is long enough"):
        async with a_house(stores, own_place, following=False, keys=[secret]) as house:
            made = await house.client().post("/auth/register", json=asked, headers={"Idempotency-Key": "1"})
            ids.append(made.json()["user"]["id"])
            await house.client(UUID(ids[-1])).request("DELETE", "/auth/me", json={"password": PASSWORD})

    assert ids[0] != ids[1]


async def test_the_key_of_a_registration_makes_no_second_account_once_the_first_was_erased(house: House) -> None:
    asked, key, nobody = somebody(), {"Idempotency-Key": "register"}, house.client()
    made = await nobody.post("/auth/register", json=asked, headers=key)
    own = house.client(UUID(made.json()["user"]["id"]))
    assert (await own.request("DELETE", "/auth/me", json={"password": PASSWORD})).status_code == 200

    again = await nobody.post("/auth/register", json=asked, headers=key)

    assert (again.status_code, again.json()["type"]) == (422, "urn:daybook:problem:idempotency-key-reused")
    assert (await nobody.post("/auth/register", json=asked)).status_code == 201


@pytest.mark.parametrize("change", [{"password": "another password"}, {"full_name": "Somebody Else"}])
async def test_a_key_of_a_registration_is_good_for_the_same_one_alone(house: House, change: dict[str, str]) -> None:
    asked, key, nobody = somebody(), {"Idempotency-Key": "register"}, house.client()
    first = await nobody.post("/auth/register", json=asked, headers=key)

    other = await nobody.post("/auth/register", json=asked | change, headers=key)

    assert (first.status_code, other.status_code) == (201, 422)
    assert "access_token" not in other.text
    signed_in = await nobody.post("/auth/login", json={"email": asked["email"], "password": asked["password"]})
    assert signed_in.status_code == 200


async def test_two_people_may_use_the_same_key(house: House) -> None:
    key = {"Idempotency-Key": "1"}

    answers = [await house.client().post("/auth/register", json=somebody(), headers=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]


@pytest.mark.parametrize("as_form", [False, True])
async def test_signing_in_takes_json_and_the_form_of_oauth(house: House, as_form: bool) -> None:
    asked, nobody = somebody(), house.client()
    await nobody.post("/auth/register", json=asked)
    form = {"grant_type": "password", "username": asked["email"], "password": PASSWORD, "scope": ""}
    body = {"data": form} if as_form else {"json": {"email": asked["email"], "password": PASSWORD}}

    answer = await nobody.post("/auth/login", **body)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "access_token": answer.json()["access_token"],
        "token_type": "bearer",
        "expires_in": LIFE.total_seconds(),
    }
    me = await house.client(Authorization=f"bearer {answer.json()['access_token']}").get("/auth/me")
    assert me.json()["email"] == asked["email"].lower()


async def test_a_form_for_another_grant_than_a_passwords_gets_no_token(house: House) -> None:
    form = {"grant_type": "client_credentials", "username": "ana@example.org", "password": PASSWORD}

    answer = await house.client().post("/auth/login", data=form)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/grant_type")


async def test_a_password_counts_to_its_last_byte_and_in_either_form_of_an_accent(house: House) -> None:
    nobody, asked = house.client(), somebody(password="e" * 127 + "é")
    await nobody.post("/auth/register", json=asked)

    async def status(password: str) -> int:
        return (await nobody.post("/auth/login", json={"email": asked["email"], "password": password})).status_code

    assert await status("e" * 127 + "é") == 200
    assert await status("e" * 127 + "è") == 401


async def test_whether_an_address_has_an_account_is_not_told(house: House) -> None:
    asked, nobody = somebody(), house.client()
    await nobody.post("/auth/register", json=asked)

    answers = [
        await nobody.post("/auth/login", json={"email": email, "password": "wrong password"})
        for email in (asked["email"], f"{uuid4().hex}@example.org", "no address at all")
    ]

    assert [answer.status_code for answer in answers] == [401] * 3
    problems = [answer.json() | {"correlation_id": ""} for answer in answers]
    assert problems == [problems[0]] * 3
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}


async def test_an_unknown_address_takes_as_long_as_a_wrong_password(stores: Stores, place: Place) -> None:
    """The hash costs a hundred times what else there is to do, so its absence would show."""
    async with a_house(stores, place, rounds=10) as house:
        asked, nobody = somebody(), house.client()
        await nobody.post("/auth/register", json=asked)

        async def took(email: str) -> float:
            began = time.perf_counter()
            await nobody.post("/auth/login", json={"email": email, "password": "wrong password"})
            return time.perf_counter() - began

        known = min([await took(asked["email"]) for _ in range(5)])
        unknown = min([await took("nobody@example.org") for _ in range(5)])

    assert 0.2 < known / unknown < 5


async def test_who_was_deactivated_can_neither_sign_in_nor_go_on(house: House) -> None:
    asked, admin = somebody(), await house.signed_in(Role.ADMIN)
    made = (await house.client().post("/auth/register", json=asked)).json()
    own = house.client(Authorization=f"Bearer {made['access_token']}")
    assert (await own.get("/auth/me")).status_code == 200

    await admin.patch(f"/admin/users/{made['user']['id']}", json={"is_active": False})

    credentials = {"email": asked["email"], "password": PASSWORD}
    assert (await house.client().post("/auth/login", json=credentials)).status_code == 401
    await answered(own, "/auth/me", 401)


async def test_an_administrator_changes_role_limit_and_state(house: House) -> None:
    user_id, admin = await house.user(), await house.signed_in(Role.ADMIN)

    changed = await admin.patch(f"/admin/users/{user_id}", json={"role": "STAFF", "max_active_bookings": 7})
    deactivated = await admin.patch(f"/admin/users/{user_id}", json={"is_active": False})
    activated = await admin.patch(f"/admin/users/{user_id}", json={"is_active": True})

    assert changed.status_code == 200, changed.text
    user = {
        "id": str(user_id),
        "email": f"{user_id}@example.org",
        "full_name": "Somebody",
        "role": "STAFF",
        "is_admin": False,
        "max_active_bookings": 7,
    }
    assert changed.json() == activated.json() == user | {"is_active": True}
    assert deactivated.json() == user | {"is_active": False, "held_bookings": []}


async def test_who_is_deactivated_keeps_bookings_and_they_are_listed(house: House) -> None:
    space_id, user_id, admin = await house.space(), await house.user(), await house.signed_in(Role.ADMIN)
    later, sooner = [
        (await house.client(user_id).post("/bookings", json={"space_id": space_id, **a_slot(hour, hour + 1)})).json()
        for hour in (12, 10)
    ]

    answer = await admin.patch(f"/admin/users/{user_id}", json={"is_active": False})

    assert answer.json()["held_bookings"] == [sooner, later]
    assert (await admin.get(f"/bookings/{later['id']}")).json() == later


async def test_a_change_under_a_key_is_carried_out_once(house: House) -> None:
    user_id, admin, key = await house.user(), await house.signed_in(Role.ADMIN), {"Idempotency-Key": "change"}
    body = {"role": "STAFF", "max_active_bookings": 9}

    first, second = [await admin.patch(f"/admin/users/{user_id}", json=body, headers=key) for _ in range(2)]
    other = await admin.patch(f"/admin/users/{user_id}", json={"role": "ADMIN"}, headers=key)

    assert (first.status_code, second.status_code, other.status_code) == (200, 200, 422)
    assert first.json()["role"] == second.json()["role"] == "STAFF"
    assert first.headers["Journal-Position"] == second.headers["Journal-Position"]


@pytest.mark.parametrize("role", [Role.STUDENT, Role.STAFF])
async def test_only_administrators_change_users(house: House, role: Role) -> None:
    other, somebody_else = await house.user(), await house.signed_in(role)

    answer = await somebody_else.patch(f"/admin/users/{other}", json={"role": "ADMIN"})

    assert answer.status_code == 403


async def test_a_user_that_is_none_is_404(house: House) -> None:
    admin = await house.signed_in(Role.ADMIN)

    assert (await admin.patch(f"/admin/users/{UUID(int=0)}", json={"role": "STAFF"})).status_code == 404


async def test_a_promotion_acts_at_once_and_a_demotion_within_a_second(house: House) -> None:
    admin, user_id = await house.signed_in(Role.ADMIN), await house.user()
    user = house.client(user_id)
    assert (await user.get("/admin/spaces")).status_code == 403

    await admin.patch(f"/admin/users/{user_id}", json={"role": "STAFF"})
    assert (await user.get("/admin/spaces")).status_code == 200

    await admin.patch(f"/admin/users/{user_id}", json={"role": "STUDENT"})
    assert (await user.post("/admin/spaces", json={})).status_code in (403, 422)
    await answered(user, "/admin/spaces", 403)


async def answered(client: AsyncClient, path: str, status: int) -> None:
    """Return once the path is answered so; within a second."""

    async def so() -> bool:
        return (await client.get(path)).status_code == status

    await eventually(so, within=1)
