"""The hash chain: each row's hash covers the one before it and every field of the row.

The same sum is made in SQL by `journal_append`; this is how anybody else checks it. The header is unambiguous: numbers,
UUIDs and hexadecimal digits hold no space, `-` stands for nothing, and every free text and every tag follows its length
in bytes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

FORMAT = 1
"""The format new rows are hashed under; a column added later starts the next, and verification keeps every one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One stored fact, every column."""

    position: int
    type: str
    version: int
    payload: str
    tags: Sequence[str]
    recorded_at: datetime
    actor: str
    correlation_id: str
    causation_id: UUID | None
    command_id: UUID
    command_seq: int
    request_digest: bytes | None
    hash_format: int
    hash: bytes


COLUMNS = ", ".join(Row.__slots__)


class Broken(Exception):
    """The chain does not hold at `position`: `why` says what is wrong there."""

    def __init__(self, position: int, why: str) -> None:
        self.position, self.why = position, why
        super().__init__(f"position {position}: {why}")


def origin(journal_id: UUID) -> bytes:
    """The hash before the first row: two journals never share a chain."""
    return hashlib.sha256(f"daybook {journal_id}".encode()).digest()


def link(previous: bytes, row: Row) -> bytes:
    """The hash `row` has to have after `previous`. Raises `Broken` for a format this code does not know."""
    if row.hash_format != FORMAT:
        raise Broken(row.position, f"unknown hash format {row.hash_format}")
    texts = (row.type, row.actor, row.correlation_id, *row.tags, row.payload)
    header = (
        f"{FORMAT} {row.position} {row.version} {(row.recorded_at - _EPOCH) // _MICROSECOND} {row.command_id} "
        f"{row.command_seq} {row.causation_id or '-'} "
        f"{'-' if row.request_digest is None else row.request_digest.hex()} {len(row.tags)}"
    )
    body = "".join(f" {len(text.encode())}:{text}" for text in texts)
    return hashlib.sha256(previous + (header + body).encode()).digest()


def check(previous: bytes, after: int, rows: Iterable[Row]) -> bytes:
    """The hash of the last of `rows`, which follow position `after`, whose hash is `previous`. Raises `Broken`."""
    for row in rows:
        if row.position != after + 1:
            raise Broken(after + 1, f"missing: the next row is {row.position}")
        if link(previous, row) != row.hash:
            raise Broken(row.position, "its hash is not that of its contents and the row before")
        previous, after = row.hash, row.position
    return previous
