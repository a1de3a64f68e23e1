"""Access tokens: who somebody is, signed, for a short time. What they may do is looked up, never carried (RFC 7519)."""

import time
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
    """Signs tokens and reads them back."""

    def __init__(self, secret: str, *, life: timedelta, keep: int = 4_096) -> None:
        self._secret = secret
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
        return jwt.encode(claims, self._secret, ALGORITHM)

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
            claims = jwt.decode(
                token,
                self._secret,
                [ALGORITHM],
                # The clock of whoever issued it may be ahead of ours.
                {"require": _CLAIMS, "verify_iat": False},
                audience=AUDIENCE,
                issuer=ISSUER,
            )
            user_id = UUID(claims["sub"])
        except (jwt.PyJWTError, ValueError):
            raise BadToken from None
        if claims["typ"] != TYPE:
            raise BadToken
        return _Read(user_id, claims["exp"])
