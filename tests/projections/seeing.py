"""Views under test: entered for, followed, awaited and laid open."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from booking.events import Event
from journal.journal import Journal, Recorded
from journal.sealing import new_key
from projections.following import VIEWS, Follower
from projections.generations import Generation, Keys, Mark
from projections.views import Documents, Lists, View
from tests.examples import ANA, BEN, CLEO
from tests.journals import Place, a_journal, entry

Told = Callable[..., Awaitable[int]]
PATIENCE = 60.0  # seconds for what happens within a moment


def keys_made(place: Place, people: Iterable[UUID] = (ANA, BEN, CLEO)) -> None:
    """Let the texts of these people be sealed, as registering them does."""
    with place.role() as role:
        for person in people:
            role.execute("insert into sealing_keys (user_id, key) values (%s, %s)", (person, new_key()))


async def enter(journal: Journal, *events: Event) -> int:
    """Record the facts; the last one's position."""
    return await journal.append(await entry(journal, *events)) + len(events) - 1


@asynccontextmanager
async def followed(
    place: Place, redis_url: str, *, schema: str | None = None, **options: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """A follower at work, with connections of its own."""
    async with a_journal(place, name="follow") as journal:
        task = asyncio.create_task(Follower(redis_url, schema or place.schema, journal, **options).run())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def settled(redis: Redis, journal: Journal, *, schema: str | None = None, views: Sequence[View] = VIEWS) -> int:
    """Return once every view answers from the journal's last fact; its position."""
    _, head, hash = await journal.head()
    channels = [Keys.of(view.name, schema or journal.schema).channel for view in views]
    async with asyncio.timeout(PATIENCE), redis.pubsub() as told:
        await told.subscribe(*channels)
        for _ in channels:
            await told.get_message(timeout=None)  # that it is subscribed
        for view in views:
            while (
                active := await answering(redis, schema or journal.schema, view)
            ) is None or active.mark.hash != hash:
                await told.get_message(timeout=None)
    return head


async def answering(redis: Redis, schema: str, view: View) -> Generation | None:
    """The generation that queries are answered from."""
    keys = Keys.of(view.name, schema)
    number: Any = await redis.get(keys.active)
    mark: Any = await redis.get(keys.mark(number)) if number else None
    return Generation(number, Mark.of(mark)) if mark else None


async def contents(redis: Redis, schema: str, view: View) -> dict[str, Any]:
    """Every document and list of the generation that answers."""
    active = await answering(redis, schema, view)
    assert active
    (start,) = Keys.of(view.name, schema).of_generation(active.number, ("",))
    found: dict[str, Any] = {}
    async for key in redis.scan_iter(match=f"{start}*", count=1_000):
        name = key.decode().removeprefix(start)
        if name != "mark":
            is_list = await redis.type(key) == b"zset"
            found[name] = await redis.zrange(key, 0, -1) if is_list else await redis.get(key)
    return found


def folded(view: View, facts: Sequence[Recorded]) -> dict[str, Any]:
    """What the view is by its fold alone, all of history in one page and no store."""
    touched = [(fact.event, list(view.touches(fact.event))) for fact in facts]
    documents = Documents(view.forms, {one.tag: None for _, ones in touched for one in ones})
    lists = Lists()
    for event, ones in touched:
        for one in ones:
            view.project(event, one, documents, lists)
    found: dict[str, Any] = dict(documents.changed())
    for name, member in sorted(lists.entered()):
        found.setdefault(name, []).append(member)
    return found
