"""Bad input of every kind is a 4xx problem: never a 500, never a hang, nothing of it echoed, nothing written."""

import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from fastapi.routing import APIRoute
from httpx import AsyncClient, Response
from pydantic import TypeAdapter, ValidationError

from api.bodies import MOST_FIELDS, MOST_PARTS
from api.problems import MOST_ERRORS
from booking.roles import Role
from daybook.embedded import Stores
from tests.api.houses import House, a_house, a_slot, a_space, at, every_route
from tests.journals import Place

# One house for all of them: there are many, and they leave nothing behind.
pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "hunter2-hunter2"
NONE = "00000000-0000-4000-8000-000000000000"

COMMANDS = [
    ("POST", "/bookings"),
    ("POST", "/admin/spaces"),
    ("PATCH", f"/admin/spaces/{NONE}"),
    ("PATCH", f"/admin/users/{NONE}"),
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
]

NO_JSON = {
    "empty": b"",
    "not JSON": b"{start: 1}",
    "cut short": b'{"name": "x"',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "NaN": b'{"capacity": NaN, "price_per_hour": NaN}',
    "Infinity": b'{"capacity": Infinity, "price_per_hour": -Infinity}',
    "a lone surrogate": b'{"name": "\\ud800", "notes": "\\ud800", "email": "\\ud800"}',
    "a lone surrogate as a name": b'{"\\udfff": 1}',
    "NUL": b'{"name": "a\\u0000b", "notes": "a\\u0000b"}',
    "NUL as a name": b'{"a\\u0000b": 1}',
    "NUL deep down": b'{"opening_hours": {"mon": [{"opens": "\\u0000"}]}}',
    "a number of 5000 digits": b'{"capacity": ' + b"9" * 5_000 + b"}",
    "a number beyond all": b'{"capacity": 1e999}',
    "deeper than can be": b"[" * 100_000,
    "deep": b'{"name":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
    "deep objects": b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    "a number": b"7",
    "nothing": b"null",
    "a text": b'"text"',
    "a list": b"[]",
    "a list of lists": b"[[], []]",
    "no field": b"{}",
    "a name twice": b'{"name": "x", "name": "y"}',
    "a name twice, written otherwise": b'{"name": "x", "n\\u0061me": "y"}',
    "a name twice deep down": b'{"opening_hours": {"mon": [{"opens": "08:00", "opens": "09:00"}]}}',
    "a name twice in a list": b'[{"a": 1}, {"a": 1, "b": 2, "a": 3}]',
    "more fields than there are": json.dumps(dict.fromkeys(map(str, range(51)))).encode(),
    "more parts than are read": b"[" + b"[]," * 10_000 + b"[]]",
    "nests": b"[" + (b"[" * 500 + b"]" * 500 + b",") * 100 + b"1]",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(stores: Stores, place: Place) -> AsyncIterator[House]:
    async with a_house(stores, place) as house:
        yield house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(house: House) -> AsyncClient:
    return await house.signed_in(Role.ADMIN)


async def position(house: House) -> int:
    _, position, _ = await house.rooms.journal.head()
    return position


def is_a_problem(answer: Response, *statuses: int) -> None:
    assert answer.status_code in statuses, (answer.status_code, answer.text[:500])
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "correlation_id"} <= answer.json().keys()
    assert len(answer.content) < 10_000


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
async def test_a_body_that_is_none(house: House, admin: AsyncClient, body: bytes) -> None:
    before = await position(house)

    for method, path in COMMANDS:
        if body == b"{}" and path == f"/admin/spaces/{NONE}":
            continue  # nothing to change, of a space that is none
        answer = await admin.request(method, path, content=body, headers={"Content-Type": "application/json"})
        is_a_problem(answer, 422)

    assert await position(house) == before


