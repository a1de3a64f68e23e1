"""Whatever JSON a route is sent, it is never answered with a fault."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from httpx import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking.opening_hours import WEEKDAYS
from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot
from tests.journals import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")
fuzzed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(stores: Stores, place: Place) -> AsyncIterator[House]:
    async with a_house(stores, place) as house:
        yield house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(house: House) -> AsyncClient:
    return await house.signed_in(Role.ADMIN, limit=1_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space_id(house: House) -> str:
    return await house.space(concurrent_bookings=1_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def user_id(house: House) -> str:
    return str(await house.user())


# Everything JSON can say and more: NaN, lone surrogates, numbers without bounds.
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("\ud800\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
clocks = st.sampled_from(["00:00", "08:00", "24:00", "24:01", "8:00", "23:59"])
instants = st.datetimes(timezones=st.timezones() | st.none()).map(lambda at: at.isoformat()) | st.sampled_from(
    list(a_slot(9, 10).values())
)
windows = st.lists(st.fixed_dictionaries({"opens": clocks, "closes": clocks}), max_size=3)
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "start": instants,
    "end": instants,
    "notes": st.text(),
    "name": st.text(min_size=1),
    "description": st.text(),
    "capacity": st.integers(-1, 200_000),
    "price_per_hour": st.floats() | st.integers(),
    "timezone": st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia", "Nowhere"]),
    "concurrent_bookings": st.integers(),
    "min_duration_minutes": st.integers(-1, 50_000),
    "max_duration_minutes": st.integers(-1, 50_000),
    "min_advance_minutes": st.integers(-1, 600_000),
    "max_advance_days": st.integers(-1, 4_000),
    "cancellation_deadline_hours": st.integers(-1, 9_000),
    "opening_hours": st.dictionaries(st.sampled_from(WEEKDAYS), windows),
    "opening_time": clocks,
    "closing_time": clocks,
    "is_active": st.booleans(),
    "role": st.sampled_from([*Role, "KING"]),
    "max_active_bookings": st.integers(-1, 1_100),
    "email": st.emails() | st.text(),
    "password": st.text(max_size=140),
    "full_name": st.text(),
    "url": st.sampled_from(["https://8.8.8.8/", "http://127.0.0.1", "http://[::1", "http://[::1]x:1", "ftp://a", "//"]),
    "events": st.lists(st.sampled_from(["BookingCreated", "SpaceCreated", "UserErased"])),
    "secret": st.text() | st.sampled_from(["whsec_", "whsec_" + "A" * 32, "whsec_" + "A" * 33]),
}


def bodies(*fields: str, **fixed: Any) -> st.SearchStrategy[Any]:
    """Anything at all, or these fields each as it may be or as anything."""
    each = {name: GOOD[name] | anything for name in fields if name not in fixed}
    return anything | st.fixed_dictionaries({name: st.just(value) for name, value in fixed.items()}, optional=each)


RULES = ["concurrent_bookings", "max_advance_days", "cancellation_deadline_hours"]
RULES += ["min_duration_minutes", "max_duration_minutes", "min_advance_minutes"]
SPACE = ["name", "description", "capacity", "price_per_hour", "opening_hours", "opening_time", "closing_time", *RULES]


async def never_a_fault(client: AsyncClient, method: str, path: str, body: Any) -> None:
    content = json.dumps(body, ensure_ascii=True).encode()
    answer = await client.request(method, path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"]


@given(bodies("start", "end", "notes"), st.booleans())
@fuzzed
async def test_making_a_booking(admin: AsyncClient, space_id: str, body: Any, of_the_space: bool) -> None:
    if of_the_space and isinstance(body, dict):
        body |= {"space_id": space_id}
    await never_a_fault(admin, "POST", "/bookings", body)


@given(bodies(*SPACE, "timezone"))
@fuzzed
async def test_offering_a_space(admin: AsyncClient, body: Any) -> None:
    await never_a_fault(admin, "POST", "/admin/spaces", body)


@given(bodies(*SPACE, "timezone", name="Room", capacity=1, price_per_hour=1))
@fuzzed
async def test_offering_a_space_that_is_nearly_good(admin: AsyncClient, body: Any) -> None:
    await never_a_fault(admin, "POST", "/admin/spaces", body)


@given(bodies(*SPACE, "is_active"))
@fuzzed
async def test_changing_a_space(house: House, admin: AsyncClient, space_id: str, body: Any) -> None:
    await never_a_fault(admin, "PATCH", f"/admin/spaces/{space_id}", body)
    answer = await admin.get(f"/spaces/{space_id}/availability", params=a_slot(10, 11))
    assert answer.status_code == 200


@given(bodies("role", "max_active_bookings", "is_active"))
@fuzzed
async def test_changing_a_user(admin: AsyncClient, user_id: str, body: Any) -> None:
    await never_a_fault(admin, "PATCH", f"/admin/users/{user_id}", body)


@given(bodies("url", "events", "secret") | bodies("url", "secret", events=["BookingCreated"]))
@fuzzed
async def test_adding_a_webhook(admin: AsyncClient, body: Any) -> None:
    await never_a_fault(admin, "POST", "/admin/webhooks", body)


@given(bodies("email", "password", "full_name"))
@fuzzed
async def test_registering(house: House, body: Any) -> None:
    await never_a_fault(house.client(), "POST", "/auth/register", body)


@given(bodies("password", "full_name", email="a@example.org"))
@fuzzed
async def test_registering_nearly_well(house: House, body: Any) -> None:
    await never_a_fault(house.client(), "POST", "/auth/register", body)


@given(bodies("email", "password"))
@fuzzed
async def test_signing_in(house: House, body: Any) -> None:
    await never_a_fault(house.client(), "POST", "/auth/login", body)


@given(st.text(), st.text())
@fuzzed
async def test_asking_for_a_slot(house: House, space_id: str, start: str, end: str) -> None:
    answer = await house.client().get(f"/spaces/{space_id}/availability", params={"start": start, "end": end})
    assert 400 <= answer.status_code < 500


@given(instants, instants)
@fuzzed
async def test_asking_for_any_times(house: House, space_id: str, start: str, end: str) -> None:
    answer = await house.client().get(f"/spaces/{space_id}/availability", params={"start": start, "end": end})
    assert answer.status_code in (200, 422)


@pytest.mark.one_process("no client sends such a header")
@given(st.binary(max_size=60).filter(lambda key: b"\n" not in key and b"\r" not in key))
@fuzzed
async def test_any_key(house: House, admin: AsyncClient, key: bytes) -> None:
    answer = await admin.delete(f"/bookings/{uuid4()}", headers=[(b"Idempotency-Key", key)])
    assert answer.status_code in (400, 404, 422)
