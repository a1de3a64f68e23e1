"""Access tokens: who somebody is, signed, for a short time. What they may do is looked up, never carried (RFC 7519)."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import jwt

from journal.recent import Recent

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "daybook"
TYPE = "access"
LONGEST = 2_048  # characters; ours have about 300
_CLAIMS = ["iss", "aud", "sub", "iat", "exp", "jti", "typ"]


class BadToken(Exception):
    """The token is not one of ours, or its time is over."""


@dataclass(frozen=True, slots=True)
class _Read:
    user_id: UUID
    until: float


class Tokens:
    """Signs tokens with the first of `keys` and reads those of all back: while a key is replaced there are two."""

    def __init__(self, keys: Sequence[str], *, life: timedelta, keep: int = 4_096) -> None:
        self._keys = {_id_of(key): key for key in keys}
        self._signing = _id_of(keys[0])
        self.life = life
        # To check a signature costs as much as all else a query does, and one token comes with many requests.
        self._read: Recent[str, _Read] = Recent(keep)

    def issued_to(self, user_id: UUID) -> str:
        """A token for the user."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "iat": now,
            "exp": now + int(self.life.total_seconds()),
            "jti": uuid4().hex,
            "typ": TYPE,
        }
        return jwt.encode(claims, self._keys[self._signing], ALGORITHM, {"kid": self._signing})

    def user_of(self, token: str) -> UUID:
        """Whose token it is. Raises `BadToken`."""
        read = self._read.get(token)
        if read is None:
            read = self._checked(token)
            self._read.put(token, read)
        if read.until <= time.time():
            self._read.drop(token)
            raise BadToken
        return read.user_id

    def _checked(self, token: str) -> _Read:
        if len(token) > LONGEST:
            raise BadToken
        try:
            # Of the header nothing is believed: it chooses among our keys, and the algorithm is not its to choose.
            key_id = jwt.get_unverified_header(token).get("kid", self._signing)
            claims = jwt.decode(
                token,
                self._keys[key_id],
                [ALGORITHM],
                # The clock of whoever issued it may be ahead of ours.
                {"require": _CLAIMS, "verify_iat": False},
                audience=AUDIENCE,
                issuer=ISSUER,
            )
            user_id = UUID(claims["sub"])
        except (jwt.PyJWTError, ValueError, KeyError):
            raise BadToken from None
        if claims["typ"] != TYPE:
            raise BadToken
        return _Read(user_id, claims["exp"])


def _id_of(key: str) -> str:
    """What a key goes by in the header (RFC 7515 §4.1.4), of which it tells nothing."""
    return hashlib.sha256(b"kid " + key.encode()).hexdigest()[:16]