FORM = "application/x-www-form-urlencoded"
OTHER_KINDS = [
    "text/plain",
    "multipart/form-data",
    "",
    "application/json-patch+json",
    "application/jsonp",
    "application/json, text/plain",
    "application/json; charset=latin-1",
    'application/json; x=y; Charset = "utf-16"',
    f"{FORM}-2",
]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (NO_JSON["a name twice"], "an object has a name twice"),
        (NO_JSON["more fields than there are"], f"an object has more than {MOST_FIELDS} fields"),
        (NO_JSON["more parts than are read"], f"it has more than {MOST_PARTS} parts"),
    ],
)
async def test_what_is_not_read_whole_is_told_so(house: House, body: bytes, why: str) -> None:
    answer = await house.client().post("/auth/register", content=body, headers=AS_JSON)

    (error,) = answer.json()["errors"]
    assert (error["code"], why in error["detail"]) == ("json-invalid", True)


async def test_commas_in_a_text_are_no_parts(house: House) -> None:
    body = {"email": "nobody@example.org", "password": SECRET, "full_name": '",\\' * MOST_PARTS}

    answer = await house.client().post("/auth/register", content=json.dumps(body), headers=AS_JSON)

    assert [error["code"] for error in answer.json()["errors"]] != ["json-invalid"]


@pytest.mark.parametrize("kind", [FORM, *OTHER_KINDS])
@pytest.mark.parametrize(("method", "path"), COMMANDS)
async def test_a_body_of_another_kind(house: House, admin: AsyncClient, method: str, path: str, kind: str) -> None:
    answer = await admin.request(method, path, content=b"name=x", headers={"Content-Type": kind})

    is_a_problem(answer, 422 if path == "/auth/login" and kind == FORM else 415)


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        ";charset=utf-8",
        ";charset=UTF8",
        "; charset='utf-8'",
        "; charset=us-ascii",
        ";charset=",
        ' ; Charset="UTF-8"',
        "; profile=x; charset=utf-8",
        "; charset=utf-8; x",
    ],
)
async def test_a_kind_may_have_parameters_and_is_written_in_any_case(house: House, parameters: str) -> None:
    nobody = {"email": "nobody@example.org", "password": SECRET}
    for kind, body in (
        ("Application/JSON", json.dumps(nobody)),
        (FORM.upper(), f"username=nobody%40example.org&password={SECRET}"),
    ):
        answer = await house.client().post("/auth/login", content=body, headers={"Content-Type": kind + parameters})

        is_a_problem(answer, 401)


NO_FORMS = {
    "NUL": b"username=a%00b&password=x",
    "a lone surrogate": b"username=%ED%A0%80&password=x",
    "not UTF-8": b"username=\xff",
    "many fields": b"&" * 1_000,
    "no field that is known": b"x=1",
    "a name twice": b"username=a&username=b&password=x",
    "long": b"username=" + b"%41" * 3_000,
}


@pytest.mark.parametrize("body", NO_FORMS.values(), ids=NO_FORMS)
async def test_a_form_that_is_none(house: House, body: bytes) -> None:
    answer = await house.client().post("/auth/login", content=body, headers={"Content-Type": FORM})

    is_a_problem(answer, 413 if len(body) > 8_192 else 422)


NO_TIMES: dict[str, Any] = {
    "no offset": at(10).removesuffix("Z"),
    "a date": at(10)[:10],
    "a number": 1_800_000_000,
    "a number as text": "1800000000",
    "a truth": True,
    "nothing": None,
    "a text": "tomorrow",
    "year 1": "0001-01-01T00:00:00+14:00",
    "year 9999": "9999-12-31T23:59:59-14:00",
    "year 0": "0000-01-01T00:00:00Z",
    "year 10000": "10000-01-01T00:00:00Z",
    "month 13": "2026-13-01T00:00:00Z",
    "29 February": "2027-02-29T00:00:00Z",
    "24:00": "2026-12-01T24:00:00Z",
    "an offset of a day": "2026-12-01T10:00:00+24:00",
    "an offset of days": "2026-12-01T10:00:00+99:99",
    "other digits": "２０２６-12-01T10:00:00Z",
    "a week date": "2026-W49-2T10:00:00Z",
    "a leap second": "2026-12-01T23:59:60Z",
    "very exact": "2026-12-01T10:00:00." + "1" * 5_000,
    "too exact": at(10).replace("Z", ".0000001Z"),
    "NUL": "2026-12-01T10:00:00Z\0",
    "an object": {"at": "2026-12-01T10:00:00Z"},
}


