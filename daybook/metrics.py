"""Metrics for Prometheus: what the tallies hold and how the stores stand, told on a port of its own.

Apart from the API's port, so that nobody outside reads them. Only a process that has such a port imports this.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import accumulate

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from daybook import standing
from daybook.standing import Ask, Told
from journal import tallies
from journal.tallies import Counter, Histogram

PATH = "/metrics"
INFO = ("role", "version")
READ_WITHIN = 5.0  # seconds for a request to be there and its answer to be taken
LONGEST_HEAD = 8 << 10  # bytes


@asynccontextmanager
async def served(host: str, port: int, questions: Mapping[str, Ask], *, role: str, version: str) -> AsyncIterator[None]:
    """Answer `GET /metrics` meanwhile. Raises `OSError` when the port cannot be had."""
    info = Told("daybook_info", "Which process this is, and of which version.", {(role, version): 1}, INFO)
    process = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=process)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever asks badly, slowly or goes away is hung up on.
        with suppress(TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            async with asyncio.timeout(READ_WITHIN):
                head = await reader.readuntil(b"\r\n\r\n")
                method, _, target = head.partition(b"\r\n")[0].partition(b" ")
                if (method, target.partition(b" ")[0].partition(b"?")[0]) != (b"GET", PATH.encode()):
                    writer.write(_answer("404 Not Found", "text/plain", f"GET {PATH}\n".encode()))
                else:
                    told = await standing.ask(questions)
                    body = await asyncio.to_thread(generate_latest, _Everything(process, [info, *told]))
                    writer.write(_answer("200 OK", CONTENT_TYPE_LATEST, body))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, host, port, limit=LONGEST_HEAD)
    try:
        yield
    finally:
        server.close()


def _answer(status: str, form: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {form}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


class _Everything(Collector):
    """What there is to tell at one moment."""

    def __init__(self, process: CollectorRegistry, told: Sequence[Told]) -> None:
        self._process = process
        self._told = told

    def collect(self) -> Iterator[Metric]:
        yield from self._process.collect()
        for tally in tallies.EVERY:
            yield _counted(tally) if isinstance(tally, Counter) else _spread(tally)
        for told in self._told:
            family = GaugeMetricFamily(told.name, told.tells, labels=told.labels)
            for labels, value in told.values.items():
                family.add_metric(labels, value)
            yield family


def _counted(counter: Counter) -> Metric:
    family = CounterMetricFamily(counter.name, counter.tells, labels=counter.labels)
    for labels, count in counter.counts.copy().items():
        family.add_metric(labels, count)
    return family


def _spread(histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(histogram.name, histogram.tells, labels=histogram.labels)
    bounds = [*(str(float(bound)) for bound in histogram.bounds), "+Inf"]
    for labels, spread in histogram.spreads.copy().items():
        *counts, total = spread
        family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
    return family
