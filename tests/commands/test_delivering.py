"""Deliveries to real receivers: signed, in order per booking, again while they fail, to nowhere else."""

import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import WebhookVerificationError

from booking.events import WebhookDisabled
from commands import deliveries, webhooks
from commands.deliveries import BACK_OFF, State
from commands.webhooks import RemoveWebhook, ReplayWebhook, RotateWebhookSecret, Secrets
from commands.webhooks import SwitchWebhook as Switch
from journal import folding
from tests.commands.people import book, enter, give_back, offer, register
from tests.commands.posts import KEY, Post, a_post, at_work
from tests.examples import (
    ANA,
    TUESDAY,
    cancelled,
    created,
    hours,
    notes_changed,
    registered,
    rescheduled,
    space_created,
)
from tests.journals import Place
from tests.receivers import Receiver, a_receiver

FIRST, SECOND = created(hours(9, 10)), created(hours(10, 11))


@pytest.fixture
async def post(place: Place) -> AsyncIterator[Post]:
    async with a_post(place) as post:
        yield post


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver() as receiver:
        yield receiver


async def test_a_fact_is_sent_as_it_is_recorded_signed_and_without_texts(post: Post, receiver: Receiver) -> None:
    secret = webhooks.new_secret()
    post.place.set_clock(FIRST.slot.start - timedelta(days=1))
    await register(post.deciding, ANA)
    await offer(post.deciding, min_advance=timedelta(0))
    await post.add(receiver, "BookingCreated", "BookingCancelled", secret=secret)
    async with at_work(post):
        done = await book(post.deciding, FIRST.slot, notes="Only for me.")
        await receiver.got(1)
        await give_back(post.deciding, done.subject.id)
        first, second = await receiver.got(2)

    document = first.verified(secret)
    (fact,) = await post.journal.page(done.position - 1, 1)
    recorded_at = fact.recorded_at.isoformat().replace("+00:00", "Z")
    assert (first.path, first.headers["content-type"]) == ("/hook?from=daybook", "application/json")
    assert (document["type"], document["timestamp"]) == ("BookingCreated", recorded_at)
    assert document["data"]["position"] == done.position
    assert document["data"]["recorded_at"] == recorded_at
    assert document["data"]["booking_id"] == str(done.subject.id)
    assert document["data"]["slot"] == {"start": "2026-01-05T09:00:00Z", "end": "2026-01-05T10:00:00Z"}
    assert "notes" not in document["data"]
    assert b"Only for me" not in first.body
    assert second.verified(secret)["type"] == "BookingCancelled"
    assert "reason" not in second.document["data"]
    assert "." not in first.id != second.id
    with pytest.raises(WebhookVerificationError):
        first.verified(webhooks.new_secret())


async def test_what_was_before_a_webhook_or_has_another_name_is_not_sent(post: Post, receiver: Receiver) -> None:
    enter(post.place, space_created(), registered(), FIRST)
    webhook_id = await post.add(receiver, "BookingCreated")
    enter(post.place, cancelled(FIRST), registered(), SECOND)

    await post.settle()

    assert [one.booking for one in receiver.received] == [SECOND.booking_id]
    assert await post.states(webhook_id) == [("delivered", 1)]


async def test_a_failing_booking_waits_in_order_while_others_go_on(post: Post, receiver: Receiver) -> None:
    receiver.answer = lambda one: 503 if one.booking == FIRST.booking_id else 200
    webhook_id = await post.add(receiver)
    enter(post.place, FIRST, SECOND, notes_changed(FIRST, None), cancelled(SECOND), cancelled(FIRST))

    await post.settle()
    assert Counter(one.booking for one in receiver.received) == {FIRST.booking_id: 1, SECOND.booking_id: 2}
    assert [(one.state, one.status, one.error) for one in await post.log(webhook_id)] == [
        (State.WAITING, 503, "it answered 503"),
        (State.DELIVERED, 200, None),
        (State.WAITING, None, None),
        (State.DELIVERED, 200, None),
        (State.WAITING, None, None),
    ]

    receiver.answer, receiver.received = lambda _: 200, []
    await post.later(BACK_OFF[0] * 2)
    assert [one.document["type"] for one in receiver.received] == [
        "BookingCreated",
        "BookingNotesChanged",
        "BookingCancelled",
    ]
    assert {state for state, _ in await post.states(webhook_id)} == {"delivered"}


