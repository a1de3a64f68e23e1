"""Reading timetables: what is a row, what is none and why, and how a timetable moves to other days."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.slots import Slot
from booking.zones import zone
from commands.timetables import Objection, Row, Timetable, Unusable, moved, read
from tests.examples import zone_names
from tests.timetables import BERLIN, EXAMPLES, FESTIVAL, FRIDAY, festival, timetable, told

HEADER = "space,start,end,title\n"


def utc(*at: int) -> datetime:
    return datetime(*at, tzinfo=UTC)


def csv_file(lines: str, header: str = HEADER) -> Timetable:
    return read("a.csv", (header + lines).encode(), BERLIN)


def ics_file(*properties: str, around: str = "") -> Timetable:
    lines = ["BEGIN:VCALENDAR", *around.split(), "BEGIN:VEVENT", *properties, "END:VEVENT", "END:VCALENDAR", ""]
    return read("a.ICS", "\r\n".join(lines).encode(), BERLIN)


def codes(timetable: Timetable) -> list[list[str]]:
    return [[objection.code for objection in verdict.objections] for verdict in timetable.verdicts]


def slots(timetable: Timetable) -> list[Slot]:
    assert timetable.verdicts == []
    return [row.slot for row in timetable.rows]


JULY = Slot(utc(2026, 7, 5, 8), utc(2026, 7, 5, 9))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-07-05T10:00:00+02:00", "2026-07-05T11:00:00+02:00"),
        ("2026-07-05t08:00z", "2026-07-05T09:00:00.0Z"),
        ("2026-07-05 10:00", "2026-07-05 11:00:00"),
        ("2026-07-05T10:00", "2026-07-05T18:00+09:00"),
    ],
)
def test_a_time_without_an_offset_is_on_the_wall_clock(start: str, end: str):
    assert slots(csv_file(f"Aula,{start},{end},A talk\n")) == [JULY]


def test_a_repeated_time_is_the_first_and_a_skipped_one_the_moment_of_the_change():
    found = csv_file("A,2026-10-25 02:00,2026-10-25 03:00,\nA,2026-03-29 01:30,2026-03-29 02:30,\n")

    assert slots(found) == [
        Slot(utc(2026, 10, 25, 0), utc(2026, 10, 25, 2)),
        Slot(utc(2026, 3, 29, 0, 30), utc(2026, 3, 29, 1)),
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_of_any_system(line_end: str, mark: str):
    text = f'{mark}{HEADER}\nGroße Aula,2026-07-05 10:00,2026-07-05 11:00,"Says ""hello"",\nand more"\nB,,,\n,,,\n'

    found = read("a.csv", text.replace("\n", line_end).encode(), BERLIN)

    assert found.rows == [Row(3, "Große Aula", JULY, f'Says "hello",{line_end}and more')]
    assert [verdict.line for verdict in found.verdicts] == [5]


def test_columns_go_by_their_names():
    found = csv_file(" A talk ,x,2026-07-05 11:00,2026-07-05 10:00, Aula \n", "Title,speaker,END,start, space\n")

    assert found.rows == [Row(2, "Aula", JULY, "A talk")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Aula,2026-07-05 10:00,2026-07-05 11:00", ["wrong-columns"]),
        ("Aula,2026-07-05 10:00,2026-07-05 11:00,A talk, and more", ["wrong-columns"]),
        (",10:00,2026-07-05,A talk", ["no-space", "no-time", "no-time"]),
        ("Aula,2026-02-29 10:00,2026-02-29 24:00,", ["no-such-time", "no-time"]),
        ("Aula,2026-07-05 10:00,2026-07-05 10:00,", ["bad-slot"]),
        ("Aula,2026-07-05 10:00,2026-09-05 10:00,", ["bad-slot"]),
        ("Aula,1999-07-05 10:00,1999-07-05 11:00,", ["bad-slot", "bad-slot"]),
        ("Aula,0001-01-01T00:00+14:00,9999-12-31T23:59-12:00,", ["bad-slot", "bad-slot"]),
        (f"{'A' * 256},2026-07-05 10:00,2026-07-05 11:00,{'t' * 2001}", ["no-space", "title-too-long"]),
        ("Au\0la,2026-07-05 10:00,2026-07-05 11:00,", ["nul-character"]),
    ],
)
def test_a_row_that_cannot_be_read_is_told_of_with_everything_that_is_wrong(line: str, expected: list[str]):
    found = csv_file(f"{line}\nAula,2026-07-05 10:00,2026-07-05 11:00,\n")

    assert codes(found) in ([expected], [list(dict.fromkeys(expected))])
    assert found.verdicts[0].line == 2
    assert [row.slot for row in found.rows] == [JULY]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.xlsx", b"PK", "csv or an .ics"),
        ("a.csv", b"", "space, start, end, title"),
        ("a.csv", b"space;start;end;title\n", "see space"),
        ("a.csv", b"space,start,start,title\n", "see start, end"),
        ("a.csv", HEADER.encode() + "Große Aula,,,".encode("latin-1"), "line 2 is not in UTF-8"),
        ("a.csv", HEADER.encode("utf-16"), "line 1 is not in UTF-8"),
        ("a.csv", HEADER.encode() + b'A,2026-07-05 10:00,2026-07-05 11:00,"open\n', "line 2"),
        ("a.csv", HEADER.encode() + b'A,"2026-07-05" 10:00,2026-07-05 11:00,\n', "line 2"),
        ("a.ics", b"", "cut short"),
        ("a.ics", HEADER.encode(), "no iCalendar file"),
        ("a.ics", b"/etc/hostname", "no iCalendar file"),
        ("a.ics", b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:2026", "cut short"),
        ("a.ics", b"BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\n", "cut short"),
        ("a.ics", b"BEGIN:VCALENDAR\nDTSTART;VALUE=DATE;VALUE=DATE:x\nEND:VCALENDAR\n", "no iCalendar file"),
    ],
)
def test_a_file_that_is_no_timetable_is_not_read_at_all(name: str, content: bytes, why: str):
    with pytest.raises(Unusable, match=why):
        read(name, content, BERLIN)


@pytest.mark.parametrize(
    "properties",
    [
        ["DTSTART:20260705T080000Z", "DTEND:20260705T090000Z"],
        ["DTSTART:20260705T080000Z", "DURATION:PT1H"],
        ["DTSTART:20260705T100000", "DTEND:20260705T110000"],
        ["DTSTART;TZID=Europe/London:20260705T090000", "DTEND;TZID=Asia/Kathmandu:20260705T144500"],
        ["DTSTART;TZID=W. Europe Standard Time:20260705T100000", "DURATION:PT60M", "RECURRENCE-ID:20260704T080000Z"],
    ],
)
def test_an_event_is_a_row(properties: list[str]):
    found = ics_file(*properties, "LOCATION:Aula\\, left", "SUMMARY:A talk of", "  many words", "STATUS:CONFIRMED")

    assert found == Timetable([Row(2, "Aula, left", JULY, "A talk of many words")], [])


def test_a_zone_that_nobody_else_knows_is_the_one_in_the_file():
    zone = "BEGIN:VTIMEZONE TZID:Ours BEGIN:STANDARD DTSTART:19700101T000000 TZOFFSETFROM:+0300 TZOFFSETTO:+0300 "
    found = ics_file(
        "DTSTART;TZID=Ours:20260705T110000",
        "DURATION:PT1H",
        "LOCATION:A",
        around=f"{zone}END:STANDARD END:VTIMEZONE",
    )

    assert slots(found) == [JULY]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (["DTSTART;VALUE=DATE:20260705", "DTEND;VALUE=DATE:20260706", "LOCATION:A"], ["all-day-event"]),
        (["DTSTART:20260705T080000Z", "DURATION:PT1H", "LOCATION:A", "RRULE:FREQ=DAILY;COUNT=2"], ["repeating-event"]),
        (["DTSTART:20260705T080000Z", "DURATION:PT1H"], ["no-space"]),
        (["DTSTART:20260705T080000Z", "LOCATION:A"], ["no-time"]),
        (["DTSTART:2026-07-05 10:00", "DURATION:PT1H", "LOCATION:A"], ["no-time"]),
        (["DTSTART:20260705T080000Z", "DURATION:an hour", "LOCATION:A"], ["no-time"]),
        (["DTSTART:20260705T080000Z", "DURATION:P99999D", "LOCATION:A"], ["bad-slot"]),
        (["DTSTART:20260705T080000Z", "DTSTART:20260705T090000Z", "DURATION:PT1H", "LOCATION:A"], ["no-time"]),
        (["DTSTART;TZID=Mars/Base:20260705T080000", "DURATION:PT1H", "LOCATION:A"], ["unknown-zone"]),
        (["DTSTART:00010101T000000Z", "DURATION:PT1H", "LOCATION:A"], ["bad-slot"]),
    ],
)
def test_an_event_that_is_no_row_is_told_of(properties: list[str], expected: list[str]):
    found = ics_file(*properties)

    assert codes(found) == [expected]
    assert found.rows == []
    assert not found.verdicts[0].skipped


def test_a_cancelled_event_is_skipped():
    (verdict,) = ics_file("DTSTART:20260705T080000Z", "LOCATION:A", "SUMMARY:Picnic", "STATUS:cancelled").verdicts

    assert verdict.skipped
    assert verdict.what == "A, 2026-07-05 08:00:00+00:00 to , Picnic"
    assert verdict.objections == (Objection("cancelled", "The event was called off."),)


def test_lines_are_those_of_the_file():
    found = read("open.ics", (EXAMPLES / "open-weekend.ics").read_bytes(), BERLIN)

    assert [row.line for row in found.rows] == [4, 12, 20]
    assert [verdict.line for verdict in found.verdicts] == [29]


def test_the_festival_has_the_edges():
    found = timetable(festival())

    assert len(found.rows) == sum(len(day) for days in FESTIVAL.values() for day in days) == 51
    ends = [row.slot.end.astimezone(BERLIN) for row in found.rows]
    starts = [row.slot.start.astimezone(BERLIN) for row in found.rows]
    assert sum(at.hour == at.minute == 0 for at in ends) == 6
    assert sum(at.hour < 8 for at in starts) == 9


@given(st.dates(date(2000, 1, 1), date(2190, 1, 1)), zone_names)
def test_it_moves_to_its_first_day_and_every_wall_clock_time_stays(starting: date, name: str):
    tz = zone(name)
    before = timetable(festival(), tz=tz)

    after = moved(before, starting, tz)

    days = starting - FRIDAY
    told_of = {verdict.line for verdict in after.verdicts}
    assert {row.line for row in after.rows} | told_of == {row.line for row in before.rows}
    by_line = {row.line: row for row in before.rows}
    for row in after.rows:
        for at, was in zip((row.slot.start, row.slot.end), _times(by_line[row.line]), strict=True):
            wall, expected = (one.astimezone(tz).replace(tzinfo=None) for one in (at, was))
            shown = expected + days
            skipped = shown.replace(tzinfo=tz).astimezone(UTC).astimezone(tz).replace(tzinfo=None) != shown
            assert wall == shown or skipped


def _times(row: Row) -> tuple[datetime, datetime]:
    return row.slot.start, row.slot.end


def test_moved_to_where_it_is_nothing_changes():
    found = timetable(festival())

    assert moved(found, FRIDAY, BERLIN) == found
    assert moved(moved(found, date(2026, 3, 27), BERLIN), FRIDAY, BERLIN).rows[0] == found.rows[0]


def test_a_session_in_the_hour_that_the_new_night_skips_is_told_of():
    found = timetable(
        told([("A", "2026-07-04 20:00", "2026-07-04 21:00", ""), ("A", "2026-07-05 02:15", "2026-07-05 02:45", "Owls")])
    )

    after = moved(found, date(2026, 3, 28), BERLIN)

    assert [row.slot for row in after.rows] == [Slot(utc(2026, 3, 28, 19), utc(2026, 3, 28, 20))]
    assert codes(after) == [["bad-slot"]]
    assert "2026-03-29, when clocks change" in after.verdicts[0].objections[0].detail


def test_a_session_through_the_change_keeps_both_of_its_ends():
    found = timetable(told([("A", "2026-07-04 22:00", "2026-07-05 04:00", "Night")]))

    spring, autumn = (moved(found, day, BERLIN) for day in (date(2026, 3, 28), date(2026, 10, 24)))

    assert [slot.duration for slot in slots(spring) + slots(autumn)] == [timedelta(hours=5), timedelta(hours=7)]


@pytest.mark.parametrize("starting", [date(1999, 12, 31), date(2200, 1, 1), date(9999, 12, 31)])
def test_it_moves_to_years_that_can_be_booked(starting: date):
    with pytest.raises(Unusable, match="outside the years"):
        moved(timetable(festival()), starting, BERLIN)


def test_nothing_can_be_moved_anywhere():
    assert moved(Timetable([], []), FRIDAY, BERLIN) == Timetable([], [])
