"""Tallies: what happens how often and how long it takes, kept where it happens for whoever looks at this process.

Plain dictionaries, since every request adds to several: the metrics of Prometheus' own client cost four times as much,
and a tenth of a second to import where nobody looks. `daybook/metrics.py` tells them in its format.
"""

from bisect import bisect_left
from collections.abc import Sequence

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds for what may take as long as a request."""


class Counter:
    """How often something happened, by labels. Labels are of a bounded number: never ids, never what somebody sent."""

    def __init__(self, name: str, tells: str, labels: Sequence[str] = ()) -> None:
        self.name, self.tells, self.labels = name, tells, labels
        self.counts: dict[tuple[str, ...], int] = {} if labels else {(): 0}
        EVERY.append(self)

    def add(self, *labels: str, count: int = 1) -> None:
        self.counts[labels] = self.counts.get(labels, 0) + count


class Histogram:
    """How values spread, by labels: for each the count within every upper bound and beyond the last, and the sum."""

    def __init__(self, name: str, tells: str, labels: Sequence[str] = (), *, bounds: Sequence[float] = SECONDS) -> None:
        self.name, self.tells, self.labels, self.bounds = name, tells, labels, bounds
        self.spreads: dict[tuple[str, ...], list[float]] = {} if labels else {(): self._nothing()}
        EVERY.append(self)

    def add(self, value: float, *labels: str) -> None:
        spread = self.spreads.get(labels)
        if spread is None:
            spread = self.spreads[labels] = self._nothing()
        spread[bisect_left(self.bounds, value)] += 1
        spread[-1] += value

    def _nothing(self) -> list[float]:
        return [0] * (len(self.bounds) + 2)


EVERY: list[Counter | Histogram] = []
"""All that were made, in the order in which their modules were imported."""
