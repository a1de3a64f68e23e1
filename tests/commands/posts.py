"""A worker's deliveries for tests: carried out as far as they can be whenever it is told to, or by themselves."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from commands import deliveries, webhooks
from commands.deciding import Deciding
from commands.deliveries import Logged
from commands.delivering import CONNECTED_WITHIN, Delivering, Sending
from commands.destinations import Destinations, LooksUp, looked_up
from commands.webhooks import EVENTS, AddWebhook, Secrets
from journal.folding import Aggregates
from journal.journal import Journal
from journal.troubles import Trouble
from tests.commands.people import SYSTEM, request
from tests.journals import Place, a_journal
from tests.receivers import Receiver

KEY = "a secret for tests that is long enough to sign with"


@dataclass
class Post:
    """One worker's deliveries, carried out as far as they can be whenever it is told to."""

    place: Place
    journal: Journal
    deciding: Deciding
    delivering: Delivering
    secrets: Secrets
    destinations: Destinations

    async def add(self, receiver: Receiver, *events: str, secret: str | None = None, host: str = "127.0.0.1") -> UUID:
        """A webhook that leads to the receiver; of every fact if none is named."""
        id = uuid4()
        sealed = self.secrets.sealed(secret or webhooks.new_secret(), id)
        url = receiver.url.replace("127.0.0.1", host)
        await self.do(AddWebhook(webhook_id=id, url=url, events=frozenset(events or EVENTS), sealed=sealed))
        return id

    async def do(self, command: Any) -> None:
        await self.deciding.do(command, by=SYSTEM, request=request())

    async def settle(self) -> None:
        """Post everything and send all that can go out now."""
        while await deliveries.post(self.journal):
            pass
        while taken := await deliveries.take(self.journal):
            await asyncio.gather(*(self.delivering.attempt(one) for one in taken))

    async def later(self, by: timedelta) -> None:
        """Let so much time go by, and send what is due then."""
        with self.place.owner() as owner:
            owner.execute(
                "update deliveries set due_at = due_at - %(by)s, lent_until = lent_until - %(by)s", {"by": by}
            )
        await self.settle()

    async def log(self, webhook_id: UUID) -> list[Logged]:
        """Every delivery, the oldest fact first."""
        return list(reversed(await deliveries.log_of(self.journal, webhook_id, limit=1000)))

    async def states(self, webhook_id: UUID) -> list[tuple[str, int]]:
        return [(one.state.value, one.attempts) for one in await self.log(webhook_id)]


@asynccontextmanager
async def a_post(
    place: Place,
    *,
    private: bool = True,
    look_up: LooksUp = looked_up,
    connected_within: float = CONNECTED_WITHIN,
    keys: tuple[str, ...] = (KEY,),
) -> AsyncIterator[Post]:
    destinations = Destinations(private=private, look_up=look_up)
    sending = Sending(destinations, connected_within=connected_within)
    async with a_journal(place) as journal:
        deciding, secrets = Deciding(journal, Aggregates(journal)), Secrets(keys)
        yield Post(place, journal, deciding, Delivering(journal, deciding, secrets, sending), secrets, destinations)
    await sending.close()
    destinations.close()


@asynccontextmanager
async def at_work(*posts: Post) -> AsyncIterator[None]:
    """As many workers go on by themselves meanwhile."""

    class Unexpected(Trouble):
        def tell(self, why: object) -> None:
            raise AssertionError(why)

    trouble = Unexpected(logging.getLogger(__name__), "webhooks are not sent anything")
    running = asyncio.gather(*(post.delivering.keep_delivering(posting=trouble, taking=trouble) for post in posts))
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
