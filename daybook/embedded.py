"""The stores on a machine that has none: PostgreSQL and a Redis-protocol server of our own, which end with us.

Their data is in the data directory; one instance at a time has it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from daybook import premises
from daybook.servers import POSTGRES_SOCKET, REDIS_SOCKET, Postgres, Redis, Store, postgres_url, redis_url
from daybook.settings import own_directory
from daybook.supervisor import CannotRun


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores we run and where they are; one that is not ours is None and its addresses are empty."""

    postgres: Postgres | None
    redis: Redis | None

    @property
    def database_url(self) -> str:
        """For the processes' role."""
        return postgres_url(self.postgres.premises.sockets, "daybook") if self.postgres else ""

    @property
    def database_owner_url(self) -> str:
        """For migrations and the development reset."""
        return postgres_url(self.postgres.premises.sockets, "daybook_owner") if self.postgres else ""

    @property
    def redis_url(self) -> str:
        return redis_url(self.redis.premises.sockets) if self.redis else ""

    @property
    def running(self) -> list[Store]:
        """Those that are ours, in the order in which they start."""
        return [store for store in (self.postgres, self.redis) if store]


@contextmanager
def stores(
    data: Path,
    *,
    durable: bool = True,
    database: bool = True,
    views: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Stores]:
    """Run the stores of `data`, one instance at a time, and stop them in order. Main thread only. Raises `CannotRun`.

    `durable=False` is for data that is thrown away. `database` and `views` say which of the two is wanted.
    """
    if not (database or views):
        yield Stores(None, None)
        return
    data = own_directory(data).resolve()
    with _alone(data), ExitStack() as running:
        place = premises.settle(data, say)
        running.callback(shutil.rmtree, place.sockets, ignore_errors=True)
        ours = Stores(
            Postgres("postgres", premises.postgres(place, say), place, data, durable=durable) if database else None,
            Redis("redis", premises.redis(place, say), place, data, durable=durable) if views else None,
        )
        for store in ours.running:
            running.callback(store.stop)
            store.spawn()
        for store in ours.running:
            store.wait_ready()
        yield ours


@contextmanager
def throw_away_stores(*, durable: bool = False) -> Iterator[Stores]:
    """Fresh stores in a directory of their own; nothing of them is left afterwards. Main thread only."""
    data = Path(tempfile.mkdtemp(prefix="daybook-data-")).resolve()
    if os.geteuid() == 0:
        data.chmod(0o711)
    try:
        with stores(data, durable=durable) as fresh:
            yield fresh
    finally:
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(premises.stand_in(data), ignore_errors=True)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold `data` against every other process, until we end whichever way. Raises `CannotRun`."""
    with (data / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise CannotRun(f"{data} is in use by another daybook, process {lock.read().strip()}") from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def addresses(data: Path) -> dict[str, str]:
    """Where an instance that runs on `data` has the stores that are its own, for what is started beside it."""
    sockets = premises.sockets(data.resolve())
    found = {}
    if (sockets / POSTGRES_SOCKET).exists():
        found["database_url"] = postgres_url(sockets, "daybook")
        found["database_owner_url"] = postgres_url(sockets, "daybook_owner")
    if (sockets / REDIS_SOCKET).exists():
        found["redis_url"] = redis_url(sockets)
    return found
