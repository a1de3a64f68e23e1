"""The hash chain: each row's hash covers the one before it and every field of the row.

The same sum is made in SQL by `journal_append`; this is how anybody else checks it. The header is unambiguous: numbers,
UUIDs and hexadecimal digits hold no space, `-` stands for nothing, and every free text and every tag follows its length
in bytes.

`link` is the definition. Whoever checks a whole journal lets PostgreSQL write most of what is hashed (`IN_BULK`), which
is several times quicker, and asks the definition about every row that this way does not find in order.
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


class UnknownFormat(Broken):
    """The row is hashed in a way that a newer Daybook knows: nothing can be said of it here."""


def origin(journal_id: UUID) -> bytes:
    """The hash before the first row: two journals never share a chain."""
    return hashlib.sha256(f"daybook {journal_id}".encode()).digest()


def link(previous: bytes, row: Row) -> bytes:
    """The hash `row` has to have after `previous`. Raises `UnknownFormat`."""
    if row.hash_format != FORMAT:
        raise UnknownFormat(row.position, f"unknown hash format {row.hash_format}")
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


# No value but the one that was hashed reads like it here: nothing and a list of lists are told apart, and a tag that
# holds the separator, or none, makes more pieces than the number of tags before them.
_SEPARATOR = "\x1f"
IN_BULK = f"""
hash_format, hash,
format(
  '{FORMAT} %%s %%s %%s %%s %%s %%s %%s %%s %%s:%%s %%s:%%s %%s:%%s',
  position, version, trunc(extract(epoch from recorded_at) * 1000000), command_id, command_seq,
  coalesce(causation_id::text, '-'), coalesce(encode(request_digest, 'hex'), '-'),
  coalesce(cardinality(tags) * array_ndims(tags), 0),
  octet_length(type), type, octet_length(actor), actor, octet_length(correlation_id), correlation_id),
coalesce(array_to_string(tags, chr({ord(_SEPARATOR)}), chr({ord(_SEPARATOR)})), ''),
format(' %%s:%%s', octet_length(payload), payload)
"""
"""Columns of `events`: format, hash, what is hashed before the tags, the tags in one, what is hashed after them."""


def link_in_bulk(previous: bytes, before: str, tags: Sequence[str], after: str) -> bytes:
    """What `link` answers for an ordinary row of format `FORMAT`, from `IN_BULK` and `tags_in_bulk`."""
    between = "".join([f" {len(tag.encode())}:{tag}" for tag in tags])
    return hashlib.sha256(previous + f"{before}{between}{after}".encode()).digest()


def tags_in_bulk(tags: str) -> list[str]:
    """The tags of an ordinary row."""
    return tags.split(_SEPARATOR)
