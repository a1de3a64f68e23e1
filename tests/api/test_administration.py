"""Administration over HTTP: who may read and change what, and what is left of a person who was erased."""

from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient

from booking.roles import Role
from commands.command import Author
from commands.deciding import Request
from commands.users import EraseUser
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, at
from tests.journals import Place
from tests.processes import eventually


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


async def test_what_an_administrator_changes_at_once_is_one_command(house: House, place: Place) -> None:
    user_id, admin = await house.user(), await house.signed_in(Role.ADMIN)

    body = {"role": "STAFF", "max_active_bookings": 7, "is_active": False}
    answer = await admin.patch(f"/admin/users/{user_id}", json=body)

    assert answer.status_code == 200, answer.text
    facts = place.rows()[-3:]
    assert [fact.type for fact in facts] == ["AllowanceChanged", "RoleChanged", "UserDeactivated"]
    assert len({fact.command_id for fact in facts}) == 1
    assert answer.headers["Journal-Position"] == str(facts[-1].position)


async def test_an_auditor_whom_a_space_names_reads_none_of_its_requests(house: House) -> None:
    user_id, admin, student = await house.user(), await house.signed_in(Role.ADMIN), await house.signed_in()
    manager = house.client(user_id)
    space_id = await house.space(requires_approval=True, managers=[str(user_id)])
    await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11), "notes": "for them alone"})
    own = await manager.post("/bookings", json={"space_id": space_id, **a_slot(14, 15)})
    assert len((await manager.get("/admin/requests")).json()) == 1

    await admin.patch(f"/admin/users/{user_id}", json={"role": "AUDITOR"})

    async def is_heard_of() -> bool:  # by every process there may be
        return {(await manager.get("/admin/requests")).status_code for _ in range(2)} == {403}

    await eventually(is_heard_of)
    assert (await manager.get("/admin/bookings", params={"space_id": space_id})).status_code == 403
    assert (await manager.patch(own.headers["Location"], json={"notes": "changed"})).status_code == 403


async def test_a_manager_lists_the_bookings_of_their_spaces_and_no_others(house: House) -> None:
    manager_id, student = await house.user(), await house.signed_in()
    managed, other = await house.space(managers=[str(manager_id)]), await house.space()
    made = [await student.post("/bookings", json={"space_id": id, **a_slot(10, 11)}) for id in (managed, other)]
    manager = house.client(manager_id)

    listed = await manager.get("/admin/bookings", params={"space_id": managed})

    assert [one["id"] for one in listed.json()] == [made[0].json()["id"]]
    assert (await manager.get("/admin/bookings", params={"space_id": other})).status_code == 403
    assert (await manager.get("/admin/bookings")).status_code == 403


async def test_an_erased_manager_is_left_out_of_a_list_that_is_sent_back(house: House) -> None:
    staff, gone, new = await house.signed_in(Role.STAFF), await house.user(), await house.user()
    space_id = await house.space(managers=[str(gone)])
    await house.rooms.deciding.do(
        EraseUser(user_id=gone),
        by=Author.person(gone),
        request=Request(command_id=uuid4(), correlation_id="test"),
    )

    answer = await staff.patch(f"/admin/spaces/{space_id}", json={"managers": [str(gone), str(new)]})

    assert (answer.status_code, answer.json()["managers"]) == (200, [str(new)])


@pytest.mark.parametrize("role", [Role.STAFF, Role.AUDITOR])
async def test_that_somebody_is_no_admin_leaves_their_other_role(house: House, role: Role) -> None:
    user_id, admin = await house.user(role), await house.signed_in(Role.ADMIN)

    answer = await admin.patch(f"/admin/users/{user_id}", json={"is_admin": False, "max_active_bookings": 7})

    assert (answer.json()["role"], answer.json()["max_active_bookings"]) == (role, 7)


async def test_is_admin_stands_for_a_role(house: House) -> None:
    user_id, admin = await house.user(), await house.signed_in(Role.ADMIN)

    promoted = (await admin.patch(f"/admin/users/{user_id}", json={"is_admin": True})).json()
    demoted = (await admin.patch(f"/admin/users/{user_id}", json={"is_admin": False})).json()
    both = (await admin.patch(f"/admin/users/{user_id}", json={"is_admin": False, "role": "STAFF"})).json()

    assert (promoted["role"], promoted["is_admin"]) == ("ADMIN", True)
    assert (demoted["role"], demoted["is_admin"]) == ("STUDENT", False)
    assert (both["role"], both["is_admin"]) == ("STAFF", False)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"is_admin": True, "role": "STAFF"},
        {"is_admin": False, "role": "ADMIN"},
        {"is_admin": "yes"},
        {"max_active_bookings": 0},
        {"max_active_bookings": 1001},
        {"role": "OWNER"},
    ],
    ids=str,
)
async def test_a_change_that_cannot_be_meant_is_422_and_changes_nothing(
    house: House, place: Place, body: dict[str, object]
) -> None:
    user_id, admin = await house.user(), await house.signed_in(Role.ADMIN)
    before = len(place.rows())

    answer = await admin.patch(f"/admin/users/{user_id}", json=body)

    assert answer.status_code == 422
    assert len(place.rows()) == before


