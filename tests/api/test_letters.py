"""Letters over HTTP: a password is reset and an address verified with what was sent there, once and for a time."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import pytest
from starlette.types import Message

from commands import notices
from commands.letters import Kind
from commands.mail_server import MailServer
from commands.mailing import Mailing, mailbox
from daybook.embedded import Stores
from tests.api.houses import SECRET, House, a_house, a_slot
from tests.api.test_sessions import OTHER, PASSWORD, Person, a_person
from tests.journals import Place
from tests.mail_servers import a_mail_server

SAME = {"detail": "If the email exists, instructions will be sent"}


@pytest.fixture
async def ana(house: House) -> Person:
    return await a_person(house)


def letter(house: House, kind: Kind, email: str) -> str:
    """The token of the letter that was sent last."""
    return next(one.token for one in reversed(house.letters) if (one.kind, one.email) == (kind, email))


async def asked_for(house: House, email: str) -> str:
    answer = await house.client().post("/auth/password-reset/request", json={"email": email})
    assert (answer.status_code, answer.json()) == (200, SAME)
    return letter(house, Kind.PASSWORD_RESET, email)


async def confirmed(house: House, token: str, password: str = OTHER) -> int:
    body = {"token": token, "new_password": password}
    return (await house.client().post("/auth/password-reset/confirm", json=body)).status_code


async def test_a_reset_password_takes_the_place_of_the_one_before_and_ends_every_session(
    house: House, ana: Person
) -> None:
    token = await asked_for(house, ana.email)

    answer = await house.client().post("/auth/password-reset/confirm", json={"token": token, "new_password": OTHER})

    assert (answer.status_code, answer.json()) == (200, {"detail": "Password has been reset"})
    assert (await ana.browser.post("/auth/refresh")).status_code == 401
    before = await house.client().post("/auth/login", json={"email": ana.email, "password": PASSWORD})
    assert before.status_code == 401
    assert (await ana.elsewhere(OTHER)).cookies


async def test_the_token_that_resets_a_password_comes_by_mail_to_the_address_alone(house: House, ana: Person) -> None:
    sender, journal = mailbox("daybook@example.org"), house.rooms.journal
    await asked_for(house, ana.email)
    async with a_mail_server() as server:
        to = MailServer(server.url, sender=sender.addr_spec)
        mailing = Mailing(journal, house.rooms.deciding.aggregates, to, sender=sender, keys=[SECRET])
        while handed := await notices.take(journal, limit=10):
            for one in handed:
                await mailing.send(one)
    reset = next(mail for mail in server.mails if mail.to == ana.email and mail.subject == "Reset your password")
    token = reset.text.partition("Token: ")[2].partition("\n")[0]

    assert await confirmed(house, token) == 200


async def test_whether_an_address_has_an_account_is_not_told(house: House) -> None:
    before = len(house.letters)

    answer = await house.client().post("/auth/password-reset/request", json={"email": f"{uuid4().hex}@example.org"})

    assert (answer.status_code, answer.json()) == (200, SAME)
    assert len(house.letters) == before


async def test_the_answer_is_given_before_anything_is_looked_up(house: House, place: Place, ana: Person) -> None:
    """What takes time only where there is an account comes later, so nobody can tell by the time."""
    before = len(house.letters)
    with place.owner() as owner, owner.transaction():
        owner.execute("lock table letters in access exclusive mode")
        asking = await answered(house, "/auth/password-reset/request", email=ana.email)
    await asking
    assert len(house.letters) == before + 1


async def answered(house: House, path: str, authorization: str = "", **body: str) -> asyncio.Task[None]:
    """What still goes on once the answer was sent."""
    done, sent = asyncio.Event(), json.dumps(body).encode()

    async def receive() -> Message:
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            done.set()

    headers = {
        "content-type": "application/json",
        "content-length": str(len(sent)),
        "authorization": authorization,
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value],
        "client": ("127.0.0.1", 123),
    }
    asking = asyncio.create_task(house.app(scope, receive, send))
    await asyncio.wait_for(done.wait(), 3)
    assert not asking.done()
    return asking


async def test_nobody_can_tell_by_what_comes_after_it_that_a_letter_is_being_written(
    house: House, place: Place, ana: Person
) -> None:
    """Where there is no account nothing is written, so that whatever waits for the writing would tell of one."""
    stranger = await a_person(house)
    with place.owner() as owner, owner.transaction():
        owner.execute("lock table letters in exclusive mode")  # they can be read
        writing = await answered(house, "/auth/password-reset/request", email=ana.email)
        await asyncio.to_thread(place.wait_for_a_lock)
        async with asyncio.timeout(3):
            refreshed = await stranger.browser.post("/auth/refresh")
            guessed = await confirmed(house, "a guess")
            another = await answered(house, "/auth/verify/request", stranger.api.headers["Authorization"])
    await writing
    await another

    assert (refreshed.status_code, guessed) == (200, 422)


async def test_a_token_is_good_once_and_ends_those_sent_before(house: House, ana: Person) -> None:
    tokens = [await asked_for(house, ana.email) for _ in range(2)]

    assert await confirmed(house, tokens[1]) == 200
    assert [await confirmed(house, token) for token in tokens] == [422, 422]


async def test_of_parallel_confirmations_of_one_token_one_is_carried_out(house: House, ana: Person) -> None:
    token, others = await asked_for(house, ana.email), [f"{OTHER} {n}" for n in range(4)]

    statuses = await asyncio.gather(*(confirmed(house, token, other) for other in others))

    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 409, 422}
    assert (await ana.elsewhere(others[statuses.index(200)])).cookies


async def test_a_password_that_was_changed_ends_the_tokens_sent_before(house: House, ana: Person) -> None:
    token = await asked_for(house, ana.email)
    await ana.api.post("/auth/password", json={"current_password": PASSWORD, "new_password": OTHER})

    assert await confirmed(house, token, PASSWORD) == 422


async def test_a_token_for_a_reset_is_good_for_half_an_hour(stores: Stores, own_place: Place) -> None:
    async with a_house(stores, own_place, following=False) as house:
        ana = await a_person(house)
        first = await asked_for(house, ana.email)
        own_place.put_clock_forward(timedelta(minutes=29))
        second = await asked_for(house, ana.email)
        good = await confirmed(house, first)
        third = await asked_for(house, ana.email)
        own_place.put_clock_forward(timedelta(minutes=61))
        over = await confirmed(house, third)

    assert second != first
    assert (good, over) == (200, 422)


async def test_a_token_of_another_kind_is_none(house: House, ana: Person) -> None:
    verification, reset = letter(house, Kind.VERIFICATION, ana.email), await asked_for(house, ana.email)

    assert await confirmed(house, verification) == 422
    assert (await house.client().post("/auth/verify", json={"token": reset})).status_code == 422
    assert await confirmed(house, "x" * 128) == 422


async def test_a_token_is_kept_as_a_hash_alone(house: House, place: Place, ana: Person) -> None:
    token = await asked_for(house, ana.email)

    with place.role() as role:
        rows = role.execute("select * from letters").fetchall()
    assert rows
    assert token not in str(rows)


@pytest.mark.parametrize("password", ["7 chars", "x" * 129, "password123", "PassWord123", "1234567890"])
async def test_a_new_password_has_eight_to_128_characters_and_is_not_a_common_one(
    house: House, ana: Person, password: str
) -> None:
    token, somebody = await asked_for(house, ana.email), {"email": f"{uuid4().hex}@example.org", "full_name": "Ben"}

    own = await ana.api.post("/auth/password", json={"current_password": PASSWORD, "new_password": password})
    registered = await house.client().post("/auth/register", json=somebody | {"password": password})

    assert await confirmed(house, token, password) == 422
    assert (own.status_code, registered.status_code) == (422, 422)
    assert password not in own.text + registered.text
    assert await confirmed(house, token) == 200


async def test_an_address_is_verified_once_with_the_letter_sent_at_registration(house: House, ana: Person) -> None:
    token = letter(house, Kind.VERIFICATION, ana.email)

    first, again = [await house.client().post("/auth/verify", json={"token": token}) for _ in range(2)]

    assert (first.status_code, first.json()) == (200, {"detail": "Email has been verified"})
    assert again.status_code == 422
    assert (await house.rooms.callers.read(ana.id)).email_verified


async def test_another_letter_can_be_had(house: House, ana: Person) -> None:
    first = letter(house, Kind.VERIFICATION, ana.email)

    assert (await ana.api.post("/auth/verify/request")).status_code == 200

    second = letter(house, Kind.VERIFICATION, ana.email)
    assert second != first
    assert (await house.client().post("/auth/verify", json={"token": second})).status_code == 200


@pytest.mark.parametrize("unverified_may_book", [True, False])
async def test_whether_the_unverified_may_book_is_a_setting(
    stores: Stores, place: Place, unverified_may_book: bool
) -> None:
    async with a_house(stores, place, unverified_may_book=unverified_may_book) as house:
        ana, space_id = await a_person(house), await house.space()

        before = await ana.api.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})
        await house.client().post("/auth/verify", json={"token": letter(house, Kind.VERIFICATION, ana.email)})
        after = await ana.api.post("/bookings", json={"space_id": space_id, **a_slot(12, 13)})

    assert (before.status_code, after.status_code) == (201 if unverified_may_book else 403, 201)
    if not unverified_may_book:
        assert before.json()["type"] == "urn:daybook:problem:email-not-verified"
