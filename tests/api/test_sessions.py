"""Staying signed in: refresh tokens that are good once, and everything that ends a session."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient, Response

from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot
from tests.journals import Place

PASSWORD, OTHER = "päss wörd with spaces 🙂", "another päss wörd"


class Person:
    """Somebody with an account, in one browser."""

    def __init__(self, house: House, browser: AsyncClient, email: str, user_id: UUID, token: str) -> None:
        self.house, self.browser, self.email, self.id = house, browser, email, user_id
        self.api = house.client(Authorization=f"Bearer {token}")

    @property
    def token(self) -> str | None:
        """The refresh token the browser keeps."""
        return self.browser.cookies.get("refresh")

    async def elsewhere(self, password: str = PASSWORD) -> AsyncClient:
        """Another browser they signed in with."""
        browser = self.house.client()
        answer = await browser.post("/auth/login", json={"email": self.email, "password": password})
        assert answer.status_code == 200, answer.text
        return browser


@pytest.fixture
async def ana(house: House) -> Person:
    return await a_person(house)


async def a_person(house: House) -> Person:
    browser, email = house.client(), f"{uuid4().hex}@example.org"
    made = await browser.post("/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Ana"})
    assert made.status_code == 201, made.text
    return Person(house, browser, email, UUID(made.json()["user"]["id"]), made.json()["access_token"])


async def refreshed(house: House, token: str | None, **headers: str) -> Response:
    """What is answered to a browser that keeps `token`."""
    return await house.client(Cookie=f"refresh={token}", **headers).post("/auth/refresh")


async def test_a_session_goes_on_with_another_token_each_time(ana: Person) -> None:
    first = ana.token
    answer = await ana.browser.post("/auth/refresh")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 900)
    me = await ana.house.client(Authorization=f"Bearer {answer.json()['access_token']}").get("/auth/me")
    assert me.json()["id"] == str(ana.id)
    assert ana.token not in (None, first)
    assert ana.token not in answer.text
    assert (await ana.browser.post("/auth/refresh")).status_code == 200


async def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(house: House, ana: Person) -> None:
    answer = await house.client().post("/auth/login", json={"email": ana.email, "password": PASSWORD})

    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith("refresh=")
    assert len(name) == len("refresh=") + 43  # 256 bits
    assert attributes == ["Max-Age=604800", "Path=/", "HttpOnly", "SameSite=Strict"]


async def test_in_production_the_cookie_is_kept_for_this_host_over_tls(stores: Stores, place: Place) -> None:
    async with a_house(stores, place, secure_cookies=True) as house:
        body = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "full_name": "Ana"}
        kept = (await house.client().post("/auth/register", json=body)).headers["Set-Cookie"]
        token = kept.partition(";")[0]
        plain = await house.client(Cookie=token.removeprefix("__Host-")).post("/auth/refresh")
        prefixed = await house.client(Cookie=token).post("/auth/refresh")

    assert kept.startswith("__Host-refresh=")
    assert kept.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
    assert (plain.status_code, prefixed.status_code) == (401, 200)


async def test_parallel_refreshes_are_given_the_same_successor_by_whatever_process(
    stores: Stores, place: Place, house: House, ana: Person
) -> None:
    token = ana.token
    async with a_house(stores, place, following=False) as one, a_house(stores, place, following=False) as other:
        for _ in range(5):
            answers = await asyncio.gather(*(refreshed(asked, token) for asked in (house, one, other) * 4))

            assert [answer.status_code for answer in answers] == [200] * 12
            (successor,) = {answer.cookies["refresh"] for answer in answers}
            assert successor != token
            token = successor


async def test_signing_out_and_a_refresh_at_once_leave_no_session(
    stores: Stores, place: Place, house: House, ana: Person
) -> None:
    async with a_house(stores, place, following=False) as other:
        refresh, _ = await asyncio.gather(refreshed(house, ana.token), other.rooms.sessions.close_all(ana.id))

    assert await house.rooms.sessions.of_user(ana.id, token=None) == []
    if refresh.status_code == 200:
        assert (await refreshed(house, refresh.cookies["refresh"])).status_code == 401


async def test_a_spent_token_is_given_the_same_successor_for_ten_seconds(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place, following=False) as house:
        ana = await a_person(house)
        first = await refreshed(house, ana.token)
        await refreshed(house, first.cookies["refresh"])
        own_place.put_clock_forward(timedelta(seconds=8))
        again = await refreshed(house, ana.token)

    assert again.status_code == 200
    assert again.cookies["refresh"] == first.cookies["refresh"]


async def test_a_spent_token_that_comes_later_ends_its_session_and_no_other(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place, following=False) as house:
        ana = await a_person(house)
        other = await ana.elsewhere()
        newest = (await refreshed(house, ana.token)).cookies["refresh"]
        own_place.put_clock_forward(timedelta(seconds=11))

        late = await refreshed(house, ana.token)
        after = await refreshed(house, newest)

        assert (late.status_code, after.status_code) == (401, 401)
        assert late.json()["type"] == "urn:daybook:problem:unauthenticated"
        assert "refresh=; Max-Age=0" in late.headers["Set-Cookie"]
        assert (await other.post("/auth/refresh")).status_code == 200


async def test_a_session_that_is_not_used_for_seven_days_is_over(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place, following=False) as house:
        ana = await a_person(house)
        own_place.put_clock_forward(timedelta(days=6, hours=23))
        kept = await ana.browser.post("/auth/refresh")
        own_place.put_clock_forward(timedelta(days=13))
        still = await ana.browser.post("/auth/refresh")
        own_place.put_clock_forward(timedelta(days=21))
        over = await ana.browser.post("/auth/refresh")

    assert [kept.status_code, still.status_code, over.status_code] == [200, 200, 401]


async def test_while_the_secret_key_is_replaced_sessions_go_on(stores: Stores, own_place: Place) -> None:
    new = ["a secret that is new, and long enough to be one"]
    async with (
        a_house(stores, own_place, following=False) as house,
        a_house(stores, own_place, following=False, keys=new) as later,
    ):
        ana = await a_person(house)
        first = await refreshed(house, ana.token)
        again, onwards = await refreshed(later, ana.token), await refreshed(later, first.cookies["refresh"])

    assert again.cookies["refresh"] == first.cookies["refresh"]
    assert onwards.status_code == 200


@pytest.mark.parametrize("token", ["", "x", "x" * 5_000, "nobody's"])
async def test_what_is_no_token_is_401(house: House, token: str) -> None:
    assert (await house.client(Cookie=f"refresh={token}").post("/auth/refresh")).status_code == 401
    assert (await house.client().post("/auth/refresh")).status_code == 401


async def test_an_access_token_refreshes_nothing_and_a_refresh_token_gives_no_access(house: House, ana: Person) -> None:
    access = house.rooms.tokens.issued_to(ana.id)

    assert (await refreshed(house, access)).status_code == 401
    assert (await house.client(Authorization=f"Bearer {ana.token}").get("/auth/me")).status_code == 401


CROSS_ORIGIN = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://daybook.evil.example"},
    {"Origin": "http://daybook:8080"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://daybook"},
]


@pytest.mark.parametrize("headers", CROSS_ORIGIN, ids=str)
async def test_another_origin_cannot_sign_a_browser_in(house: House, ana: Person, headers: dict[str, str]) -> None:
    credentials = {"email": ana.email, "password": PASSWORD}
    other = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "full_name": "Another"}

    signed_in = await house.client(**headers).post("/auth/login", json=credentials)
    registered = await house.client(**headers).post("/auth/register", json=other)

    for answer in (signed_in, registered):
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:daybook:problem:cross-origin")
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("headers", CROSS_ORIGIN, ids=str)
async def test_another_origin_cannot_use_the_cookie(house: House, ana: Person, headers: dict[str, str]) -> None:
    answers = [
        await house.client(Cookie=f"refresh={ana.token}", **headers).request(method, path)
        for method, path in (("POST", "/auth/refresh"), ("POST", "/auth/logout"), ("DELETE", "/auth/logout"))
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert {answer.json()["type"] for answer in answers} == {"urn:daybook:problem:cross-origin"}
    assert (await refreshed(house, ana.token)).status_code == 200


@pytest.mark.parametrize("headers", [{"Origin": "http://daybook"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
async def test_our_own_pages_can(house: House, ana: Person, headers: dict[str, str]) -> None:
    assert (await refreshed(house, ana.token, **headers)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_signing_out_ends_this_session_alone(ana: Person, method: str) -> None:
    other, token = await ana.elsewhere(), ana.token

    first = await ana.browser.request(method, "/auth/logout")
    again = await ana.browser.request(method, "/auth/logout")

    assert (first.status_code, again.status_code) == (200, 200)
    assert ana.token is None
    assert (await refreshed(ana.house, token)).status_code == 401
    assert (await other.post("/auth/refresh")).status_code == 200


async def test_signing_out_everywhere_ends_every_session_of_nobody_else(house: House, ana: Person) -> None:
    ben, other = await a_person(house), await ana.elsewhere()

    assert (await ana.api.post("/auth/logout-all")).status_code == 200

    assert (await ana.browser.post("/auth/refresh")).status_code == 401
    assert (await other.post("/auth/refresh")).status_code == 401
    assert (await ben.browser.post("/auth/refresh")).status_code == 200


async def test_ones_sessions_are_listed_and_nobody_elses(house: House, ana: Person) -> None:
    await a_person(house)
    other = house.client(**{"User-Agent": ("A browser " * 100).strip()})
    await other.post("/auth/login", json={"email": ana.email, "password": PASSWORD})
    ana.api.headers["Cookie"] = f"refresh={ana.token}"

    second, first = (await ana.api.get("/auth/sessions")).json()

    assert second.keys() == {"id", "user_agent", "opened_at", "used_at", "expires_at", "current"}
    assert (first["current"], second["current"]) == (True, False)
    assert first["user_agent"].startswith("python-httpx")
    assert second["user_agent"] == ("A browser " * 100)[:200]
    assert (await house.client().get("/auth/sessions")).status_code == 401


async def test_a_changed_password_takes_the_place_of_the_one_before_and_ends_every_session(ana: Person) -> None:
    other = await ana.elsewhere()

    answer = await ana.api.post("/auth/password", json={"current_password": PASSWORD, "new_password": OTHER})

    assert (answer.status_code, answer.json()) == (200, {"detail": "Password has been changed"})
    assert (await ana.browser.post("/auth/refresh")).status_code == 401
    assert (await other.post("/auth/refresh")).status_code == 401
    before = await ana.house.client().post("/auth/login", json={"email": ana.email, "password": PASSWORD})
    assert before.status_code == 401
    assert (await (await ana.elsewhere(OTHER)).post("/auth/refresh")).status_code == 200


async def test_only_who_knows_the_password_changes_it(ana: Person) -> None:
    answer = await ana.api.post("/auth/password", json={"current_password": "a guess", "new_password": OTHER})

    assert (answer.status_code, answer.json()["type"]) == (403, "urn:daybook:problem:wrong-password")
    assert (await ana.browser.post("/auth/refresh")).status_code == 200
    assert (await ana.elsewhere()).cookies


async def test_of_parallel_changes_of_a_password_one_is_made(ana: Person) -> None:
    others = [f"{OTHER} {n}" for n in range(4)]

    answers = await asyncio.gather(
        *(
            ana.api.post("/auth/password", json={"current_password": PASSWORD, "new_password": other})
            for other in others
        )
    )

    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 403, 409}
    assert (await ana.elsewhere(others[statuses.index(200)])).cookies


async def test_a_change_of_the_password_sent_again_under_its_key_is_made_once_and_answered_alike(ana: Person) -> None:
    change = {"current_password": PASSWORD, "new_password": OTHER}
    key = {"Idempotency-Key": uuid4().hex}

    first = await ana.api.post("/auth/password", json=change, headers=key)
    browser = await ana.elsewhere(OTHER)
    again = await ana.api.post("/auth/password", json=change, headers=key)

    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.json() == {"detail": "Password has been changed"}
    assert first.headers["Journal-Position"] == again.headers["Journal-Position"]
    assert (await browser.post("/auth/refresh")).status_code == 200  # nothing was ended a second time


async def test_a_change_of_the_password_sent_twice_at_once_under_one_key_is_made_once(
    house: House, ana: Person
) -> None:
    change = {"current_password": PASSWORD, "new_password": OTHER}
    key = {"Idempotency-Key": uuid4().hex}

    answers = await asyncio.gather(*(ana.api.post("/auth/password", json=change, headers=key) for _ in range(4)))

    assert [(answer.status_code, answer.text) for answer in answers if answer.status_code != 200] == []
    assert (await house.rooms.callers.read(ana.id)).password_changes == 1


@pytest.mark.parametrize("current", [OTHER, PASSWORD])
async def test_the_key_of_a_changed_password_is_good_for_no_other_change(ana: Person, current: str) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    change = {"current_password": PASSWORD, "new_password": OTHER}
    assert (await ana.api.post("/auth/password", json=change, headers=key)).status_code == 200

    third = {"current_password": current, "new_password": "a third päss wörd"}
    answer = await ana.api.post("/auth/password", json=third, headers=key)

    assert (answer.status_code, answer.json()["type"]) == (422, "urn:daybook:problem:idempotency-key-reused")
    assert (await ana.elsewhere(OTHER)).cookies


async def test_another_command_s_key_changes_no_password(house: House, ana: Person) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    booking = {"space_id": await house.space(), **a_slot(10, 11)}
    assert (await ana.api.post("/bookings", json=booking, headers=key)).status_code == 201

    for password in (PASSWORD, "a guess"):
        change = {"current_password": password, "new_password": PASSWORD}
        answer = await ana.api.post("/auth/password", json=change, headers=key)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:daybook:problem:idempotency-key-reused")


async def test_of_a_password_no_digest_is_kept_with_the_key(place: Place, ana: Person) -> None:
    change = {"current_password": PASSWORD, "new_password": OTHER}
    answer = await ana.api.post("/auth/password", json=change, headers={"Idempotency-Key": uuid4().hex})

    with place.role() as role:
        kept = role.execute(
            "select request_digest from events where position = %s", (int(answer.headers["Journal-Position"]),)
        ).fetchall()
    assert kept == [(None,)]


async def test_who_is_deactivated_has_no_session_left_after_activation_either(house: House, ana: Person) -> None:
    admin = await house.signed_in(Role.ADMIN)
    await admin.patch(f"/admin/users/{ana.id}", json={"is_active": False})
    while_away = await refreshed(house, ana.token)
    signing_in = await house.client().post("/auth/login", json={"email": ana.email, "password": PASSWORD})

    await admin.patch(f"/admin/users/{ana.id}", json={"is_active": True})

    assert (while_away.status_code, signing_in.status_code) == (401, 401)
    assert (await refreshed(house, ana.token)).status_code == 401
    assert (await (await ana.elsewhere()).post("/auth/refresh")).status_code == 200


async def test_tokens_are_kept_as_hashes_alone(house: House, place: Place, ana: Person) -> None:
    successor = (await refreshed(house, ana.token)).cookies["refresh"]

    with place.role() as role:
        rows = role.execute("select r.*, s.* from refresh_tokens r join sessions s using (session_id)").fetchall()
    stored = "".join(
        value.decode("latin-1") if isinstance(value, bytes) else str(value) for row in rows for value in row
    )

    assert rows
    assert ana.token is not None
    assert ana.token not in stored
    assert successor not in stored


@pytest.mark.parametrize("change", ["password", "deactivation"])
async def test_a_session_opened_while_a_change_waits_for_the_journal_ends_with_it(
    house: House, place: Place, ana: Person, change: str
) -> None:
    admin = await house.signed_in(Role.ADMIN)
    thief = house.client()
    with place.owner() as owner, owner.transaction():
        owner.execute("select * from journal_head for update")
        if change == "password":
            changes = ana.api.post("/auth/password", json={"current_password": PASSWORD, "new_password": OTHER})
        else:
            changes = admin.patch(f"/admin/users/{ana.id}", json={"is_active": False})
        changing = asyncio.create_task(changes)
        await asyncio.to_thread(place.wait_for_a_lock)
        signed_in = await thief.post("/auth/login", json={"email": ana.email, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
    assert (await changing).status_code == 200
    if change == "deactivation":
        assert (await admin.patch(f"/admin/users/{ana.id}", json={"is_active": True})).status_code == 200

    assert (await thief.post("/auth/refresh")).status_code == 401


async def test_a_letter_written_while_a_change_of_the_password_waits_is_not_good_for_another(
    house: House, place: Place, ana: Person
) -> None:
    with place.owner() as owner, owner.transaction():
        owner.execute("select * from journal_head for update")
        body = {"current_password": PASSWORD, "new_password": OTHER}
        changing = asyncio.create_task(ana.api.post("/auth/password", json=body))
        await asyncio.to_thread(place.wait_for_a_lock)
        await house.client().post("/auth/password-reset/request", json={"email": ana.email})
        token = house.letters[-1].token
    assert (await changing).status_code == 200

    refused = await house.client().post("/auth/password-reset/confirm", json={"token": token, "new_password": PASSWORD})

    assert refused.status_code == 422


async def test_an_auditor_changes_and_resets_their_password(house: House, ana: Person) -> None:
    admin = await house.signed_in(Role.ADMIN)
    assert (await admin.patch(f"/admin/users/{ana.id}", json={"role": "AUDITOR"})).status_code == 200

    body = {"current_password": PASSWORD, "new_password": OTHER}
    changed = await ana.api.post("/auth/password", json=body)
    await house.client().post("/auth/password-reset/request", json={"email": ana.email})
    body = {"token": house.letters[-1].token, "new_password": PASSWORD}
    reset = await house.client().post("/auth/password-reset/confirm", json=body)

    assert (changed.status_code, reset.status_code) == (200, 200)