async def test_what_waits_for_another_fact_of_its_booking_is_not_due(post: Post, receiver: Receiver) -> None:
    receiver.answer = lambda _: 503
    await post.add(receiver)
    enter(post.place, FIRST)
    await post.settle()
    enter(post.place, notes_changed(FIRST, None))
    await post.settle()

    assert await deliveries.standing(post.journal) == (0, 0), "the first is put off, and the other comes after it"

    await post.later(-BACK_OFF[0])
    with post.place.owner() as owner:
        owner.execute("update deliveries set due_at = due_at - interval '1 hour'")
    count, seconds = await deliveries.standing(post.journal)
    assert count == 1
    assert seconds > BACK_OFF[0].total_seconds()


async def test_what_was_given_up_is_counted_for_a_day_or_until_a_replay(post: Post, receiver: Receiver) -> None:
    receiver.answer = lambda _: 503
    webhook_id = await post.add(receiver)
    enter(post.place, FIRST, SECOND)
    assert await deliveries.given_up(post.journal) == 0
    await post.settle()
    for pause in BACK_OFF:
        assert await deliveries.given_up(post.journal) == 0
        await post.later(pause * 1.2)
    assert await deliveries.given_up(post.journal) == 2

    await post.do(Switch(webhook_id=webhook_id, is_active=False))
    assert await deliveries.given_up(post.journal) == 0, "nobody wants them"
    await post.do(Switch(webhook_id=webhook_id, is_active=True))
    await post.do(ReplayWebhook(webhook_id=webhook_id, from_position=3))
    await post.settle()
    assert await deliveries.given_up(post.journal) == 1, "one of them is sent again"
    with post.place.owner() as owner:
        owner.execute("update deliveries set attempted_at = attempted_at - interval '25 hours'")
    assert await deliveries.given_up(post.journal) == 0


async def test_a_receiver_that_was_down_for_a_day_misses_nothing(post: Post, receiver: Receiver) -> None:
    webhook_id = await post.add(receiver)
    await receiver.close()
    for booking in (FIRST, SECOND):
        enter(post.place, booking, notes_changed(booking, None))
    for _ in range(24):
        await post.later(timedelta(hours=1))
    enter(post.place, cancelled(FIRST), cancelled(SECOND))
    await post.settle()
    assert receiver.received == []
    (failed, *_) = await post.log(webhook_id)
    assert (failed.attempts, failed.error) == (7, "it cannot be reached, or does not prove who it is")

    await receiver.open()
    await post.later(timedelta(days=1))

    for booking in (FIRST, SECOND):
        of_booking = [one for one in receiver.received if one.booking == booking.booking_id]
        assert [one.document["type"] for one in of_booking] == [
            "BookingCreated",
            "BookingNotesChanged",
            "BookingCancelled",
        ]
    assert len({one.id for one in receiver.received}) == len(receiver.received) == 6


async def test_what_failed_to_the_last_is_given_up_and_a_replay_sends_it_under_its_id(
    post: Post, receiver: Receiver
) -> None:
    receiver.answer = lambda one: 500 if one.document["type"] == "BookingCreated" else 200
    webhook_id = await post.add(receiver)
    enter(post.place, FIRST, cancelled(FIRST))
    await post.settle()
    for wait in BACK_OFF:
        await post.later(wait * 1.1)

    assert await post.states(webhook_id) == [("dead", len(BACK_OFF) + 1), ("delivered", 1)]
    *tries, other = receiver.received
    assert len({one.id for one in tries}) == 1

    receiver.answer, receiver.received = lambda _: 200, []
    await post.later(timedelta(days=9))
    assert receiver.received == []
    await post.do(ReplayWebhook(webhook_id=webhook_id, from_position=tries[0].position))
    await post.settle()

    assert [one.id for one in receiver.received] == [tries[0].id, other.id]
    assert await post.states(webhook_id) == [("delivered", 1), ("delivered", 1)]


