"""The view of spaces: a document for each, and lists in order of name and id: the active ones, all, each manager's."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from booking.events import Event, SpaceEvent
from booking.spaces import Space
from booking.users import User
from journal import folding
from journal.connection import Unavailable
from journal.folding import Named
from projections.reading import BadCursor, Page, Views, cursor_after, entry_before
from projections.views import LIMIT, PAGE, Documents, Form, Lists, View

_STATE = TypeAdapter(Space)
STATE = Form(_STATE.dump_json, _STATE.validate_json)
"""How other views store a space: what it is folded on from, without its document."""

_ACTIVE, _ALL = "active", "all"


def touches(event: Event) -> Iterator[Named[Space]]:
    """The documents `event` changes."""
    if isinstance(event, SpaceEvent):
        yield folding.space(event.space_id)


def project(event: Event, one: Named[Space], documents: Documents, to: Lists) -> None:
    """Fold `event` into the space, and keep the lists."""
    before = documents.of(one)
    if before.revision:
        to.strike(_ALL, by_name(before))
        to.strike(_ACTIVE, by_name(before))
        for user_id in before.managers:
            to.strike(_managed_by(user_id), by_name(before))
    space = documents.fold(event, one)
    to.enter(_ALL, by_name(space))
    if space.is_active:
        to.enter(_ACTIVE, by_name(space))
    for user_id in space.managers:
        to.enter(_managed_by(user_id), by_name(space))


@dataclass(frozen=True, slots=True)
class StoredSpace:
    """A space ready to be sent. `revision` counts its facts."""

    json: bytes
    revision: int
    position: int
    state: bytes

    def is_run_by(self, user: User) -> bool:
        """Whether the user acts as STAFF for the space."""
        return _STATE.validate_json(self.state).is_run_by(user)


async def one(views: Views, space_id: UUID) -> StoredSpace | None:
    """The space, from the view or else from its facts. Raises `Unavailable`."""
    named = folding.space(space_id)
    try:
        (stored,), position = await views.documents(VIEW, (named.tag,))
    except Unavailable:
        (space,), position = await views.from_journal((named,))
        stored = _dump(space) if space.revision else None
    if stored is None:
        return None
    revision, json, state = _parts(stored)
    return StoredSpace(json, revision, position, state)


async def names(views: Views, space_ids: Iterable[UUID]) -> dict[UUID, str]:
    """What those of these spaces that there are are called. Raises `Unavailable`."""
    named = [folding.space(space_id).tag for space_id in space_ids]
    stored, _ = await views.documents(VIEW, named)
    found = [_load(one) for one in stored if one is not None]
    return {space.id: space.description.name for space in found}


async def active(views: Views, *, limit: int = PAGE, cursor: str | None = None) -> Page:
    """The spaces that take bookings, by name. Raises `Unavailable`, `BadCursor`."""
    return await _page(views, _ACTIVE, limit, cursor)


async def all(views: Views, *, limit: int = PAGE, cursor: str | None = None) -> Page:
    """Every space, by name. Raises `Unavailable`, `BadCursor`."""
    return await _page(views, _ALL, limit, cursor)


async def managed_by(views: Views, user_id: UUID) -> list[UUID]:
    """The spaces that name the user a manager. Raises `Unavailable`."""
    ids: list[UUID] = []
    after = b"-"
    while True:
        stored, last, _ = await views.page(VIEW, _managed_by(user_id), of="space", limit=LIMIT, after=after)
        ids += [_load(one).id for one in stored]
        if last is None:
            return ids
        after = b"(%b" % last


async def counted(views: Views) -> tuple[int, int, int]:
    """How many spaces there are, how many of them take bookings, and the position. Raises `Unavailable`."""
    (every, taking), position = await views.counts(VIEW, [(_ALL, b"-", b"+"), (_ACTIVE, b"-", b"+")])
    return every, taking, position


async def _page(views: Views, name: str, limit: int, cursor: str | None) -> Page:
    stored, last, position = await views.page(VIEW, name, of="space", limit=limit, after=beyond(cursor))
    return Page([_parts(one)[1] for one in stored], cursor_after(last), position)


def _managed_by(user_id: UUID) -> str:
    return f"managed-by:{user_id}"


def by_name(space: Space) -> bytes:
    """A space's entry in a list of spaces."""
    # U+0000 is in no name and before every character of one.
    return f"{space.description.name.casefold()}\0{space.id}".encode()


_BY_NAME = re.compile(rb"[^\0]+\0[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def beyond(cursor: str | None) -> bytes:
    """The bound behind the space that a page of a list of spaces ended with, if there is one. Raises `BadCursor`."""
    if cursor is None:
        return b"-"
    entry = entry_before(cursor)
    if not _BY_NAME.fullmatch(entry):
        raise BadCursor
    return b"(%b" % entry


def _dump(space: Space) -> bytes:
    """Both the document and the state it is folded on from: the document has its price as a rounded number."""
    json = orjson.dumps(space.document(), option=orjson.OPT_UTC_Z)
    return b"%d %d %b%b" % (space.revision, len(json), json, _STATE.dump_json(space))


def _load(stored: bytes) -> Space:
    return _STATE.validate_json(_parts(stored)[2])


def _parts(stored: bytes) -> tuple[int, bytes, bytes]:
    """Revision, document and state."""
    revision, length, rest = stored.split(b" ", 2)
    return int(revision), rest[: int(length)], rest[int(length) :]


VIEW = View("spaces", 3, {"space": Form(_dump, _load)}, touches, project)
