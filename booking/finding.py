"""Finding a slot: which ones a booking could be made of right now, by the same rules that will judge it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from operator import itemgetter

from booking.opening_hours import Stretch, joined, stretches
from booking.slots import BadSlot, Slot
from booking.spaces import Space
from booking.zones import day_start, zone

_DAY = timedelta(days=1)
_END = itemgetter(1)


class Search:
    """Looks for slots of one length, beginning on `days`, that a user who may hold one more could book at `now`.

    `days` are local dates in order; `full` is when as many are held as the space allows at once, on each of the
    `dates_of` them. What does not depend on the slot is asked once, and of the rest only what has room is judged.
    """

    def __init__(
        self, space: Space, days: Sequence[date], full: Iterable[Stretch], *, duration: timedelta, now: datetime
    ) -> None:
        self._space, self._duration, self._now = space, duration, now
        self._tz, self._special = zone(space.timezone), space.special
        self._full = joined(full)
        self._open: Sequence[Stretch] = ()
        if not any(space.objections_to_any(duration)):
            last = (day_start(days[-1] + _DAY, self._tz) + duration).astimezone(self._tz).date()
            self._open = space.opening_hours.open_between(days[0] - _DAY, last, self._tz, self._special)

    def starts(self, day: date, step: timedelta) -> list[datetime]:
        """Where they may begin on one of the days by what is open and held, every `step` of time from each opening."""
        room = list(self._room(day_start(day, self._tz), day_start(day + _DAY, self._tz)))
        if not room or day > self._space.last_date(self._now):
            return []
        # A window of the day before may pass midnight.
        hours = self._space.opening_hours
        windows = (one for d in (day - _DAY, day) for one in stretches(hours.on(d, self._special), d, self._tz))
        grid = sorted({start for window in windows for start in _grid(*window, step)})
        first, last = bisect_left(grid, room[0][0]), bisect_right(grid, room[-1][1])
        return [start for start in grid[first:last] if room[bisect_left(room, start, key=_END)][0] <= start]

    def judged(self, starts: Iterable[datetime]) -> Iterator[Slot]:
        """The slots that begin there, without those that the space does not admit."""
        for start in starts:
            try:
                slot = Slot(start, start + self._duration)
            except BadSlot:
                continue
            if not any(self._space.objections(slot, now=self._now, open=self._open)):
                yield slot

    def not_before(self, day: date) -> date:
        """The first local date from `day` on of which it is not known that no slot of it has room."""
        rules = self._space.rules
        at = day_start(day, self._tz)
        for start, end in self._full:
            if start < at + self._duration + rules.buffer_after:
                at = max(at, end + rules.buffer_before)
        return at.astimezone(self._tz).date()

    def _room(self, first: datetime, beyond: datetime) -> Iterator[Stretch]:
        """From when to when, both included, a slot that begins from `first` on and before `beyond` has room."""
        rules = self._space.rules
        first, latest = max(first, self._space.earliest_start(self._now)), beyond - timedelta.resolution
        for opens, closes in self._open[bisect_right(self._open, first, key=_END) :]:
            at, last = max(opens, first), min(closes - self._duration, latest)
            if opens > latest:
                return
            for n in range(bisect_right(self._full, at - rules.buffer_before, key=_END), len(self._full)):
                until = self._full[n][0] - rules.buffer_after - self._duration
                if until >= last:
                    break
                if at <= until:
                    yield at, until
                at = self._full[n][1] + rules.buffer_before
            if at <= last:
                yield at, last


def dates_of(space: Space, day: date, duration: timedelta) -> list[date]:
    """The UTC dates that bookings beginning on a local date hold."""
    tz = zone(space.timezone)
    rules = space.rules
    start = day_start(day, tz) - rules.buffer_before
    beyond = day_start(day + _DAY, tz) + duration + rules.buffer_after
    return [start.date() + n * _DAY for n in range((beyond.date() - start.date()).days + 1)]


def nearest(starts: Iterable[datetime], wanted: datetime) -> list[datetime]:
    """The same beginning with those nearest to `wanted`, of two as near with the earlier."""
    return sorted(starts, key=lambda start: (abs(start - wanted), start))


def step_of(space: Space) -> timedelta:
    """How far starts are apart where nobody says: a shortest booking, from 15 minutes to an hour."""
    return min(max(space.rules.min_duration, timedelta(minutes=15)), timedelta(hours=1))


def _grid(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while start < end:
        yield start
        start += step
