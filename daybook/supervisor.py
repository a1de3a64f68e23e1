"""Processes that end with us: started, watched, started again when they die, and stopped in order.

On Linux the kernel ends a child when the thread that forked it is gone, so that even a `kill -9` of us leaves nothing
behind. That is why every start is the main thread's. Elsewhere what outlived us is found at the next start.
"""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from signal import Signals

# How long after a start that did not last the next is tried; one that lasted begins anew at the first.
BACK_OFF = (0.1, 0.4, 1.0, 3.0)
LASTED = 30.0  # seconds

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class CannotRun(Exception):
    """A process cannot be started or kept running; the text says which and why, for people."""


class Process(ABC):
    """One of our processes, under a name it keeps when it is started again."""

    stops_by: Sequence[tuple[Signals, float]] = ((signal.SIGTERM, 10.0),)
    """Signals that ask it to stop, each with the seconds it is given; after the last it is killed."""
    dies_by: Signals = signal.SIGKILL
    """What the kernel sends it when we are gone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running else None

    @property
    def is_running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    @abstractmethod
    def spawn(self) -> None:
        """Start it and return at once. Main thread only. Raises `CannotRun`."""

    def stop(self) -> None:
        """Ask it to stop, ever less politely, and return when it is gone."""
        if self._running is None:
            return
        for how, patience in (*self.stops_by, (signal.SIGKILL, 10.0)):
            self._running.send_signal(how)
            self._running.send_signal(signal.SIGCONT)  # a stopped process hears nothing
            with suppress(subprocess.TimeoutExpired):
                self._running.wait(patience)
                break


class Program(Process):
    """One of our own programs: what it says goes to `write` line by line."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        write: Callable[[str], None],
        *,
        stops_within: float = 10.0,
    ) -> None:
        super().__init__(name)
        self.stops_by = ((signal.SIGTERM, stops_within),)
        self.command = command
        self.environment = environment
        self.write = write
        self._relay: threading.Thread | None = None

    def spawn(self) -> None:
        self._running = popen(self.command, dies_by=self.dies_by, environment=self.environment)
        self._relay = threading.Thread(target=self._relay_lines, args=(self._running,), daemon=True)
        self._relay.start()

    def stop(self) -> None:
        super().stop()
        if self._relay:
            self._relay.join(1.0)  # its last words; a grandchild may keep the pipe open for ever

    def _relay_lines(self, running: subprocess.Popen[bytes]) -> None:
        for line in running.stdout or ():
            with suppress(OSError):  # nobody reads us any more: it must not wait for that
                self.write(line.decode(errors="replace").rstrip())


class Watch:
    """Looks after processes: each that died is started again, later and later while it does not stay."""

    def __init__(
        self, processes: Sequence[Process], say: Callable[[str], None], back_off: Sequence[float] = BACK_OFF
    ) -> None:
        self._say = say
        self._back_off = back_off
        self._falls = dict.fromkeys(processes, 0)
        self._started = dict.fromkeys(processes, time.monotonic())
        self._due: dict[Process, float] = {}

    def look(self) -> None:
        """Once round, at once. Main thread only. Raises `CannotRun` when a process cannot be kept running."""
        now = time.monotonic()
        for process in self._falls:
            if process.is_running:
                continue
            if process not in self._due:
                self._due[process] = now + self._patience(process, now)
            elif self._due[process] <= now:
                del self._due[process]
                self._started[process] = now
                process.spawn()

    def _patience(self, process: Process, now: float) -> float:
        if now - self._started[process] > LASTED:
            self._falls[process] = 0
        falls = self._falls[process]
        if falls == len(self._back_off):
            raise CannotRun(f"{process.name} does not stay up: it ended {falls + 1} times in a row")
        self._falls[process] += 1
        self._say(f"{process.name} ended; it is started again in {self._back_off[falls]:g} s")
        return self._back_off[falls]


def popen(
    command: Sequence[str | Path],
    *,
    dies_by: Signals = signal.SIGKILL,
    account: pwd.struct_passwd | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    typed: int = subprocess.DEVNULL,
    output: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start `command`, as `account` if one is given, so that it ends with us. Main thread only. Raises `CannotRun`."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("only the main thread may start a process: it ends with the thread that forked it")
    try:
        return subprocess.Popen(
            command,
            stdin=typed,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
            start_new_session=True,  # Ctrl-C is for us; we stop the others in order
            preexec_fn=partial(_end_with, os.getpid(), dies_by),
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
    except OSError as error:
        raise CannotRun(f"{command[0]} cannot be started: {error.strerror}") from error


def _end_with(parent: int, by: Signals) -> None:
    """In the child, after it changed its user (which would undo this) and before it becomes the program."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, by)
        if os.getppid() != parent:  # gone before we asked
            os._exit(1)