async def test_a_time_may_have_more_noughts_than_are_kept(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    slot = {which: time.replace("Z", ".000000000Z") for which, time in a_slot(10, 11).items()}

    made = await student.post("/bookings", json={"space_id": space_id, **slot})

    assert (made.status_code, made.json()["start"]) == (201, a_slot(10, 11)["start"])


@pytest.mark.parametrize("time", NO_TIMES.values(), ids=NO_TIMES)
@pytest.mark.parametrize("which", ["start", "end"])
async def test_a_time_that_is_none(house: House, which: str, time: Any) -> None:
    space_id, student = await house.space(), await house.signed_in()
    slot = a_slot(10, 11) | {which: time}
    before = await position(house)

    posted = await student.post("/bookings", content=json.dumps({"space_id": space_id, **slot}), headers=AS_JSON)
    asked = await student.get(f"/spaces/{space_id}/availability", params={n: v for n, v in slot.items() if v})

    is_a_problem(posted, 422)
    is_a_problem(asked, 400, 422)
    assert await position(house) == before


AS_JSON = {"Content-Type": "application/json"}


async def test_a_time_without_an_offset_is_told_so(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    naive = {"start": at(10).removesuffix("Z"), "end": at(11)}

    posted = await student.post("/bookings", json={"space_id": space_id, **naive})
    asked = await student.get(f"/spaces/{space_id}/availability", params=naive)

    (in_body,), (in_query,) = posted.json()["errors"], asked.json()["errors"]
    assert (in_body["code"], in_body["pointer"]) == ("offset-required", "#/start")
    assert (in_query["code"], in_query["query"]) == ("offset-required", "start")


async def test_a_time_is_as_exact_as_it_is_kept(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    ends = {"end": at(11).replace("Z", ".000001Z")}

    made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11), **ends})
    refused = await student.post("/bookings", json={"start": at(10).replace("Z", ".1234567Z")})

    assert made.json()["end"] == ends["end"]
    assert "too-exact" in [error["code"] for error in refused.json()["errors"]]


@pytest.mark.parametrize(
    "slot",
    [
        a_slot(11, 10),
        a_slot(10, 10),
        {"start": at(10), "end": at(10, day=39)},
        {"start": "1999-12-01T10:00:00Z", "end": "1999-12-01T11:00:00Z"},
        {"start": "2200-12-01T10:00:00Z", "end": "2200-12-01T11:00:00Z"},
        {"start": "9999-12-31T22:00:00Z", "end": "9999-12-31T23:00:00Z"},
        {"start": "0001-01-01T00:00:00Z", "end": "0001-01-01T01:00:00Z"},
    ],
)
async def test_times_that_make_no_slot(house: House, slot: dict[str, str]) -> None:
    space_id, student = await house.space(), await house.signed_in()

    posted = await student.post("/bookings", json={"space_id": space_id, **slot})
    asked = await student.get(f"/spaces/{space_id}/availability", params=slot)

    for answer in (posted, asked):
        is_a_problem(answer, 422)
        assert answer.json()["errors"][0]["code"] == "bad-slot"


NO_IDS = ["1", "null", "x" * 5_000, "%20", "00000000-0000-0000-0000-00000000000g", "%EF%BC%91", "..", "'--", "%ff"]


@pytest.mark.parametrize("id", NO_IDS)
async def test_an_id_that_is_no_uuid(house: House, admin: AsyncClient, id: str) -> None:
    requests = [
        ("GET", f"/bookings/{id}", None),
        ("DELETE", f"/bookings/{id}", None),
        ("GET", f"/spaces/{id}", None),
        ("GET", f"/spaces/{id}/availability?start={at(10)}&end={at(11)}", None),
        ("PATCH", f"/admin/spaces/{id}", {"name": "x"}),
        ("DELETE", f"/admin/spaces/{id}", None),
        ("PATCH", f"/admin/users/{id}", {"role": "STAFF"}),
        ("POST", "/bookings", {"space_id": id, **a_slot(10, 11)}),
    ]
    for method, path, body in requests:
        is_a_problem(await admin.request(method, path, json=body), 400, 404, 405, 422)


