"""Throttling: how often somebody may ask in a minute. Redis counts for all processes, each for itself while it is away.

Sign-ins, registrations and resets are counted by address and by account, one by one. Requests of any kind are counted
by caller, who is a user, an API key, or an address where nobody signed in: of these a process takes a share at a time,
so that most cost no round trip. What is over a limit is not counted, so that `Retry-After` is true.
"""

import asyncio
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b, sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.types import Scope

from api.callers import Callers
from api.problems import Problem
from api.tokens import BadToken, Tokens
from commands.api_keys import PREFIX
from journal.recent import Recent
from projections.asking import Asking, Script

Network = IPv4Network | IPv6Network

MINUTE = 60  # seconds
ANSWER_WITHIN = 0.5  # seconds that a request waits for Redis
LEFT_ALONE = 1.0  # seconds after a failure in which no request waits for Redis again
SHARE = 100  # requests of a caller that a process takes at a time, a twentieth of their limit at most

LIMITS = "daybook.limits"
"""Where the scope of a request that was counted one by one has the header fields that tell what is left."""

# KEYS counts; ARGV window in ms, wanted, limit of each count. The answer: how many every count grants, then how many
# are left of each and the ms to the end of its window, which begins with the first that is counted. Where one count
# grants none, none is counted anywhere.
_TAKE = Script("""
local granted, left, told = tonumber(ARGV[2]), {}, {}
for i, key in ipairs(KEYS) do
  left[i] = math.max(0, tonumber(ARGV[i + 2]) - tonumber(redis.call('GET', key) or '0'))
  granted = math.min(granted, left[i])
end
for i, key in ipairs(KEYS) do
  if granted > 0 and redis.call('INCRBY', key, granted) == granted then redis.call('PEXPIRE', key, ARGV[1]) end
  told[2 * i - 1], told[2 * i] = left[i] - granted, redis.call('PTTL', key)
end
return {granted, unpack(told)}
""")


def prefix(schema: str) -> str:
    """What the keys of a schema's counts begin with: in one slot of a Redis Cluster, as counts are taken together."""
    return f"throttle:{{{schema}}}:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many there may be in a minute."""

    sign_ins_per_address: int
    sign_ins_per_account: int
    registrations_per_address: int
    resets_per_address: int
    resets_per_account: int
    requests_per_caller: int


class Action(StrEnum):
    """What is counted one by one."""

    SIGN_IN = "sign-in"
    REGISTRATION = "registration"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class _Count:
    """What a request is counted by: a policy, how many it allows, and the key of the count."""

    policy: str
    limit: int
    key: str


@dataclass(slots=True)
class _Left:
    """What is left of a count, or of what a process took of one, until an instant of the loop's clock."""

    number: int
    until: float


