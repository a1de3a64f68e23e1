"""API keys over HTTP: services act for users, within scopes, until the key is revoked or the user gone."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient

from booking.roles import Role, Scope
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot
from tests.api.test_callers import kept
from tests.api.test_users import answered
from tests.journal.go_between import GoBetween
from tests.journals import Place

EVERY_SCOPE = [scope.value for scope in Scope]


async def issued(admin: AsyncClient, user_id: UUID, *scopes: str, name: str = "the door") -> dict[str, Any]:
    body = {"name": name, "scopes": scopes or EVERY_SCOPE, "user_id": str(user_id)}
    answer = await admin.post("/admin/api-keys", json=body)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


def bearing(house: House, key: dict[str, Any]) -> AsyncClient:
    """A service that sends the key."""
    return house.client(Authorization=f"Bearer {key['key']}")


async def test_a_service_books_for_the_user_of_its_key(house: House) -> None:
    admin, user_id, space_id = await house.signed_in(Role.ADMIN), await house.user(), await house.space()
    service = bearing(house, await issued(admin, user_id, "bookings:write"))

    made = await service.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})

    assert (made.status_code, made.json()["user_id"]) == (201, str(user_id))
    assert (await service.get("/bookings")).json() == [made.json()]
    assert (await service.delete(f"/bookings/{made.json()['id']}")).status_code == 200


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("bookings:write", "GET", "/bookings"),
        ("spaces:read", "GET", "/spaces/{space}/calendar?from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z"),
        ("audit:read", "GET", "/audit/events?limit=1"),
    ],
)
async def test_a_scope_leads_where_it_says_and_no_other_does(house: House, scope: str, method: str, path: str) -> None:
    admin, user_id = await house.signed_in(Role.ADMIN), await house.user(Role.ADMIN)
    path = path.replace("{space}", await house.space())

    with_it = await bearing(house, await issued(admin, user_id, scope)).request(method, path)
    others = [one for one in EVERY_SCOPE if one != scope]
    without = await bearing(house, await issued(admin, user_id, *others)).request(method, path)

    assert with_it.status_code == 200
    assert (without.status_code, without.json()["type"]) == (403, "urn:daybook:problem:out-of-scope")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/auth/me"),
        ("GET", "/auth/me/export"),
        ("DELETE", "/auth/me"),
        ("GET", "/stream"),
        ("GET", "/admin/users"),
        ("POST", "/admin/spaces"),
        ("POST", "/admin/api-keys"),
    ],
)
async def test_no_scope_leads_anywhere_else_whatever_the_role(house: House, method: str, path: str) -> None:
    admin = await house.signed_in(Role.ADMIN)
    service = bearing(house, await issued(admin, await house.user(Role.ADMIN)))

    answer = await service.request(method, path, json={"password": "any password"})

    assert answer.status_code in (403, 422)
    assert answer.json()["type"].rpartition(":")[2] in ("out-of-scope", "invalid-request")


async def test_a_key_gives_no_more_than_its_user_may(house: House) -> None:
    admin = await house.signed_in(Role.ADMIN)
    service = bearing(house, await issued(admin, await house.user()))

    assert (await service.get("/audit/events")).status_code == 403


async def test_a_revoked_key_is_good_for_nothing_and_others_go_on(house: House) -> None:
    admin, user_id = await house.signed_in(Role.ADMIN), await house.user()
    revoked, other = await issued(admin, user_id), await issued(admin, user_id)
    service = bearing(house, revoked)
    assert (await service.get("/bookings")).status_code == 200

    again = {"Idempotency-Key": "revoke"}
    answers = [await admin.delete(f"/admin/api-keys/{revoked['id']}", headers=again) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    await answered(service, "/bookings", 401)
    assert (await bearing(house, other).get("/bookings")).status_code == 200
    assert (await admin.delete(f"/admin/api-keys/{revoked['id']}")).status_code == 404
    assert (await admin.delete(f"/admin/api-keys/{UUID(int=0)}")).status_code == 404


async def test_no_command_is_carried_out_once_its_key_is_revoked(house: House, place: Place) -> None:
    admin, user_id, space_id = await house.signed_in(Role.ADMIN), await house.user(), await house.space()
    key = await issued(admin, user_id)
    service = bearing(house, key)
    again = {"Idempotency-Key": "made before"}
    body = {"space_id": space_id, **a_slot(8, 10)}
    assert (await service.post("/bookings", json=body, headers=again)).status_code == 201
    revoked = await admin.delete(f"/admin/api-keys/{key['id']}")

    late = [
        await service.post("/bookings", json={"space_id": space_id, **a_slot(10, 12)}),
        await service.post("/bookings", json=body, headers=again),
    ]

    for answer in late:
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert place.rows()[-1].position == int(revoked.headers["Journal-Position"])


async def test_a_revoked_key_is_good_for_nothing_in_another_process_within_a_second(
    house: House, stores: Stores, place: Place
) -> None:
    admin, user_id = await house.signed_in(Role.ADMIN), await house.user()
    key = await issued(admin, user_id)
    async with a_house(stores, place) as elsewhere:
        service = bearing(elsewhere, key)
        assert (await service.get("/bookings")).status_code == 200

        await admin.delete(f"/admin/api-keys/{key['id']}")

        await answered(service, "/bookings", 401)


async def test_a_service_goes_on_asking_while_postgresql_is_away_as_people_do(stores: Stores, own_place: Place) -> None:
    async with GoBetween(own_place.url) as between, a_house(stores, own_place, url=between.url) as house:
        admin, user_id = await house.signed_in(Role.ADMIN), await house.user()
        known, unknown = [bearing(house, await issued(admin, user_id)) for _ in range(2)]
        person = house.client(user_id)
        for asking in (known, person):
            assert (await asking.get("/bookings")).status_code == 200
        await kept(house.rooms.callers, user_id)

        await between.is_gone()
        house.following = False  # who reads after a position asks whether there is one

        answers = [await asking.get("/bookings") for asking in (known, person, unknown)]
        assert [answer.status_code for answer in answers] == [200, 200, 503]


async def test_a_key_ends_with_its_user(house: House) -> None:
    admin, user_id = await house.signed_in(Role.ADMIN), await house.user()
    service = bearing(house, await issued(admin, user_id))

    await admin.patch(f"/admin/users/{user_id}", json={"is_active": False})

    await answered(service, "/bookings", 401)


async def test_a_key_is_shown_once_and_kept_as_a_hash(house: House, place: Place) -> None:
    admin, user_id, name = await house.signed_in(Role.ADMIN), await house.user(), uuid4().hex
    body, again = {"name": name, "scopes": ["audit:read"], "user_id": str(user_id)}, {"Idempotency-Key": name}

    first, second = [await admin.post("/admin/api-keys", json=body, headers=again) for _ in range(2)]

    key = first.json()["key"]
    assert key.startswith("dbk_")
    assert (second.status_code, second.json()["type"]) == (409, "urn:daybook:problem:shown-before")
    (listed,) = [
        one for one in (await admin.get("/admin/api-keys", params={"limit": 200})).json() if one["name"] == name
    ]
    assert listed == {name: value for name, value in first.json().items() if name != "key"}
    with place.role() as role:
        stored = (
            role.execute("select k::text from api_keys k").fetchall()
            + role.execute("select payload from events").fetchall()
        )
    assert [row for (row,) in stored if key in row or key.removeprefix("dbk_") in row] == []


async def test_keys_are_listed_page_by_page(house: House) -> None:
    admin, user_id = await house.signed_in(Role.ADMIN), await house.user()
    made = {(await issued(admin, user_id))["id"] for _ in range(3)}

    answer, ids = await admin.get("/admin/api-keys", params={"limit": 2}), []
    while True:
        ids += [key["id"] for key in answer.json()]
        if "next" not in answer.links:
            break
        answer = await admin.get(answer.links["next"]["url"])

    assert made <= set(ids)
    assert len(ids) == len(set(ids))
    assert (await admin.get("/admin/api-keys", params={"cursor": "MTIz"})).status_code == 422


@pytest.mark.parametrize("key", ["dbk_", "dbk_nonsense", "dbk_" + "a" * 43, "dbk_" + "a" * 5000])
async def test_what_is_no_key_is_401(house: House, key: str) -> None:
    answer = await house.client(Authorization=f"Bearer {key}").get("/bookings")

    assert answer.status_code == 401


@pytest.mark.parametrize("role", [Role.STUDENT, Role.STAFF, Role.AUDITOR])
async def test_only_administrators_issue_list_and_revoke_keys(house: House, role: Role) -> None:
    admin, somebody = await house.signed_in(Role.ADMIN), await house.signed_in(role)
    key = await issued(admin, await house.user())

    body = {"name": "mine", "scopes": ["audit:read"]}
    assert (await somebody.post("/admin/api-keys", json=body)).status_code == 403
    assert (await somebody.get("/admin/api-keys")).status_code == 403
    assert (await somebody.delete(f"/admin/api-keys/{key['id']}")).status_code == 403


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"scopes": []}, 422),
        ({"scopes": ["everything"]}, 422),
        ({"name": " "}, 422),
        ({"user_id": str(UUID(int=0))}, 404),
    ],
    ids=str,
)
async def test_a_key_that_cannot_be_is_refused(house: House, change: dict[str, Any], status: int) -> None:
    admin = await house.signed_in(Role.ADMIN)

    answer = await admin.post("/admin/api-keys", json={"name": "x", "scopes": ["audit:read"]} | change)

    assert answer.status_code == status