NO_SPACES: dict[str, dict[str, Any]] = {
    "no name": {"name": ""},
    "a blank name": {"name": " \t\n "},
    "a long name": {"name": "x" * 256},
    "a name that is none": {"name": 7},
    "a long description": {"description": "x" * 2_001},
    "nobody fits": {"capacity": 0},
    "part of a person": {"capacity": 1.5},
    "a text for a number": {"capacity": "10"},
    "a truth for a number": {"capacity": True},
    "as many as there are": {"capacity": 2**63},
    "more than there are": {"capacity": 2**64},
    "a price below nothing": {"price_per_hour": -0.01},
    "no price": {"price_per_hour": None},
    "NaN as a price": {"price_per_hour": "NaN"},
    "Infinity as a price": {"price_per_hour": "Infinity"},
    "a price as text": {"price_per_hour": "25.0"},
    "a tiny price": {"price_per_hour": 1e-300},
    "a price too exact": {"price_per_hour": 1.234},
    "a price beyond bounds": {"price_per_hour": 1e300},
    "a truth for a price": {"price_per_hour": True},
    "no zone": {"timezone": "Mars/Olympus"},
    "a path for a zone": {"timezone": "../../../etc/passwd"},
    "a long zone": {"timezone": "x" * 100_000},
    "hours that are none": {"opening_hours": {"mon": [{"opens": "25:00", "closes": "26:00"}]}},
    "hours in other digits": {"opening_hours": {"mon": [{"opens": "０8:00", "closes": "09:00"}]}},
    "half a window": {"opening_hours": {"mon": [{"opens": "08:00"}]}},
    "another weekday": {"opening_hours": {"someday": []}},
    "many windows": {"opening_hours": {"mon": [{"opens": "08:00", "closes": "09:00"}] * 25}},
    "hours in both ways": {"opening_hours": {}, "opening_time": "08:00", "closing_time": "09:00"},
    "opening at 24:00": {"opening_time": "24:00", "closing_time": "24:00"},
    "a time with a line break": {"opening_time": "08:00\n", "closing_time": "09:00"},
    "no duration": {"min_duration_minutes": 0},
    "a duration below nothing": {"min_duration_minutes": -1},
    "a duration beyond bounds": {"max_duration_minutes": 44_641},
    "a duration of 19 digits": {"max_duration_minutes": 10**18},
    "notice beyond bounds": {"min_advance_minutes": 525_601},
    "a horizon beyond bounds": {"max_advance_days": 3_651},
    "a deadline beyond bounds": {"cancellation_deadline_hours": 8_761},
    "none at once": {"concurrent_bookings": 0},
    "all at once": {"concurrent_bookings": 1_001},
    "a date that is a number": {"special_hours": [{"date": 1_764_547_200}]},
    "a date that is a number as text": {"special_hours": [{"date": "1764547200"}]},
    "a date with a time": {"special_hours": [{"date": "2026-12-01T00:00:00Z"}]},
    "a day there is not": {"special_hours": [{"date": "2027-02-29"}]},
    "a field that is not known": {"requires": SECRET},
}


@pytest.mark.parametrize("part", NO_SPACES.values(), ids=NO_SPACES)
async def test_a_space_that_cannot_be(house: House, admin: AsyncClient, part: dict[str, Any]) -> None:
    space_id = await house.space()
    before = await position(house)

    made = await admin.post("/admin/spaces", json=a_space() | part)
    is_a_problem(made, 422)
    assert SECRET not in made.text
    if part != {"price_per_hour": None}:  # null leaves it as it is
        is_a_problem(await admin.patch(f"/admin/spaces/{space_id}", json=part), 422)

    assert await position(house) == before


