"""What no log may hold: looked for in every log of every process of ours that a test has started."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PASSWORD = "correct horse battery staple"
"""What people sign in with in these tests."""

SECRET_KEY = "a secret for tests that is long enough to sign with"

_SECRETS = {
    "a password": re.compile(re.escape(PASSWORD)),
    "a secret key": re.compile(re.escape(SECRET_KEY)),
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"),
    "a signed token": re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}"),
    "an API key": re.compile(r"dbk_[\w-]{8,}"),
    "a password's hash": re.compile(r"\$2[aby]\$\d\d\$"),
    "a URL's password": re.compile(r"\w://[^/\s:@]*:[^/\s@]+@"),
    "SQL parameters": re.compile(r"\[parameters:|DETAIL:|Failing row"),
}


def secrets_in(log: Path, more: Iterable[str] = ()) -> Iterator[str]:
    """What is secret in a log and the line it stands in; `more` are this test's own secrets."""
    looked_for = _SECRETS | {f"“{one}”": re.compile(re.escape(one)) for one in more}
    for line in log.read_text(errors="replace").splitlines():
        for name, secret in looked_for.items():
            if secret.search(line):
                yield f"{name} in {log.name}: {line}"


def must_hold_no_secret(log: Path) -> None:
    found = list(secrets_in(log))
    assert not found, "\n".join(found)