async def test_a_replay_sends_also_what_was_before_the_webhook_and_leaves_nothing_out(
    post: Post, receiver: Receiver
) -> None:
    enter(post.place, FIRST, SECOND, cancelled(FIRST))
    webhook_id = await post.add(receiver)
    enter(post.place, cancelled(SECOND))

    await post.do(ReplayWebhook(webhook_id=webhook_id, from_position=2))
    await post.settle()
    assert sorted(one.position for one in receiver.received) == [2, 3, 5]

    enter(post.place, notes_changed(FIRST, None))
    await post.do(ReplayWebhook(webhook_id=webhook_id, from_position=8))
    await post.settle()
    assert receiver.received[-1].position == 7


async def test_a_receiver_that_says_it_is_gone_is_sent_nothing_until_it_is_enabled(
    post: Post, receiver: Receiver
) -> None:
    receiver.answer = lambda _: 410
    webhook_id = await post.add(receiver)
    enter(post.place, FIRST)
    await post.settle()
    enter(post.place, SECOND)
    await post.later(timedelta(days=1))
    assert len(receiver.received) == 1
    webhook, _ = await post.deciding.aggregates.fresh(folding.webhook(webhook_id))
    assert (webhook.exists, webhook.is_active) == (True, False)
    facts = [fact.event for fact in await post.journal.page(0, 100)]
    (disabled,) = [event for event in facts if isinstance(event, WebhookDisabled)]
    assert disabled.gone

    receiver.answer = lambda _: 200
    await post.do(Switch(webhook_id=webhook_id, is_active=True))
    await post.settle()
    assert {one.booking for one in receiver.received[1:]} == {FIRST.booking_id, SECOND.booking_id}
    assert len(receiver.received) == 3


async def test_a_webhook_that_was_removed_is_sent_nothing_and_forgotten(post: Post, receiver: Receiver) -> None:
    webhook_id = await post.add(receiver)
    enter(post.place, FIRST)
    await deliveries.post(post.journal)
    (taken,) = await deliveries.take(post.journal)

    receiver.answer = lambda _: 410
    await post.do(RemoveWebhook(webhook_id=webhook_id))
    await post.delivering.attempt(taken)
    await post.settle()

    assert await post.log(webhook_id) == []
    assert await webhooks.by_id(post.journal, webhook_id) is None
    with post.place.owner() as owner:
        rows = owner.execute("select payload from events").fetchall()
    assert not [payload for (payload,) in rows if "hook?from" in payload]


async def test_during_a_rotation_both_secrets_sign_and_afterwards_the_new_one_alone(
    post: Post, receiver: Receiver
) -> None:
    old, new = webhooks.new_secret(), webhooks.new_secret()
    webhook_id = await post.add(receiver, secret=old)
    sealed = post.secrets.sealed(new, webhook_id)
    await post.do(RotateWebhookSecret(webhook_id=webhook_id, sealed=sealed))
    enter(post.place, FIRST)
    await post.settle()
    (both,) = receiver.received
    assert both.verified(old) == both.verified(new)

    with post.place.owner() as owner:
        owner.execute("update webhooks set previous_until = now()")
    enter(post.place, SECOND)
    await post.settle()
    alone = receiver.received[1]
    assert alone.verified(new)
    with pytest.raises(WebhookVerificationError):
        alone.verified(old)


async def test_secrets_outlive_the_secret_key(place: Place, post: Post, receiver: Receiver) -> None:
    secret = webhooks.new_secret()
    webhook_id = await post.add(receiver, secret=secret)
    await webhooks.seal_anew(post.journal, Secrets(["the next key", KEY]))
    assert Secrets([KEY]).opened(await sealed(post, webhook_id), webhook_id) is None
    assert Secrets(["the next key"]).opened(await sealed(post, webhook_id), webhook_id) == secret

    enter(place, FIRST)
    await post.settle()
    (logged,) = await post.log(webhook_id)
    assert logged.error == "its secret cannot be opened any more: rotate it"
    assert receiver.received == []