async def test_the_zone_of_a_space_is_never_changed(house: House, admin: AsyncClient) -> None:
    space_id = await house.space()

    is_a_problem(await admin.patch(f"/admin/spaces/{space_id}", json={"timezone": "Europe/Berlin"}), 422)


async def test_half_a_day_is_no_change_of_hours(house: House, admin: AsyncClient) -> None:
    space_id = await house.space()

    is_a_problem(await admin.patch(f"/admin/spaces/{space_id}", json={"opening_time": "09:00"}), 422)


@pytest.mark.parametrize("day", ["1764547200", "2026-12-01T00:00:00Z", "2027-02-29", "20261201", "２０２６-12-01", ""])
async def test_a_date_that_is_none(house: House, admin: AsyncClient, day: str) -> None:
    space_id = await house.space()

    for path in (f"/spaces/{space_id}/slots?date={day}", f"/dashboards/bookings?from=2026-01-01&to={day}"):
        is_a_problem(await admin.get(path), 422)


@pytest.mark.parametrize("part", [{"is_active": "no"}, {"is_active": 0}])
async def test_a_truth_that_is_none(admin: AsyncClient, part: dict[str, Any]) -> None:
    is_a_problem(await admin.patch(f"/admin/webhooks/{NONE}", json=part), 422)


@pytest.mark.parametrize("position", ["1", True, 1.0, 0, None])
async def test_a_position_that_is_none(admin: AsyncClient, position: Any) -> None:
    is_a_problem(await admin.post(f"/admin/webhooks/{NONE}/replay", json={"from_position": position}), 422)


NO_REGISTRATIONS: dict[str, dict[str, Any]] = {
    "a short password": {"password": "1234567"},
    "a long password": {"password": SECRET * 9},
    "a password that is a number": {"password": 123456789},
    "a password that is a list": {"password": [SECRET]},
    "no address": {"email": "somebody"},
    "an address of nobody": {"email": "@example.org"},
    "two addresses": {"email": "a@example.org, b@example.org"},
    "an address with a name": {"email": "A <a@example.org>"},
    "a long address": {"email": "x" * 300 + "@example.org"},
    "an address over two lines": {"email": "a@example.org\nBcc: b@example.org"},
    "no name": {"full_name": ""},
    "a blank name": {"full_name": "   "},
    "a long name": {"full_name": "x" * 256},
    "a role": {"role": "ADMIN"},
    "an administrator": {"is_admin": True},
}


@pytest.mark.parametrize("part", NO_REGISTRATIONS.values(), ids=NO_REGISTRATIONS)
async def test_a_registration_that_cannot_be(house: House, part: dict[str, Any]) -> None:
    good = {"email": "a@example.org", "password": SECRET, "full_name": "Ana"}
    before = await position(house)

    answer = await house.client().post("/auth/register", json=good | part)

    is_a_problem(answer, 422)
    assert SECRET not in answer.text
    assert "example.org" not in answer.text
    assert await position(house) == before


NO_CHANGES: list[dict[str, Any]] = [
    {"role": "KING"},
    {"role": "admin"},
    {"role": None},
    {"max_active_bookings": 0},
    {"max_active_bookings": 1_001},
    {"is_active": "no"},
    {"is_active": 1},
    {"id": 1},
    {},
]


@pytest.mark.parametrize("part", NO_CHANGES)
async def test_a_change_of_a_user_that_cannot_be(house: House, admin: AsyncClient, part: dict[str, Any]) -> None:
    user_id = await house.user()

    is_a_problem(await admin.patch(f"/admin/users/{user_id}", json=part), 422)


async def test_texts_have_bounds(house: House) -> None:
    space_id, student = await house.space(), await house.signed_in()
    body = {"space_id": space_id, **a_slot(10, 11)}

    is_a_problem(await student.post("/bookings", json=body | {"notes": "x" * 2_001}), 422)
    made = await student.post("/bookings", json=body | {"notes": "🙂" * 2_000})
    assert made.status_code == 201
    is_a_problem(await student.delete(f"/bookings/{made.json()['id']}", params={"reason": "x" * 501}), 422)
    given_back = await student.delete(f"/bookings/{made.json()['id']}", params={"reason": "🙂" * 500})
    assert given_back.status_code == 200


