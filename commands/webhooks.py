"""Webhooks: whom facts are sent to as they are recorded. Their lives are facts; addresses and secrets stand in a table.

A secret is shown once and kept sealed under a key that is derived from the secret key: whoever reads the table alone
can sign nothing.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

from cryptography.exceptions import InvalidTag

from booking import webhooks
from booking.events import BookingEvent, SpaceEvent
from booking.roles import Role
from booking.webhooks import Webhook
from commands.command import Command
from commands.destinations import host_of
from journal import codec, folding, sealing
from journal.folding import Named
from journal.journal import Along, Journal

EVENTS = tuple(sorted(codec.name_of(one) for one in get_args(BookingEvent | SpaceEvent)))
"""The names of the facts that can be sent: of bookings and spaces, not of users."""

PREFIX = "whsec_"
BOTH_SIGN = timedelta(hours=24)
"""How long what is sent is signed with the secret before as well."""

SHORTEST, LONGEST = 24, 64
"""Bytes of a secret (Standard Webhooks, "Signature scheme")."""

_ADD = """
stored as (insert into webhooks (webhook_id, url, events, secret, posted, added_at)
           select %(id)s::uuid, %(url)s::text, %(events)s::text[], %(secret)s::text, position, journal_now()
           from recorded)
"""
_ROTATE = """
stored as (update webhooks w
           set previous_secret = w.secret, secret = %(secret)s::text, previous_until = journal_now() + %(both_sign)s
           from recorded where w.webhook_id = %(id)s)
"""
# Nothing has to wait any longer for a receiver of which somebody says that it is there.
_SWITCH = """
switched as (update webhooks w set is_active = %(is_active)s from recorded where w.webhook_id = %(id)s),
due as (update deliveries d set due_at = journal_now()
        from recorded where d.webhook_id = %(id)s and d.state = 'waiting' and %(is_active)s)
"""
_REPLAY = """
again as (update webhooks w set posted = least(w.posted, %(from_position)s - 1)
          from recorded where w.webhook_id = %(id)s)
"""
_REMOVE = "removed as (delete from webhooks w using recorded where w.webhook_id = %(id)s)"


class BadSecret(ValueError):
    """A secret that is none."""


def new_secret() -> str:
    """A secret, as its receiver is shown it once: 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def check_secret(secret: str) -> str:
    """`secret` if it is one (Standard Webhooks, "Signature scheme"). Raises `BadSecret`."""
    try:
        length = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if not secret.startswith(PREFIX) or not SHORTEST <= length <= LONGEST:
        raise BadSecret(f"a secret is {PREFIX} and the base64 of {SHORTEST} to {LONGEST} bytes")
    return secret