async def sealed(post: Post, webhook_id: UUID) -> str:
    kept = await webhooks.by_id(post.journal, webhook_id)
    assert kept
    return kept.secret


async def test_two_workers_send_everything_once_and_in_order(place: Place, post: Post, receiver: Receiver) -> None:
    await post.add(receiver)
    bookings = [created(hours(hour, hour + 1, TUESDAY)) for hour in range(12)]
    async with a_post(place) as other, at_work(post, other):
        for moved in range(3):
            for booking in bookings:
                enter(place, rescheduled(booking, hours(20 + moved, 21 + moved)))
        received = await receiver.got(36)

    assert len({one.id for one in received}) == len(received) == 36
    for booking in bookings:
        positions = [one.position for one in received if one.booking == booking.booking_id]
        assert positions == sorted(positions)


async def test_a_receiver_that_never_answers_keeps_no_other_one_waiting(post: Post, receiver: Receiver) -> None:
    async with a_receiver(lambda _: None) as slow:
        await post.add(slow)
        await post.add(receiver)
        async with at_work(post):
            enter(post.place, *(created(hours(hour, hour + 1)) for hour in range(12)))
            await receiver.got(12)
            await slow.got(deliveries.PER_WEBHOOK)
            enter(post.place, cancelled(FIRST))
            await receiver.got(13)
        assert len(slow.received) == deliveries.PER_WEBHOOK


async def test_whoever_comes_after_the_loan_notes_nothing(post: Post, receiver: Receiver) -> None:
    webhook_id = await post.add(receiver)
    enter(post.place, FIRST)
    await deliveries.post(post.journal)
    (late,) = await deliveries.take(post.journal)
    assert await deliveries.take(post.journal) == []
    with post.place.owner() as owner:
        owner.execute("update deliveries set lent_until = now() - interval '1 second'")
    (again,) = await deliveries.take(post.journal)

    assert await deliveries.note_failed(post.journal, late, status=500, error="late") is None
    await deliveries.note_delivered(post.journal, late, status=200)
    assert await post.states(webhook_id) == [("waiting", 0)]
    assert again.id == late.id
    await deliveries.note_delivered(post.journal, again, status=200)
    assert await post.states(webhook_id) == [("delivered", 1)]


async def test_a_receiver_that_does_not_stop_talking_has_what_it_said_it_has(post: Post, receiver: Receiver) -> None:
    receiver.ends = False
    webhook_id = await post.add(receiver)
    enter(post.place, FIRST)
    await post.settle()

    assert await post.states(webhook_id) == [("delivered", 1)]


async def test_a_long_replay_keeps_no_other_webhook_waiting(post: Post, receiver: Receiver) -> None:
    enter(post.place, *(created(hours(hour, hour + 1, TUESDAY)) for hour in range(20)))
    replayed, other = await post.add(receiver), await post.add(receiver)
    await post.settle()
    await post.do(ReplayWebhook(webhook_id=replayed, from_position=1))
    enter(post.place, FIRST)

    await deliveries.post(post.journal, limit=5)

    assert len(await post.log(replayed)) == 5
    assert [one.type for one in await post.log(other)] == ["BookingCreated"]


async def test_a_redirect_is_a_failure_and_not_followed(post: Post, receiver: Receiver) -> None:
    receiver.answer = lambda _: 302
    receiver.headers = f"Location: {receiver.url}&again\r\n"
    webhook_id = await post.add(receiver)
    enter(post.place, FIRST)
    await post.settle()

    assert [one.path for one in receiver.received] == ["/hook?from=daybook"]
    (logged,) = await post.log(webhook_id)
    assert (logged.state, logged.status) == (State.WAITING, 302)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433"])
async def test_nothing_is_sent_to_an_address_that_is_not_public(place: Place, receiver: Receiver, host: str) -> None:
    async with a_post(place, private=False) as post:
        webhook_id = await post.add(receiver, host=host)
        enter(place, FIRST)
        await post.settle()

        (logged,) = await post.log(webhook_id)
    assert (logged.state, logged.error) == (State.WAITING, "a webhook leads to public addresses only")
    assert receiver.received == []


