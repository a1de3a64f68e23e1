"""The stream: what is told, to whom, and that nothing is lost or told twice however often it breaks."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.types import Message

from api.door import Door
from api.query_routers.stream import HEARTBEAT
from api.streams import Streams
from api.tokens import Tokens
from booking.roles import Role
from commands.command import Author
from commands.deciding import Request
from commands.users import ChangePassword
from daybook.embedded import Stores
from journal.codec import UnknownFact
from tests.api.houses import SECRET, House, a_house, a_slot
from tests.journals import Place, a_journal, a_place, entry
from tests.processes import eventually

PATIENCE = 10  # seconds


@dataclass(slots=True)
class Heard:
    """One event."""

    position: int
    name: str
    data: dict[str, Any]


@dataclass(slots=True)
class Stream:
    """One connection to the stream, as the server that speaks HTTP sees it."""

    status: int = 0
    said: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    is_cut: bool = False
    last_id: int | None = None

    async def receive(self) -> Message:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.is_cut:
            raise OSError("the connection is gone")
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.said.put_nowait(message.get("body", b""))

    async def welcomed(self) -> None:
        async with asyncio.timeout(PATIENCE):
            assert b"welcome" in await self.said.get()

    async def next(self) -> list[Heard]:
        """The events that come in one piece; none for a piece that tells of others' alone."""
        async with asyncio.timeout(PATIENCE):
            piece = (await self.said.get()).decode()
        heard = []
        for block in piece.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "id" in fields:
                self.last_id = int(fields["id"])
            if "data" in fields:
                heard.append(Heard(int(fields["id"]), fields["event"], json.loads(fields["data"])))
        return heard

    async def until(self, position: int) -> list[Heard]:
        """What is told up to a position."""
        heard: list[Heard] = []
        while self.last_id is None or self.last_id < position:
            heard += await self.next()
        return heard


@asynccontextmanager
async def streaming(
    house: House, user_id: UUID | None, *, after: int | None = None, token: str | None = None
) -> AsyncIterator[Stream]:
    """A connection to the stream with a token of the user, hung up at the end."""
    app = house.asgi
    stream = Stream()
    headers = [] if after is None else [(b"last-event-id", b"%d" % after)]
    if user_id is not None:
        headers.append((b"authorization", f"Bearer {token or house.rooms.tokens.issued_to(user_id)}".encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/stream",
        "raw_path": b"/stream",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
    }

    async def served() -> None:
        try:
            await app(scope, stream.receive, stream.send)
        finally:
            stream.ended.set()

    serving = asyncio.create_task(served())
    try:
        yield stream
    finally:
        stream.hung_up.set()
        async with asyncio.timeout(PATIENCE):
            with suppress(OSError):
                await serving


async def test_events_come_in_order_with_the_positions_as_ids(house: House) -> None:
    space_id, user_id = await house.space(), await house.user()
    student = house.client(user_id)
    async with streaming(house, user_id) as stream:
        await stream.welcomed()
        made = await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})
        moved = await student.patch(made.headers["Location"], json=a_slot(11, 13))
        cancelled = await student.delete(made.headers["Location"])
        heard = await stream.until(position(cancelled))

    assert [one.position for one in heard] == [position(answer) for answer in (made, moved, cancelled)]
    assert [one.data["booking_id"] for one in heard] == [made.json()["id"]] * 3
    assert len({one.name for one in heard}) == 3


async def test_only_what_the_caller_may_see_is_told(house: House) -> None:
    space_id, users = await house.space(), [await house.user() for _ in range(2)]
    staff_id = await house.user(Role.STAFF)
    async with (
        streaming(house, users[0]) as own,
        streaming(house, users[1]) as others,
        streaming(house, staff_id) as all,
    ):
        for stream in (own, others, all):
            await stream.welcomed()
        made = await house.client(users[0]).post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})
        await house.user()
        changed = await house.client(staff_id).patch(f"/admin/spaces/{space_id}", json={"name": "Hall"})
        told = [[one.position for one in await stream.until(position(changed))] for stream in (own, others, all)]

    both = [position(made), position(changed)]
    assert told == [both, both[1:], both]


async def test_a_manager_is_told_of_the_bookings_of_their_spaces_while_they_are_one(house: House) -> None:
    managed, other = await house.space(), await house.space()
    manager_id, staff, student = await house.user(), await house.signed_in(Role.STAFF), await house.signed_in()

    async def named(*ids: UUID) -> None:
        answer = await staff.patch(f"/admin/spaces/{managed}", json={"managers": [str(id) for id in ids]})
        assert answer.status_code == 200, answer.text

    async def is_told(space_id: str, hour: int) -> bool:
        answer = await student.post("/bookings", json={"space_id": space_id, **a_slot(hour, hour + 1)})
        return position(answer) in [one.position for one in await stream.until(position(answer))]

    async with streaming(house, manager_id) as stream:
        await stream.welcomed()
        before = await is_told(managed, 9)
        await named(manager_id)
        meanwhile = [await is_told(managed, 10), await is_told(other, 10), await is_told(managed, 11)]
        await named()
        afterwards = await is_told(managed, 12)

    assert (before, meanwhile, afterwards) == (False, [True, False, True], False)


