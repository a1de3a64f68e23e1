"""The product's processes for a benchmark: the follower, and the API with two routes more (`-m benchmarks.serving`)."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from uuid import UUID

import orjson
import psutil
import uvicorn
import uvloop
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import json_of
from api.app import create_app
from api.bodies import StrictRoute
from api.command_routers.bookings import BookingRequest
from api.documents import BookingDocument
from api.rooms import rooms_of
from api.sending import TheSender
from api.tokens import Tokens
from benchmarks.measuring import calm_collector
from benchmarks.places import Booker, wishes
from booking.slots import Slot
from daybook import logs, settings, wiring
from daybook.embedded import Stores
from daybook.settings import Settings

SECRET = "no secret, for it guards nothing but a benchmark"
TOKENS = Tokens([SECRET], life=timedelta(hours=1))
PATIENCE = 60.0  # seconds until the API answers

router = APIRouter(prefix="/bench", route_class=StrictRoute)


@router.post("/floor", status_code=201, response_model=BookingDocument)
async def floor(body: BookingRequest, sender: TheSender) -> Response:
    """Do all that a booking needs but book: authenticate, validate, answer a document."""
    slot, id = Slot(body.start, body.end), sender.new_id
    document = {
        "id": id,
        "space_id": body.space_id,
        "user_id": sender.user.id,
        "start": slot.start,
        "end": slot.end,
        "status": "confirmed",
        "notes": body.notes,
        "created_at": slot.start,
        "updated_at": slot.start,
    }
    headers = {"Journal-Position": "1", "ETag": '"1"', "Location": f"/bookings/{id}"}
    return json_of(document, 201, headers)


@router.post("/bookings")
async def bookings(request: Request) -> Response:
    """Carry out bookings in this process and with its caches; the body says whose, where, from which on, how long."""
    told = orjson.loads(await request.body())
    spaces, users = [UUID(id) for id in told["spaces"]], [UUID(id) for id in told["users"]]
    rooms = rooms_of(request)
    booker = Booker(rooms.journal, wishes(spaces, users, begin=told["begin"]), deciding=rooms.deciding)
    return Response(str(await booker.work(told["seconds"], callers=32)), media_type="text/plain")


@dataclass(frozen=True, slots=True)
class Served:
    """A process of ours that is ready."""

    process: psutil.Process
    port: int = 0


@contextmanager
def api(stores: Stores, schema: str) -> Iterator[Served]:
    """The API on a port of its own, one worker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # A line for every request, as in production, though here nobody reads it.
    with _process(stores, schema, "benchmarks.serving", port=port, level="INFO", said=subprocess.DEVNULL) as process:
        until = time.monotonic() + PATIENCE
        while not _is_ready(port):
            if process.status() == psutil.STATUS_ZOMBIE or time.monotonic() > until:
                raise RuntimeError("the API did not get ready")
            time.sleep(0.05)
        yield Served(process, port)


@contextmanager
def follower(stores: Stores, schema: str) -> Iterator[Served]:
    """The follower of all views."""
    with _process(stores, schema, "daybook.roles", "follow") as process:
        yield Served(process)


@contextmanager
def worker(stores: Stores, schema: str) -> Iterator[Served]:
    """The worker that does what is due."""
    with _process(stores, schema, "daybook.roles", "work") as process:
        yield Served(process)


@contextmanager
def _process(
    stores: Stores, schema: str, *module: str, port: int = 8000, level: str = "WARNING", said: int | None = None
) -> Iterator[psutil.Process]:
    told = {
        "APP_ENV": "test",
        "DATABASE_URL": stores.database_url,
        "DATABASE_OWNER_URL": stores.database_owner_url,
        "REDIS_URL": stores.redis_url,
        "DAYBOOK_SCHEMA": schema,
        "SECRET_KEY": SECRET,
        "LOG_LEVEL": level,
        "PORT": str(port),
        **dict.fromkeys(("REQUESTS_PER_CALLER", "SIGN_INS_PER_ACCOUNT", "SIGN_INS_PER_ADDRESS"), str(10**9)),
    }
    with subprocess.Popen([sys.executable, "-m", *module], env={**os.environ, **told}, stdout=said) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


async def _serve(settings: Settings) -> None:
    """As the wiring does, with our routes beside the product's."""
    async with wiring.rooms(settings) as rooms:
        logs.configure(settings.log_level, for_people=False)
        app = create_app(rooms, version="bench", tell=logs.telling(for_people=False))
        app.include_router(router)
        calm_collector()
        config = uvicorn.Config(
            app,
            port=settings.port,
            http="httptools",
            ws="none",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_level="warning",
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(_serve(settings.read(signs=True)))
