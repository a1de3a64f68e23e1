"""PostgreSQL and a Redis-protocol server as processes of ours, each in a directory of its own.

They listen on Unix sockets alone. Only the programs of the wheels are used: their Python parts leave servers behind
after a kill.
"""

import os
import shutil
import signal
import subprocess
import time
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from daybook.premises import Premises, major
from daybook.supervisor import CannotRun, Process, popen

OLDEST_MAJOR = 17  # the first with the builtin locale C.UTF-8

# `postgres` is the superuser that initdb makes. What `daybook` may do beyond this the migrations grant.
ROLES = """\
CREATE ROLE daybook_owner LOGIN;
CREATE ROLE daybook LOGIN;
CREATE DATABASE daybook OWNER daybook_owner;
REVOKE ALL ON DATABASE daybook FROM PUBLIC;
GRANT CONNECT ON DATABASE daybook TO daybook;
"""

POSTGRES_SOCKET = ".s.PGSQL.5432"
REDIS_SOCKET = "redis.sock"

# Nothing of the caller's: its locale, its zone or its PGOPTIONS would change what the servers do.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def postgres_url(sockets: Path, role: str) -> str:
    # The port is named because the caller's PGPORT would be taken otherwise.
    return f"postgresql://{role}@/daybook?host={quote(os.fspath(sockets), safe='')}&port=5432"


def redis_url(sockets: Path) -> str:
    return f"unix://{quote(os.fspath(sockets / REDIS_SOCKET))}"


class Store(Process):
    """A server with a directory of its own, in which all its processes work."""

    def __init__(self, name: str, program: Path, premises: Premises, data: Path, *, durable: bool) -> None:
        super().__init__(name)
        self.program = program
        self.premises = premises
        self.directory = premises.home / name
        self.log = data / f"{name}.log"
        self.durable = durable
        self._log_begins = 0

    def start(self) -> None:
        """Start it and return when it answers. Main thread only. Raises `CannotRun`."""
        self.spawn()
        self.wait_ready()

    def restart(self) -> None:
        """Stop it and start it again. Main thread only. Raises `CannotRun`."""
        self.stop()
        self.start()

    def spawn(self) -> None:
        self._end_orphans()
        self._prepare()
        with self.log.open("ab") as log:
            self._log_begins = log.tell()
            self._running = popen(
                self._command(),
                dies_by=self.dies_by,
                account=self.premises.account,
                environment=ENVIRONMENT,
                directory=self.directory,
                output=log.fileno(),
            )

    def wait_ready(self, patience: float = 60.0) -> None:
        """Return when it answers; any thread may wait. Raises `CannotRun`."""
        until = time.monotonic() + patience
        while not self.answers():
            if not self.is_running:
                raise CannotRun(f"{self.name} ended before it was ready: {self._last_words()}")
            if time.monotonic() > until:
                raise CannotRun(f"{self.name} was not ready after {patience:.0f} s: {self._last_words()}")
            time.sleep(0.01)

    def stop(self) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()  # a stopped one would keep the others waiting
        super().stop()
        self._end_orphans()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def processes(self) -> list[psutil.Process]:
        """Every process at work in our directory, whoever started it: a busy backend can outlive its postmaster."""
        return [
            process
            for process in psutil.process_iter(["cwd", "name"])
            if process.info["cwd"] == os.fspath(self.directory)
            and process.info["name"].startswith(("postgres", "valkey", "redis"))  # not somebody's shell
        ]

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does, within 2 seconds."""

    @abstractmethod
    def _command(self) -> list[str | Path]: ...

    def _prepare(self) -> None:
        self.premises.room(self.name)

    def _end_orphans(self) -> None:
        """What works in our directory now does so without us. Nothing is lost: what was answered was written first."""
        for how, patience in ((self.dies_by, 6.0), (signal.SIGKILL, 10.0)):
            until = time.monotonic() + patience
            orphans = self.processes()
            for orphan in orphans:
                with suppress(psutil.NoSuchProcess):
                    orphan.send_signal(how)
                    orphan.resume()  # a stopped process hears nothing
            while orphans and time.monotonic() < until:
                time.sleep(0.02)
                orphans = self.processes()
            if not orphans:
                return

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._log_begins)
            lines = log.read().decode(errors="replace").splitlines()
        return " / ".join([*(line.strip() for line in lines[-3:]), f"see {self.log}"])


class Postgres(Store):
    """PostgreSQL over its Unix socket."""

    stops_by = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 6.0))  # fast, then immediate shutdown
    dies_by = signal.SIGQUIT  # unlike a kill it reaches the backends too

    def answers(self) -> bool:
        try:
            psycopg.connect(postgres_url(self.premises.sockets, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _command(self) -> list[str | Path]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.premises.sockets,
            "unix_socket_permissions": "0700",
            "port": 5432,
            "max_connections": 100,
            "shared_buffers": "128MB",
            "idle_in_transaction_session_timeout": "30s",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # The detail of an error and its statement may hold a person's words.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
        }
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        command: list[str | Path] = [self.program, "-D", self.directory]
        for setting, value in settings.items():
            command += ["-c", f"{setting}={value}"]
        return command

    def _prepare(self) -> None:
        if not self.directory.exists():
            self._make()
        super()._prepare()
        ours, theirs = major(self.program), (self.directory / "PG_VERSION").read_text().strip()
        if str(ours) != theirs:
            raise CannotRun(
                f"{self.directory} holds data of PostgreSQL {theirs} and this is PostgreSQL {ours}: "
                "bring it over with pg_upgrade, or set DAYBOOK_DATA to another directory"
            )

    def _make(self) -> None:
        """A cluster with our roles, whole or not at all: made under another name and then renamed."""
        if major(self.program) < OLDEST_MAJOR:
            raise CannotRun(f"{self.program} is older than PostgreSQL {OLDEST_MAJOR}")
        unfinished = self.directory.with_name(f"{self.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        new = self.premises.room(unfinished.name)
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        sync = [] if self.durable else ["--no-sync"]
        initdb = self.program.with_name("initdb")
        self._run([initdb, "-D", new, "-U", "postgres", "--auth=trust", "--no-instructions", *locale, *sync], new)
        self._run([self.program, "--single", "-D", new, "-c", "exit_on_error=on", "postgres"], new, typed=ROLES)
        new.rename(self.directory)

    def _run(self, command: list[str | Path], directory: Path, typed: str = "") -> None:
        running = popen(
            command,
            account=self.premises.account,
            environment=ENVIRONMENT,
            directory=directory,
            typed=subprocess.PIPE,
        )
        said, _ = running.communicate(typed.encode())
        with self.log.open("ab") as log:
            log.write(said)
        if running.returncode:
            raise CannotRun(f"{command[0]} failed: {self._last_words()}")


class Redis(Store):
    """A server of the Redis protocol over its Unix socket."""

    def answers(self) -> bool:
        at_once = Retry(NoBackoff(), 0)
        try:
            with Client.from_url(redis_url(self.premises.sockets), socket_timeout=2, retry=at_once) as client:
                client.ping()
        except RedisError:
            return False
        return True

    def _command(self) -> list[str | Path]:
        settings: dict[str, str | Path] = {
            "port": "0",
            "unixsocket": self.premises.sockets / REDIS_SOCKET,
            "unixsocketperm": "700",
            "dir": self.directory,
            "save": "",
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        command: list[str | Path] = [self.program]
        for setting, value in settings.items():
            command += [f"--{setting}", value]
        return command