NO_LIMITS = ["0", "201", "-1", "x", "1.5", "9" * 5_000, "%EF%BC%91%EF%BC%91"]
NO_CURSORS = ["x", "%F0%9F%99%82", "A" * 2_101, "AAAA", "W10", "W10%3D", "====", "%20", ""]
_TIMES = {"start": at(10), "end": at(11), "from": at(0)[:10], "to": at(0)[:10]}


@pytest.mark.parametrize("query", [f"limit={one}" for one in NO_LIMITS] + [f"cursor={one}" for one in NO_CURSORS])
async def test_a_page_that_is_none(house: House, admin: AsyncClient, query: str) -> None:
    lists = [
        (path.format(webhook_id=NONE), {one["name"]: _TIMES[one["name"]] for one in taken if one["required"]})
        for path, operations in house.made.openapi()["paths"].items()
        if (taken := [one for one in operations.get("get", {}).get("parameters", ()) if one["in"] == "query"])
        and query.partition("=")[0] in {one["name"] for one in taken}
    ]
    assert len(lists) >= 8

    for path, needed in lists:
        answer = await admin.get(f"{path}?{urlencode(needed)}&{query}")
        is_a_problem(answer, 404 if NONE in path else 422)


async def test_every_cursor_that_a_page_came_with_is_one(house: House, admin: AsyncClient) -> None:
    longest = "\u0390" * 255  # of every character it takes the most bytes to put in order
    for name in ("a, ä & 🙂", longest, longest):
        await house.space(name=name)
    link = "/spaces?limit=1"
    while link:
        answer = await admin.get(link)
        assert answer.status_code == 200, answer.text
        link = answer.links.get("next", {}).get("url", "")


NO_TEXTS = ["%ed%a0%80", "%ff", "a%C3", "%f4%90%80%80", "%C0%80"]


@pytest.mark.parametrize("text", NO_TEXTS)
async def test_what_is_no_text_is_neither_read_nor_kept(house: House, text: str) -> None:
    space_id, student = await house.space(), await house.signed_in()
    made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11)})
    path, before = f"/bookings/{made.json()['id']}", await position(house)

    for asked in (f"{path}?reason={text}", f"{path}?{text}=1", f"{path}{text}"):
        answer = await student.delete(asked)
        is_a_problem(answer, 400)
        assert answer.json()["type"] == "urn:daybook:problem:not-utf-8"

    assert await position(house) == before
    kept = await student.delete(f"{path}?reason=%EF%BF%BD%F0%9F%99%82+%25ff")
    assert kept.json()["reason"] == "\ufffd🙂 %ff"


async def test_a_query_has_only_so_many_parameters(house: House) -> None:
    is_a_problem(await house.client().get("/spaces?" + "a&" * 100), 400)
    assert (await house.client().get("/spaces?" + "&".join(["limit=1"] * 100))).status_code == 200


@pytest.mark.parametrize("host", [b"[", b"", b"a b", b"x" * 5_000, b"\xff", b"evil/@:", b"[::1]:99999"])
async def test_a_host_that_is_none_matters_to_nothing(house: House, admin: AsyncClient, host: bytes) -> None:
    hosted = [(b"Host", host)]

    listed = await admin.get("/admin/spaces?limit=1", headers=hosted)
    posted = await admin.post("/bookings", json={}, headers=[*hosted, (b"Idempotency-Key", b"host")])
    cancelled = await admin.delete(f"/bookings/{NONE}", headers=[*hosted, (b"Idempotency-Key", b"host")])

    assert [answer.status_code for answer in (listed, posted, cancelled)] == [200, 422, 404]


async def test_a_status_that_is_none(house: House) -> None:
    student = await house.signed_in()

    is_a_problem(await student.get("/bookings?status=CONFIRMED"), 422)


