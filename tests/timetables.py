"""A timetable of our own with the edges that real ones have, and small ones made for a test."""

import csv
import io
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from booking.zones import zone
from commands import timetables
from commands.timetables import Timetable

BERLIN = zone("Europe/Berlin")
EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"

HALLS = ("Aula", "Cellar", "Tent")
FRIDAY = date(2025, 10, 24)
"""The festival's first day: on its second night the clocks go back."""

# Hours of the wall clock from the midnight before each day; several sessions end at midnight, several begin after it.
_EVENING = [(14, 15), (15, 16.5), (16.5, 18), (19, 20), (20, 20.5), (20.5, 22), (22, 24), (24, 25.5)]
_NIGHT = [(12, 13), (13, 14), (17.25, 18), (18, 21), (22.5, 24), (24, 24.5), (24.5, 26)]
_MORNING = [(10, 11), (11, 12), (12, 12.25)]
FESTIVAL = {
    "Aula": [_EVENING, _EVENING, _MORNING],
    "Cellar": [_NIGHT, _EVENING, _MORNING],
    "Tent": [_NIGHT, _NIGHT, []],
}


def festival() -> str:
    """51 sessions in three halls over three days, back to back; six end at midnight and nine begin after it."""
    rows = []
    for hall, days in FESTIVAL.items():
        for day, sessions in enumerate(days):
            for start, end in sessions:
                at = datetime.combine(FRIDAY + timedelta(days=day), time.min)
                times = (at + timedelta(hours=start), at + timedelta(hours=end))
                rows.append((hall, *(one.isoformat(" ", "minutes") for one in times), f"{hall}, {day}, at {start}"))
    return told(rows)


def told(rows: Iterable[Iterable[str]]) -> str:
    """Rows as a CSV file has them."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([timetables.COLUMNS, *rows])
    return text.getvalue()


def timetable(text: str, *, tz: ZoneInfo = BERLIN, starting: date | None = None) -> Timetable:
    """What a CSV file says, every row of it."""
    read = timetables.read("timetable.csv", text.encode(), tz)
    return timetables.moved(read, starting, tz) if starting else read