class Throttling:
    """Counts requests and turns away what is too much.

    `key` is the secret key in use; `proxies` are believed about whom they ask for.
    """

    def __init__(
        self,
        redis_url: str,
        schema: str,
        tokens: Tokens,
        callers: Callers,
        limits: Limits,
        *,
        key: str,
        proxies: Iterable[Network] = (),
        window: int = MINUTE,
        keep: int = 20_000,
    ) -> None:
        self._asking = Asking(redis_url, within=ANSWER_WITHIN)
        self._prefix = prefix(schema)
        self._key = sha256(b"throttling " + key.encode()).digest()
        self._tokens = tokens
        self._callers = callers
        self._proxies = tuple(proxies)
        self._window = window
        self._per_caller = limits.requests_per_caller
        self._per_address = {
            Action.SIGN_IN: limits.sign_ins_per_address,
            Action.REGISTRATION: limits.registrations_per_address,
            Action.RESET: limits.resets_per_address,
        }
        self._per_account = {
            Action.SIGN_IN: limits.sign_ins_per_account,
            Action.RESET: limits.resets_per_account,
        }
        self._shares: Recent[str, _Left] = Recent(keep)
        self._alone: Recent[str, _Left] = Recent(keep)
        self._left_alone_until = 0.0

    async def admit(self, scope: Scope) -> None:
        """Count a request by its caller. Raises `Problem` (429)."""
        caller = self._caller(scope)
        share = self._shares.get(caller)
        now = asyncio.get_running_loop().time()
        if share is None or share.number == 0 or share.until <= now:
            granted, (left,) = await self._take(
                self._count("requests", self._per_caller, caller), wanted=max(1, min(SHARE, self._per_caller // 20))
            )
            share = self._shares.get(caller)
            if share is None or share.until <= now:
                share = _Left(0, left.until)
                self._shares.put(caller, share)
            share.number += granted
        share.number -= 1

    async def count(self, action: Action, request: Request, *, account: str | None = None) -> None:
        """Count an action by its address and by the account it is about, whether there is one or not.

        What one of the two turns away is not counted by the other either. The answer will tell what is left (`LIMITS`).
        Raises `Problem` (429).
        """
        counts = [self._count(f"{action}-per-address", self._per_address[action], self._address(request.scope))]
        if account is not None:
            counts.append(self._count(f"{action}-per-account", self._per_account[action], account))
        _, left = await self._take(*counts)
        now = asyncio.get_running_loop().time()
        request.scope[LIMITS] = [
            (b"ratelimit-policy", ", ".join(self._policy(one) for one in counts).encode()),
            (
                b"ratelimit",
                ", ".join(_left(one, of.number, of.until - now) for one, of in zip(counts, left, strict=True)).encode(),
            ),
        ]

    def _count(self, policy: str, limit: int, subject: str) -> _Count:
        # Nobody's address stands in Redis, not even for a minute, nor anything it could be tried on.
        digest = blake2b(subject.encode(), key=self._key, digest_size=12).hexdigest()
        return _Count(policy, limit, f"{self._prefix}{policy}:{digest}")

    async def _take(self, *counts: _Count, wanted: int = 1) -> tuple[int, Sequence[_Left]]:
        """How many of the `wanted` every count grants, at least one, and what is left of each.

        Raises `Problem` (429).
        """
        clock = asyncio.get_running_loop().time
        granted, left = await self._take_together(counts, wanted) or self._take_alone(counts, wanted, clock())
        if not granted:
            until, spent = max((one.until, n) for n, one in enumerate(left) if not one.number)
            raise self._too_many(counts[spent], until - clock())
        return granted, left

    async def _take_together(self, counts: Sequence[_Count], wanted: int) -> tuple[int, Sequence[_Left]] | None:
        """The same as all processes count, perhaps none; None while Redis is away."""
        clock = asyncio.get_running_loop().time
        if clock() < self._left_alone_until:
            return None
        arguments = (self._window * 1000, wanted, *(one.limit for one in counts))
        try:
            granted, *told = await _TAKE.run(self._asking.ask, [one.key for one in counts], arguments)
        except (RedisError, OSError, TimeoutError):
            self._left_alone_until = clock() + LEFT_ALONE
            return None
        now = clock()
        return granted, [_Left(number, now + ms / 1000) for number, ms in zip(told[::2], told[1::2], strict=True)]

    def _take_alone(self, counts: Sequence[_Count], wanted: int, now: float) -> tuple[int, Sequence[_Left]]:
        """The same as this process counts by itself."""
        left = []
        for one in counts:
            here = self._alone.get(one.key)
            if here is None or here.until <= now:
                here = _Left(one.limit, now + self._window)
                self._alone.put(one.key, here)
            left.append(here)
        granted = min(wanted, *(one.number for one in left))
        for here in left:
            here.number -= granted
        return granted, left

    def _caller(self, scope: Scope) -> str:
        """The user whose token the request bears, or the API key if it is one of ours, else its address."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                token = value.decode("latin-1").partition(" ")[2]
                if token.startswith(PREFIX):
                    # One that is seen for the first time may be made up, and there is no end of those.
                    bearer = self._callers.known_bearer(token)
                    return str(bearer.key_id) if bearer else self._address(scope)
                with suppress(BadToken):
                    return str(self._tokens.user_of(token))
        return self._address(scope)

    def _address(self, scope: Scope) -> str:
        """Where a request comes from, as far as those who passed it on are to be believed."""
        client = scope.get("client")
        if not client:
            return "local"
        forwarded: Sequence[str] = ()
        if self._proxies and _is_within(client[0], self._proxies):
            values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            forwarded = b",".join(values).decode("latin-1").split(",")
        address: str = client[0]
        for before in reversed(forwarded):  # each proxy adds whom it was asked by
            if _parsed(before.strip()) is None:
                break
            address = before.strip()
            if not _is_within(address, self._proxies):
                break
        return _counted_as(address)

    def _too_many(self, count: _Count, seconds: float) -> Problem:
        """429 (RFC 6585 §4), with the header fields of draft-ietf-httpapi-ratelimit-headers-10."""
        wait = max(1, math.ceil(seconds))
        return Problem(
            429,
            "too-many-requests",
            "Too much was asked in a short time",
            f"Ask again in {wait} seconds.",
            headers={
                "Retry-After": str(wait),
                "RateLimit-Policy": self._policy(count),
                "RateLimit": _left(count, 0, seconds),
            },
        )

    def _policy(self, count: _Count) -> str:
        return f'"{count.policy}";q={count.limit};w={self._window}'

    async def close(self) -> None:
        await self._asking.close()


def _left(count: _Count, number: int, seconds: float) -> str:
    return f'"{count.policy}";r={number};t={max(1, math.ceil(seconds))}'


@lru_cache(maxsize=4_096)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed


def _is_within(address: str, networks: Iterable[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


@lru_cache(maxsize=4_096)
def _counted_as(address: str) -> str:
    """One household or one machine: of IPv6 it is given a /64 at least."""
    parsed = _parsed(address)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address
