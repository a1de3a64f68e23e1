"""Timetables: sessions planned elsewhere, read from CSV or iCalendar files and moved to the days they are wanted on.

A row that cannot be read is no reason to leave the others: it is told of by its line. A file that is none of the two
formats, or is cut short, is not read at all.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component
from icalendar.prop import vDDDTypes

from booking.slots import EARLIEST, LATEST, LONGEST, BadSlot, Slot
from booking.zones import first_instant, last_instant, names, zone

COLUMNS = ("space", "start", "end", "title")
LONGEST_NAME, LONGEST_TITLE = 255, 2_000  # characters, as for spaces and notes that come over HTTP

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class Unusable(Exception):
    """The file is no timetable, or what is asked cannot be done with it."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a row is not booked: a stable code, and a sentence for a person."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row that is not booked: the line it begins on, what it says, and why; `skipped` where it asks for nothing."""

    line: int
    what: str
    objections: tuple[Objection, ...]
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A session: the name of its space, its slot, and its title, which may be empty."""

    line: int
    space: str
    slot: Slot
    title: str

    def what(self, tz: ZoneInfo) -> str:
        """The row on the wall clock of `tz`."""
        start, end = self.slot.start.astimezone(tz), self.slot.end.astimezone(tz)
        return _what(self.space, f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", self.title)


@dataclass(frozen=True, slots=True)
class Timetable:
    """What a file says: its rows in order, and a verdict on each that can be none."""

    rows: Sequence[Row]
    verdicts: Sequence[Verdict]


def read(file_name: str, content: bytes, tz: ZoneInfo) -> Timetable:
    """The timetable in a `.csv` or `.ics` file; a time without an offset is on the wall clock of `tz`.

    Raises `Unusable`.
    """
    readers = {"csv": _from_csv, "ics": _from_icalendar}
    reader = readers.get(file_name.rpartition(".")[2].lower())
    if reader is None:
        raise Unusable("a timetable is a .csv or an .ics file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unusable(f"line {line} is not in UTF-8: save the file in that encoding") from None
    found = list(reader(text, tz))
    return Timetable([one for one in found if isinstance(one, Row)], [one for one in found if isinstance(one, Verdict)])


def moved(timetable: Timetable, starting: date, tz: ZoneInfo) -> Timetable:
    """The timetable with its first local day on `starting`; every wall clock time stays, whatever clocks do between.

    Raises `Unusable`.
    """
    if not EARLIEST.date() <= starting < LATEST.date():
        raise Unusable(f"{starting} is outside the years {EARLIEST.year} to {LATEST.year - 1}")
    if not timetable.rows:
        return timetable
    days = starting - min(row.slot.start.astimezone(tz).date() for row in timetable.rows)
    rows, verdicts = [], list(timetable.verdicts)
    for row in timetable.rows:
        start, end = (_moved(at, days, tz) for at in (row.slot.start, row.slot.end))
        try:
            rows.append(Row(row.line, row.space, Slot(start, end), row.title))
        except BadSlot as error:
            why = Objection("bad-slot", f"Moved to {start.astimezone(tz).date()}, when clocks change: {error}.")
            verdicts.append(Verdict(row.line, row.what(tz), (why,)))
    return Timetable(rows, sorted(verdicts, key=lambda verdict: verdict.line))


def _moved(at: datetime, days: timedelta, tz: ZoneInfo) -> datetime:
    wall = at.astimezone(tz)
    to = wall.replace(tzinfo=None, fold=0) + days
    return last_instant(to, tz) if wall.fold else first_instant(to, tz)


def _from_csv(text: str, tz: ZoneInfo) -> Iterator[Row | Verdict]:
    """The rows under a header naming `COLUMNS`, in any order and beside others (RFC 4180, any line ends)."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip().lower() for column in next(lines, [])]
        if missing := [column for column in COLUMNS if header.count(column) != 1]:
            raise Unusable(f"the first line has to name each of {','.join(COLUMNS)} once; see {', '.join(missing)}")
        line = lines.line_num + 1
        for fields in lines:
            if any(field.strip() for field in fields):
                yield _from_fields(line, header, fields, tz)
            line = lines.line_num + 1
    except csv.Error as error:
        raise Unusable(f"line {lines.line_num}: {error}") from None


def _from_fields(line: int, header: list[str], fields: list[str], tz: ZoneInfo) -> Row | Verdict:
    if len(fields) != len(header):
        why = f"The line has {len(fields)} columns and the first one {len(header)}; a comma in a title needs quotes."
        return Verdict(line, ",".join(fields), (Objection("wrong-columns", why),))
    row = dict(zip(header, fields, strict=True))
    space, start, end, title = (row[column].strip() for column in COLUMNS)
    return _row(line, space, _time(start, tz), _time(end, tz), title, _what(space, start, end, title))


def _time(text: str, tz: ZoneInfo) -> datetime | Objection:
    if not _TIME.fullmatch(text):
        return Objection("no-time", f"A time is written 2026-12-01T09:00, with or without an offset, not {text!r}.")
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        return Objection("no-such-time", f"There is no such date or time as {text}.")
    return _instant(at, tz)


def _from_icalendar(text: str, tz: ZoneInfo) -> Iterator[Row | Verdict]:
    """Each VEVENT of an iCalendar stream (RFC 5545)."""
    lines = _LINE_BREAK.split(text)
    begun = [number for number, line in enumerate(lines, 1) if line.strip().upper() == "BEGIN:VEVENT"]
    try:
        calendars = Calendar.from_ical(text.encode(), multiple=True)  # text on one line would be taken for a path
    except Exception as error:  # the library answers broken lines with whatever it stumbled over
        raise Unusable(f"no iCalendar file: {error}") from None
    events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    if len(events) != len(begun) or not calendars:
        raise Unusable("no iCalendar file, or one that is cut short")
    for line, event in zip(begun, events, strict=True):
        yield _from_event(line, event, tz)


def _from_event(line: int, event: Component, tz: ZoneInfo) -> Row | Verdict:
    space, title, start_text, end_text, status = (
        _text(event.get(name)) for name in ("LOCATION", "SUMMARY", "DTSTART", "DTEND", "STATUS")
    )
    what = _what(space, start_text, end_text or _text(event.get("DURATION")), title)
    if status.upper() == "CANCELLED":
        return Verdict(line, what, (Objection("cancelled", "The event was called off."),), skipped=True)
    if "RRULE" in event or "RDATE" in event or "RANGE" in getattr(event.get("RECURRENCE-ID"), "params", ()):
        why = "The event repeats, and each session has to be an event of its own."
        return Verdict(line, what, (Objection("repeating-event", why),))
    start = _event_time(event.get("DTSTART"), tz)
    return _row(line, space, start, _event_end(event, start, tz), title, what)


def _event_time(value: Any, tz: ZoneInfo) -> datetime | Objection:
    """The instant in one property (RFC 5545 §3.3.5). A TZID is looked up where all zones are, else in the file."""
    if not isinstance(value, vDDDTypes) or not isinstance(value.dt, date):
        return Objection("no-time", f"An event has one start, and one end or duration, not {_text(value)!r}.")
    at = value.dt
    if not isinstance(at, datetime):
        return Objection("all-day-event", "The event is for whole days, and a slot has hours.")
    named = value.params.get("TZID")
    if named in names():
        return _instant(at.replace(tzinfo=None), zone(named))
    if named is not None and at.tzinfo is None:
        return Objection("unknown-zone", f"No time zone is called {named!r}.")
    return _instant(at, tz)


def _event_end(event: Component, start: datetime | Objection, tz: ZoneInfo) -> datetime | Objection:
    if "DTEND" in event or "DURATION" not in event:
        return _event_time(event.get("DTEND"), tz)
    duration = event.get("DURATION")
    if not isinstance(duration, vDDDTypes) or not isinstance(duration.dt, timedelta):
        return Objection("no-time", f"A duration is written PT1H30M, not {_text(duration)!r}.")
    return start if isinstance(start, Objection) else start + min(duration.dt, 2 * LONGEST)


def _instant(at: datetime, tz: ZoneInfo) -> datetime | Objection:
    """`at`, or where it has no offset the first instant at which a clock in `tz` shows it."""
    if not EARLIEST.year <= at.year <= LATEST.year:
        return Objection("bad-slot", f"The year {at.year} is outside {EARLIEST.year} to {LATEST.year - 1}.")
    return at if at.tzinfo else first_instant(at, tz)


def _row(
    line: int, space: str, start: datetime | Objection, end: datetime | Objection, title: str, what: str
) -> Row | Verdict:
    objections = list(_objections(space, title))
    if isinstance(start, datetime) and isinstance(end, datetime):
        try:
            slot = Slot(start, end)
        except BadSlot as error:
            objections.append(Objection("bad-slot", f"It makes no slot: {error}."))
        else:
            if not objections:
                return Row(line, space, slot, title)
    objections += dict.fromkeys(at for at in (start, end) if isinstance(at, Objection))
    return Verdict(line, what, tuple(objections))


def _objections(space: str, title: str) -> Iterator[Objection]:
    if not 0 < len(space) <= LONGEST_NAME:
        yield Objection("no-space", f"A space is named with 1 to {LONGEST_NAME} characters.")
    if len(title) > LONGEST_TITLE:
        yield Objection("title-too-long", f"A title has at most {LONGEST_TITLE} characters.")
    if "\0" in space + title:
        yield Objection("nul-character", "U+0000 is in no text that is kept here.")


def _what(space: str, start: str, end: str, title: str) -> str:
    return ", ".join(part for part in (space, f"{start} to {end}", title) if part)


def _text(value: Any) -> str:
    """A property's value for people; the first where it is given several times, empty where it is not."""
    first = value[0] if isinstance(value, list) else value
    return "" if first is None else str(first.dt if isinstance(first, vDDDTypes) else first).strip()
