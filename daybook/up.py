"""Everything on one machine: the stores, the migrations, our processes, until somebody stops it."""

import http.client
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from itertools import count
from types import FrameType

from daybook import embedded
from daybook.settings import Settings
from daybook.supervisor import CannotRun, Program, Watch
from daybook.voices import ForMachines, ForPeople

PATIENCE = 60.0  # seconds until the API has to be ready

STOPS_WITHIN = {"api": 10.0, "follow": 10.0, "work": 45.0}
"""Seconds each of our processes may take to stop; a worker may wait for a mail server's answer."""

Say = Callable[[str], None]


def up(
    settings: Settings,
    *,
    migrate: Callable[[Settings], None],
    commands: Mapping[str, Sequence[str]],
    say: Say,
) -> None:
    """Run the stores `settings` do not name, migrate once, then run `commands` side by side under their names.

    What they say is said on by `say`, a line at a time, with what we have to say ourselves: as `LOG_FORMAT` asks.
    Returns after Ctrl-C, SIGTERM or SIGHUP, with nothing left running. Raises `CannotRun`, with nothing left either.
    """
    is_terminal = sys.stdout.isatty()
    voice = (ForPeople if settings.is_for_people(terminal=is_terminal) else ForMachines)(say)
    with suppress(KeyboardInterrupt), ExitStack() as running:
        go_on = _interrupt_once()
        _refuse_a_taken_port("PORT", settings.host, settings.port)
        metrics_ports = dict(zip(commands, count(settings.metrics_port), strict=False)) if settings.metrics_port else {}
        for port in metrics_ports.values():
            _refuse_a_taken_port("METRICS_PORT", settings.metrics_host, port)
        stores = running.enter_context(
            embedded.stores(
                settings.daybook_data, database=not settings.database_url, views=not settings.redis_url, say=voice.say
            )
        )
        settings = settings.with_stores(
            database_url=stores.database_url,
            database_owner_url=stores.database_owner_url,
            redis_url=stores.redis_url,
        )
        migrate(settings)
        # Nobody balances between one API, so it stops at once.
        environment = settings.as_environment(terminal=is_terminal) | {"DRAIN_SECONDS": "0"}
        programs = [
            Program(
                name,
                command,
                {**environment, "METRICS_PORT": str(metrics_ports.get(name, 0))},
                partial(voice.relay, name),
                stops_within=STOPS_WITHIN[name],
            )
            for name, command in commands.items()
        ]
        for program in programs:
            running.callback(program.stop)
            program.spawn()
        watch = Watch([*stores.running, *programs], voice.say)

        def look_after() -> None:
            go_on()
            watch.look()

        _answered(settings, "GET", "/health/ready", meanwhile=look_after)
        demo = _answered(settings, "POST", "/dev/seed", meanwhile=look_after) if settings.is_development else {}
        voice.greet(_greeting(settings, demo))
        while True:
            look_after()
            time.sleep(0.1)
    voice.say("stopped")


def _interrupt_once() -> Callable[[], None]:
    """Have Ctrl-C, SIGTERM and SIGHUP end what we do, and nothing disturb the tidying up that follows.

    Returns what a loop asks before it goes on: Python drops an interrupt that comes while it runs a hook of its own,
    such as those around a fork.
    """
    came = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True
        for number in stopping:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    def go_on() -> None:
        if came:
            raise KeyboardInterrupt

    stopping = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in stopping:
        signal.signal(number, interrupt)
    return go_on


def _refuse_a_taken_port(name: str, host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the API does
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise CannotRun(
            f"port {port} of {host} cannot be used ({error.strerror}): set {name} to another one"
        ) from error


def _greeting(settings: Settings, demo: Mapping[str, str]) -> dict[str, str]:
    """Where what is, and who can sign in."""
    host = _to_call(settings.host)
    at = f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
    told = {"API": at}
    if settings.is_described:
        told["Docs"] = f"{at}/docs"
    if settings.metrics_port:
        watched = _to_call(settings.metrics_host)
        told["Metrics"] = f"http://{watched}:{settings.metrics_port}/metrics, and on the two ports after it"
    if demo:
        told["Admin"] = f"{demo['admin_email']} / {demo['admin_password']}"
        told["User"] = f"{demo['user_email']} / {demo['user_password']}"
    return told


def _answered(settings: Settings, method: str, path: str, *, meanwhile: Callable[[], None]) -> dict[str, str]:
    """The API's answer, asked again until it has one. Raises `CannotRun`."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        meanwhile()
        connection = http.client.HTTPConnection(_to_call(settings.host), settings.port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status < 300:
                return dict(json.loads(body))
        except (OSError, http.client.HTTPException):
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(0.05)
    raise CannotRun(f"the API did not answer {method} {path} within {PATIENCE:.0f} s")


def _to_call(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
