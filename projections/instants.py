"""Instants as whole numbers, which are compared and stored without making a `datetime` of each."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def number(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def instant(number: int) -> datetime:
    """The aware UTC datetime so many microseconds after the beginning of 1970."""
    return _EPOCH + timedelta(0, 0, number)
