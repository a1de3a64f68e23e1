"""A whole system as an operator runs it in production, and everything it tells of itself: logs, metrics, traces."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from daybook.embedded import Stores
from tests.journals import Place
from tests.processes import PATIENCE, PLAIN, Api, Running, environment, free_port

ROLES = ("api", "follow", "work")


class Receiver(ThreadingHTTPServer):
    """An OTLP receiver: keeps every span it is sent, with the service that sent it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Export)
        self.spans: list[tuple[str, Span]] = []
        self.came = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def of_trace(self, trace_id: str, *, until: Sequence[str]) -> list[tuple[str, Span]]:
        """The spans of a trace, once one of each name `until` is among them. Raises `AssertionError`."""

        def found() -> list[tuple[str, Span]]:
            return [(service, span) for service, span in self.spans if span.trace_id.hex() == trace_id]

        with self.came:
            there = self.came.wait_for(lambda: {span.name for _, span in found()} >= set(until), PATIENCE)
            assert there, [span.name for _, span in found()]
            return found()


class _Export(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Receiver = self.server  # type: ignore[assignment]
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        with receiver.came:
            for one in sent.resource_spans:
                service = {pair.key: pair.value.string_value for pair in one.resource.attributes}["service.name"]
                receiver.spans += [(service, span) for scope in one.scope_spans for span in scope.spans]
            receiver.came.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


@dataclass(frozen=True, slots=True)
class System:
    """The API, a follower and a worker."""

    api: Api
    processes: Sequence[Running]
    receiver: Receiver
    place: Place

    def await_metrics(self, role: str) -> None:
        """Return when a process tells Prometheus of itself; it is at work then. Raises `httpx.ConnectError`."""
        httpx.Client(transport=httpx.HTTPTransport(retries=7, **PLAIN)).get(
            f"{self._metrics_url(role)}/metrics", timeout=10
        )

    def metrics(self, role: str) -> str:
        """What a process tells Prometheus."""
        answer = httpx.get(f"{self._metrics_url(role)}/metrics", timeout=10, **PLAIN)
        assert answer.status_code == 200
        return answer.text

    def _metrics_url(self, role: str) -> str:
        port = next(one.environment["METRICS_PORT"] for one in self.processes if one.name == role)
        return f"http://127.0.0.1:{port}"


@contextmanager
def a_system(stores: Stores, place: Place, logs: Path) -> Iterator[System]:
    """Started in production, at DEBUG; all of it is gone afterwards."""
    with Receiver() as receiver, ExitStack() as running:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        running.callback(receiver.shutdown)
        processes: list[Running] = []
        for role in ROLES:
            told = environment(stores, place, logs) | {
                "APP_ENV": "production",
                "PASSWORD_ROUNDS": "10",
                "LOG_LEVEL": "DEBUG",
                "WEBHOOKS_TO_PRIVATE_ADDRESSES": "true",
                "METRICS_PORT": str(free_port()),
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            }
            processes.append((Api if role == "api" else Running)(role, told, logs / f"{role}.log"))
        api, *others = processes
        for process in (*others, api):
            running.callback(process.stop)
            process.start()
        assert isinstance(api, Api)
        api.await_ready()
        system = System(api, processes, receiver, place)
        for role in ROLES:
            system.await_metrics(role)
        yield system
