"""The auditor's routes over HTTP: who may read, what is shown, how one goes on."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient

from api.audit_routers.events import answered
from audit import history
from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot
from tests.journals import Place, a_place


@pytest.fixture(scope="module")
def place(stores: Stores) -> Iterator[Place]:
    with a_place(stores) as place:
        yield place


@pytest.fixture
async def house(stores: Stores, place: Place) -> AsyncIterator[House]:
    async with a_house(stores, place) as house:
        yield house


@pytest.fixture
async def admin(house: House) -> AsyncClient:
    return await house.signed_in(Role.ADMIN)


async def booked(house: House, **more: Any) -> tuple[AsyncClient, str]:
    """A student and the id of a booking of theirs."""
    student, space_id = await house.signed_in(), await house.space()
    answer = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 12), **more})
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return student, id


async def told(client: AsyncClient, path: str = "/audit/events", **filters: Any) -> list[dict[str, Any]]:
    """Every fact that fits, following the links."""
    facts: list[dict[str, Any]] = []
    answer = await client.get(path, params=filters)
    while True:
        assert answer.status_code == 200, answer.text
        facts += answer.json()
        if "next" not in answer.links:
            return facts
        answer = await client.get(answer.links["next"]["url"])


@pytest.mark.parametrize("path", ["/audit/events", "/audit/bookings/00000000-0000-4000-8000-000000000000"])
async def test_only_admins_and_auditors_may_read_history(house: House, path: str):
    for role in Role:
        answer = await (await house.signed_in(role)).get(path)
        assert (answer.status_code == 403) is (role not in (Role.ADMIN, Role.AUDITOR))
    assert (await house.client().get(path)).status_code == 401


async def test_all_that_was_recorded_is_told_in_order(house: House, admin: AsyncClient, place: Place):
    await booked(house, notes="für zwei")

    facts = await told(admin, limit=3)

    rows = place.rows()
    assert [(fact["position"], fact["hash"]) for fact in facts] == [(row.position, row.hash.hex()) for row in rows]
    fact, row = facts[-1], rows[-1]
    assert {name: fact[name] for name in ("type", "version", "actor", "tags", "correlation_id", "causation_id")} == {
        "type": row.type,
        "version": row.version,
        "actor": row.actor,
        "tags": list(row.tags),
        "correlation_id": row.correlation_id,
        "causation_id": None,
    }
    assert UUID(fact["command_id"]) == row.command_id
    assert datetime.fromisoformat(fact["recorded_at"]) == row.recorded_at
    assert fact["payload"]["notes"] == "für zwei"


async def test_a_page_says_how_far_it_has_looked_and_where_the_next_one_is(house: House, admin: AsyncClient):
    await booked(house)

    answer = await admin.get("/audit/events", params={"after": 1, "limit": 2, "from": "2020-01-01T00:00:00+01:00"})

    assert [fact["position"] for fact in answer.json()] == [2, 3]
    assert answer.headers["Journal-Position"] == "3"
    next_page = answer.links["next"]["url"]
    assert next_page.startswith("/audit/events?")
    assert "after=3" in next_page
    assert next_page.count("after=") == 1
    assert (await admin.get(next_page)).json()[0]["position"] == 4


async def test_filters_choose(house: House, admin: AsyncClient):
    student, id = await booked(house)
    await student.delete(f"/bookings/{id}")
    made, ended = await told(admin, tag=f"booking:{id}")
    at = datetime.fromisoformat(made["recorded_at"])

    assert (made["type"], ended["type"]) == ("BookingCreated", "BookingCancelled")
    assert await told(admin, tag=f"booking:{id}", type="BookingCancelled") == [ended]
    assert await told(admin, actor=made["actor"]) == [made, ended]
    assert await told(admin, tag=f"booking:{id}", to=ended["recorded_at"]) == [made]
    since = {"from": ended["recorded_at"]}
    assert await told(admin, tag=f"booking:{id}", **since) == [ended]
    since, soon = {"from": made["recorded_at"]}, at + timedelta(microseconds=1)
    assert await told(admin, to=soon.isoformat(), **since) == [made]
    assert await told(admin, tag="booking:x") == []


async def test_a_page_of_few_facts_leads_on(house: House, admin: AsyncClient):
    _, id = await booked(house)
    filters = {"type": "BookingCreated"}
    few = await history.page(house.rooms.journal, **filters, limit=50, look_for=timedelta(0), at_once=2)

    answer = answered(few, filters)
    assert answer.body == b"[]"
    assert answer.headers["Journal-Position"] == "2"
    assert answer.headers["Link"] == '</audit/events?type=BookingCreated&after=2>; rel="next"'
    assert id in [fact["payload"]["booking_id"] for fact in await told(admin, type="BookingCreated", after=2)]


async def test_what_is_not_fit_is_told(admin: AsyncClient):
    wrong: list[dict[str, Any]] = [
        {"limit": 0},
        {"limit": 201},
        {"after": -1},
        {"after": 2**63},
        {"after": "9" * 5000},
        {"from": "yesterday"},
        {"to": "2026-01-01T00:00:00"},
        {"tag": "x" * 501},
        {"type": "BookingCanceled"},
        {"from": "2027-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
    ]
    for filters in wrong:
        answer = await admin.get("/audit/events", params=filters)

        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_booking_as_it_once_was(house: House, admin: AsyncClient):
    student, id = await booked(house, notes="für zwei")
    moved = await student.patch(f"/bookings/{id}", json=a_slot(14, 15))
    assert moved.status_code == 200, moved.text
    made, later = await told(admin, tag=f"booking:{id}")
    before, after = made["position"], later["position"]

    now = (await admin.get(f"/audit/bookings/{id}")).json()
    then = (await admin.get(f"/audit/bookings/{id}", params={"as_of": before})).json()
    at_the_time = (await admin.get(f"/audit/bookings/{id}", params={"as_of": made["recorded_at"]})).json()

    assert now["booking"] == (await student.get(f"/bookings/{id}")).json()
    assert now["facts"] == [made, later]
    assert then["booking"] | a_slot(14, 15) | {"updated_at": now["booking"]["updated_at"]} == now["booking"]
    assert (then["position"], then["moment"], then["facts"]) == (before, made["recorded_at"], [made])
    assert at_the_time == then
    assert (await admin.get(f"/audit/bookings/{id}", params={"as_of": after})).json()["booking"] == now["booking"]


async def test_before_it_was_made_a_booking_is_not_found(house: House, admin: AsyncClient):
    _, id = await booked(house)
    (made,) = await told(admin, tag=f"booking:{id}")

    for as_of in (0, made["position"] - 1, "2020-01-01T00:00:00Z", "2020-01-01T00:00:00+02:00"):
        assert (await admin.get(f"/audit/bookings/{id}", params={"as_of": as_of})).status_code == 404
    assert (await admin.get(f"/audit/bookings/{uuid4()}")).status_code == 404


async def test_what_is_neither_a_position_nor_a_time_is_told(admin: AsyncClient):
    for as_of in ("", "-1", "1.5", "9" * 30, "٣", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00"):
        answer = await admin.get(f"/audit/bookings/{uuid4()}", params={"as_of": as_of})

        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
