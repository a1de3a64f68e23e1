"""A view in Redis: its generations, one of which answers, and the scripts through which alone it changes.

Every key of a view bears the hash tag `{view@schema}`, so it lies in one slot of a Redis Cluster and two journals can
share one Redis. A generation is written by whoever holds the view's lease, one page of facts at a time, all or nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_WITHIN = 0.5  # seconds


def client(redis_url: str, *, within: float | None) -> Redis:
    """A client whose calls end within so many seconds each, None for as long as it takes; it never tries again."""
    return Redis.from_url(
        redis_url, socket_timeout=within, socket_connect_timeout=CONNECT_WITHIN, retry=Retry(NoBackoff(), 0)
    )


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a generation is: the fact it reflects last, by position and hash, in which journal, by which version."""

    position: int
    version: int
    journal_id: UUID
    hash: bytes

    def __bytes__(self) -> bytes:
        return f"{self.position} {self.version} {self.journal_id} {self.hash.hex()}".encode()

    @classmethod
    def of(cls, stored: bytes) -> Self:
        position, version, journal_id, hash = stored.decode().split(" ")
        return cls(int(position), int(version), UUID(journal_id), bytes.fromhex(hash))


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of a view's keys. `channel` tells the position that is answered from, empty when none is."""

    prefix: str

    @classmethod
    def of(cls, view: str, schema: str) -> "Keys":
        return cls(f"v:{{{view}@{schema}}}")

    @property
    def channel(self) -> str:
        return self.prefix

    @property
    def active(self) -> str:
        """The number of the generation that answers."""
        return f"{self.prefix}:active"

    @property
    def building(self) -> str:
        """The number of the generation that is being filled."""
        return f"{self.prefix}:building"

    @property
    def generations(self) -> str:
        """How many generations there have been."""
        return f"{self.prefix}:generations"

    @property
    def owner(self) -> str:
        """The fencing token of whoever may write, for as long as its lease lasts."""
        return f"{self.prefix}:owner"

    def mark(self, generation: bytes) -> str:
        return f"{self.prefix}:g{generation.decode()}:mark"

    def of_generation(self, generation: bytes, names: Iterable[str]) -> list[str]:
        """The keys of documents and lists."""
        start = f"{self.prefix}:g{generation.decode()}:"
        return [start + name for name in names]
