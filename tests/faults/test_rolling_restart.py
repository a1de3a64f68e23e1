"""A rolling restart: one of two API processes is replaced under load, and whoever books meanwhile does not notice."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count, cycle
from uuid import uuid4

import httpx
import pytest

from daybook.embedded import Stores
from tests.journals import Place, a_place
from tests.processes import Api, a_space, daybook, eventually, registered, seeded, slot

CLIENTS = 3
DRAIN = "1"  # seconds
LOOKS_EVERY = 0.1  # seconds


@pytest.fixture(scope="module")
def place(stores: Stores) -> Iterator[Place]:
    with a_place(stores) as place:
        yield place


@pytest.fixture(scope="module")
def apis(stores: Stores, place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Api]]:
    with daybook(stores, place, tmp_path_factory.mktemp("logs"), apis=2, DRAIN_SECONDS=DRAIN) as apis:
        yield apis


class Balancer:
    """Sends each request on, over connections it keeps, to one of the processes that were ready when it looked last."""

    def __init__(self, apis: Sequence[Api], token: str) -> None:
        self._clients = {api.port: api.client(token) for api in apis}
        self._turns = cycle(self._clients)
        self._ready: set[int] = set(self._clients)
        self.answers: Counter[int] = Counter()
        self.hung_up: Counter[int] = Counter()

    async def look(self) -> None:
        """Look again and again who is ready, as those do that balance for real."""
        async with httpx.AsyncClient(timeout=1) as looking:
            while True:
                for port in self._clients:
                    try:
                        answer = await looking.get(f"http://127.0.0.1:{port}/health/ready")
                        (self._ready.add if answer.is_success else self._ready.discard)(port)
                    except httpx.TransportError:
                        self._ready.discard(port)
                await asyncio.sleep(LOOKS_EVERY)

    async def ask(self, method: str, path: str, **what: object) -> httpx.Response:
        port = next(port for port in self._turns if port in self._ready)
        answer = await self._clients[port].request(method, path, **what)  # type: ignore[arg-type]
        self.answers[port] += 1
        self.hung_up[port] += answer.headers.get("connection") == "close"
        return answer

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


class Load:
    """Clients that book distinct slots and look at what they booked, and count whatever goes wrong."""

    def __init__(self, balancer: Balancer, space: str) -> None:
        self.balancer, self.space = balancer, space
        self.numbers = count(1)
        self.booked: dict[str, int] = {}
        self.failures: list[str] = []
        self.done = asyncio.Event()

    async def run(self) -> None:
        while not self.done.is_set():
            body = {"space_id": self.space, **slot(2 * next(self.numbers), 2)}
            try:
                booked = await self.balancer.ask(
                    "POST", "/bookings", json=body, headers={"Idempotency-Key": str(uuid4())}
                )
                if booked.status_code != 201:
                    self.failures.append(f"{booked.status_code} {booked.text}")
                    continue
                position = booked.headers["Journal-Position"]
                self.booked[booked.json()["id"]] = int(position)
                found = await self.balancer.ask(
                    "GET", f"/bookings/{booked.json()['id']}", headers={"Read-After": position, "Prefer": "wait=4"}
                )
                if found.status_code != 200:
                    self.failures.append(f"{found.status_code} {found.text}")
            except httpx.HTTPError as error:
                self.failures.append(repr(error))


@asynccontextmanager
async def loaded(apis: Sequence[Api]) -> AsyncIterator[Load]:
    admin = await seeded(apis[0])
    token, space = await registered(apis[0]), await a_space(apis[0], admin, max_advance_days=3650)
    async with apis[0].client(admin) as client:
        me = (await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).json()["id"]
        raised = await client.patch(f"/admin/users/{me}", json={"max_active_bookings": 1000})
        assert raised.status_code == 200, raised.text
    balancer = Balancer(apis, token)
    load, looking = Load(balancer, space), asyncio.create_task(balancer.look())
    running = [asyncio.create_task(load.run()) for _ in range(CLIENTS)]
    try:
        yield load
    finally:
        load.done.set()
        await asyncio.gather(*running)
        looking.cancel()
        await asyncio.wait([looking])
        await balancer.close()


async def is_answered(load: Load, port: int, *, more: int = 20) -> None:
    """Return when this process has answered so many more."""
    enough = load.balancer.answers[port] + more

    async def answered() -> bool:
        return load.balancer.answers[port] >= enough

    await eventually(answered)


async def test_no_request_fails_while_one_of_two_processes_is_replaced(apis: list[Api], place: Place) -> None:
    replaced, stays = apis
    async with loaded(apis) as load:
        await is_answered(load, replaced.port)
        replaced.process.terminate()
        assert await asyncio.to_thread(replaced.process.wait, 15) == 0
        await asyncio.to_thread(replaced.start)
        await is_answered(load, replaced.port)

    assert load.failures == []
    assert load.balancer.hung_up[replaced.port], "who drains must let kept connections go"
    assert not load.balancer.hung_up[stays.port]
    recorded = {row.position for row in place.rows() if row.type == "BookingCreated"}
    assert recorded >= set(load.booked.values())
    assert len(load.booked) == len(set(load.booked.values())) > 40


async def test_who_drains_is_not_ready_answers_what_is_under_way_and_hangs_up(apis: list[Api]) -> None:
    (api, _), credentials = apis, json.dumps({"email": "nobody@example.org", "password": "whatever it may be"}).encode()
    head = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    async with api.client() as client:
        writer.write(head % len(credentials))
        assert (await client.get("/health/ready")).status_code == 200

        api.process.terminate()

        async def drains() -> bool:
            return (await client.get("/health/ready")).status_code == 503

        await eventually(drains)
        ready, spaces = await client.get("/health/ready"), await client.get("/spaces")
        writer.write(credentials)
        under_way = await reader.read()  # up to the end of the connection
    writer.close()

    assert ready.json()["type"] == "urn:daybook:problem:draining"
    assert ready.headers["connection"] == spaces.headers["connection"] == "close"
    assert spaces.status_code == 200
    assert under_way.startswith(b"HTTP/1.1 401")
    assert await asyncio.to_thread(api.process.wait, 15) == 0


async def test_a_stream_is_ended_in_good_order_before_its_process_is(apis: list[Api]) -> None:
    api = apis[1]
    token = await registered(api)
    async with api.client(token) as client, client.stream("GET", "/stream") as stream:
        told = stream.aiter_text()
        assert "welcome" in await anext(told)

        api.process.terminate()
        async for _ in told:  # raises for an end in the middle
            pass

    assert await asyncio.to_thread(api.process.wait, 5) == 0
