"""`daybook up`: everything comes up or nothing does, what dies comes back, and nothing is left behind."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from daybook import premises
from daybook.settings import new_secret
from daybook.supervisor import CannotRun, Program, Watch

ROOT = Path(__file__).parents[2]


class Household:
    """A `daybook up` with stand-ins for our processes, on a port and a data directory of its own."""

    def __init__(self, data, **environment):
        self.data = data
        self.port = free_port()
        self.running = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.household", "up"],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "APP_ENV": "development",
                "DAYBOOK_DATA": str(data),
                "PORT": str(self.port),
                "LOG_FORMAT": "people",
                "PYTHONUNBUFFERED": "1",
                **environment,
            },
            cwd=data.parent,  # where no `.env` is
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def until(self, pattern, *, after=0):
        """Read on until it has said what is looked for."""
        while not (found := re.compile(pattern).search(self.said, after)):
            line = self.running.stdout.readline()
            assert line, f"it ended without {pattern!r}:\n{self.said}"
            self.said += line
        return found

    def family(self):
        return psutil.Process(self.running.pid).children(recursive=True)

    def until_there_is(self, name, *, but=()):
        """Wait for a process of that name in the family, another one than `but`."""
        while not any(named(process, name) for process in self.family() if process not in but):
            assert self.running.poll() is None

    def ended(self):
        """Its exit code once it has ended; it is all said then."""
        said, _ = self.running.communicate(timeout=60)
        self.said += said
        return self.running.returncode


def named(process, name):
    with suppress(psutil.NoSuchProcess):
        return process.name() == name
    return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def gone(processes):
    """Whether all of them end; they are nobody's children here, so it may take the system a moment to see them off."""
    return psutil.wait_procs(processes, timeout=15)[1] == []


@pytest.fixture
def data():
    """A data directory that is not there yet, at the end of a path that everybody can enter."""
    with tempfile.TemporaryDirectory(prefix="daybook-data-") as parent:
        Path(parent).chmod(0o711)
        yield Path(parent).resolve() / ".daybook"


@pytest.fixture
def start(data):
    """Start a household; one that still runs at the end is stopped."""
    households = []

    def started(**environment):
        households.append(Household(data, **environment))
        return households[-1]

    yield started
    for household in households:
        household.running.terminate()
        household.ended()
        household.running.stdout.close()
    shutil.rmtree(premises.sockets(data), ignore_errors=True)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_says_where_things_are_and_stops_in_order_with_nothing_left(start, data, how):
    household = start()
    household.until("Ctrl-C")
    family = household.family()
    assert len(family) > 4

    household.running.send_signal(how)

    assert household.ended() == 0
    assert gone(family)
    assert not premises.sockets(data).exists()
    assert f"http://127.0.0.1:{household.port}\n" in household.said
    assert f"http://127.0.0.1:{household.port}/docs\n" in household.said
    assert "admin@b.example / the admin's" in household.said
    assert "user@b.example / the user's" in household.said
    assert re.search(r"^ +api \| serving \d+$", household.said, re.MULTILINE)
    assert household.said.index("migrated") < household.said.index("serving")
    assert household.said.endswith("stopped\n")


def test_off_a_terminal_what_it_says_and_what_its_programs_say_is_json_with_the_role(start):
    """The stand-ins say plain lines: as what is said past the log."""
    household = start(LOG_FORMAT="auto", APP_ENV="test")
    for said in ('"ready"', '"role":"api"', '"role":"follow"'):
        household.until(said)
    household.running.terminate()

    assert household.ended() == 0
    lines = [json.loads(line) for line in household.said.splitlines() if line != "migrated"]
    assert {line["role"] for line in lines} == {"up", "api", "follow"}
    assert all({"timestamp", "level", "logger", "event"} <= line.keys() for line in lines)
    (ready,) = (line for line in lines if line["event"] == "ready")
    assert ready["api"] == f"http://127.0.0.1:{household.port}"
    assert "admin" not in ready
    assert lines[-1]["event"] == "stopped"


def test_nobody_is_sent_to_docs_that_are_not_shown(start):
    household = start(APP_ENV="production", SECRET_KEY=new_secret())
    household.until("Ctrl-C")

    assert f"API       http://127.0.0.1:{household.port}\n" in household.said
    assert "/docs" not in household.said


def test_make_run_brings_everything_up_in_json_off_a_terminal_until_ctrl_c(data, tmp_path):
    """By `make` and all our programs, as on a bare machine; only the environment is the one that runs this."""
    port = free_port()
    daybook = tmp_path / "daybook"
    daybook.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m daybook "$@"\n')
    daybook.chmod(0o755)
    with subprocess.Popen(
        ["make", "--file", ROOT / "Makefile", "run", "RUN=", f"BIN={tmp_path}"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("COV", "MAKE"))},
            "PYTHONPATH": str(ROOT),
            "DAYBOOK_DATA": str(data),
            "PORT": str(port),
            "METRICS_PORT": "0",
        },
        cwd=data.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as running:
        lines = []
        for line in running.stdout:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "ready":
                spaces = httpx.get(f"http://127.0.0.1:{port}/spaces", timeout=10)
                docs = httpx.get(lines[-1]["docs"], timeout=10)
                roles = {child.cmdline()[-1] for child in psutil.Process(running.pid).children(recursive=True)}
                os.killpg(running.pid, signal.SIGINT)

    assert (spaces.status_code, docs.status_code) == (200, 200)
    assert roles >= {"api", "follow", "work"}
    assert {"up", "api"} <= {line["role"] for line in lines} <= {"up", "api", "follow", "work"}
    assert [line["route"] for line in lines if line["event"] == "request"] == ["/dev/seed", "/spaces", "/docs"]
    assert lines[-1]["event"] == "stopped"


