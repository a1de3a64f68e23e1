"""Traces: where the time of a request goes, from the door to the views, told over OTLP/HTTP.

Only a process that has a receiver imports this, and only there are the journal, the deciding and the façade wrapped. A
fact bears nothing of a trace but its correlation id and its command's id. So both are the rule by which every process
comes to the same trace and the same parent: the trace is named by the correlation id, an append's span by the command.
Steps are told once they are over, because only then is it known which of several appends entered the facts.
"""

import hashlib
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from secrets import randbits
from typing import Any, TypeVar
from uuid import UUID

from fastapi import FastAPI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import correlation
from api.watching import UNMATCHED
from booking.refusals import NotAllowed, NotFound, Refused
from commands.command import Author, Command, PreconditionFailed
from commands.deciding import Deciding, Done, KeyReused, Request
from journal.connection import Unavailable
from journal.folding import Aggregate, Aggregates
from journal.journal import Entry, Journal, Reading, Recorded
from projections.views import View

EXPORT_WITHIN = 2.0  # seconds for a batch of spans, and for what is left at the end
UNTRACED = "/health"
"""Paths that begin so are asked for by machines again and again."""

BY_ITSELF = ("due:", "import:", "operator:")
"""Correlation ids that begin so are of what the system or its operator does: no request, and no trace."""

_TRACE = re.compile(rf"(?!0{{32}})([0-9a-f]{{32}})({correlation.NOT_SAMPLED})?")
_SCOPE = InstrumentationScope("daybook")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SAID_NO = (Refused, NotFound, NotAllowed, PreconditionFailed, KeyReused)

S = TypeVar("S", bound=Aggregate)


def trace_of(correlation_id: str) -> int | None:
    """The trace of what is done under a correlation id: the one it names, else one made of it; None for none."""
    if told := _TRACE.fullmatch(correlation_id):
        return None if told[2] else int(told[1], 16)
    if correlation_id.startswith(BY_ITSELF):
        return None
    return int.from_bytes(hashlib.sha256(correlation_id.encode()).digest()[:16])


def span_of_append(command_id: UUID) -> int:
    """The span in which a command's facts were entered."""
    return int.from_bytes(hashlib.sha256(b"append " + command_id.bytes).digest()[:8])


@dataclass(slots=True)
class Step:
    """A span that is not over yet."""

    name: str
    trace_id: int
    parent_id: int
    span_id: int = field(default_factory=lambda: randbits(63) + 1)
    attributes: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    began: int = field(default_factory=time.time_ns)


_above: ContextVar[Step | None] = ContextVar("above", default=None)


class Tracing:
    """Tells the spans of one process to an OTLP receiver, in the background, until it is closed."""

    def __init__(self, endpoint: str, *, service: str, version: str) -> None:
        self._exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_WITHIN)
        self._processor = BatchSpanProcessor(self._exporter)
        self._resource = Resource.create({"service.name": service, "service.version": version})

    def watch(self, app: FastAPI) -> None:
        """Have every request of `app` told."""
        app.add_middleware(_Requests, tracing=self)

    def journal(self, url: str, schema: str, *, name: str) -> Journal:
        """A journal whose reads and appends are told where they are part of a decision."""
        return _Journal(self, url, schema, name=name)

    def deciding(self, journal: Journal, aggregates: Aggregates) -> Deciding:
        """Decisions that are told."""
        return _Deciding(self, journal, aggregates)

    async def posted(self, journal: Journal, view: View, facts: Sequence[Recorded], began: int) -> None:
        """Tell that facts were posted to a view, by command; `began` is in nanoseconds since 1970."""
        shown = [fact.position for fact in facts if any(True for _ in view.touches(fact.event))]
        if not shown:
            return
        with suppress(Unavailable):  # it was posted, and that is what counts
            for command_id, correlation_id, last in _by_command(await journal.origins(shown[0] - 1, shown[-1]), shown):
                if (trace_id := trace_of(correlation_id)) is not None:
                    step = Step(f"project {view.name}", trace_id, span_of_append(command_id), began=began)
                    step.attributes |= {"daybook.view": view.name, "daybook.position": last}
                    self.tell(step, kind=SpanKind.CONSUMER)

    @contextmanager
    def step(self, name: str) -> Iterator[Step | None]:
        """A part of the step above; None, and nothing is told, where there is none."""
        above = _above.get()
        if above is None:
            yield None
            return
        with self.within(Step(name, above.trace_id, above.span_id)) as step:
            yield step

    @contextmanager
    def within(self, step: Step) -> Iterator[Step]:
        """Tell a step when it is over; what is done meanwhile are its parts."""
        token = _above.set(step)
        try:
            yield step
        except _SAID_NO:
            step.attributes["daybook.outcome"] = "refused"
            raise
        except BaseException as error:  # a cancellation too
            step.error = type(error).__name__
            raise
        finally:
            _above.reset(token)
            self.tell(step)

    def tell(self, step: Step, *, kind: SpanKind = SpanKind.INTERNAL, link: SpanContext | None = None) -> None:
        """A step is over."""
        self._processor.on_end(
            ReadableSpan(
                step.name,
                context=_context(step.trace_id, step.span_id),
                parent=_context(step.trace_id, step.parent_id) if step.parent_id else None,
                resource=self._resource,
                attributes=step.attributes,
                links=[Link(link)] if link else (),
                kind=kind,
                status=Status(StatusCode.ERROR, step.error) if step.error else Status(),
                start_time=step.began,
                end_time=time.time_ns(),
                instrumentation_scope=_SCOPE,
            )
        )

    def close(self) -> None:
        """Send what is left, as far as the receiver takes it in time."""
        sending = threading.Thread(target=self._processor.force_flush, daemon=True)
        sending.start()
        sending.join(EXPORT_WITHIN)
        self._exporter.shutdown()  # type: ignore[no-untyped-call] # which ends the wait before another try
        self._processor.shutdown()  # type: ignore[no-untyped-call]


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)


