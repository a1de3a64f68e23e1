"""Signing in with a token: which are believed, and what one says of its bearer."""

import base64
import hmac
import json
import secrets
import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from api.tokens import BadToken, Tokens
from tests.api.houses import SECRET, House

USER = uuid4()
NEW = "the secret that takes the place of the other one"


def claims(**other: Any) -> dict[str, Any]:
    """Those of a good token, apart from `other`; None leaves one out."""
    now = int(time.time())
    good = {
        "iss": "daybook",
        "aud": "daybook",
        "sub": str(USER),
        "iat": now,
        "exp": now + 60,
        "jti": uuid4().hex,
        "typ": "access",
    }
    return {name: value for name, value in (good | other).items() if value is not None}


def signed(secret: str = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **other: Any) -> str:
    return jwt.encode(claims(**other), secret, algorithm, headers)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens([SECRET], life=timedelta(minutes=15))


def test_a_token_says_whose_it_is_and_nothing_of_what_they_may_do(tokens: Tokens) -> None:
    token = tokens.issued_to(USER)

    said = jwt.decode(token, SECRET, ["HS256"], audience="daybook")
    assert tokens.user_of(token) == USER
    assert said.keys() == {"iss", "aud", "sub", "iat", "exp", "jti", "typ"}
    assert (said["sub"], said["exp"] - said["iat"]) == (str(USER), 15 * 60)
    header = jwt.get_unverified_header(token)
    assert (header.keys(), header["alg"], header["typ"]) == ({"alg", "kid", "typ"}, "HS256", "JWT")
    assert header["kid"] not in SECRET


def test_two_tokens_of_a_user_are_two(tokens: Tokens) -> None:
    assert tokens.issued_to(USER) != tokens.issued_to(USER)


def with_header(**header: Any) -> str:
    """A good token but for its header, which libraries would not write; the signature fits."""
    written = {"alg": "HS256", "typ": "JWT", **header}
    said = ".".join(_encoded(json.dumps(part).encode()) for part in (written, claims()))
    return f"{said}.{_encoded(hmac.digest(SECRET.encode(), said.encode(), 'sha256'))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().strip("=")


BAD_TOKENS = {
    "of another key": signed("another secret that is just as long as ours is"),
    "of another algorithm": signed(algorithm="HS384"),
    "unsigned": signed(algorithm="none", secret=""),
    "of a key it names itself": signed(secret="", algorithm="none", headers={"kid": "/dev/null"}),
    "of a key nobody has": signed(headers={"kid": "another"}),
    "of a file's key": signed(secret="x" * 32, headers={"kid": "../../dev/null"}),
    "of an empty key": signed(headers={"kid": ""}),
    "of a key by its address": signed(headers={"kid": "another", "jku": "http://127.0.0.1/keys"}),
    "of a number for a key": with_header(kid=1),
    "of a list of keys": with_header(kid=["a", "b"]),
    "of no key": with_header(kid=None),
    "of no algorithm": with_header(alg=None),
    "a refresh token": secrets.token_urlsafe(32),
    "over": signed(exp=int(time.time()) - 1),
    "not for us": signed(aud="somebody else"),
    "not ours": signed(iss="somebody else"),
    "of another type": signed(typ="refresh"),
    "of nobody": signed(sub="admin"),
    "too long": signed(more="x" * 5_000),
    **{f"without {name}": signed(**{name: None}) for name in claims()},
    "no token": "no token",
    "three dots": "...",
    "empty parts": "..",
    "cut short": signed()[:-2],
    "with a letter exchanged": signed().replace(".", ".x", 1),
}


@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_no_other_token_is_believed(tokens: Tokens, token: str) -> None:
    with pytest.raises(BadToken):
        tokens.user_of(token)


def test_a_token_that_was_believed_is_not_when_its_time_is_over() -> None:
    tokens = Tokens([SECRET], life=timedelta(seconds=0))
    token = signed(exp=int(time.time()) + 1)
    assert tokens.user_of(token) == USER

    while time.time() < jwt.decode(token, options={"verify_signature": False})["exp"]:
        pass

    with pytest.raises(BadToken):
        tokens.user_of(token)


def test_what_is_written_by_hand_is_believed_if_it_is_right(tokens: Tokens) -> None:
    assert tokens.user_of(with_header()) == USER


def test_while_a_key_is_replaced_tokens_of_both_are_good() -> None:
    before, during, after = [Tokens(keys, life=timedelta(minutes=15)) for keys in ([SECRET], [NEW, SECRET], [NEW])]
    old, new = before.issued_to(USER), during.issued_to(USER)

    assert during.user_of(old) == during.user_of(new) == after.user_of(new) == USER
    for tokens, token in ((before, new), (after, old)):
        with pytest.raises(BadToken):
            tokens.user_of(token)


def test_a_token_that_names_no_key_was_signed_with_the_one_in_use() -> None:
    during = Tokens([NEW, SECRET], life=timedelta(minutes=15))

    assert during.user_of(signed(NEW)) == USER
    with pytest.raises(BadToken):
        during.user_of(signed(SECRET))


def test_the_clock_of_whoever_issued_it_may_be_ahead(tokens: Tokens) -> None:
    assert tokens.user_of(signed(iat=int(time.time()) + 30)) == USER


@pytest.mark.parametrize("path", ["/auth/me", "/bookings", f"/bookings/{UUID(int=1)}", "/admin/spaces"])
async def test_who_does_not_sign_in_is_challenged(house: House, path: str) -> None:
    answers = [
        await house.client().get(path),
        await house.client(Authorization="Basic YTpi").get(path),
        await house.client(Authorization="Bearer").get(path),
        await house.client(Authorization=f"Bearer {BAD_TOKENS['over']}").get(path),
    ]

    assert [answer.status_code for answer in answers] == [401] * 4
    challenges = [answer.headers["WWW-Authenticate"] for answer in answers]
    assert challenges == ["Bearer"] * 3 + ['Bearer error="invalid_token"']
    assert {answer.json()["type"] for answer in answers} == {"urn:daybook:problem:unauthenticated"}


async def test_a_token_of_somebody_who_is_not_here_is_not_valid(house: House) -> None:
    stranger = house.client(uuid4())

    assert (await stranger.get("/auth/me")).status_code == 401
    assert (await stranger.delete(f"/bookings/{uuid4()}")).status_code == 401
