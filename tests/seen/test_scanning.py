"""The scan of logs for secrets: it finds what it is for, and lets pass what every log holds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scanning import PASSWORD, SECRET_KEY, must_hold_no_secret, secrets_in


@pytest.mark.parametrize(
    "said",
    [
        f'"password": "{PASSWORD}"',
        SECRET_KEY,
        "Key (email)=(ana.b+c@mail.example.org)",
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP",
        "dbk_0123456789abcdef",
        "$2b$12$abcdefghijklmnopqrstuv",
        "postgresql://daybook:hunter2@db/daybook",
        "[parameters: {'notes': 'x'}]",
        "DETAIL:  Key (email)=(x) already exists.",
        "a secret of this test",
    ],
)
def test_a_log_with_a_secret_is_found_out(tmp_path: Path, said: str) -> None:
    log = tmp_path / "a.log"
    log.write_text(f"before\n{said}\nafter\n")

    assert len(list(secrets_in(log, ["secret of this"]))) == 1


def test_a_log_without_one_passes(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text('{"event": "POST /auth/login", "correlation_id": "4bf92f3577b34da6a3ce929d0e0e4736", "status": 401}')

    must_hold_no_secret(log)


TESTS = """
import asyncio
import logging

import httpx

from tests.hearing import EAR

log = logging.getLogger("api")


def test_silent():
    log.info("a letter was written: verification")


def test_logs_an_address():
    log.info("a letter was written to %s", "ana@example.org")


def test_logs_a_fault():
    try:
        raise RuntimeError("Bearer dbk_0123456789abcdef")
    except RuntimeError as error:
        log.error("fault", exc_info=error)


def test_writes_a_token():
    print("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP")


def test_logs_its_own_note():
    asked = httpx.Request("POST", "http://daybook/bookings", json={"notes": "for the two of us"})
    asyncio.run(EAR.sent(asked))
    log.info("booked: for the two of us")


def test_logs_what_it_was_answered():
    asyncio.run(EAR.answered(httpx.Response(201, json={"token": "Zk3vJm1qXc9TgU5oYbR7"})))
    log.info("made: Zk3vJm1qXc9TgU5oYbR7")


def test_hears_no_secret_of_another():
    log.info("booked: for the two of us")
"""


def test_a_test_fails_that_has_a_secret_logged_or_written_in_its_own_process(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    plain = ("-q", "-rA", "-c", "/dev/null", "-o", "log_level=INFO", "-p", "no:cacheprovider", "-p", "no:xdist")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plain, "-p", "tests.hearing", tmp_path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )

    passed = set(re.findall(r"^PASSED .*::(\w+)$", done.stdout, re.MULTILINE))
    assert passed == {"test_silent", "test_hears_no_secret_of_another"}, done.stdout + done.stderr
    assert "5 failed" in done.stdout
    assert "an API key was told" in done.stdout
