"""The view of bookings: a document for each; all, each user's and each space's in order, newest start first; requests.

Those of each recorded status are in order of when they end by themselves.

A request is a booking that waits for an approval. All of them, and those of each space, are in order of deadline.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson

from booking.bookings import Booking, Status
from booking.events import BookingEvent, Event, UserErased
from booking.slots import LATEST, LONGEST, LONGEST_BUFFER, Span
from journal import folding
from journal.connection import Unavailable
from journal.folding import Named
from projections.instants import instant, number
from projections.reading import BadCursor, Page, Tails, Views, cursor_after, entry_before
from projections.views import LIMIT, PAGE, Documents, Form, Lists, Sweep, View

# In a text of the document the quotes would be escaped, so only its status reads like these.
_CONFIRMED, _EXPIRED = b'"status":"confirmed"', b'"status":"expired"'
_PENDING, _DECLINED = b'"status":"pending"', b'"status":"declined"'
_PLACE, _TAIL = 16 + 36, 1 + 16  # bytes of an entry
_CURSOR = re.compile(rb"[0-9a-f]{16}[0-9a-f-]{36}")
_LATEST = number(LATEST)
_LETTERS = {
    Status.PENDING: "p",
    Status.CONFIRMED: "c",
    Status.REJECTED: "r",
    Status.DECLINED: "d",
    Status.CANCELLED: "x",
    Status.EXPIRED: "e",
}
_ALL = "all"


def touches(event: Event) -> Iterator[Named[Booking]]:
    """The documents `event` changes."""
    if isinstance(event, BookingEvent):
        yield folding.booking(event.booking_id)


def sweeps(event: Event) -> Sweep | None:
    """All bookings of a person who was erased: their texts must not be read any more."""
    if isinstance(event, UserErased):
        return Sweep(_of_user(event.user_id), _booking_of)
    return None


def _booking_of(entry: bytes) -> Named[Booking]:
    return folding.booking(UUID(entry[16:_PLACE].decode()))


def project(event: Event, one: Named[Booking], documents: Documents, to: Lists) -> None:
    """Fold `event` into the booking, and keep the lists it is in."""
    before = documents.of(one)
    if before.revision:
        for name, entry in _entries(before):
            to.strike(name, entry)
    for name, entry in _entries(documents.fold(event, one)):
        to.enter(name, entry)


@dataclass(frozen=True, slots=True)
class StoredBooking:
    """A booking ready to be sent: what is needed beside the JSON stands beside it. `revision` counts its facts."""

    recorded: bytes
    revision: int
    user_id: UUID
    space_id: UUID
    ends_at: datetime
    position: int

    def json(self, now: datetime) -> bytes:
        """The document as it is at `now`: a booking that ended by itself has ended, recorded or not."""
        return _as_of(self.recorded, self.ends_at <= now)


async def one(views: Views, booking_id: UUID) -> StoredBooking | None:
    """The booking, from the view or else from its facts. Raises `Unavailable`."""
    named = folding.booking(booking_id)
    try:
        (stored,), position = await views.documents(VIEW, (named.tag,))
    except Unavailable:
        (booking,), position = await views.from_journal((named,))
        stored = _dump(booking) if booking.revision else None
    if stored is None:
        return None
    revision, user_id, space_id, end, _, _, json = stored.split(b" ", 6)
    ends_at = instant(int(end))
    return StoredBooking(json, int(revision), UUID(user_id.decode()), UUID(space_id.decode()), ends_at, position)


async def of_user(
    views: Views,
    user_id: UUID,
    *,
    status: Status | None = None,
    limit: int = PAGE,
    cursor: str | None = None,
    now: datetime,
) -> Page:
    """The user's bookings, newest start first, as they are at `now`. Raises `Unavailable`, `BadCursor`."""
    return await found(views, user_id=user_id, status=status, limit=limit, cursor=cursor, now=now)


