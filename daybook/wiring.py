"""The wiring: builds what a process needs from the settings, and runs it until it is told to stop."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import fields
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop
from psycopg.errors import UndefinedTable

from api.app import create_app
from api.callers import Callers
from api.origins import Origins
from api.protocol import Protocol, ProtocolBehindTls
from api.rooms import Rooms
from api.streams import Streams
from api.throttling import Limits, Throttling
from api.tokens import Tokens
from commands.accounts import Passwords
from commands.deciding import Deciding
from commands.destinations import Destinations
from commands.letters import Letter, Letters
from commands.sessions import Sessions
from commands.webhooks import Secrets
from daybook import logs, standing, version, working
from daybook.resetting import reset
from daybook.settings import Settings
from daybook.standing import Ask
from journal.connection import Line, SessionNotKept, Unavailable
from journal.folding import Aggregates
from journal.journal import Journal
from projections.following import Follower
from projections.reading import Views

if TYPE_CHECKING:
    from daybook.tracing import Tracing

KEEP_ALIVE = 75  # seconds: longer than proxies keep a connection, so that it is never us who close one they use
STOP_WITHIN = 6  # seconds for requests under way, each of which ends within 5

log = logging.getLogger(__name__)


class NeverUsable(Exception):
    """The database is not one to work with, however long one waits; the text says why, for people."""


def serve_api(settings: Settings) -> None:
    """Answer HTTP until SIGTERM or SIGINT."""
    _run(settings, _serve(settings))


def follow(settings: Settings) -> None:
    """Post the journal to the views until SIGTERM or SIGINT."""
    _run(settings, _follow(settings))


def work(settings: Settings) -> None:
    """Do what is due until SIGTERM or SIGINT."""
    _run(settings, _work(settings))


@asynccontextmanager
async def rooms(settings: Settings, tracing: "Tracing | None" = None) -> AsyncIterator[Rooms]:
    """What the API works with, closed at the end."""
    schema = settings.daybook_schema
    database_url = settings.database_url.get_secret_value()
    journal = (tracing.journal if tracing else Journal)(database_url, schema, name="api")
    redis_url = settings.redis_url.get_secret_value()
    views = Views(redis_url, schema, journal)
    passwords = Passwords(rounds=settings.password_rounds)
    line = Line(database_url, schema, name="api sessions")
    writing = Line(database_url, schema, name="api letters")
    limits = Limits(**{field.name: getattr(settings, field.name) for field in fields(Limits)})
    keys = settings.secret_keys
    tokens = Tokens(keys, life=settings.access_token_life)
    callers = Callers(journal)
    throttling = Throttling(redis_url, schema, tokens, callers, limits, key=keys[0], proxies=settings.trusted_proxies)
    streams = Streams(journal)
    destinations = Destinations(private=settings.webhooks_to_private_addresses)
    try:
        yield Rooms(
            journal=journal,
            deciding=(tracing.deciding if tracing else Deciding)(journal, Aggregates(journal)),
            views=views,
            passwords=passwords,
            sessions=Sessions(line, keys, life=settings.refresh_token_life),
            letters=Letters(line, keys[0], writing=writing, told=_tell if _tells_tokens(settings) else _keep_quiet),
            tokens=tokens,
            keys=keys,
            throttling=throttling,
            callers=callers,
            streams=streams,
            destinations=destinations,
            webhook_secrets=Secrets(keys),
            origins=Origins(settings.cors_origins),
            secure_cookies=settings.app_env == "production",
            unverified_may_book=settings.unverified_may_book,
        )
    finally:
        passwords.close()
        destinations.close()
        await streams.close()
        await throttling.close()
        await views.close()
        await writing.close()
        await line.close()
        await journal.close()


def _tells_tokens(settings: Settings) -> bool:
    return settings.is_development and not settings.smtp_url


def _tell(letter: Letter) -> None:
    """Where a development system has no mail server, what stands in a letter is told to whoever reads its log."""
    log.info("a letter was written: %s, its token is %s", letter.kind, letter.token)


def _keep_quiet(letter: Letter) -> None:
    """The worker sends it: a token in a log would let its readers in."""
    log.info("a letter was written: %s", letter.kind)


async def _serve(settings: Settings) -> None:
    async with _traced(settings, "api") as tracing, rooms(settings, tracing) as made:
        app = create_app(
            made,
            version=version(),
            described=settings.is_described,
            reset=partial(reset, settings) if settings.is_development else None,
            tell=logs.telling(for_people=settings.is_for_people(terminal=sys.stdout.isatty())),
        )
        if tracing:
            tracing.watch(app)
        server = _Server(
            uvicorn.Config(
                app,
                settings.host,
                settings.port,
                http=ProtocolBehindTls if made.secure_cookies else Protocol,
                ws="none",
                lifespan="on",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=STOP_WITHIN,
            ),
            made,
            drain=settings.drain_seconds,
        )
        await _must_be_usable(made.journal)
        async with _watched(settings, "api", {"journal": standing.of_journal(made.journal)}):
            _when_told(server.stop)
            await server.serve()


class _Server(uvicorn.Server):
    """uvicorn's, which would repeat the signal that stopped it, before anything of ours was closed, and would turn away
    whoever has not heard yet that it stops: it drains first."""

    def __init__(self, config: uvicorn.Config, rooms: Rooms, *, drain: float) -> None:
        super().__init__(config)
        self._rooms = rooms
        self._drain = drain

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Be ready no longer, hang up after every answer, and stop after `drain` seconds; told twice, at once."""
        if self._drain and not self._rooms.draining.is_set():
            hang_up = (b"connection", b"close")
            self.config.encoded_headers.append(hang_up)  # from the next second on
            self.server_state.default_headers = [*self.server_state.default_headers, hang_up]
            asyncio.get_running_loop().call_later(self._drain, self._leave)
        else:
            self._leave()
        self._rooms.draining.set()

    def _leave(self) -> None:
        self._rooms.streams.let_go()
        self.should_exit = True