@pytest.mark.parametrize("seed", range(3))
async def test_a_stream_dropped_at_random_points_loses_and_repeats_nothing(house: House, seed: int) -> None:
    chance = random.Random(seed)
    space_id, user_id = await house.space(), await house.user(limit=100)
    student = house.client(user_id)
    _, began, _ = await house.rooms.journal.head()
    made: list[int] = []

    async def booking() -> None:
        for hour in range(8, 20):
            answer = await student.post("/bookings", json={"space_id": space_id, **a_slot(hour, hour + 1)})
            cancelled = await student.delete(answer.headers["Location"])
            made.extend([position(answer), position(cancelled)])

    writing = asyncio.create_task(booking())
    heard: list[int] = []
    last_id = began
    while len(heard) < 24:
        async with streaming(house, user_id, after=last_id) as stream:
            await stream.welcomed()
            pieces = chance.randrange(4)
            while pieces and len(heard) < 24:
                heard += [one.position for one in await stream.next()]
                pieces, last_id = pieces - 1, stream.last_id or last_id
    await writing

    assert heard == made


async def test_listeners_that_come_and_go_together_miss_nothing(house: House) -> None:
    space_id, user_ids = await house.space(), [await house.user() for _ in range(4)]
    staff = await house.signed_in(Role.STAFF)
    _, began, _ = await house.rooms.journal.head()

    made: list[int] = []

    async def change(capacity: int) -> None:
        answer = await staff.patch(f"/admin/spaces/{space_id}", json={"capacity": capacity})
        made.append(position(answer))

    async def listened(user_id: UUID, changing: asyncio.Task[None]) -> list[int]:
        async with streaming(house, user_id, after=began) as stream:
            await stream.welcomed()
            await changing
            return [one.position for one in await stream.until(made[-1])]

    for capacity in range(11, 31):
        changing = asyncio.create_task(change(capacity))
        told = await asyncio.gather(*(listened(user_id, changing) for user_id in user_ids))
        assert told == [made] * 4


async def test_what_cannot_be_read_ends_every_stream_and_whoever_comes_next_is_told_what_follows(
    stores: Stores,
) -> None:
    with a_place(stores) as place:
        async with a_journal(place) as journal, asyncio.timeout(PATIENCE):
            streams = Streams(journal)
            listening = [streams.listen(after=None, quiet=0.01) for _ in range(2)]
            assert [await anext(one) for one in listening] == [[], []]  # from here on both are told

            place.enter_newer()
            assert [[facts async for facts in one if facts] for one in listening] == [[], []]

            late = streams.listen(after=0, quiet=0.01)
            with pytest.raises(UnknownFact):
                await anext(late)
            newcomer = streams.listen(after=None, quiet=0.01)
            assert await anext(newcomer) == []
            position = await journal.append(await entry(journal))
            told = await anext(facts async for facts in newcomer if facts)
            assert [fact.position for fact in told] == [position]
            await newcomer.aclose()


async def test_one_user_has_four_streams_and_a_place_is_free_again_when_one_ends(house: House) -> None:
    user_id, other_id = await house.user(), await house.user()
    async with streaming(house, user_id) as one, streaming(house, user_id) as two, streaming(house, user_id) as three:
        async with streaming(house, user_id) as four:
            for stream in (one, two, three, four):
                await stream.welcomed()
            async with streaming(house, user_id) as fifth, streaming(house, other_id) as others:
                await asyncio.wait_for(fifth.ended.wait(), PATIENCE)
                await others.welcomed()

        async def is_welcome() -> bool:
            async with streaming(house, user_id) as again:
                return b"welcome" in await again.said.get()

        await eventually(is_welcome)  # a process of its own hears a moment later that one has hung up

    problem = json.loads(fifth.said.get_nowait())
    assert (fifth.status, problem["type"]) == (429, "urn:daybook:problem:too-many-streams")


async def test_who_hangs_up_before_the_answer_leaves_no_place_taken(house: House) -> None:
    user_id = await house.user()
    for _ in range(6):
        async with streaming(house, user_id) as stream:
            stream.hung_up.set()
            await asyncio.wait_for(stream.ended.wait(), PATIENCE)

    async with streaming(house, user_id) as stream:
        await stream.welcomed()