async def found(
    views: Views,
    *,
    user_id: UUID | None = None,
    space_id: UUID | None = None,
    status: Status | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = PAGE,
    cursor: str | None = None,
    now: datetime,
) -> Page:
    """Bookings, newest start first, as they are at `now`: of a user, of a space, of a status, starting in a range.

    The range is `[start, end)`. A page may be short with more behind it. Raises `Unavailable`, `BadCursor`.
    """
    name = _ALL if space_id is None else _of_space(space_id)
    if user_id is not None:
        name = _of_user(user_id)
    after = b"-" if cursor is None else _beyond(cursor)
    to = b"+"
    letters, side = b"", b""
    match status:
        case Status.CONFIRMED:  # those that began longer ago have ended
            letters, side, to = b"c", b">", b"[%016x\x7f" % _until_latest(now - LONGEST)
        case Status.EXPIRED:  # those that begin later have not ended
            letters, side, after = b"ce", b"<", b"(" + max(after[1:], b"%016x" % _until_latest(now))
        case Status.PENDING:  # those that have begun are decided on or have lapsed
            letters, side, to = b"p", b">", b"[%016x\x7f" % _until_latest(now)
        case Status.DECLINED:
            letters, side = b"pd", b"<"
        case Status.REJECTED:
            letters = b"r"
        case Status.CANCELLED:
            letters = b"x"
    if end is not None:
        after = b"(" + max(after[1:], b"%016x\x7f" % _until_latest(end))
    if start is not None:
        earliest = b"%016x\x7f" % _until_latest(start)
        to = b"[" + (min(to[1:], earliest) if to != b"+" else earliest)
    at = number(now)
    stored, last, position = await views.page(
        VIEW,
        name,
        of="booking",
        limit=limit,
        after=after,
        to=to,
        tails=Tails(_TAIL, letters, side, b"%016x" % at),
    )
    items = [_as_at(one, at) for one in stored]
    if user_id is not None and space_id is not None:
        # In a text of the document the quotes would be escaped.
        items = [json for json in items if b'"space_id":"%b"' % str(space_id).encode() in json]
    return Page(items, cursor_after(last and last[:_PLACE]), position)


async def requests(
    views: Views,
    *,
    of_spaces: Sequence[UUID] | None = None,
    limit: int = PAGE,
    cursor: str | None = None,
    now: datetime,
) -> Page:
    """What waits for an approval at `now`, the nearest deadline first; None stands for every space.

    Raises `Unavailable`, `BadCursor`.
    """
    at = number(now)
    after = max(b"(%016x\x7f" % at, b"" if cursor is None else _beyond(cursor))
    names = [_of_status(Status.PENDING)] if of_spaces is None else [_requests_of(space_id) for space_id in of_spaces]
    pages = await asyncio.gather(*(views.page(VIEW, name, of="booking", limit=limit, after=after) for name in names))
    found = sorted((_waiting(_load(one)), one) for stored, _, _ in pages for one in stored)
    shown = found[:limit]
    # Whatever a page left out comes after all of its own, so it comes after what is shown.
    is_more = len(found) > limit or any(last for _, last, _ in pages)
    return Page(
        [_as_at(one, at) for _, one in shown],
        cursor_after(shown[-1][0] if is_more else None),
        min(position for _, _, position in pages),
    )


async def counted(views: Views, *, now: datetime) -> tuple[dict[Status, int], int]:
    """How many bookings there are in each status at `now`, and the position. Raises `Unavailable`."""
    ended = b"[%016x\x7f" % number(now)
    by_themselves = {Status.CONFIRMED: Status.EXPIRED, Status.PENDING: Status.DECLINED}
    lists = [(_of_status(status), b"-", b"+") for status in Status]
    lists += [(_of_status(status), b"-", ended) for status in by_themselves]
    numbers, position = await views.counts(VIEW, lists)
    counts = dict(zip(Status, numbers[: len(Status)], strict=True))
    for (status, ends_as), over in zip(by_themselves.items(), numbers[len(Status) :], strict=True):
        counts[status] -= over
        counts[ends_as] += over
    return counts, position


@dataclass(frozen=True, slots=True)
class Held:
    """What one booking holds of a space, buffers included, and its document."""

    span: Span
    user_id: UUID
    json: bytes


async def of_space(views: Views, space_id: UUID, span: Span, *, now: datetime) -> tuple[list[Held], int]:
    """What bookings of a space hold within `span`, in order, as at `now`, and the position. Raises `Unavailable`."""
    at = number(now)
    reach = LONGEST + LONGEST_BUFFER  # what began longer ago is over
    after = b"(%016x" % _until_latest(span.end + LONGEST_BUFFER)
    to = b"[%016x\x7f" % _until_latest(span.start - reach)
    held: list[Held] = []
    while True:
        stored, last, position = await views.page(
            VIEW,
            _of_space(space_id),
            of="booking",
            limit=LIMIT,
            after=after,
            to=to,
            tails=Tails(_TAIL, b"cep"),
        )
        for one in stored:
            _, user_id, _, _, hold_start, hold_end, _ = one.split(b" ", 6)
            hold, json = Span(instant(int(hold_start)), instant(int(hold_end))), _as_at(one, at)
            if hold.overlaps(span) and _DECLINED not in json:
                held.append(Held(hold, UUID(user_id.decode()), json))
        if last is None:
            return sorted(held, key=lambda one: (one.span.start, one.span.end)), position
        after = b"(%b" % last


