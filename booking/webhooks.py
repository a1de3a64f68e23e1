"""Webhooks as the rules see them: whether there is one, and whether it is sent anything. Where it leads is a secret."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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


@dataclass(slots=True)
class Webhook:
    """One webhook. One that was removed is gone for good."""

    id: UUID
    exists: bool = False
    is_removed: bool = False
    is_active: bool = False

    def fold(self, event: Event) -> None:
        match event:
            case WebhookAdded():
                self.exists = self.is_active = True
            case WebhookDisabled():
                self.is_active = False
            case WebhookEnabled():
                self.is_active = True
            case WebhookRemoved():
                self.exists = self.is_active = False
                self.is_removed = True


def add(webhook: Webhook, *, host: str, events: frozenset[str], now: datetime) -> Iterator[Event]:
    """The fact that there is a webhook, or nothing if there is or was one of this id."""
    if not webhook.exists and not webhook.is_removed:
        yield WebhookAdded(webhook_id=webhook.id, host=host, events=tuple(sorted(events)), at=now)


def rotate_secret(webhook: Webhook, *, now: datetime) -> Iterator[Event]:
    """The fact that it has another secret. Raises `NotFound`."""
    known(webhook)
    yield WebhookSecretRotated(webhook_id=webhook.id, at=now)


def replay(webhook: Webhook, *, from_position: int, now: datetime) -> Iterator[Event]:
    """The fact that it is sent everything from a position on once more. Raises `NotFound`."""
    known(webhook)
    yield WebhookReplayed(webhook_id=webhook.id, from_position=from_position, at=now)


def switch(webhook: Webhook, *, is_active: bool, gone: bool, now: datetime) -> Iterator[Event]:
    """The fact that it is sent facts again or nothing for now, or nothing if that is so already. Raises `NotFound`."""
    known(webhook)
    if is_active and not webhook.is_active:
        yield WebhookEnabled(webhook_id=webhook.id, at=now)
    if webhook.is_active and not is_active:
        yield WebhookDisabled(webhook_id=webhook.id, gone=gone, at=now)


def remove(webhook: Webhook, *, now: datetime) -> Iterator[Event]:
    """The fact that there is no such webhook any more. Raises `NotFound`."""
    known(webhook)
    yield WebhookRemoved(webhook_id=webhook.id, at=now)


def known(webhook: Webhook) -> None:
    """Raise `NotFound` unless the webhook is one."""
    if not webhook.exists:
        raise NotFound("webhook", webhook.id)
