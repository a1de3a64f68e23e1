"""Webhooks over HTTP: ADMINs add, look at, switch, replay and remove them; a secret is shown once."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from httpx import AsyncClient

from booking.roles import Role
from commands.webhooks import new_secret
from daybook.embedded import Stores
from tests.api.houses import House, a_house
from tests.journals import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "https://8.8.8.8/hook?token=of-the-receiver"
BODY = {"url": URL, "events": ["BookingCreated", "BookingCancelled"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(stores: Stores, place: Place) -> AsyncIterator[House]:
    async with a_house(stores, place) as house:
        yield house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(house: House) -> AsyncClient:
    return await house.signed_in(Role.ADMIN)


async def added(admin: AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await admin.post("/admin/webhooks", json=BODY | body)
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()
    return webhook


async def test_a_webhook_is_shown_with_its_secret_once_and_without_it_ever_after(
    admin: AsyncClient, place: Place
) -> None:
    again = {"Idempotency-Key": uuid4().hex}
    first, second = [await admin.post("/admin/webhooks", json=BODY, headers=again) for _ in range(2)]

    webhook = first.json()
    assert first.headers["Location"] == f"/admin/webhooks/{webhook['id']}"
    secret = webhook.pop("secret")
    assert secret.startswith("whsec_")
    assert (second.status_code, second.json()["type"]) == (409, "urn:daybook:problem:shown-before")
    assert webhook["events"] == ["BookingCancelled", "BookingCreated"]
    assert (webhook["url"], webhook["is_active"], webhook["previous_secret_until"]) == (URL, True, None)
    assert webhook["position"] == int(first.headers["Journal-Position"])
    assert (await admin.get(f"/admin/webhooks/{webhook['id']}")).json() == webhook
    with place.role() as role:
        stored = role.execute("select w::text from webhooks w union all select payload from events").fetchall()
    assert not [row for (row,) in stored if secret.removeprefix("whsec_") in row]
    with place.role() as role:
        (payload,) = role.execute("select payload from events where type = 'WebhookAdded'").fetchall()[-1]
    assert '"host":"8.8.8.8"' in payload
    assert "of-the-receiver" not in payload


async def test_a_secret_may_be_brought(admin: AsyncClient) -> None:
    secret, again = new_secret(), {"Idempotency-Key": uuid4().hex}
    answers = [await admin.post("/admin/webhooks", json=BODY | {"secret": secret}, headers=again) for _ in range(2)]

    assert [(answer.status_code, answer.json()["secret"]) for answer in answers] == [(201, secret)] * 2
    assert answers[0].json() == answers[1].json()


async def test_a_secret_is_rotated(admin: AsyncClient) -> None:
    webhook, secret = await added(admin), new_secret()
    path, again = f"/admin/webhooks/{webhook['id']}/rotate-secret", {"Idempotency-Key": uuid4().hex}

    made, repeated = [await admin.post(path, headers=again) for _ in range(2)]
    brought = await admin.post(path, json={"secret": secret})

    assert made.status_code == 200
    assert made.json()["secret"] != webhook["secret"]
    assert made.json()["previous_secret_until"] is not None
    assert (repeated.status_code, repeated.json()["type"]) == (409, "urn:daybook:problem:shown-before")
    assert brought.json()["secret"] == secret


async def test_a_webhook_is_switched_replayed_and_removed(admin: AsyncClient) -> None:
    webhook = await added(admin)
    path = f"/admin/webhooks/{webhook['id']}"

    assert (await admin.patch(path, json={"is_active": False})).json()["is_active"] is False
    assert (await admin.get(path)).json()["is_active"] is False
    replayed = await admin.post(f"{path}/replay", json={"from_position": 2})  # while no worker goes on from there
    assert (replayed.status_code, replayed.json()["position"]) == (200, 1)
    assert (await admin.patch(path, json={"is_active": True})).json()["is_active"] is True
    beyond = await admin.post(f"{path}/replay", json={"from_position": 10**12})
    assert (beyond.status_code, beyond.json()["type"]) == (422, "urn:daybook:problem:bad-position")

    assert (await admin.delete(path)).status_code == 200
    for method, more in [("GET", ""), ("GET", "/deliveries"), ("DELETE", ""), ("POST", "/rotate-secret")]:
        assert (await admin.request(method, path + more)).status_code == 404
    assert (await admin.patch(path, json={"is_active": True})).status_code == 404
    assert (await admin.post(f"{path}/replay", json={"from_position": 1})).status_code == 404


async def test_webhooks_are_listed_page_by_page(admin: AsyncClient) -> None:
    made = {(await added(admin))["id"] for _ in range(3)}

    answer, found = await admin.get("/admin/webhooks", params={"limit": 2}), list[dict[str, Any]]()
    while True:
        found += answer.json()
        if "next" not in answer.links:
            break
        answer = await admin.get(answer.links["next"]["url"])

    ids = [one["id"] for one in found]
    assert made <= set(ids)
    assert len(ids) == len(set(ids))
    assert not [one for one in found if "secret" in one]
    assert (await admin.get("/admin/webhooks", params={"cursor": "MTIz"})).status_code == 422


async def test_the_log_shows_what_became_of_each_delivery_page_by_page(admin: AsyncClient, place: Place) -> None:
    id = (await added(admin))["id"]
    with place.owner() as owner:
        owner.execute(
            "insert into deliveries "
            "(webhook_id, position, hash, subject, type, due_at, state, attempts, status, error) "
            "select %s, n, '', %s, 'BookingCreated', now(), "
            "case when n = 2 then 'dead' else 'waiting' end, n, 500, 'no' "
            "from generate_series(1, 5) n",
            (id, uuid4()),
        )
    path = f"/admin/webhooks/{id}/deliveries"

    first = await admin.get(path, params={"limit": 3})
    rest = await admin.get(first.links["next"]["url"])

    assert [one["position"] for one in first.json() + rest.json()] == [5, 4, 3, 2, 1]
    assert "next" not in rest.links
    (dead,) = (await admin.get(path, params={"state": "dead"})).json()
    assert dead["id"].startswith("msg_")
    assert (dead["state"], dead["status_code"], dead["error"], dead["attempts"]) == ("dead", 500, "no", 2)
    assert (dead["event"], dead["next_attempt_at"]) == ("BookingCreated", None)
    assert first.json()[0]["next_attempt_at"] is not None
    await admin.patch(f"/admin/webhooks/{id}", json={"is_active": False})
    assert {one["next_attempt_at"] for one in (await admin.get(path)).json()} == {None}
    for bad in ({"cursor": "MTIz"}, {"cursor": "!"}, {"state": "lost"}, {"limit": 0}):
        assert (await admin.get(path, params=bad)).status_code == 422
    assert (await admin.get(path, params={"cursor": "__________8"})).status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "http://127.0.0.1/"}, "address-not-allowed"),
        ({"url": "http://localhost:8000/"}, "address-not-allowed"),
        ({"url": "http://0x7f000001/"}, "address-not-allowed"),
        ({"url": "http://169.254.169.254/latest/meta-data/"}, "address-not-allowed"),
        ({"url": "ftp://8.8.8.8/"}, "bad-url"),
        ({"url": "https://user:password@8.8.8.8/"}, "bad-url"),
        ({"url": "https://8.8.8.8/" + "a" * 2_000}, "string-too-long"),
        ({"events": ["BookingCreated", "UserErased"]}, "unknown-event"),
        ({"events": []}, "too-short"),
        ({"secret": "whsec_c2hvcnQ="}, "bad-secret"),
        ({"secret": "Y4chzXdaNDPnm3X8X7OuR2n6NW5WbMcUsYvQf4LtZ+w="}, "bad-secret"),
        ({"secret": "whsec_!"}, "bad-secret"),
        ({"colour": "blue"}, "extra-forbidden"),
    ],
    ids=str,
)
async def test_a_webhook_that_cannot_be_is_refused(admin: AsyncClient, change: dict[str, Any], code: str) -> None:
    answer = await admin.post("/admin/webhooks", json=BODY | change)

    assert answer.status_code == 422
    assert [one["code"] for one in answer.json()["errors"]] == [code]


@pytest.mark.parametrize("role", [Role.STUDENT, Role.STAFF, Role.AUDITOR])
async def test_only_administrators_have_to_do_with_webhooks(house: House, admin: AsyncClient, role: Role) -> None:
    path, somebody = f"/admin/webhooks/{(await added(admin))['id']}", await house.signed_in(role)

    answers = [
        await somebody.post("/admin/webhooks", json=BODY),
        await somebody.get("/admin/webhooks"),
        await somebody.get(path),
        await somebody.get(f"{path}/deliveries"),
        await somebody.patch(path, json={"is_active": False}),
        await somebody.post(f"{path}/rotate-secret"),
        await somebody.post(f"{path}/replay", json={"from_position": 1}),
        await somebody.delete(path),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert (await house.client().get("/admin/webhooks")).status_code == 401


async def test_the_life_of_a_webhook_is_in_the_history(admin: AsyncClient) -> None:
    webhook = await added(admin)
    await admin.patch(f"/admin/webhooks/{webhook['id']}", json={"is_active": False})

    answer = await admin.get("/audit/events", params={"tag": f"webhook:{UUID(webhook['id'])}"})

    assert answer.status_code == 200
    assert [one["type"] for one in answer.json()] == ["WebhookAdded", "WebhookDisabled"]
