"""A webhook's life: added once, switched off and on, removed for good."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from booking import webhooks
from booking.events import (
    Event,
    WebhookAdded,
    WebhookDisabled,
    WebhookEnabled,
    WebhookRemoved,
    WebhookReplayed,
    WebhookSecretRotated,
)
from booking.refusals import NotFound
from booking.webhooks import Webhook
from tests.examples import MONDAY_8AM, MONDAY_NOON, given

HOOK = UUID(int=0xC1)
ADDED = WebhookAdded(webhook_id=HOOK, host="hooks.example.org", events=("BookingCreated",), at=MONDAY_8AM)
DISABLED = WebhookDisabled(webhook_id=HOOK, gone=False, at=MONDAY_8AM)
REMOVED = WebhookRemoved(webhook_id=HOOK, at=MONDAY_8AM)
NOW = MONDAY_NOON


def hook(*history: Event) -> Webhook:
    return given(Webhook(HOOK), *history)


def add(webhook: Webhook) -> list[Event]:
    names = frozenset({"BookingCreated", "BookingCancelled"})
    return list(webhooks.add(webhook, host="hooks.example.org", events=names, now=NOW))


def switch(webhook: Webhook, is_active: bool, *, gone: bool = False) -> list[Event]:
    return list(webhooks.switch(webhook, is_active=is_active, gone=gone, now=NOW))


def test_a_webhook_is_added_once_and_never_again_after_it_was_removed():
    (added,) = add(hook())

    assert added == WebhookAdded(
        webhook_id=HOOK, host="hooks.example.org", events=("BookingCancelled", "BookingCreated"), at=NOW
    )
    assert add(hook(ADDED)) == []
    assert add(hook(ADDED, REMOVED)) == []


def test_a_webhook_is_switched_only_if_it_is_not_so_already():
    assert switch(hook(ADDED), True) == []
    assert switch(hook(ADDED), False, gone=True) == [WebhookDisabled(webhook_id=HOOK, gone=True, at=NOW)]
    assert switch(hook(ADDED, DISABLED), False) == []
    assert switch(hook(ADDED, DISABLED), True) == [WebhookEnabled(webhook_id=HOOK, at=NOW)]


def test_a_webhook_is_replayed_and_its_secret_rotated_also_while_it_is_disabled():
    for webhook in (hook(ADDED), hook(ADDED, DISABLED)):
        assert list(webhooks.replay(webhook, from_position=7, now=NOW)) == [
            WebhookReplayed(webhook_id=HOOK, from_position=7, at=NOW)
        ]
        assert list(webhooks.rotate_secret(webhook, now=NOW)) == [WebhookSecretRotated(webhook_id=HOOK, at=NOW)]


@pytest.mark.parametrize("history", [(), (ADDED, REMOVED)])
@pytest.mark.parametrize(
    "decide",
    [
        lambda one: webhooks.switch(one, is_active=True, gone=False, now=NOW),
        lambda one: webhooks.rotate_secret(one, now=NOW),
        lambda one: webhooks.replay(one, from_position=1, now=NOW),
        lambda one: webhooks.remove(one, now=NOW),
    ],
)
def test_of_what_is_no_webhook_nothing_is_decided(
    decide: Callable[[Webhook], Iterator[Event]], history: tuple[Event, ...]
) -> None:
    with pytest.raises(NotFound):
        list(decide(hook(*history)))
