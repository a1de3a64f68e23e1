"""Throttling: what is too much is turned away, wherever it comes from, and told when it may come again."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from redis.asyncio import Redis

from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import GENEROUS, House, a_house
from tests.api.test_api_keys import bearing, issued
from tests.journals import Place, a_place
from tests.processes import eventually

pytestmark = pytest.mark.one_process("it has limits of its own")

PASSWORD = "päss wörd with spaces 🙂"
NOWHERE = "redis://127.0.0.1:1"


@asynccontextmanager
async def throttled(stores: Stores, place: Place, **limits: Any) -> AsyncIterator[House]:
    """A house with these limits; what is none of them goes to the house."""
    more = {name: limits.pop(name) for name in ("keys", "proxies", "redis_url", "window") if name in limits}
    async with a_house(stores, place, following=False, limits=replace(GENEROUS, **limits), **more) as house:
        yield house


async def registered(house: House) -> str:
    """The address of a new account."""
    email = f"{uuid4().hex}@example.org"
    body = {"email": email, "password": PASSWORD, "full_name": "Ana"}
    assert (await house.client().post("/auth/register", json=body)).status_code == 201
    return email


async def sign_in(house: House, email: str, password: str = "a guess", address: str = "198.51.100.1") -> Response:
    return await house.client(address=address).post("/auth/login", json={"email": email, "password": password})


async def reset(house: House, email: str) -> Response:
    return await house.client().post("/auth/password-reset/request", json={"email": email})


def statuses(answers: list[Response]) -> list[int]:
    return [answer.status_code for answer in answers]


async def test_guesses_at_one_account_are_turned_away_from_however_many_addresses(
    stores: Stores, own_place: Place
) -> None:
    async with throttled(stores, own_place, sign_ins_per_account=3) as house:
        ana, ben = await registered(house), await registered(house)

        answers = [await sign_in(house, ana, address=f"198.51.100.{n}") for n in range(5)]
        right = await sign_in(house, ana.upper(), PASSWORD)
        other = await sign_in(house, ben, PASSWORD)

    assert statuses(answers) == [401, 401, 401, 429, 429]
    assert right.status_code == 429
    assert other.status_code == 200
    assert answers[-1].json()["type"] == "urn:daybook:problem:too-many-requests"


async def test_a_password_guessed_by_repeating_a_registration_counts_as_a_sign_in(
    stores: Stores, own_place: Place
) -> None:
    async with throttled(stores, own_place, sign_ins_per_account=3) as house:
        body = {"email": "ana@example.org", "password": PASSWORD, "full_name": "Ana"}

        async def registering(password: str, address: str) -> Response:
            client = house.client(address=address, **{"Idempotency-Key": "1"})
            return await client.post("/auth/register", json=body | {"password": password})

        made = await registering(PASSWORD, "198.51.100.1")
        guesses = [await registering(f"guess number {n}", f"198.51.100.{n}") for n in range(5)]
        right = await sign_in(house, body["email"], PASSWORD)

    assert made.status_code == 201
    assert statuses(guesses) == [422] * 3 + [429] * 2
    assert right.status_code == 429


async def test_an_address_without_an_account_is_turned_away_alike(stores: Stores, own_place: Place) -> None:
    async with throttled(stores, own_place, sign_ins_per_account=2, resets_per_account=1) as house:
        known, unknown = await registered(house), "nobody@example.org"

        guesses = [statuses([await sign_in(house, email) for _ in range(3)]) for email in (known, unknown)]
        resets = [statuses([await reset(house, email) for _ in range(2)]) for email in (known, unknown)]

    assert guesses == [[401, 401, 429]] * 2
    assert resets == [[200, 429]] * 2


@pytest.mark.parametrize("addresses", [["198.51.100.7"] * 4, [f"2001:db8:1:2::{n}" for n in range(4)]])
async def test_sign_ins_registrations_and_resets_of_one_address_are_turned_away(
    stores: Stores, own_place: Place, addresses: list[str]
) -> None:
    limits = {"sign_ins_per_address": 3, "registrations_per_address": 3, "resets_per_address": 3}
    async with throttled(stores, own_place, **limits) as house:

        async def asked(address: str, path: str, **body: str) -> int:
            body = {"email": f"{uuid4().hex}@example.org", **body}
            return (await house.client(address=address).post(f"/auth/{path}", json=body)).status_code

        guesses = [await asked(address, "login", password="a guess") for address in addresses]
        made = [await asked(address, "register", password=PASSWORD, full_name="Ana") for address in addresses]
        resets = [await asked(address, "password-reset/request") for address in addresses]
        elsewhere = await asked("2001:db8:1:3::1", "login", password="a guess")

    assert (guesses, made, resets) == ([401] * 3 + [429], [201] * 3 + [429], [200] * 3 + [429])
    assert elsewhere == 401


async def test_whoever_is_turned_away_is_told_when_to_come_again_and_that_is_true(
    stores: Stores, own_place: Place
) -> None:
    async with throttled(stores, own_place, sign_ins_per_account=1, window=2) as house:
        email = await registered(house)
        began = asyncio.get_running_loop().time()
        await sign_in(house, email)
        refused = await sign_in(house, email)

        async def answered() -> bool:
            return (await sign_in(house, email, PASSWORD)).status_code == 200

        await eventually(answered, within=4)
        took = asyncio.get_running_loop().time() - began

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "2"
    assert refused.headers["RateLimit-Policy"] == '"sign-in-per-account";q=1;w=2'
    assert refused.headers["RateLimit"] == '"sign-in-per-account";r=0;t=2'
    assert 1.5 < took < 3.5


async def test_whoever_signs_in_is_told_what_is_left_whatever_the_answer(stores: Stores, own_place: Place) -> None:
    limits = {"sign_ins_per_address": 9, "sign_ins_per_account": 3}
    async with throttled(stores, own_place, **limits) as house:
        email = await registered(house)
        answers = [await sign_in(house, email), await sign_in(house, email, PASSWORD), await reset(house, email)]
        elsewhere = await house.client().get("/spaces")

    assert statuses(answers) == [401, 200, 200]
    for answer, left in zip(answers, [2, 1], strict=False):
        assert answer.headers["RateLimit-Policy"] == '"sign-in-per-address";q=9;w=60, "sign-in-per-account";q=3;w=60'
        assert re.fullmatch(
            rf'"sign-in-per-address";r={6 + left};t=\d+, "sign-in-per-account";r={left};t=\d+',
            answer.headers["RateLimit"],
        )
    assert answers[2].headers["RateLimit"].startswith('"reset-per-address";r=')
    assert "RateLimit" not in elsewhere.headers


@pytest.mark.parametrize("redis_url", [None, NOWHERE], ids=["counted together", "while Redis is away"])
async def test_a_sign_in_that_the_account_refuses_uses_up_nothing_of_the_address(
    stores: Stores, own_place: Place, redis_url: str | None
) -> None:
    limits = {"sign_ins_per_account": 1, "sign_ins_per_address": 3}
    async with throttled(stores, own_place, redis_url=redis_url, **limits) as house:
        one = [await sign_in(house, "ana@example.org") for _ in range(5)]
        others = [await sign_in(house, f"{n}@example.org") for n in range(3)]
        elsewhere = await sign_in(house, "2@example.org", address="198.51.100.2")

    assert statuses(one) == [401] + [429] * 4
    assert statuses(others) == [401, 401, 429]
    assert '"sign-in-per-address"' in others[-1].headers["RateLimit-Policy"]
    assert elsewhere.status_code == 401  # what the address refuses uses up nothing of the account


@pytest.mark.parametrize("redis_url", [None, NOWHERE], ids=["counted together", "while Redis is away"])
async def test_whoever_is_over_both_limits_is_told_to_wait_for_the_later_one(
    stores: Stores, own_place: Place, redis_url: str | None
) -> None:
    limits = {"sign_ins_per_account": 1, "sign_ins_per_address": 2, "window": 5}
    async with throttled(stores, own_place, redis_url=redis_url, **limits) as house:
        began = asyncio.get_running_loop().time()
        await sign_in(house, "ana@example.org")

        async def a_second_later() -> bool:
            return asyncio.get_running_loop().time() > began + 1.1

        await eventually(a_second_later)
        await sign_in(house, "ben@example.org")
        refused = await sign_in(house, "ben@example.org")

    assert refused.headers["RateLimit-Policy"] == '"sign-in-per-account";q=1;w=5'
    assert refused.headers["Retry-After"] == "5"


async def test_processes_count_together(stores: Stores, own_place: Place) -> None:
    limits = {"sign_ins_per_account": 4, "requests_per_caller": 40}
    async with throttled(stores, own_place, **limits) as one, throttled(stores, own_place, **limits) as other:
        answers = [await sign_in(house, "a@example.org") for house in (one, other) * 3]
        asked = [await house.client(address="198.51.100.9").get("/auth/me") for house in (one, other) * 25]

    assert statuses(answers) == [401] * 4 + [429] * 2
    assert statuses(asked).count(401) == 40


async def test_while_redis_is_away_each_process_counts_for_itself(stores: Stores, own_place: Place) -> None:
    async with throttled(stores, own_place, sign_ins_per_account=2, requests_per_caller=40, redis_url=NOWHERE) as house:
        answers = [await sign_in(house, "a@example.org") for _ in range(3)]
        asked = [await house.client(address="198.51.100.9").get("/auth/me") for _ in range(41)]

    assert statuses(answers) == [401, 401, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert statuses(asked) == [401] * 40 + [429]


async def test_while_redis_hangs_each_process_counts_for_itself_and_together_once_it_goes_on(
    own_stores: Stores,
) -> None:
    assert own_stores.redis
    limits = {"sign_ins_per_account": 2}
    with a_place(own_stores) as place:
        async with throttled(own_stores, place, **limits) as one, throttled(own_stores, place, **limits) as other:
            assert (await sign_in(one, "a@example.org")).status_code == 401
            hung = own_stores.redis.processes()
            for process in hung:
                process.suspend()
            try:
                began = asyncio.get_running_loop().time()
                alone = [await sign_in(one, "b@example.org") for _ in range(3)]
                took = asyncio.get_running_loop().time() - began
            finally:
                for process in hung:
                    process.resume()

            async def counted_together() -> bool:
                email = f"{uuid4().hex}@example.org"
                return statuses([await sign_in(house, email) for house in (one, other, one)]) == [401, 401, 429]

            await eventually(counted_together, within=5)

    assert statuses(alone) == [401, 401, 429]
    assert took < 2


async def test_of_parallel_guesses_no_more_are_let_through(stores: Stores, own_place: Place) -> None:
    async with throttled(stores, own_place, sign_ins_per_account=3) as house:
        answers = await asyncio.gather(*(sign_in(house, "a@example.org") for _ in range(12)))

    assert sorted(statuses(answers)) == [401] * 3 + [429] * 9


async def test_a_caller_is_a_user_wherever_they_are_and_an_address_where_nobody_signed_in(
    stores: Stores, own_place: Place
) -> None:
    async with throttled(stores, own_place, requests_per_caller=4) as house:
        ana, ben = await house.user(), await house.user()

        own = [await house.client(ana, address=f"198.51.100.{n}").get("/auth/me") for n in range(6)]
        others = await house.client(ben, address="198.51.100.1").get("/auth/me")
        made_up = [
            await house.client(address="198.51.100.2", Authorization=f"Bearer {n}").get("/auth/me") for n in range(6)
        ]
        health = [await house.client(address="198.51.100.2").get("/health") for _ in range(6)]

    assert statuses(own) == [200] * 4 + [429] * 2
    assert others.status_code == 200
    assert statuses(made_up) == [401] * 4 + [429] * 2
    assert statuses(health) == [200] * 6
    assert own[-1].headers["X-Request-ID"]


async def test_an_api_key_is_a_caller_of_its_own_wherever_it_comes_from_and_one_that_is_made_up_is_not(
    stores: Stores, own_place: Place
) -> None:
    async with throttled(stores, own_place, requests_per_caller=6) as house:
        admin = await house.signed_in(Role.ADMIN)
        doors = [bearing(house, await issued(admin, await house.user())) for _ in range(2)]

        # Whose a key is has to be looked up the first time: until then it counts by its address.
        asked = [statuses([await door.get("/bookings") for _ in range(8)]) for door in doors]
        made_up = [await house.client(Authorization=f"Bearer dbk_{uuid4().hex}").get("/bookings") for _ in range(6)]

    assert [one.count(429) for one in asked] == [1, 1]
    assert statuses(made_up) == [401] * 4 + [429] * 2


FORWARDED = [
    ("10.0.0.1", "198.51.100.1, 10.0.0.2", True),
    ("10.0.0.1", "1.2.3.4, 198.51.100.1", True),
    ("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.2", False),
    ("203.0.113.1", "198.51.100.1", False),
]


@pytest.mark.parametrize(("peer", "forwarded", "believed"), FORWARDED)
async def test_only_configured_proxies_are_believed_about_whom_they_ask_for(
    stores: Stores, own_place: Place, peer: str, forwarded: str, believed: bool
) -> None:
    async with throttled(stores, own_place, requests_per_caller=1, proxies=[ip_network("10.0.0.0/8")]) as house:
        first = await house.client(address=peer, **{"X-Forwarded-For": forwarded}).get("/auth/me")
        same = await house.client(address="198.51.100.1").get("/auth/me")

    assert first.status_code == 401
    assert same.status_code == (429 if believed else 401)


async def test_nobody_is_named_in_redis_and_no_address_can_be_tried_on_what_stands_there(
    stores: Stores, own_place: Place
) -> None:
    found = []
    for secret in ("one secret that is long enough to sign with", "another secret that is long enough"):
        async with throttled(stores, own_place, keys=[secret]) as house, Redis.from_url(stores.redis_url) as redis:
            await sign_in(house, "somebody@example.org", address="198.51.100.77")
            found.append({key.decode() async for key in redis.scan_iter(f"throttle:*{own_place.schema}*")})

    both, of_other_key = found[0], found[1] - found[0]
    assert len(both) == len(of_other_key) == 3
    assert not any("somebody" in key or "198.51.100.77" in key for key in found[1])
