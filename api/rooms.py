"""What the routes are handed: the parts of the house they work with, made by the wiring."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request

from api.callers import Callers
from api.origins import Origins
from api.streams import Streams
from api.throttling import Throttling
from api.tokens import Tokens
from commands.accounts import Passwords
from commands.deciding import Deciding
from commands.destinations import Destinations
from commands.letters import Letters
from commands.sessions import Sessions
from commands.webhooks import Secrets
from journal.journal import Journal
from projections.reading import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """One journal, and what commands and queries need beside it."""

    journal: Journal
    deciding: Deciding
    views: Views
    passwords: Passwords
    sessions: Sessions
    letters: Letters
    tokens: Tokens
    keys: Sequence[str] = field(repr=False)  # the secret keys, the one in use first
    throttling: Throttling
    callers: Callers
    streams: Streams
    destinations: Destinations
    webhook_secrets: Secrets
    origins: Origins = field(default_factory=Origins)
    secure_cookies: bool = True
    unverified_may_book: bool = True
    draining: asyncio.Event = field(default_factory=asyncio.Event)  # set once the process is told to stop


def rooms_of(request: Request) -> Rooms:
    """Those of the application that was asked."""
    rooms: Rooms = request.app.state.rooms
    return rooms