class Secrets:
    """Seals the secrets of webhooks. `keys` are the secret keys, the one in use first."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [hmac.digest(key.encode(), b"webhook secrets", hashlib.sha256) for key in keys]

    def sealed(self, secret: str, webhook_id: UUID) -> str:
        """How a secret is kept."""
        return sealing.seal(secret, self._keys[0], _context(webhook_id))

    def opened(self, sealed: str, webhook_id: UUID) -> str | None:
        """The secret; None where the key it was sealed under is neither in use nor the one before."""
        secrets = (_opened(sealed, key, webhook_id) for key in self._keys)
        return next((secret for secret in secrets if secret is not None), None)

    def sealed_anew(self, sealed: str, webhook_id: UUID) -> str | None:
        """The same sealed under the key in use; None where it is so already, or cannot be opened."""
        if _opened(sealed, self._keys[0], webhook_id) is not None:
            return None
        secret = self.opened(sealed, webhook_id)
        return None if secret is None else self.sealed(secret, webhook_id)


def _opened(sealed: str, key: bytes, webhook_id: UUID) -> str | None:
    try:
        return sealing.opened(sealed, key, _context(webhook_id))
    except InvalidTag:
        return None


def _context(webhook_id: UUID) -> str:
    return f"webhook {webhook_id}"


@dataclass(eq=False, kw_only=True)
class _AboutWebhook(Command[Webhook]):
    """A command about a webhook, which ADMINs give. Raises `NotAllowed`, `NotFound`."""

    webhook_id: UUID

    def name(self) -> None:
        self.webhook = self.writes(self.subject())

    def subject(self) -> Named[Webhook]:
        return folding.webhook(self.webhook_id)


@dataclass(eq=False, kw_only=True)
class AddWebhook(_AboutWebhook):
    """Send facts of these names to `url` from here on. A webhook of this id that exists stays as it is."""

    url: str
    events: frozenset[str]
    sealed: str

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(webhooks.add(self.webhook, host=host_of(self.url), events=self.events, now=self.now))

    def along(self) -> Along:
        kept = {"id": self.webhook_id, "url": self.url, "events": sorted(self.events), "secret": self.sealed}
        return Along(_ADD, kept)


@dataclass(eq=False, kw_only=True)
class RotateWebhookSecret(_AboutWebhook):
    """Sign what a webhook is sent with another secret; for `BOTH_SIGN` with the one so far too."""

    sealed: str

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(webhooks.rotate_secret(self.webhook, now=self.now))

    def along(self) -> Along:
        return Along(_ROTATE, {"id": self.webhook_id, "secret": self.sealed, "both_sign": BOTH_SIGN})


@dataclass(eq=False, kw_only=True)
class SwitchWebhook(_AboutWebhook):
    """Send a webhook nothing for now, or go on where it was disabled; `gone` says that its receiver asked for it."""

    is_active: bool
    gone: bool = False

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(webhooks.switch(self.webhook, is_active=self.is_active, gone=self.gone, now=self.now))

    def along(self) -> Along:
        return Along(_SWITCH, {"id": self.webhook_id, "is_active": self.is_active})


@dataclass(eq=False, kw_only=True)
class ReplayWebhook(_AboutWebhook):
    """Send a webhook everything from a position on, once more where it was sent, under the same ids."""

    from_position: int

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(webhooks.replay(self.webhook, from_position=self.from_position, now=self.now))

    def along(self) -> Along:
        return Along(_REPLAY, {"id": self.webhook_id, "from_position": self.from_position})


@dataclass(eq=False, kw_only=True)
class RemoveWebhook(_AboutWebhook):
    """Send a webhook nothing any more, and forget its address, its secrets and what it was sent."""

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(webhooks.remove(self.webhook, now=self.now))

    def along(self) -> Along:
        return Along(_REMOVE, {"id": self.webhook_id})


@dataclass(frozen=True, slots=True)
class KeptWebhook:
    """A webhook as it is kept: `posted` is the position up to which what it is to be sent stands in the log.

    `previous_until` says how long the secret before signs too.
    """

    webhook_id: UUID
    url: str
    events: Sequence[str]
    is_active: bool
    secret: str
    previous_until: datetime | None
    posted: int
    added_at: datetime


_COLUMNS = """
webhook_id, url, events, is_active, secret, case when previous_until > journal_now() then previous_until end, posted,
added_at
"""


async def by_id(journal: Journal, webhook_id: UUID) -> KeptWebhook | None:
    """A webhook by its id. Raises `Unavailable`."""
    rows = await journal.query(f"select {_COLUMNS} from webhooks where webhook_id = %(id)s", {"id": webhook_id})
    return KeptWebhook(*rows[0]) if rows else None


async def after(journal: Journal, webhook_id: UUID, limit: int) -> Sequence[KeptWebhook]:
    """The webhooks behind one in order of their ids, at most `limit`. Raises `Unavailable`."""
    rows = await journal.query(
        f"select {_COLUMNS} from webhooks where webhook_id > %(after)s order by webhook_id limit %(limit)s",
        {"after": webhook_id, "limit": limit},
    )
    return [KeptWebhook(*row) for row in rows]


async def seal_anew(journal: Journal, kept_by: Secrets) -> None:
    """Seal under the key in use what is sealed under the one before, which can then be given up.

    Raises `Unavailable`.
    """
    for name in ("secret", "previous_secret"):
        rows = await journal.query(f"select webhook_id, {name} from webhooks where {name} is not null", {})
        for webhook_id, sealed in rows:
            if anew := kept_by.sealed_anew(sealed, webhook_id):
                await journal.query(
                    f"update webhooks set {name} = %(anew)s where webhook_id = %(id)s and {name} = %(sealed)s",
                    {"id": webhook_id, "sealed": sealed, "anew": anew},
                )