async def test_a_connection_that_is_gone_before_the_first_word_leaves_no_place_taken(house: House) -> None:
    user_id = await house.user()
    for _ in range(6):
        async with streaming(house, user_id) as stream:
            stream.is_cut = True
            await asyncio.wait_for(stream.ended.wait(), PATIENCE)

    async with streaming(house, user_id) as stream:
        await stream.welcomed()


async def test_a_stream_outlives_what_a_request_may_take(house: House) -> None:
    space_id, user_id, staff = await house.space(), await house.user(), await house.signed_in(Role.STAFF)
    within = 0.5
    whole = house.app.build_middleware_stack()
    house.app.middleware_stack = Door(whole, within=within)
    too_late = asyncio.Event()
    async with streaming(house, user_id) as stream:
        await stream.welcomed()
        house.app.middleware_stack = whole
        asyncio.get_running_loop().call_later(2 * within, too_late.set)
        await too_late.wait()
        changed = await staff.patch(f"/admin/spaces/{space_id}", json={"name": "Hall"})

        assert [one.position for one in await stream.until(position(changed))] == [position(changed)]


async def test_a_stream_ends_with_the_user_it_is_for(house: House) -> None:
    user_id, admin = await house.user(), await house.signed_in(Role.ADMIN)
    async with streaming(house, user_id) as stream:
        await stream.welcomed()
        answer = await admin.patch(f"/admin/users/{user_id}", json={"is_active": False})
        assert answer.status_code == 200, answer.text

        await asyncio.wait_for(stream.ended.wait(), HEARTBEAT / 2)  # at the fact itself, not at the next word


async def test_a_stream_ends_with_its_journal_and_whoever_comes_next_is_told_of_the_new_one(
    stores: Stores, own_place: Place
) -> None:
    async with a_house(stores, own_place) as house:
        for _ in range(2):
            await house.space()
        async with streaming(house, await house.user()) as before:
            await before.welcomed()
            await house.space()
            await before.next()
            own_place.begin_anew()
            await asyncio.wait_for(before.ended.wait(), HEARTBEAT / 2)  # nobody looks after its user before
        async with streaming(house, await house.user()) as after:
            await after.welcomed()
            space = await house.space()
            heard = await after.until(3)

    assert [(one.position, one.data["space_id"]) for one in heard] == [(3, space)]


async def change_password(house: House, user_id: UUID) -> None:
    await house.rooms.deciding.do(
        ChangePassword(user_id=user_id, password_hash="another", seen=0),
        by=Author.person(user_id),
        request=Request(command_id=uuid4(), correlation_id="test"),
    )


async def test_a_stream_ends_with_the_password_it_was_opened_with(house: House) -> None:
    user_id = await house.user()
    async with streaming(house, user_id) as stream:
        await stream.welcomed()
        await change_password(house, user_id)

        await asyncio.wait_for(stream.ended.wait(), HEARTBEAT / 2)


async def test_a_stream_opened_with_the_password_since_tells_what_was_missed_before_and_after_the_change(
    house: House,
) -> None:
    space_id, user_id = await house.space(), await house.user()
    student = house.client(user_id)
    seen = position(await student.post("/bookings", json={"space_id": space_id, **a_slot(8, 10)}))
    missed = [await student.post("/bookings", json={"space_id": space_id, **a_slot(10, 12)})]
    await change_password(house, user_id)
    missed.append(await student.delete(missed[0].headers["Location"]))

    async with streaming(house, user_id, after=seen) as stream:
        await stream.welcomed()
        heard = await stream.until(position(missed[-1]))

    assert [one.position for one in heard] == [position(answer) for answer in missed]


async def test_a_stream_ends_with_the_time_of_its_token(house: House) -> None:
    space_id, user_id, staff = await house.space(), await house.user(), await house.signed_in(Role.STAFF)
    life, over = 3, asyncio.Event()
    token = Tokens([SECRET], life=timedelta(seconds=life)).issued_to(user_id)
    async with streaming(house, user_id, token=token) as stream:
        await stream.welcomed()
        asyncio.get_running_loop().call_later(life, over.set)
        await over.wait()
        await staff.patch(f"/admin/spaces/{space_id}", json={"name": "Hall"})

        await asyncio.wait_for(stream.ended.wait(), HEARTBEAT / 2)
    assert stream.said.get_nowait() == b""


@pytest.mark.parametrize("id", ["", "x", "-1", "1.5", "9" * 30, str(10**18 - 1)])
async def test_an_id_that_the_stream_never_gave_is_told_so(house: House, id: str) -> None:
    student = await house.signed_in()

    refused = await student.get("/stream", headers={"Last-Event-ID": id})

    assert (refused.status_code, refused.json()["type"]) == (422, "urn:daybook:problem:bad-last-event-id")


async def test_nobody_listens_unknown(house: House) -> None:
    assert (await house.client().get("/stream")).status_code == 401


def position(answer: Any) -> int:
    return int(answer.headers["Journal-Position"])
