"""A person's texts in facts, sealed under a key of that person, so that destroying the key erases them from history."""

import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from journal.connection import Line
from journal.recent import Recent

_NONCE = 12  # bytes, NIST SP 800-38D §8.2


def new_key() -> bytes:
    """A person's key: 256 bits."""
    return AESGCM.generate_key(256)


def seal(text: str, key: bytes, context: str) -> str:
    """AES-256-GCM of `text`, bound to `context`: base64 of nonce and ciphertext."""
    nonce = os.urandom(_NONCE)
    return b64encode(nonce + AESGCM(key).encrypt(nonce, text.encode(), context.encode())).decode()


def opened(sealed: str, key: bytes | None, context: str) -> str | None:
    """The text, or None when the key is gone. Raises `InvalidTag` when the text was sealed for another place."""
    if key is None:
        return None
    data = b64decode(sealed)
    return AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], context.encode()).decode()


def digest(request: bytes, key: bytes) -> bytes:
    """A 32-byte fingerprint of a request that only the holder of the person's key can recompute."""
    return hmac.digest(hmac.digest(key, b"request digest", hashlib.sha256), request, hashlib.sha256)


class Keys:
    """The keys in the table `sealing_keys`, read through a journal connection and kept for the most recent people."""

    def __init__(self, line: Line, *, keep: int = 20_000) -> None:
        self._line = line
        self._kept: Recent[UUID, bytes] = Recent(keep)
        self._gone: Recent[UUID, bool] = Recent(keep)
        self.forgotten = 0
        self._journal_id: UUID | None = None

    def belong_to(self, journal_id: UUID) -> None:
        """Forget what was kept of another journal: the same people have other keys there."""
        if journal_id != self._journal_id:
            self._kept.clear()
            self._gone.clear()
            self._journal_id = journal_id

    def forget(self, person: UUID) -> None:
        """The person's key was destroyed: read nothing with it any more. `forgotten` counts them."""
        if not self._gone.get(person):
            self._kept.drop(person)
            self._gone.put(person, True)
            self.forgotten += 1

    async def of(self, people: Iterable[UUID]) -> dict[UUID, bytes]:
        """The keys of those of `people` who have one."""
        found = {person: key for person in people if (key := self._kept.get(person))}
        if missing := [person for person in people if person not in found]:
            wanted = "select user_id, key from sealing_keys where user_id = any(%s)"
            rows = await self._line.repeatable(wanted, (missing,))
            for person, key in rows:
                if not self._gone.get(person):  # it may have been read before it was destroyed
                    self._kept.put(person, key)
                    found[person] = key
        return found

    def clear(self) -> None:
        self._kept.clear()
