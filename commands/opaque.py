"""Opaque tokens and ids: they say nothing to who bears them, and are made by chance or derived under a secret key."""

import base64
import hashlib
import hmac
import secrets
from uuid import UUID


def new() -> str:
    """A token of 256 bits."""
    return secrets.token_urlsafe(32)


def derived(what: bytes, key: str) -> str:
    """The one token for `what` under `key`, for those alone who have the key."""
    return base64.urlsafe_b64encode(hmac.digest(key.encode(), what, hashlib.sha256)).rstrip(b"=").decode()


def derived_id(what: bytes, key: str) -> UUID:
    """The one id for `what` under `key`; it looks like one made by chance, and without the key it tells as little."""
    return UUID(bytes=hmac.digest(key.encode(), b"id " + what, hashlib.sha256)[:16], version=4)


def hashed(token: str) -> bytes:
    """How a token is stored: it is random enough to need no salt and no work."""
    return hashlib.sha256(token.encode()).digest()
