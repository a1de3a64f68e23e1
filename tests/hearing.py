"""Nothing secret is logged in the process of the tests either: what ours say and write there is read as a log would be.

A test fails whose own password, token, address, name or note is told of, or anything that no log may hold.
"""

import json
import logging
from collections.abc import Generator

import pytest
from httpx import Request, Response

from daybook import logs
from tests.scanning import found_in

# What of a request and of an answer is nobody else's; what is shorter may stand in any line by chance.
_PRIVATE = {
    *("email", "username", "full_name", "password", "current_password", "new_password"),
    *("notes", "reason", "token", "access_token", "key", "secret"),
}
_LEAST = 8
_MAIL_SERVER = "mail.log"  # one that a test has started, which tells what it is sent


class Hearing(logging.Handler):
    """Hears what is logged in this process, as ours would write it, and what clients send and are answered."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.formatter(for_people=False))
        self._lines: list[str] = []
        self._private: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    async def sent(self, request: Request) -> None:
        """For a client's hooks."""
        _, _, credentials = request.headers.get("Authorization", "").partition(" ")
        self._keep(credentials)
        if "json" in request.headers.get("Content-Type", ""):
            self._keep_of(await request.aread())

    async def answered(self, response: Response) -> None:
        """For a client's hooks."""
        for token in response.cookies.values():
            self._keep(token)
        if response.headers.get("Content-Type") == "application/json":
            self._keep_of(await response.aread())

    def secrets(self, written: str) -> list[str]:
        """What was secret in all that was logged since this was asked last, or in what was `written`."""
        said = "\n".join((*self._lines, written))
        self._lines.clear()
        return [f"{found} was told: {line}" for found, line in found_in(said, self._private)] if said else []

    def forget(self) -> None:
        """What comes next is another test with secrets of its own."""
        self._private.clear()

    def _keep_of(self, body: bytes) -> None:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):  # what a test sends may be no JSON
            return
        for one in document if isinstance(document, list) else [document]:
            if isinstance(one, dict):
                for name in _PRIVATE & one.keys():
                    self._keep(one[name])

    def _keep(self, text: object) -> None:
        if isinstance(text, str) and len(text) >= _LEAST:
            self._private.add(text)


EAR = Hearing()
"""Hears for all tests of this process."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    logging.getLogger().addHandler(EAR)  # a test may have put others in its place
    for name in (*logs.UNHEARD, _MAIL_SERVER):
        logging.getLogger(name).setLevel(logging.WARNING)
    EAR.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that had something secret logged or written, in its own process too."""
    report = yield
    written = "".join(
        text
        for name, text in report.sections
        if name in (f"Captured stdout {report.when}", f"Captured stderr {report.when}")
    )
    if told := EAR.secrets(written):
        report.outcome = "failed"
        report.longrepr = "\n".join((*told, report.longreprtext))
    return report