async def test_the_password_is_never_echoed(house: House) -> None:
    bodies = [
        {"email": "a", "password": SECRET, "full_name": ""},
        {"email": SECRET, "password": [SECRET], "full_name": SECRET * 40},
        {"password": SECRET},
        {SECRET: SECRET},
        [SECRET],
        SECRET,
    ]
    for path in ("/auth/register", "/auth/login"):
        for body in bodies:
            answer = await house.client().post(path, json=body)
            assert answer.status_code in (401, 422)
            assert SECRET not in answer.text
        broken = json.dumps({"email": "a@example.org", "password": SECRET})[:-1]
        answer = await house.client().post(path, content=broken, headers=AS_JSON)
        assert (answer.status_code, SECRET in answer.text) == (422, False)


async def test_many_mistakes_are_told_of_in_part(house: House, admin: AsyncClient) -> None:
    answer = await admin.post("/admin/spaces", json=dict.fromkeys((f"field {n}" for n in range(40)), "x"))

    is_a_problem(answer, 422)
    assert len(answer.json()["errors"]) == MOST_ERRORS


async def test_of_a_list_the_first_mistake_is_told(house: House, admin: AsyncClient) -> None:
    wrong = [{"opens": "08:00", "closes": "09:00"}, {"opens": "x", "closes": "y"}, {"opens": "z"}]

    answer = await admin.post("/admin/spaces", json=a_space(opening_hours={"mon": wrong}, managers=["x", "y"]))

    assert [error["pointer"] for error in answer.json()["errors"]] == [
        "#/managers/0",
        "#/opening_hours/mon/1/opens",
        "#/opening_hours/mon/1/closes",
    ]


BODIES = [
    pytest.param(route.body_field.field_info.annotation, id=f"{route.methods} {route.path}")
    for route in every_route()
    if isinstance(route, APIRoute) and route.body_field
]


def worst(schema: Any, within: Any, item: Any) -> Any:
    """The longest lists of `item` everywhere, and as many fields that are not known as an object may have."""
    if "$ref" in schema:
        schema = within[schema["$ref"].rpartition("/")[2]]
    schema = next((one for one in schema.get("anyOf", ()) if "$ref" in one or one["type"] == "array"), schema)
    if "$ref" in schema:
        return worst(schema, within, item)
    if schema.get("type") == "array":
        return [item] * MOST_PARTS
    if "properties" not in schema:
        return item
    known = {name: worst(of, within, item) for name, of in schema["properties"].items()}
    return known | {f"field {n}": item for n in range(MOST_FIELDS - len(known))}


@pytest.mark.parametrize("item", [{}, [], "x", 1, NONE, {f"field {n}": 1 for n in range(MOST_FIELDS)}], ids=repr)
@pytest.mark.parametrize("body", BODIES)
async def test_the_worst_body_makes_few_mistakes_that_are_not_told(body: Any, item: Any) -> None:
    adapter = TypeAdapter(body)
    schema = adapter.json_schema()

    for given in (worst(schema, schema.get("$defs", {}), item), [item] * MOST_PARTS):
        with pytest.raises(ValidationError) as found:
            adapter.validate_python(given)
        # Telling of one takes 5 µs.
        assert found.value.error_count() < 1_000


@pytest.mark.parametrize("text", ["\\u0000", "a\\", "\\\\u0000", "{[,]}" * 400])
async def test_what_looks_like_json_may_be_in_a_text(house: House, text: str) -> None:
    space_id, student = await house.space(), await house.signed_in()

    made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 11), "notes": text})

    assert made.json()["notes"] == text


async def test_a_thousand_dates_with_two_windows_each_are_read(house: House, admin: AsyncClient) -> None:
    windows = [{"opens": "08:00", "closes": "12:00"}, {"opens": "13:00", "closes": "17:00"}]
    first = date(2027, 1, 1)
    special = [{"date": str(first + timedelta(days=n)), "windows": windows, "reason": "a fair"} for n in range(1_000)]

    made = await admin.post("/admin/spaces", json=a_space(special_hours=special))

    assert made.status_code == 201