def _by_command(origins: Mapping[int, tuple[UUID, str]], positions: Iterable[int]) -> Iterable[tuple[UUID, str, int]]:
    """Every command that entered facts at these positions, with its correlation id and its last position of them."""
    last = {origins[position]: position for position in positions if position in origins}
    return [(command_id, correlation_id, position) for (command_id, correlation_id), position in last.items()]


class _Requests:
    """Stands before the door: a request's span lasts as long as everything that is done for it."""

    def __init__(self, app: ASGIApp, *, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNTRACED):
            await self._app(scope, receive, send)
            return
        began, status = time.time_ns(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            self._tell(scope, status, began)

    def _tell(self, scope: Scope, status: int, began: int) -> None:
        trace_id = trace_of(correlation.correlation_id.get())  # the door has settled it by now
        if trace_id is None:
            return
        caller = _caller(scope)
        route = getattr(scope.get("route"), "path", UNMATCHED)
        step = Step(
            f"{scope['method']} {route}",
            trace_id,
            caller.span_id if caller and caller.trace_id == trace_id else 0,
            span_id=int(correlation.request_id.get(), 16),
            attributes={
                "http.request.method": scope["method"],
                "http.route": route,
                "http.response.status_code": status,
            },
            error=None if 0 < status < 500 else "no answer" if not status else f"status {status}",
            began=began,
        )
        # Under a request id of its own it is another trace than its caller's.
        link = caller if caller and caller.trace_id != trace_id else None
        self._tracing.tell(step, kind=SpanKind.SERVER, link=link)


def _caller(scope: Scope) -> SpanContext | None:
    """The caller's span (W3C Trace Context)."""
    for name, value in scope["headers"]:
        if name == b"traceparent" and (told := correlation.TRACEPARENT.fullmatch(value)):
            flags = TraceFlags(int(told[3], 16))
            return SpanContext(int(told[1], 16), int(told[2], 16), is_remote=True, trace_flags=flags)
    return None


class _Journal(Journal):
    def __init__(self, tracing: Tracing, url: str, schema: str, *, name: str) -> None:
        super().__init__(url, schema, name=name)
        self._tracing = tracing

    async def append(self, entry: Entry) -> int:
        with self._tracing.step("append") as step:
            outcome = await super().append(entry)
            if step is not None:
                step.attributes |= {"daybook.facts": len(entry.facts), "daybook.outcome": "moved"}
                if outcome > 0:
                    step.attributes |= {"daybook.outcome": "recorded", "daybook.position": outcome}
                    step.span_id = span_of_append(entry.command_id)
        return outcome

    async def read(self, wanted: Mapping[str, int], command_ids: Iterable[UUID] = ()) -> Reading:
        with self._tracing.step("read"):
            return await super().read(wanted, command_ids)


class _Deciding(Deciding):
    def __init__(self, tracing: Tracing, journal: Journal, aggregates: Aggregates) -> None:
        super().__init__(journal, aggregates)
        self._tracing = tracing

    async def do(self, command: Command[S], *, by: Author, request: Request) -> Done[S]:
        trace_id = trace_of(request.correlation_id)
        if trace_id is None:
            return await super().do(command, by=by, request=request)
        name = type(command).__name__
        step = Step(f"decide {name}", trace_id, int(correlation.request_id.get() or "0", 16))
        step.attributes["daybook.command"] = name
        with self._tracing.within(step):
            done = await super().do(command, by=by, request=request)
            step.attributes["daybook.outcome"] = "recorded" if done.changed else "unchanged"
        return done
