"""The application: routers, the door before them, and one handler for whatever a request ends with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api import describing, docs, problems
from api.audit_routers import bookings as audit_bookings
from api.audit_routers import events as audit_events
from api.command_routers import api_keys as api_key_commands
from api.command_routers import auth as auth_commands
from api.command_routers import bookings as booking_commands
from api.command_routers import calendars as calendar_commands
from api.command_routers import dev
from api.command_routers import spaces as space_commands
from api.command_routers import users as user_commands
from api.command_routers import webhooks as webhook_commands
from api.door import Door
from api.query_routers import administration, health
from api.query_routers import auth as auth_queries
from api.query_routers import bookings as booking_queries
from api.query_routers import calendars as calendar_queries
from api.query_routers import dashboards as dashboard_queries
from api.query_routers import projections as projection_queries
from api.query_routers import spaces as space_queries
from api.query_routers import stream as stream_queries
from api.query_routers import users as user_queries
from api.query_routers import webhooks as webhook_queries
from api.rooms import Rooms
from api.watching import Tell
from booking.refusals import NotAllowed, NotFound, Refused
from commands.command import PreconditionFailed
from commands.deciding import KeyReused
from journal.connection import Unavailable

ROUTERS = (
    booking_commands.router,
    booking_queries.router,
    space_queries.router,
    health.router,
    user_queries.router,
    auth_queries.router,
    dashboard_queries.router,
    administration.router,
    projection_queries.router,
    stream_queries.router,
    auth_commands.router,
    user_commands.router,
    space_commands.router,
    api_key_commands.router,
    calendar_queries.router,
    calendar_commands.router,
    webhook_commands.router,
    webhook_queries.router,
    audit_events.router,
    audit_bookings.router,
)
"""In the order in which they are looked through: what is asked for most comes first."""

_ANSWERED = (
    RequestValidationError,
    HTTPException,
    Refused,
    NotFound,
    NotAllowed,
    KeyReused,
    PreconditionFailed,
    Unavailable,
    *problems.UNFIT,
)


def create_app(
    rooms: Rooms,
    *,
    version: str,
    described: bool = True,
    reset: Callable[[], Awaitable[None]] | None = None,
    tell: Tell | None = None,
) -> FastAPI:
    """The façade over `rooms`, which stay open when it ends: `described` by its OpenAPI document and a page of it, and
    with `reset` offering what a development system does.

    `tell` is told of every request once it is answered.
    """

    @asynccontextmanager
    async def following(_app: FastAPI) -> AsyncIterator[None]:
        await rooms.views.begin()
        callers = asyncio.create_task(rooms.callers.follow())
        yield
        callers.cancel()
        with suppress(asyncio.CancelledError):
            await callers

    app = FastAPI(
        title=describing.TITLE,
        version=version,
        openapi_url=None,  # what the framework adds is no route as ours are, and would be counted as none
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=following,
        exception_handlers=dict.fromkeys(_ANSWERED, problems.answer),
    )
    app.state.rooms = rooms
    # Cookies that are Secure say that TLS ends before us.
    app.add_middleware(
        Door, admit=rooms.throttling.admit, tell=tell, origins=rooms.origins, behind_tls=rooms.secure_cookies
    )
    # Included routers are matched one within the other, which cost as much as the rest of a small query; these are not.
    more = [*([docs.router] if described else []), *([dev.router(reset)] if reset else [])]
    for router in (*ROUTERS, *more):
        app.router.routes.extend(router.routes)
    app.openapi = cache(partial(describing.described, app.routes, version=version))  # type: ignore[method-assign]
    return app
