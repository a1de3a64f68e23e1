"""What no log may hold: looked for in every log of every process of ours that a test has started, and in what is logged
and written in the process of the tests (`tests/hearing.py`)."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PASSWORD = "correct horse battery staple"
"""What people sign in with in these tests."""

SECRET_KEY = "a secret for tests that is long enough to sign with"

# What it is, what begins it, and what follows: a log is read in no time where nothing begins so.
_SECRETS = (
    ("a password", PASSWORD, ""),
    ("a secret key", SECRET_KEY, ""),
    ("an e-mail address", "@", r"[\w-]+(\.[\w-]+)+"),
    ("a signed token", "eyJ", r"[\w-]{8,}\.eyJ[\w-]{8,}"),
    ("an API key", "dbk_", r"[\w-]{8,}"),
    ("a password's hash", "$2", r"[aby]\$\d\d\$"),
    ("a URL's password", "://", r"[^/\s:@]*:[^/\s@]+@"),
    ("SQL parameters", "[parameters:", ""),
    ("what PostgreSQL quotes", "DETAIL:", ""),
)


def secrets_in(log: Path, more: Iterable[str] = ()) -> Iterator[str]:
    """What is secret in a log and the line it stands in; `more` are this test's own secrets."""
    return (f"{found} in {log.name}: {line}" for found, line in found_in(log.read_text(errors="replace"), more))


def found_in(text: str, more: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """What is secret in a text, each with its line."""
    for name, begin, then in (*_SECRETS, *((f"“{one}”", one, "") for one in more)):
        if begin in text:
            for found in re.finditer(re.escape(begin) + then, text):
                line = text[text.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0]
                yield name, line


def must_hold_no_secret(log: Path) -> None:
    found = list(secrets_in(log))
    assert not found, "\n".join(found)
