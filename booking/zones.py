"""IANA time zones from the pinned `tzdata` package: the machine's own database can be a year behind."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib import metadata, resources
from zoneinfo import ZoneInfo

TZDATA_VERSION = metadata.version("tzdata")


class UnknownZone(ValueError):
    """No IANA time zone has this name."""


@cache
def names() -> frozenset[str]:
    """Every zone name that `zone` knows."""
    return frozenset((resources.files("tzdata") / "zones").read_text().split())


@cache
def zone(name: str) -> ZoneInfo:
    """The IANA zone called `name`. Raises `UnknownZone`."""
    if name not in names():
        raise UnknownZone(f"no time zone is called {name!r}")
    with (resources.files("tzdata") / "zoneinfo" / name).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def first_instant(wall: datetime, tz: ZoneInfo) -> datetime:
    """The UTC instant at which a naive wall clock first shows `wall`; skipped by a gap, the transition itself."""
    earlier, later = _readings(wall, tz)
    return earlier if earlier <= later else transition(later, earlier, tz)


def last_instant(wall: datetime, tz: ZoneInfo) -> datetime:
    """The UTC instant at which a naive wall clock last shows `wall`; skipped by a gap, the transition itself."""
    earlier, later = _readings(wall, tz)
    return later if earlier <= later else transition(later, earlier, tz)


def day_start(day: date, tz: ZoneInfo) -> datetime:
    """The first instant of a local date, in UTC; for a date that a zone skipped, the start of the next."""
    return first_instant(datetime.combine(day, time.min), tz)


@lru_cache(maxsize=4096)
def transition(before: datetime, after: datetime, tz: ZoneInfo) -> datetime:
    """The instant in `(before, after]` from which the zone's offset is that of `after`, to the second."""
    offset = after.astimezone(tz).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(tz).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def _readings(wall: datetime, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """`wall` read with `fold` 0 and 1 (PEP 495): equal when plain, in order when repeated, reversed in a gap."""
    return wall.replace(tzinfo=tz).astimezone(UTC), wall.replace(tzinfo=tz, fold=1).astimezone(UTC)