MOST = 1_000
"""Bookings in one feed."""

_LOOKING_BACK = timedelta(days=30)


async def feed_of_user(views: Views, user_id: UUID, *, now: datetime, at_most: int = MOST) -> tuple[list[Booking], int]:
    """The user's bookings that begin from 30 days before `now` on, in order, and the position.

    Of more than `at_most` it is those that begin nearest to `now`. Raises `Unavailable`.
    """
    return await _feed(views, _of_user(user_id), now, at_most)


async def feed_of_space(
    views: Views, space_id: UUID, *, now: datetime, at_most: int = MOST
) -> tuple[list[Booking], int]:
    """The same of a space. Raises `Unavailable`."""
    return await _feed(views, _of_space(space_id), now, at_most)


async def _feed(views: Views, name: str, now: datetime, at_most: int) -> tuple[list[Booking], int]:
    found: list[Booking] = []
    position = 2**63
    at_once = b"(%016x\x7f" % _until_latest(now)  # before what begins earlier, behind the rest
    long_ago = b"[%016x\x7f" % _until_latest(now - _LOOKING_BACK)
    for after, to, back in ((at_once, b"-", True), (at_once, long_ago, False)):
        left = at_most
        while left:
            stored, last, at = await views.page(
                VIEW, name, of="booking", limit=min(LIMIT, left), after=after, to=to, tails=Tails(_TAIL), back=back
            )
            found += [_load(one) for one in stored]
            position = min(position, at)
            left -= len(stored)
            if last is None:
                break
            after = b"(%b" % last
    nearest = sorted(found, key=lambda one: abs(one.slot.start - now))[:at_most]
    return sorted(nearest, key=lambda one: one.slot), position


def _beyond(cursor: str) -> bytes:
    """The bound behind the booking a page ended with, whatever its tail is by now."""
    place = entry_before(cursor)
    if not _CURSOR.fullmatch(place):
        raise BadCursor
    return b"(%b\x7f" % place


def _entries(booking: Booking) -> Iterator[tuple[str, bytes]]:
    """Every list the booking is in, and its entry there."""
    yield _of_user(booking.user_id), _entry(booking)
    yield _of_space(booking.space_id), _entry(booking)
    yield _ALL, _entry(booking)
    yield _of_status(booking.recorded_status), _waiting(booking)
    if booking.recorded_status is Status.PENDING:
        yield _requests_of(booking.space_id), _waiting(booking)


def _requests_of(space_id: UUID) -> str:
    return f"requests-of:{space_id}"


def _of_status(status: Status) -> str:
    return f"of-status:{status}"


def _of_space(space_id: UUID) -> str:
    return f"of-space:{space_id}"


def _of_user(user_id: UUID) -> str:
    return f"of-user:{user_id}"


def _entry(booking: Booking) -> bytes:
    """Place and tail of a booking in its user's list; the tail says how it is recorded and when it ends by itself."""
    slot = booking.slot
    letter = _LETTERS[booking.recorded_status]
    return f"{_until_latest(slot.start):016x}{booking.id}{letter}{number(booking.ends_at):016x}".encode()


def _until_latest(at: datetime) -> int:
    """Microseconds to the end of all slots: the newest first."""
    return _LATEST - number(at)


def _waiting(booking: Booking) -> bytes:
    """A booking's entry in a list in order of when its status ends by itself."""
    return f"{number(booking.ends_at):016x}{booking.id}".encode()


def _as_at(stored: bytes, at: int) -> bytes:
    """The document of a stored booking as it is at an instant."""
    _, _, _, ends_at, _, _, json = stored.split(b" ", 6)
    return _as_of(json, int(ends_at) <= at)


def _as_of(recorded: bytes, is_over: bool) -> bytes:
    return recorded.replace(_CONFIRMED, _EXPIRED, 1).replace(_PENDING, _DECLINED, 1) if is_over else recorded


def _dump(booking: Booking) -> bytes:
    json = orjson.dumps(booking.document(), option=orjson.OPT_UTC_Z)
    whose = str(booking.user_id).encode(), str(booking.space_id).encode()
    numbers = number(booking.ends_at), number(booking.hold.start), number(booking.hold.end)
    return b"%d %b %b %d %d %d %b" % (booking.revision, *whose, *numbers, json)


def _load(stored: bytes) -> Booking:
    revision, _, _, _, start, end, json = stored.split(b" ", 6)
    booking = Booking.from_document(orjson.loads(json), int(revision))
    booking.hold = Span(instant(int(start)), instant(int(end)))
    return booking


VIEW = View("bookings", 4, {"booking": Form(_dump, _load)}, touches, project, sweeps)
