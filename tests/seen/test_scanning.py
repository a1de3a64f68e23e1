"""The scan of logs for secrets: it finds what it is for, and lets pass what every log holds."""

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