async def _work(settings: Settings) -> None:
    journal = Journal(settings.database_url.get_secret_value(), settings.daybook_schema, name="work")
    try:
        await _must_be_usable(journal)
        questions = {
            "journal": standing.of_journal(journal),
            "due": standing.of_due(journal),
            "notices": standing.of_notices(journal),
            "deliveries": standing.of_deliveries(journal),
        }
        async with _watched(settings, "work", questions):
            await working.work(settings, journal)
    finally:
        await journal.close()


async def _follow(settings: Settings) -> None:
    schema = settings.daybook_schema
    journal = Journal(settings.database_url.get_secret_value(), schema, name="follow")
    views = Views(settings.redis_url.get_secret_value(), schema, journal)
    try:
        await _must_be_usable(journal)
        questions = {"journal": standing.of_journal(journal), "views": standing.of_views(journal, views)}
        async with _watched(settings, "follow", questions), _traced(settings, "follow") as tracing:
            on_posted = partial(tracing.posted, journal) if tracing else None
            redis_url = settings.redis_url.get_secret_value()
            following = asyncio.create_task(Follower(redis_url, schema, journal, on_posted=on_posted).run())
            _when_told(following.cancel)
            with suppress(asyncio.CancelledError):
                await following
    finally:
        await views.close()
        await journal.close()


@asynccontextmanager
async def _watched(settings: Settings, role: str, questions: Mapping[str, Ask]) -> AsyncIterator[None]:
    """Tell Prometheus meanwhile, if there is a port to do so. Raises `NeverUsable` when it cannot be had."""
    if not settings.metrics_port:
        yield
        return
    host, port = settings.metrics_host, settings.metrics_port
    async with AsyncExitStack() as telling:
        try:
            # Imported here because nobody else pays for it: a tenth of a second and some megabytes.
            served = import_module("daybook.metrics").served
            await telling.enter_async_context(served(host, port, questions, role=role, version=version()))
        except OSError as error:
            raise NeverUsable(f"METRICS_PORT {port} of {host} cannot be used ({error.strerror})") from error
        yield


@asynccontextmanager
async def _traced(settings: Settings, role: str) -> AsyncIterator["Tracing | None"]:
    """What tells the spans of this process meanwhile; None if there is nobody to tell."""
    if not settings.otel_exporter_otlp_endpoint:
        yield None
        return
    # Imported here because nobody else pays for it: half a second and many megabytes.
    tracing: Tracing = import_module("daybook.tracing").Tracing(
        settings.otel_exporter_otlp_endpoint, service=f"daybook-{role}", version=version()
    )
    try:
        yield tracing
    finally:
        await asyncio.to_thread(tracing.close)


async def _must_be_usable(journal: Journal) -> None:
    """Raise `NeverUsable` for a database that no waiting mends; one that is away may come back."""
    try:
        await journal.head()
    except Unavailable:
        pass
    except SessionNotKept as error:
        raise NeverUsable(str(error)) from error
    except UndefinedTable as error:
        raise NeverUsable(f"there is no journal in the schema {journal.schema}: run `daybook migrate`") from error


def _when_told(stop: Callable[[], object]) -> None:
    """Have SIGTERM and SIGINT call `stop`, now that everything is there."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    # Nothing that is there now is garbage later, and young objects of 32 requests at once are no garbage yet.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def _run(settings: Settings, process: Coroutine[Any, Any, None]) -> None:
    for_people = settings.is_for_people(terminal=sys.stdout.isatty())
    logs.configure(settings.log_level, for_people=for_people)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(process)
        except NeverUsable as error:
            if for_people:
                sys.exit(f"daybook: {error}")
            log.critical("%s", error)
            sys.exit(1)
        except Exception:  # Python's own words would go past what logs may not hold
            log.critical("the process is ended by what nobody foresaw", exc_info=True)
            sys.exit(1)
