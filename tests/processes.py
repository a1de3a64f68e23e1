"""Daybook's own processes for tests: real ones, on loopback, over the stores and the schema a test names."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from daybook.embedded import Stores
from tests.journals import Place
from tests.scanning import PASSWORD, SECRET_KEY, must_hold_no_secret

PATIENCE = 30.0  # seconds for a process to be ready
PLAIN: dict[str, Any] = {"verify": False}  # nothing here speaks TLS, and loading authorities takes 60 ms a client


@dataclass(slots=True)
class Running:
    """One of our processes, as `daybook NAME` becomes it: the command line before it doubles the time to start."""

    name: str
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "daybook.roles", self.name],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in order, and see that it has kept to itself what is secret. Raises `AssertionError`."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        must_hold_no_secret(self.log)


@dataclass(slots=True)
class Api(Running):
    """An API process and where it answers."""

    port: int = field(default_factory=lambda: free_port())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.environment["PORT"] = str(self.port)
        Running.start(self)

    def await_ready(self) -> None:
        """Return when it is ready. Raises `AssertionError` with its log."""
        until = time.monotonic() + PATIENCE
        with httpx.Client(**PLAIN) as client:
            while time.monotonic() < until:
                try:
                    if client.get(f"{self.url}/health/ready", timeout=2).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                if self.process.poll() is not None:
                    break
                time.sleep(0.02)  # a process that starts cannot be awaited otherwise
        raise AssertionError(f"the API was not ready: {self.log.read_text()[-3000:]}")

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=10, **PLAIN)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def environment(stores: Stores, place: Place, logs: Path) -> dict[str, str]:
    """What our processes are told, each on its own copy."""
    return {
        **{name: value for name, value in os.environ.items() if name.startswith(("PATH", "COVERAGE", "TZ", "LANG"))},
        "PYTHONPATH": os.fspath(Path(__file__).parent.parent),
        "APP_ENV": "development",
        "DATABASE_URL": stores.database_url,
        "DATABASE_OWNER_URL": stores.database_owner_url,
        "REDIS_URL": stores.redis_url,
        "DAYBOOK_SCHEMA": place.schema,
        "DAYBOOK_DATA": os.fspath(logs / "data"),
        "PASSWORD_ROUNDS": "4",
        "SECRET_KEY": SECRET_KEY,
    }


@contextmanager
def started(
    name: str, stores: Stores, place: Place, logs: Path, *, number: int, **settings: str
) -> Iterator[list[Running]]:
    """So many processes of one kind on one journal, told `settings` besides; all are gone afterwards."""
    with ExitStack() as running:
        told = environment(stores, place, logs) | settings
        processes = [Running(name, dict(told), logs / f"{name}-{n}.log") for n in range(number)]
        for process in processes:
            process.start()
            running.callback(process.stop)
        running.callback(lambda: [process.process.terminate() for process in processes])  # together, then one by one
        yield processes


@contextmanager
def daybook(
    stores: Stores, place: Place, logs: Path, *, apis: int = 1, followers: int = 1, **settings: str
) -> Iterator[list[Api]]:
    """API processes and followers on one journal, told `settings` besides; all are gone afterwards."""
    with ExitStack() as running:
        running.enter_context(started("follow", stores, place, logs, number=followers, **settings))
        told = environment(stores, place, logs) | settings
        answering = [Api("api", dict(told), logs / f"api-{number}.log") for number in range(apis)]
        for api in answering:
            api.start()
            running.callback(api.stop)
        for api in answering:
            api.await_ready()
        yield answering


async def seeded(api: Api) -> str:
    """An ADMIN's token, after making what the development seed makes."""
    async with api.client() as client:
        answer = await client.post("/dev/seed")
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token


async def registered(api: Api) -> str:
    """The token of a new STUDENT."""
    async with api.client() as client:
        body = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "full_name": "Somebody"}
        answer = await client.post("/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["access_token"]
        return token


async def a_space(api: Api, admin: str, **rules: Any) -> str:
    """The id of a new space, open day and night, booked without notice, cancelled until it begins."""
    body = {
        "name": "Room",
        "capacity": 4,
        "price_per_hour": 12.5,
        "opening_time": "00:00",
        "closing_time": "24:00",
        "min_advance_minutes": 0,
        "cancellation_deadline_hours": 0,
        **rules,
    }
    async with api.client(admin) as client:
        answer = await client.post("/admin/spaces", json=body)
        assert answer.status_code == 201, answer.text
        id: str = answer.json()["id"]
        return id


def slot(quarter: int, quarters: int = 4) -> dict[str, str]:
    """A slot `quarter` quarters of an hour after a midnight soon, so many quarters long."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
    start = midnight + timedelta(minutes=15 * quarter)
    return {"start": start.isoformat(), "end": (start + timedelta(minutes=15 * quarters)).isoformat()}


async def eventually(condition: Any, *, within: float = 60.0) -> Any:
    """What `condition` answers when it is true; other processes cannot be awaited otherwise."""
    until = time.monotonic() + within
    while True:
        try:
            if answer := await condition():
                return answer
        except httpx.TransportError:
            pass
        assert time.monotonic() < until, "it did not come true in time"
        await asyncio.sleep(0.02)