async def test_a_name_that_led_to_a_public_place_when_it_was_added_is_judged_again(
    place: Place, receiver: Receiver
) -> None:
    answers = [["8.8.8.8"], ["127.0.0.1"]]
    async with a_post(place, private=False, look_up=lambda _host, _port: answers.pop(0)) as post:
        url = receiver.url.replace("127.0.0.1", "localhost")
        await post.destinations.admit(url)
        webhook_id = await post.add(receiver, host="localhost")
        enter(place, FIRST)
        await post.settle()

        (logged,) = await post.log(webhook_id)
    assert (logged.state, logged.error) == (State.WAITING, "a webhook leads to public addresses only")
    assert (receiver.received, answers) == ([], [])


async def test_what_was_judged_is_what_is_connected_to(place: Place, receiver: Receiver) -> None:
    """Whatever the system says of the name by then: of this one, that it is where the other receiver listens."""
    answers = [["127.0.0.2"]]
    async with (
        a_receiver(host="127.0.0.2", port=receiver.port) as judged,
        a_post(place, look_up=lambda _host, _port: answers.pop(0)) as post,
    ):
        webhook_id = await post.add(receiver, host="localhost")
        enter(place, FIRST)
        await post.settle()

        assert await post.states(webhook_id) == [("delivered", 1)]
    assert (len(judged.received), receiver.received) == (1, [])
    assert judged.received[0].headers["host"] == f"localhost:{receiver.port}"


async def test_of_a_host_with_several_addresses_one_that_swallows_everything_keeps_nobody_from_the_next(
    place: Place, receiver: Receiver
) -> None:
    async with a_post(place, look_up=lambda _host, _port: ["127.0.0.2", "127.0.0.1"], connected_within=0.1) as post:
        webhook_id = await post.add(receiver, host="localhost")
        enter(place, FIRST)
        with swallowing("127.0.0.2", receiver.port):
            await post.settle()

        assert await post.states(webhook_id) == [("delivered", 1)]


@contextmanager
def swallowing(host: str, port: int) -> Iterator[None]:
    """An address that answers nobody who wants to connect: its only place is taken."""
    with socket.create_server((host, port), backlog=0), socket.create_connection((host, port)):
        yield


async def test_no_proxy_that_the_environment_names_is_asked(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        await post.add(receiver)
        enter(post.place, FIRST)
        await post.settle()

    assert (len(receiver.received), proxy.received) == (1, [])


async def test_the_log_forgets_what_is_long_over(post: Post, receiver: Receiver) -> None:
    webhook_id = await post.add(receiver)
    enter(post.place, FIRST)
    await post.settle()
    with post.place.owner() as owner:
        owner.execute("update deliveries set attempted_at = attempted_at - interval '31 days'")
    enter(post.place, SECOND)
    await post.settle()

    assert [one.position for one in await post.log(webhook_id)] == [3]


def certificate(name: str, directory: Path) -> ssl.SSLContext:
    """A server that proves to be `name` to whoever trusts the certificate, which is left in the directory."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signed = (
        x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    (directory / "trusted.pem").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "server.pem").write_bytes(private + pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "server.pem")
    return context


@pytest.mark.parametrize(
    ("name", "has_it"), [("localhost", True), ("somebody-else.example", False)], ids=["itself", "another"]
)
async def test_over_tls_a_receiver_has_to_prove_that_it_is_the_host_of_the_url(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, has_it: bool
) -> None:
    receiver = Receiver(tls=certificate(name, tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    await receiver.open()
    async with a_post(place) as post:
        webhook_id = await post.add(receiver, host="localhost")
        enter(place, FIRST)
        await post.settle()
        (logged,) = await post.log(webhook_id)
    await receiver.close()

    assert [one.headers["host"] for one in receiver.received] == [f"localhost:{receiver.port}"] * has_it
    assert logged.state is (State.DELIVERED if has_it else State.WAITING)
