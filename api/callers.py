"""Who is calling: role and state of the users who ask, kept folded in every process and followed from the journal.

Commands read their author themselves; this is for queries, which decide nothing and must not wait for PostgreSQL.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from booking.users import User
from commands import api_keys
from commands.opaque import hashed
from journal import tags
from journal.connection import Unavailable
from journal.journal import PER_TAG, Journal
from journal.recent import Recent

POLL = 0.5  # seconds until the journal is asked even when no bell rang
PAUSE = 0.1  # seconds between two questions: while many write, a change is heard of soon enough all the same
TRUSTED_FOR = 60.0  # seconds that what is known holds while nothing is heard

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom an API key was issued for. Whether it is good, and for what, stands in the facts about its user."""

    key_id: UUID
    user_id: UUID


@dataclass(slots=True)
class _Known:
    user: User
    position: int


class Callers:
    """The users who asked last, as they are up to one position of one journal; `follow` moves that on."""

    def __init__(self, journal: Journal, *, keep: int = 20_000, trusted_for: float = TRUSTED_FOR) -> None:
        self._journal = journal
        self._trusted_for = trusted_for
        self._known: Recent[UUID, _Known] = Recent(keep)
        self._bearers: Recent[bytes, Bearer] = Recent(keep)
        self._past: tuple[UUID, int] | None = None
        self._position = 0
        self._heard_at = 0.0

    async def of(self, user_id: UUID) -> User:
        """The user as last heard of; read when that is too long ago. Raises `Unavailable`."""
        known = self._known.get(user_id)
        if known is None or asyncio.get_running_loop().time() - self._heard_at > self._trusted_for:
            return await self.read(user_id)
        return known.user

    async def read(self, user_id: UUID) -> User:
        """The user as the journal has them at this moment. Raises `Unavailable`."""
        tag, user, after = tags.user(user_id), User(user_id), 0
        while True:
            reading = await self._journal.read({tag: after})
            facts = reading.facts.get(tag, ())
            for position, event in facts:
                if position > after:
                    user.fold(event)
                    after = position
            if len(facts) < PER_TAG:
                break
        # Read before the position that is followed by now, it would never hear of what came in between.
        followed = self._past is not None and reading.journal_id == self._past[0] and reading.head >= self._position
        if followed and user.exists:
            self._known.put(user_id, _Known(user, reading.head))
        return user

    async def bearer(self, key: str) -> Bearer | None:
        """Whom an API key was issued for, as a key that was sent before is for ever; None if it is none of ours.

        Raises `Unavailable`.
        """
        known = self.known_bearer(key)
        if known is None and (kept := await api_keys.by_key(self._journal, key)):
            known = Bearer(kept.key_id, kept.user_id)
            self._bearers.put(kept.hash, known)
        return known

    def known_bearer(self, key: str) -> Bearer | None:
        """The same if it was asked for before."""
        return self._bearers.get(hashed(key))

    async def follow(self) -> None:
        """Hear of every change of a user until cancelled."""
        bell = self._journal.bell()
        try:
            while True:
                try:
                    with suppress(Unavailable):
                        await self._hear()
                except Exception:  # whatever it is, it must not end the following; silence alone ends the trust
                    log.exception("callers are not followed")
                await bell.wait(POLL)
                await asyncio.sleep(PAUSE)
        finally:
            await bell.close()

    async def _hear(self) -> None:
        news = await self._journal.user_facts(after=self._position)
        past = news.journal_id, self._journal.era
        if past != self._past or not news.complete:
            # Another journal, perhaps another past of this one, or too much to catch up on: know nobody any more.
            self._known.clear()
            self._past = past
        else:
            for position, event in news.facts:
                known = self._known.get(event.user_id)
                if known is not None and position > known.position:
                    known.user.fold(event)
                    known.position = position
        self._position = news.head
        self._heard_at = asyncio.get_running_loop().time()
