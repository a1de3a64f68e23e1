"""Throttling: how often somebody may ask in a minute. Redis counts for all processes, each for itself while it is away.

Sign-ins, registrations and resets are counted by address and by account, one by one. Requests of any kind are counted
by caller, who is a user, or an address where nobody signed in: of these a process takes a share at a time, so that most
cost no round trip. What is over a limit is not counted, so that `Retry-After` is true.
"""

import asyncio
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.types import Scope

from api.problems import Problem
from api.tokens import BadToken, Tokens
from journal.recent import Recent
from projections.asking import Asking, Script

Network = IPv4Network | IPv6Network

MINUTE = 60  # seconds
ANSWER_WITHIN = 0.5  # seconds that a request waits for Redis
LEFT_ALONE = 1.0  # seconds after a failure in which no request waits for Redis again
SHARE = 100  # requests of a caller that a process takes at a time, a twentieth of their limit at most

LIMITS = "daybook.limits"
"""Where the scope of a request that was counted one by one has the header fields that tell what is left."""

# KEYS count; ARGV limit, wanted, window in ms. The answer: how many were granted, how many are left, ms to the end of
# the window. A window begins with the first that is counted.
_TAKE = Script("""
local counted, limit = tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1])
local granted = math.max(0, math.min(tonumber(ARGV[2]), limit - counted))
if granted > 0 and redis.call('INCRBY', KEYS[1], granted) == granted then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {granted, limit - counted - granted, redis.call('PTTL', KEYS[1])}
""")


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
class _Granted:
    """How many were granted, at least one, how many are left to others, and until when, by the loop's clock."""

    number: int
    left: int
    until: float


@dataclass(slots=True)
class _Taken:
    """What is left of what a process took or counted by itself, until an instant of its own clock."""

    left: int
    until: float


class Throttling:
    """Counts requests and turns away what is too much. `proxies` are believed about whom they ask for."""

    def __init__(
        self,
        redis_url: str,
        schema: str,
        tokens: Tokens,
        limits: Limits,
        *,
        proxies: Iterable[Network] = (),
        window: int = MINUTE,
        keep: int = 20_000,
    ) -> None:
        self._asking = Asking(redis_url, within=ANSWER_WITHIN)
        self._prefix = f"throttle:{schema}"
        self._tokens = tokens
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
        self._shares: Recent[str, _Taken] = Recent(keep)
        self._alone: Recent[str, _Taken] = Recent(keep)
        self._left_alone_until = 0.0

    async def admit(self, scope: Scope) -> None:
        """Count a request by its caller. Raises `Problem` (429)."""
        caller = self._caller(scope)
        share = self._shares.get(caller)
        now = asyncio.get_running_loop().time()
        if share is None or share.left == 0 or share.until <= now:
            granted = await self._take(
                "requests", self._per_caller, caller, wanted=max(1, min(SHARE, self._per_caller // 20))
            )
            share = self._shares.get(caller)
            if share is None or share.until <= now:
                share = _Taken(0, granted.until)
                self._shares.put(caller, share)
            share.left += granted.number
        share.left -= 1

    async def count(self, action: Action, request: Request, *, account: str | None = None) -> None:
        """Count an action by its address and by the account it is about, whether there is one or not.

        The answer will tell what is left (`LIMITS`). Raises `Problem` (429).
        """
        counted = [(f"{action}-per-address", self._per_address[action], self._address(request.scope))]
        if account is not None:
            counted.append((f"{action}-per-account", self._per_account[action], account))
        policies, lefts = [], []
        for policy, limit, subject in counted:
            granted = await self._take(policy, limit, subject)
            policies.append(self._policy(policy, limit))
            lefts.append(_left(policy, granted.left, granted.until - asyncio.get_running_loop().time()))
        request.scope[LIMITS] = [
            (b"ratelimit-policy", ", ".join(policies).encode()),
            (b"ratelimit", ", ".join(lefts).encode()),
        ]

    async def _take(self, policy: str, limit: int, subject: str, *, wanted: int = 1) -> _Granted:
        """Take `wanted`, or as many as there are. Raises `Problem` (429) if there is none."""
        # Nobody's address stands in Redis, not even for a minute.
        name = f"{self._prefix}:{policy}:{blake2b(subject.encode(), digest_size=12).hexdigest()}"
        clock = asyncio.get_running_loop().time
        if clock() >= self._left_alone_until:
            try:
                granted, left, left_ms = await _TAKE.run(self._asking.ask, [name], [limit, wanted, self._window * 1000])
            except (RedisError, OSError, TimeoutError):
                self._left_alone_until = clock() + LEFT_ALONE
            else:
                if not granted:
                    raise self._too_many(policy, limit, left_ms / 1000)
                return _Granted(granted, left, clock() + left_ms / 1000)
        return self._take_alone(name, policy, limit, wanted, clock())

    def _take_alone(self, name: str, policy: str, limit: int, wanted: int, now: float) -> _Granted:
        taken = self._alone.get(name)
        if taken is None or taken.until <= now:
            taken = _Taken(limit, now + self._window)
            self._alone.put(name, taken)
        granted = min(wanted, taken.left)
        if not granted:
            raise self._too_many(policy, limit, taken.until - now)
        taken.left -= granted
        return _Granted(granted, taken.left, taken.until)

    def _caller(self, scope: Scope) -> str:
        """The user whose token the request bears, else its address."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                with suppress(BadToken):
                    return str(self._tokens.user_of(value.decode("latin-1").partition(" ")[2]))
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

    def _too_many(self, policy: str, limit: int, seconds: float) -> Problem:
        """429 (RFC 6585 §4), with the header fields of draft-ietf-httpapi-ratelimit-headers-10."""
        wait = max(1, math.ceil(seconds))
        return Problem(
            429,
            "too-many-requests",
            "Too much was asked in a short time",
            f"Ask again in {wait} seconds.",
            headers={
                "Retry-After": str(wait),
                "RateLimit-Policy": self._policy(policy, limit),
                "RateLimit": _left(policy, 0, seconds),
            },
        )

    def _policy(self, policy: str, limit: int) -> str:
        return f'"{policy}";q={limit};w={self._window}'

    async def close(self) -> None:
        await self._asking.close()


def _left(policy: str, number: int, seconds: float) -> str:
    return f'"{policy}";r={number};t={max(1, math.ceil(seconds))}'


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
