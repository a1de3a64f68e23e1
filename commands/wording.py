"""Wording: what notices and letters say, as text and as HTML. Whatever people wrote stands in it as text alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from booking.bookings import Booking, Status
from booking.events import BookingCancelled, BookingEvent, BookingRejected, BookingRescheduled
from booking.slots import Span
from booking.spaces import Space
from booking.zones import zone
from commands import letters
from commands.notices import Kind

_OPENINGS = {
    Kind.CONFIRMATION: ("Confirmed", "Your booking is confirmed."),
    Kind.REQUEST: ("Requested", "Your request has arrived. The slot is held for you until somebody decides on it."),
    Kind.CHANGE: ("Moved", "Your booking was moved."),
    Kind.APPROVAL: ("Approved", "Your request was approved, and the booking is confirmed."),
    Kind.REJECTION: ("Rejected", "Your request was rejected."),
    Kind.DECLINE: ("Declined", "Nobody decided on your request in time, so it was declined. You can ask again."),
    Kind.CANCELLATION: ("Cancelled", "Your booking was cancelled."),
    Kind.REMINDER: ("Reminder", "This is to remind you of your booking."),
}
_LETTERS = {
    letters.Kind.PASSWORD_RESET: (
        "Reset your password",
        "With this token another password can be set, once. If you did not ask for it, there is nothing to do.",
    ),
    letters.Kind.VERIFICATION: (
        "Verify your e-mail address",
        "With this token your address can be verified, once. If the account is not yours, there is nothing to do.",
    ),
}


@dataclass(frozen=True, slots=True)
class Words:
    """A subject of one line, an opening sentence, and what is named below it, in pairs."""

    subject: str
    opening: str
    named: Sequence[tuple[str, str]]

    def text(self, to: str) -> str:
        named = "\n".join(f"{name}: {value}" for name, value in self.named)
        return f"Hello {one_line(to)},\n\n{self.opening}\n\n{named}\n"

    def html(self, to: str) -> str:
        rows = "".join(
            f'<tr><th align="left" valign="top">{escape(name)}</th><td>{_lines(value)}</td></tr>'
            for name, value in self.named
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(self.subject)}</title></head><body><p>Hello {escape(one_line(to))},</p>"
            f"<p>{escape(self.opening)}</p><table>{rows}</table></body></html>\n"
        )


def of_booking(kind: Kind, booking: Booking, space: Space, fact: BookingEvent) -> Words:
    """What a notice says of a booking that is as `fact` left it, on the space's wall clock, to the booking's user."""
    name, tz = one_line(space.description.name), zone(space.timezone)
    about, opening = _OPENINGS[kind]
    start = booking.slot.start.astimezone(tz)
    return Words(f"{about}: {name}, {_day(start)}, {start:%H:%M}", opening, list(_named(name, booking, fact, tz)))


def of_letter(kind: letters.Kind, token: str, expires_at: datetime) -> Words:
    """What a letter says; its token is good until `expires_at`."""
    subject, opening = _LETTERS[kind]
    return Words(subject, opening, [("Token", token), ("Good until", f"{_day(expires_at)}, {expires_at:%H:%M} UTC")])


def one_line(text: str) -> str:
    """The text on one line, with nothing in it but what can be seen."""
    return " ".join(printable(text).split())


def in_header(text: str) -> str:
    """The same for a header, where nothing in it is taken for an encoded word (RFC 2047): those decode to anything."""
    return one_line(text).replace("=?", "= ?")


def printable(text: str) -> str:
    """The text with nothing in it but what can be seen and the ends of its lines."""
    lines = "\n".join(text.splitlines())
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in lines)


def _named(name: str, booking: Booking, fact: BookingEvent, tz: ZoneInfo) -> Iterator[tuple[str, str]]:
    yield "Space", name
    yield "When", when(booking.slot, tz)
    if isinstance(fact, BookingRescheduled):
        yield "Before", when(fact.slot_before, tz)
    if isinstance(fact, BookingRejected | BookingCancelled) and fact.reason:
        yield "Reason", printable(fact.reason)
    if booking.decide_by and booking.recorded_status is Status.PENDING:
        yield "Decided by", _moment(booking.decide_by, tz)
    if booking.notes:
        yield "Notes", printable(booking.notes)
    yield "Booking", str(booking.id)


def when(span: Span, tz: ZoneInfo) -> str:
    """The span as the wall clock of a zone shows it, with the zone's name."""
    start, end = span.start.astimezone(tz), span.end.astimezone(tz)
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{_day(end)}, {end:%H:%M}"
    return f"{_day(start)}, {start:%H:%M} – {until} ({_zone(tz, start, end)})"


def _moment(at: datetime, tz: ZoneInfo) -> str:
    local = at.astimezone(tz)
    return f"{_day(local)}, {local:%H:%M} ({_zone(tz, local)})"


def _zone(tz: ZoneInfo, *at: datetime) -> str:
    """The zone's name and what it calls its time then: of an hour that comes twice only that says which."""
    return ", ".join(dict.fromkeys((tz.key, *(one.tzname() or "" for one in at))))


def _day(local: datetime) -> str:
    return f"{local:%A} {local.day} {local:%B %Y}"


def _lines(text: str) -> str:
    return "<br>".join(escape(line) for line in text.splitlines())
