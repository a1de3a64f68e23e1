"""Calendar feeds: read with a token in the address, sent again only when something changed."""

import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from httpx import ASGITransport, AsyncClient, Response
from icalendar import Calendar

from api.app import create_app
from api.watching import Answered
from booking.roles import Role
from commands.calendar_tokens import PER_USER
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot
from tests.journals import Place
from tests.processes import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(stores: Stores, place: Place) -> AsyncIterator[House]:
    async with a_house(stores, place) as house:
        yield house


async def made(client: AsyncClient, name: str = "My phone") -> dict[str, Any]:
    answer = await client.post("/calendars/tokens", json={"name": name})
    assert answer.status_code == 201, answer.text
    token: dict[str, Any] = answer.json()
    return token


async def read(house: House, path: str, token: str, **headers: str) -> Response:
    """What a calendar program is answered: it sends no headers of ours."""
    return await house.client().get(path, params={"token": token}, headers=headers)


def events(answer: Response) -> dict[str, dict[str, Any]]:
    """The events of a feed by UID."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/calendar")
    return {
        str(one["UID"]): {
            "summary": str(one["SUMMARY"]),
            "status": str(one["STATUS"]),
            "sequence": int(one["SEQUENCE"]),
            "start": one.decoded("DTSTART").isoformat().replace("+00:00", "Z"),
            "end": one.decoded("DTEND").isoformat().replace("+00:00", "Z"),
        }
        for one in Calendar.from_ical(answer.content).walk("VEVENT")
    }


async def booked(client: AsyncClient, space_id: str, start: float, end: float, **more: Any) -> str:
    answer = await client.post("/bookings", json={"space_id": space_id, **a_slot(start, end), **more})
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


async def test_ones_own_feed_shows_every_change_and_marks_what_was_cancelled(house: House) -> None:
    client, space_id = await house.signed_in(), await house.space(name="Großer Saal")
    token = (await made(client))["token"]
    first = await booked(client, space_id, 10, 11, notes="Nobody else's business.")
    second = await booked(client, space_id, 12, 13)

    before = await read(house, "/calendars/me.ics", token)
    await client.patch(f"/bookings/{first}", json=a_slot(14, 15))
    await client.delete(f"/bookings/{first}")
    after = await read(house, "/calendars/me.ics", token)

    untouched = {"summary": "Großer Saal", "status": "CONFIRMED", "sequence": 0, **a_slot(12, 13)}
    assert events(before) == {
        f"{first}@daybook": untouched | a_slot(10, 11),
        f"{second}@daybook": untouched,
    }
    assert events(after) == {
        f"{first}@daybook": untouched | a_slot(14, 15) | {"status": "CANCELLED", "sequence": 2},
        f"{second}@daybook": untouched,
    }
    assert b"business" not in before.content
    assert before.headers["ETag"] != after.headers["ETag"]


async def test_a_feed_is_sent_again_only_when_something_changed(house: House) -> None:
    client, space_id = await house.signed_in(), await house.space()
    token = (await made(client))["token"]
    await booked(client, space_id, 10, 11)
    for path in ("/calendars/me.ics", f"/calendars/spaces/{space_id}.ics"):
        first = await read(house, path, token)
        again = await read(house, path, token, **{"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
        assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "private, no-cache"

        await booked(client, space_id, *((12, 13) if "me" in path else (14, 15)))
        changed = await read(house, path, token, **{"If-None-Match": first.headers["ETag"]})
        assert len(events(changed)) > len(events(first))


async def test_the_feed_of_a_space_shows_when_it_is_taken_and_not_by_whom(house: House) -> None:
    client, other, space_id = await house.signed_in(), await house.signed_in(), await house.space(name="Atelier")
    token = (await made(client))["token"]
    mine = await booked(client, space_id, 10, 11)
    theirs = await booked(other, space_id, 12, 13, notes="A surprise.")

    answer = await read(house, f"/calendars/spaces/{space_id}.ics", token)

    assert {uid: one["summary"] for uid, one in events(answer).items()} == {
        f"{mine}@daybook": "Your booking",
        f"{theirs}@daybook": "Busy",
    }
    assert b"X-WR-CALNAME:Atelier" in answer.content
    assert b"surprise" not in answer.content
    own = await read(house, "/calendars/me.ics", token)
    assert events(own).keys() == {f"{mine}@daybook"}


async def test_what_waits_for_an_approval_is_tentative_and_what_was_rejected_cancelled(house: House) -> None:
    student, space_id = await house.signed_in(), await house.space(requires_approval=True)
    staff, token = await house.signed_in(Role.STAFF), (await made(student))["token"]
    id = await booked(student, space_id, 10, 11)

    async def status() -> str:
        (event,) = events(await read(house, "/calendars/me.ics", token)).values()
        return str(event["status"])

    assert await status() == "TENTATIVE"
    await staff.post(f"/bookings/{id}/reject")
    assert await status() == "CANCELLED"


async def test_a_token_is_shown_once_listed_and_kept_as_a_hash(house: House, place: Place) -> None:
    client = await house.signed_in()
    token = await made(client)

    assert token["token"].startswith("dbc_")
    shown = {name: value for name, value in token.items() if name != "token"}
    assert (await client.get("/calendars/tokens")).json() == [shown]
    assert (await client.get("/auth/me/export")).json()["calendar_tokens"] == [shown]
    with place.role() as role:
        rows = role.execute("select t::text from calendar_tokens t").fetchall()
    assert not [row for (row,) in rows if token["token"].removeprefix("dbc_") in row]


async def test_a_revoked_token_opens_nothing_and_others_go_on(house: House) -> None:
    client, stranger = await house.signed_in(), await house.signed_in()
    revoked, other = await made(client), await made(client, "My laptop")

    assert (await stranger.delete(f"/calendars/tokens/{revoked['id']}")).status_code == 404
    assert (await read(house, "/calendars/me.ics", revoked["token"])).status_code == 200
    deleted = [await client.delete(f"/calendars/tokens/{revoked['id']}") for _ in range(2)]
    assert [answer.status_code for answer in deleted] == [200, 404]

    assert (await read(house, "/calendars/me.ics", revoked["token"])).status_code == 401
    assert (await read(house, "/calendars/me.ics", other["token"])).status_code == 200
    assert [one["id"] for one in (await client.get("/calendars/tokens")).json()] == [other["id"]]


@pytest.mark.parametrize("token", ["", "dbc_", "dbc_" + "a" * 43, "nonsense", "a" * 5_000])
async def test_what_is_no_token_is_401(house: House, token: str) -> None:
    for path in ("/calendars/me.ics", f"/calendars/spaces/{uuid4()}.ics"):
        answer = await read(house, path, token)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await house.client().get("/calendars/me.ics")).status_code == 401


async def test_an_access_token_opens_no_feed_and_a_calendar_token_nothing_else(house: House) -> None:
    client = await house.signed_in()
    token = (await made(client))["token"]

    assert (await client.get("/calendars/me.ics")).status_code == 401
    assert (await house.client(Authorization=f"Bearer {token}").get("/bookings")).status_code == 401


async def test_a_token_ends_with_its_user(house: House, place: Place) -> None:
    user_id, admin = await house.user(), await house.signed_in(Role.ADMIN)
    token = (await made(house.client(user_id)))["token"]
    who = {"email": f"{uuid4().hex}@example.org", "password": "correct horse battery", "full_name": "Ana"}
    person = house.client(UUID((await house.client().post("/auth/register", json=who)).json()["user"]["id"]))
    gone = (await made(person))["token"]

    await admin.patch(f"/admin/users/{user_id}", json={"is_active": False})
    assert (await person.request("DELETE", "/auth/me", json={"password": who["password"]})).status_code == 200

    assert (await read(house, "/calendars/me.ics", gone)).status_code == 401

    async def turned_away() -> bool:
        return (await read(house, "/calendars/me.ics", token)).status_code == 401

    assert await eventually(turned_away)


async def test_there_is_no_feed_of_what_is_no_space(house: House) -> None:
    token = (await made(await house.signed_in()))["token"]

    assert (await read(house, f"/calendars/spaces/{UUID(int=7)}.ics", token)).status_code == 404
    assert (await read(house, "/calendars/spaces/nonsense.ics", token)).status_code == 422


async def test_a_user_has_so_many_tokens_and_each_a_name(house: House) -> None:
    client = await house.signed_in()
    for body in ({"name": " "}, {"name": "a" * 256}, {}):
        assert (await client.post("/calendars/tokens", json=body)).status_code == 422
    for number in range(PER_USER):
        await made(client, f"Program {number}")

    answer = await client.post("/calendars/tokens", json={"name": "One more"})

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:daybook:problem:too-many-tokens")


async def test_no_line_of_the_log_has_a_token(house: House, caplog: pytest.LogCaptureFixture) -> None:
    token = (await made(await house.signed_in()))["token"]
    caplog.set_level(logging.DEBUG)
    caplog.clear()

    await read(house, "/calendars/me.ics", token)
    await read(house, f"/calendars/spaces/{uuid4()}.ics", token)

    assert token not in "".join(
        record.getMessage() for record in caplog.records if record.name.split(".")[0] != "httpx"
    )


async def test_the_line_of_a_feed_bears_whose_token_it_was_read_with(house: House) -> None:
    user_id = await house.user()
    token = (await made(house.client(user_id)))["token"]
    told: list[Answered] = []
    app = create_app(house.rooms, version="1", tell=told.append)

    async with AsyncClient(transport=ASGITransport(app), base_url="http://daybook") as client:
        answer = await client.get("/calendars/me.ics", params={"token": token})

    assert answer.status_code == 200, answer.text
    assert [(one.route, one.user_id) for one in told] == [("/calendars/me.ics", user_id)]
