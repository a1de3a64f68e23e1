"""PostgreSQL and Redis killed, hung and emptied while clients book and ask: every request ends, nothing is lost."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
from redis.asyncio import Redis

from daybook.embedded import Store, Stores
from tests.journals import Place, a_place
from tests.processes import Api, a_space, daybook, eventually, registered, seeded, slot

BOUND = 5.0  # seconds within which every request ends


class Load:
    """One client that books distinct slots and asks about them, as fast as it is answered."""

    def __init__(self, api: Api, token: str, space: str) -> None:
        self.api, self.token, self.space = api, token, space
        self.booked: dict[str, int] = {}
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.slowest = 0.0
        self.wrong: list[str] = []

    async def run(self, until: asyncio.Event) -> None:
        async with self.api.client(self.token) as client:
            number = 0
            while not until.is_set():
                number += 1
                body = {"space_id": self.space, **slot(2 * number, 2)}
                answer = await self._ask(client, "book", "POST", "/bookings", json=body)
                if answer.status_code == 201:
                    self.booked[answer.json()["id"]] = int(answer.headers["Journal-Position"])
                    await self._ask(client, "one", "GET", f"/bookings/{answer.json()['id']}")
                await self._ask(client, "free", "GET", f"/spaces/{self.space}/availability", params=slot(2 * number, 2))
                await self._ask(client, "list", "GET", "/bookings")

    async def _ask(self, client: httpx.AsyncClient, kind: str, method: str, url: str, **what: object) -> httpx.Response:
        began = time.monotonic()
        headers = {"Idempotency-Key": str(uuid4())} if method == "POST" else {}
        answer = await client.request(method, url, headers=headers, **what)  # type: ignore[arg-type]
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.statuses[kind, answer.status_code] += 1
        if answer.status_code == 503 and "Retry-After" not in answer.headers:
            self.wrong.append("503 without Retry-After")
        # While the follower finds its way back a view may be a moment behind the booking just made.
        if answer.status_code not in {200, 201, 503} and (kind, answer.status_code) != ("one", 404):
            self.wrong.append(f"{kind}: {answer.status_code} {answer.text[:300]}")
        return answer

    async def sees(self, kind: str, status: int) -> None:
        """Return when one more answer of this kind has this status."""
        before = self.statuses[kind, status]

        async def more() -> bool:
            return self.statuses[kind, status] > before

        await eventually(more)


@pytest.fixture
def place(own_stores: Stores) -> Iterator[Place]:
    with a_place(own_stores) as place:
        yield place


@asynccontextmanager
async def loaded(api: Api) -> AsyncIterator[Load]:
    """An API under load; afterwards every answer was in time and of a kind the issue allows."""
    admin = await seeded(api)
    space = await a_space(api, admin, max_advance_days=3650)
    async with api.client(admin) as client:
        token = await registered(api)
        me = (await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).json()["id"]
        raised = await client.patch(f"/admin/users/{me}", json={"max_active_bookings": 1000})
        assert raised.status_code == 200, raised.text
    load, done = Load(api, token, space), asyncio.Event()
    running = asyncio.create_task(load.run(done))
    try:
        await load.sees("book", 201)
        yield load
    finally:
        done.set()
        await running
    assert load.wrong == []
    assert load.slowest < BOUND + 0.5


def hang(store: Store) -> list[psutil.Process]:
    processes = store.processes()
    for process in processes:
        process.suspend()
    return processes


async def all_booked_are_in_the_journal_and_listed(load: Load, place: Place) -> None:
    recorded = {row.position for row in place.rows() if row.type == "BookingCreated"}
    assert recorded >= set(load.booked.values())

    async def listed() -> bool:
        async with load.api.client(load.token) as client:
            found: set[str] = set()
            url = "/bookings?limit=200"
            while url:
                answer = await client.get(url)
                if answer.status_code != 200:
                    return False
                found |= {booking["id"] for booking in answer.json()}
                url = answer.links.get("next", {}).get("url", "")
            return found >= set(load.booked)

    await eventually(listed)


@pytest.mark.parametrize("fault", ["killed", "hung"])
async def test_while_postgresql_is_away_requests_end_and_afterwards_everything_goes_on(
    own_stores: Stores, place: Place, tmp_path: Path, fault: str
) -> None:
    postgres = own_stores.postgres
    assert postgres is not None
    with daybook(own_stores, place, tmp_path) as (api,):
        async with loaded(api) as load:
            stopped = hang(postgres) if fault == "hung" else []
            if fault == "killed":
                postgres.kill()
            async with api.client() as client:
                began = time.monotonic()
                assert (await client.get("/health/ready")).status_code == 503
                assert time.monotonic() - began < 1.2
                assert (await client.get("/health")).status_code == 200
            await load.sees("book", 503)
            for process in stopped:
                process.resume()
            if fault == "killed":
                postgres.restart()
            await load.sees("book", 201)
        await all_booked_are_in_the_journal_and_listed(load, place)


@pytest.mark.parametrize("fault", ["killed", "hung"])
async def test_while_redis_is_away_commands_and_single_queries_go_on_and_lists_say_so(
    own_stores: Stores, place: Place, tmp_path: Path, fault: str
) -> None:
    redis = own_stores.redis
    assert redis is not None
    with daybook(own_stores, place, tmp_path) as (api,):
        async with loaded(api) as load:
            stopped = hang(redis) if fault == "hung" else []
            if fault == "killed":
                redis.kill()
            await load.sees("list", 503)
            for kind, status in (("book", 201), ("one", 200), ("free", 200)):
                await load.sees(kind, status)
            for process in stopped:
                process.resume()
            if fault == "killed":
                redis.restart()  # without its data: the profile for tests keeps none
            await load.sees("list", 200)
        await all_booked_are_in_the_journal_and_listed(load, place)


async def test_an_emptied_redis_fills_itself_again(own_stores: Stores, place: Place, tmp_path: Path) -> None:
    with daybook(own_stores, place, tmp_path) as (api,):
        async with loaded(api) as load:
            async with Redis.from_url(own_stores.redis_url) as redis:
                await redis.flushall()
            await load.sees("book", 201)
            await load.sees("list", 200)
        await all_booked_are_in_the_journal_and_listed(load, place)
