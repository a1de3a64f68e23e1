"""The stream: changes of spaces, and of the bookings the caller may see, as Server-Sent Events.

A booking is told to whom it is for, and to whoever acts as STAFF for its space.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.auth import CurrentUser, caller
from api.problems import PROBLEMS, Problem, refusing
from api.rooms import Rooms, rooms_of
from api.streams import TooMany
from booking.events import BookingEvent, Event, SpaceEvent, UserEvent
from booking.roles import Role
from booking.users import User
from journal import codec, folding
from journal.codec import UnknownFact
from journal.connection import Unavailable
from journal.journal import Recorded

router = APIRouter(tags=["queries: stream"], responses=PROBLEMS)

HEARTBEAT = 10.0  # seconds: proxies close what is silent

EVENTS = "text/event-stream"
_EXAMPLE = """\
id: 4711
event: SpaceActivated
data: {"space_id":"5b1c8f0e-7a53-4d8b-9d3c-2f6f4a1f0c11","at":"2026-12-01T08:00:00Z"}

"""


@router.get(
    "/stream",
    responses={
        200: {
            "description": "Server-Sent Events; `id` is the position, `data` the fact.",
            "content": {EVENTS: {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        **refusing(also={422: ["bad-last-event-id"], 429: ["too-many-streams"]}),
    },
    response_class=StreamingResponse,
    openapi_extra={
        "parameters": [
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The id of the event received last: the stream goes on right behind it.",
                "schema": {"type": "string"},
            }
        ]
    },
)
async def stream(user: CurrentUser, request: Request) -> Response:
    """What is recorded from now on, or after Last-Event-ID: nothing is left out, nothing told twice."""
    after = await _after(request)
    passwords = (await rooms_of(request).callers.read(user.id)).password_changes
    place = AsyncExitStack()
    try:
        await place.enter_async_context(rooms_of(request).streams.place(user.id))
    except TooMany:
        raise Problem(
            429, "too-many-streams", "Too many streams", "Close one first.", headers={"Retry-After": "5"}
        ) from None
    return _Stream(_told(request, user.id, passwords, after), place)


class _Stream(StreamingResponse):
    """A stream, which gives its place back when it ends, also when it ends before its first word."""

    def __init__(self, content: AsyncIterator[bytes], place: AsyncExitStack) -> None:
        super().__init__(content, media_type=EVENTS, headers={"X-Accel-Buffering": "no"})
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._place:
            await super().__call__(scope, receive, send)


async def _told(request: Request, user_id: UUID, passwords: int, after: int | None) -> AsyncIterator[bytes]:
    """What the caller is to hear, until they have changed their password more than so many times."""
    rooms = rooms_of(request)
    async with aclosing(rooms.streams.listen(after=after, quiet=HEARTBEAT)) as listening:
        yield b": welcome\n\n"
        # The client comes back with the id it has, and is told then; by a newer Daybook what is unknown to this one.
        with suppress(Unavailable, UnknownFact, Problem):
            async for facts in listening:
                is_of_caller = any(isinstance(one.event, UserEvent) and one.event.user_id == user_id for one in facts)
                # What is heard of the caller here may not have been heard of elsewhere yet; the token's time passes.
                user = await (rooms.callers.read(user_id) if is_of_caller else caller(request))
                if not user.is_active or user.password_changes > passwords:
                    return
                run = await _run_by(user, facts, rooms)
                told = [_event(fact.position, fact.event) for fact in facts if _may_see(user, run, fact.event)]
                if facts:
                    told.append(b"id: %d\n\n" % facts[-1].position)  # also past what was not for the caller
                yield b"".join(told) or b": still here\n\n"


async def _after(request: Request) -> int | None:
    """The position the caller has. Raises `Problem` for one that there is not."""
    given = request.headers.get("last-event-id")
    if given is None:
        return None
    _, head, _ = await rooms_of(request).journal.head()
    if not (given.isascii() and given.isdigit() and len(given) < 19 and int(given) <= head):
        raise Problem(422, "bad-last-event-id", "Last-Event-ID is no id of this stream", "Begin anew, without one.")
    return int(given)


async def _run_by(user: User, facts: Sequence[Recorded], rooms: Rooms) -> Collection[UUID]:
    """The spaces whose bookings `facts` tell of and for which the user acts as STAFF. Raises `Unavailable`."""
    of_others = {
        fact.event.space_id: fact.position
        for fact in facts
        if isinstance(fact.event, BookingEvent) and fact.event.user_id != user.id
    }
    if not of_others or user.is_any(Role.STAFF, Role.ADMIN):
        return of_others
    aggregates = rooms.deciding.aggregates
    named = {id: folding.space(id) for id in of_others}
    # Whoever listens beside this one has mostly brought them up to date already.
    kept = {id: aggregates.kept(one) for id, one in named.items()}
    behind = [id for id, one in kept.items() if one.position < of_others[id]]
    fresh, _ = await aggregates.all_fresh([named[id] for id in behind])
    spaces = {id: one.aggregate for id, one in kept.items()} | dict(zip(behind, fresh, strict=True))
    return {id for id, space in spaces.items() if space.is_run_by(user)}


def _may_see(user: User, run: Collection[UUID], event: Event) -> bool:
    if isinstance(event, BookingEvent):
        return event.user_id == user.id or event.space_id in run
    return isinstance(event, SpaceEvent)


def _event(position: int, event: Event) -> bytes:
    name, _, json = codec.shown(event)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (position, name.encode(), json)