async def test_who_becomes_an_auditor_gives_back_what_they_hold_and_moves_nothing(house: House) -> None:
    space_id, user_id, admin = await house.space(), await house.user(), await house.signed_in(Role.ADMIN)
    user = house.client(user_id)
    booked = (await user.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})).json()
    await admin.patch(f"/admin/users/{user_id}", json={"role": "AUDITOR"})

    moved = await user.patch(f"/bookings/{booked['id']}", json=a_slot(12, 13))
    cancelled = await user.delete(f"/bookings/{booked['id']}")

    assert (moved.status_code, cancelled.status_code) == (409, 200)


async def listed(admin: AsyncClient, **asked: object) -> list[dict[str, Any]]:
    """Every user that fits, page by page."""
    answer, users = await admin.get("/admin/users", params=asked), []
    while True:
        assert answer.status_code == 200, answer.text
        users += answer.json()
        if "next" not in answer.links:
            return users
        answer = await admin.get(answer.links["next"]["url"])


async def test_users_are_listed_in_order_of_registration_page_by_page(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        made = [await house.user(role, limit=9) for role in (Role.ADMIN, Role.STAFF, Role.STUDENT, Role.AUDITOR)]
        admin = house.client(made[0])

        first = await admin.get("/admin/users", params={"limit": 3})
        users = await listed(admin, limit=3)

    assert [user["id"] for user in first.json()] == [str(id) for id in made[:3]]
    assert [user["id"] for user in users] == [str(id) for id in made]
    assert users[0] == {
        "id": str(made[0]),
        "email": f"{made[0]}@example.org",
        "full_name": "Somebody",
        "role": "ADMIN",
        "is_admin": True,
        "max_active_bookings": 9,
        "is_active": True,
        "created_at": users[0]["created_at"],
    }
    assert "example.org" not in first.links["next"]["url"]


async def test_users_are_found_by_part_of_address_or_name_role_and_state(house: House) -> None:
    admin, nobody, mark = await house.signed_in(Role.ADMIN), house.client(), uuid4().hex
    people = {"Ana 100%_Ñandú": f"{mark}.a@example.org", "Ben": f"{mark}.b@example.org"}
    ids = {}
    for name, email in people.items():
        body = {"email": email, "password": "correct horse battery staple", "full_name": name}
        ids[name] = (await nobody.post("/auth/register", json=body)).json()["user"]["id"]
    ana, ben = ids.values()
    await admin.patch(f"/admin/users/{ben}", json={"role": "STAFF", "is_active": False})

    async def found(**asked: object) -> list[str]:
        return [user["id"] for user in await listed(admin, **asked) if user["id"] in (ana, ben)]

    assert await found(search=mark.upper()) == [ana, ben]
    assert await found(search="100%_ñ") == [ana]
    assert await found(search="%") == [ana]
    assert await found(search=mark, role="STAFF") == [ben]
    assert await found(search=mark, is_active=True) == [ana]
    assert await found(search=mark, role="STUDENT", is_active=False) == []


@pytest.mark.parametrize(
    "asked",
    [{"cursor": "MTIz"}, {"cursor": "MjAyNi0wMS0wMVQwMDowMDowMCB4"}, {"role": "OWNER"}, {"search": ""}, {"limit": 201}],
    ids=str,
)
async def test_a_listing_that_cannot_be_is_422(house: House, asked: dict[str, object]) -> None:
    admin = await house.signed_in(Role.ADMIN)

    assert (await admin.get("/admin/users", params=asked)).status_code == 422


async def test_only_administrators_list_users(house: House) -> None:
    for role in (Role.STUDENT, Role.STAFF, Role.AUDITOR):
        assert (await (await house.signed_in(role)).get("/admin/users")).status_code == 403
    assert (await house.client().get("/admin/users")).status_code == 401


async def test_a_person_is_given_all_that_is_held_on_them(house: House) -> None:
    user_id, other = await house.user(), await house.signed_in()
    staff, space_id, person = await house.signed_in(Role.STAFF), await house.space(), house.client(user_id)
    slots = {"kept": a_slot(10, 11), "given back": a_slot(12, 13)}
    kept, given_back = [
        (await person.post("/bookings", json={"space_id": space_id, **slot, "notes": notes})).json()
        for notes, slot in slots.items()
    ]
    await other.post("/bookings", json={"space_id": space_id, **a_slot(15, 16)})
    kept = (await person.patch(f"/bookings/{kept['id']}", json={"notes": "changed"})).json()
    given_back = (await staff.delete(f"/bookings/{given_back['id']}", params={"reason": "rain"})).json()

    admin = await house.signed_in(Role.ADMIN)
    key = {"name": "a door's display", "scopes": ["spaces:read"], "user_id": str(user_id)}
    key = (await admin.post("/admin/api-keys", json=key)).json()
    assert (await person.post("/auth/verify/request")).status_code == 200

    held = (await person.get("/auth/me/export")).json()

    assert held["api_keys"] == [{name: value for name, value in key.items() if name != "key"}]
    assert [letter["kind"] for letter in held["letters"]] == ["verification"]
    assert held["account"].pop("created_at")
    assert held["sessions"] == (await person.get("/auth/sessions")).json()
    assert held["account"] == (await person.get("/auth/me")).json()
    assert held["bookings"] == [kept, given_back]
    assert [fact["type"] for fact in held["facts"]] == [
        "UserRegistered",
        "BookingCreated",
        "BookingCreated",
        "BookingNotesChanged",
        "BookingCancelled",
        "ApiKeyIssued",
    ]
    assert {fact["payload"]["user_id"] for fact in held["facts"]} == {str(user_id)}
    texts = [fact["payload"].get("notes") or fact["payload"].get("reason") for fact in held["facts"]]
    assert texts == [None, "kept", "given back", "changed", "rain", None]
    assert (await house.client().get("/auth/me/export")).status_code == 401


async def test_staff_find_bookings_by_status_space_user_and_range(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        staff, ana, ben = await house.signed_in(Role.STAFF), await house.user(), await house.user()
        attic, cellar = await house.space(), await house.space()
        made = {}
        for name, user_id, space_id, hour in [("a", ana, attic, 8), ("b", ben, attic, 10), ("c", ana, cellar, 12)]:
            body = {"space_id": space_id, **a_slot(hour, hour + 1)}
            made[name] = (await house.client(user_id).post("/bookings", json=body)).json()
        made["b"] = (await staff.delete(f"/bookings/{made['b']['id']}")).json()

        async def found(**asked: object) -> str:
            """The bookings by name, page by page."""
            answer, names = await staff.get("/admin/bookings", params=asked), ""
            while True:
                assert answer.status_code == 200, answer.text
                names += "".join(name for one in answer.json() for name in made if made[name] == one)
                if "next" not in answer.links:
                    return names
                answer = await staff.get(answer.links["next"]["url"])

        assert await found() == "cba"
        assert await found(limit=1) == "cba"
        assert await found(user_id=ana) == "ca"
        assert await found(space_id=attic) == "ba"
        assert await found(space_id=attic, user_id=ana) == "a"
        assert await found(status="cancelled") == "b"
        assert await found(status="confirmed", space_id=attic) == "a"
        assert await found(**{"from": at(10), "to": at(12)}) == "b"
        assert await found(**{"from": at(10)}) == "cb"
        assert await found(to=at(12), limit=1, status="confirmed") == "a"
        assert await found(**{"from": at(8), "to": at(8.5), "user_id": ben}) == ""
        backwards = await staff.get("/admin/bookings", params={"from": at(12), "to": at(10)})
        assert backwards.status_code == 422


async def test_metrics_count_what_there_is_by_status_now(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place) as house:
        admin, user_id, space_id = await house.signed_in(Role.ADMIN), await house.user(), await house.space()
        user = house.client(user_id)
        await admin.delete(f"/admin/spaces/{await house.space()}")
        ids = [
            (await user.post("/bookings", json={"space_id": space_id, **a_slot(hour, hour + 1)})).json()["id"]
            for hour in (8, 10, 12)
        ]
        await user.delete(f"/bookings/{ids[0]}")

        metrics = (await admin.get("/admin/metrics")).json()

    assert metrics["spaces"] == {"total": 2, "active": 1}
    assert metrics["users"] == {"total": 4}
    assert {status: number for status, number in metrics["bookings"].items() if number} == {
        "total": 3,
        "confirmed": 2,
        "cancelled": 1,
    }


@pytest.mark.parametrize(
    ("path", "roles"), [("/admin/metrics", {Role.ADMIN}), ("/admin/bookings", {Role.STAFF, Role.ADMIN})]
)
async def test_what_is_for_those_who_run_things_is_403_for_others(house: House, path: str, roles: set[Role]) -> None:
    for role in Role:
        answer = await (await house.signed_in(role)).get(path)
        assert answer.status_code == (200 if role in roles else 403)
