"""Live always; ready while PostgreSQL answers; every other answer within five seconds whatever hangs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot
from tests.journals import Place, a_place


@pytest.mark.one_process("they are of another version")
async def test_live_and_ready(house: House) -> None:
    live, ready = await house.client().get("/health"), await house.client().get("/health/ready")

    assert (live.status_code, live.json()) == (200, {"status": "ok", "version": "1.2.3"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


@asynccontextmanager
async def something_that_never_answers() -> AsyncIterator[str]:
    """The address of a server that takes connections and says nothing."""
    gone = asyncio.Event()

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://daybook@127.0.0.1:{port}/daybook"
    finally:
        gone.set()
        server.close()


async def took(house: House, path: str) -> tuple[int, float]:
    began = time.monotonic()
    answer = await house.client().get(path)
    assert answer.status_code != 503 or answer.headers["Retry-After"]
    return answer.status_code, time.monotonic() - began


async def test_a_postgresql_that_is_not_there_is_told_within_a_second(stores: Stores, place: Place) -> None:
    away = "postgresql://daybook@127.0.0.1:1/daybook"
    async with a_house(stores, place, url=away, following=False) as house:
        live, (status, seconds) = await took(house, "/health"), await took(house, "/health/ready")

    assert live[0] == 200
    assert (status, seconds < 1) == (503, True)


async def test_a_postgresql_that_hangs_is_told_within_a_second(stores: Stores, place: Place) -> None:
    async with something_that_never_answers() as hung, a_house(stores, place, url=hung, following=False) as house:
        live, (status, seconds) = await took(house, "/health"), await took(house, "/health/ready")
        student = house.client(uuid4())
        began = time.monotonic()
        answers = await asyncio.gather(
            *(student.post("/bookings", json={"space_id": str(uuid4()), **a_slot(10, 11)}) for _ in range(8)),
            *(student.get("/bookings") for _ in range(8)),
            student.post("/auth/login", json={"email": "a@example.org", "password": "correct horse"}),
        )
        all_took = time.monotonic() - began

    assert live[0] == 200
    assert (status, seconds < 1) == (503, True)
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["Retry-After"] for answer in answers)
    assert all_took < 6


async def test_without_redis_commands_go_on_and_lists_say_they_cannot(own_stores: Stores) -> None:
    with a_place(own_stores) as place:
        async with a_house(own_stores, place) as house:
            space_id, student = await house.space(), await house.signed_in(Role.STUDENT)
            assert own_stores.redis
            own_stores.redis.stop()
            house.following = False  # there is no view to wait for

            booked = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})
            found = await student.get(f"/bookings/{booked.json()['id']}")
            judged = await student.get(f"/spaces/{space_id}/availability", params=a_slot(10, 11))
            listed = await student.get("/bookings")

            assert (booked.status_code, found.json()) == (201, booked.json())
            assert judged.json()["is_available"] is False
            assert (listed.status_code, listed.headers["Retry-After"]) == (503, "1")
            own_stores.redis.start()
