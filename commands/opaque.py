"""Opaque tokens: 256 bits that say nothing to who bears them, made by chance or derived under a secret key."""

import base64
import hashlib
import hmac
import secrets


def new() -> str:
    return secrets.token_urlsafe(32)


def derived(what: bytes, key: str) -> str:
    """The one token for `what` under `key`, for those alone who have the key."""
    return base64.urlsafe_b64encode(hmac.digest(key.encode(), what, hashlib.sha256)).rstrip(b"=").decode()


def hashed(token: str) -> bytes:
    """How a token is stored: it is random enough to need no salt and no work."""
    return hashlib.sha256(token.encode()).digest()