def test_a_kill_leaves_nothing_and_the_next_start_finds_its_data(start):
    household = start()
    household.until("Ctrl-C")
    family = household.family()

    household.running.kill()

    assert household.ended() == -signal.SIGKILL
    assert gone(family)
    start().until("Ctrl-C")


@pytest.mark.parametrize("moment", ["initdb", "postgres", "valkey-server"])
def test_stopped_while_it_starts_it_leaves_nothing_either(start, moment):
    household = start()
    household.until_there_is(moment)
    family = household.family()

    household.running.terminate()

    assert household.ended() == 0
    assert gone(family)


@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT"])
def test_a_taken_port_is_one_clear_line_before_anything_starts(start, data, name):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        household = start(SECRET_KEY="x" * 32, **{name: str(port)})

        assert household.ended() == 1
    assert household.said == (
        f"port {port} of 127.0.0.1 cannot be used (Address already in use): set {name} to another one\n"
    )
    assert not data.exists()


def test_a_second_one_on_the_same_data_is_refused(start):
    first = start()
    first.until("Ctrl-C")

    second = start()

    assert second.ended() == 1
    assert re.fullmatch(rf".* is in use by another daybook, process {first.running.pid}\n", second.said)


def test_nobody_waits_for_its_api_to_drain(start):
    household = start(DRAIN_SECONDS="60")
    api = household.until(r"serving (\d+)")

    assert psutil.Process(int(api[1])).environ()["DRAIN_SECONDS"] == "0"


@pytest.mark.parametrize("victim", ["postgres", "valkey-server"])
def test_a_killed_store_comes_back(start, victim):
    household = start()
    household.until("Ctrl-C")
    killed = [child for child in psutil.Process(household.running.pid).children() if named(child, victim)]

    killed[0].kill()

    household.until("ended; it is started again in 0.1 s")
    assert gone(killed)
    household.until_there_is(victim, but=killed)


def test_each_program_has_a_port_of_its_own_for_its_metrics(start, stores):
    household = start(
        METRICS_PORT="40100",  # nobody listens there: these are stand-ins
        DATABASE_URL=stores.database_url,
        DATABASE_OWNER_URL=stores.database_owner_url,
        REDIS_URL=stores.redis_url,
    )

    household.until(r"api \| metrics on 40100")
    household.until(r"follow \| metrics on 40101")
    household.until("Metrics   http://127.0.0.1:40100/metrics")


def test_a_killed_program_comes_back(start):
    household = start()
    first = household.until(r"following (\d+)")
    household.until("Ctrl-C")

    os.kill(int(first[1]), signal.SIGKILL)

    assert household.until(r"following (\d+)", after=first.end())[1] != first[1]


def test_one_that_cannot_be_kept_running_stops_everything(start):
    household = start(FOLLOWER="fall")
    household.until("follow ended")
    family = household.family()

    assert household.ended() == 1
    assert household.said.endswith("follow does not stay up: it ended 5 times in a row\n")
    assert gone(family)


def test_named_stores_are_used_and_none_is_started(start, stores, data):
    household = start(
        DATABASE_URL=stores.database_url, DATABASE_OWNER_URL=stores.database_owner_url, REDIS_URL=stores.redis_url
    )
    household.until("Ctrl-C")

    assert {child.name() for child in household.family()}.isdisjoint({"postgres", "valkey-server"})
    assert not (data / "lock").exists()


def test_each_wait_before_another_start_is_longer_until_it_is_given_up():
    said = []
    program = Program("brief", [sys.executable, "-c", ""], dict(os.environ), lambda line: None)
    watch = Watch([program], said.append, back_off=(0.0, 0.01, 0.02))

    def look_until_it_is_given_up():
        while True:
            watch.look()

    with pytest.raises(CannotRun, match="brief does not stay up: it ended 4 times in a row"):
        look_until_it_is_given_up()
    assert said == [f"brief ended; it is started again in {wait} s" for wait in ("0", "0.01", "0.02")]


@pytest.mark.parametrize(("patience", "code"), [(0.2, -signal.SIGKILL), (30.0, 0)])
def test_a_program_is_killed_when_it_takes_longer_to_stop_than_it_may(patience, code):
    said = []
    slowly = "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), exit(0)))"
    words = f"import signal, time; {slowly}; print('ready', flush=True); signal.pause()"
    program = Program("slow", [sys.executable, "-c", words], dict(os.environ), said.append, stops_within=patience)

    program.spawn()
    while not said:
        assert program.is_running
    program.stop()

    assert program._running.returncode == code


def test_what_a_program_says_is_relayed_to_the_last_word():
    said = []
    words = "import os; os.write(1, b'a line\\n\\xff\\nthe last'); os.write(2, b' word')"
    program = Program("talker", [sys.executable, "-c", words], dict(os.environ), said.append)

    program.spawn()
    while program.is_running:
        pass
    program.stop()

    assert said == ["a line", "\ufffd", "the last word"]
