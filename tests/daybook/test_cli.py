"""The `daybook` command: what people can mend is one line and exit code 1."""

import signal
import subprocess
import sys

import pytest
from psycopg import connect
from typer.testing import CliRunner

from daybook import settings, version
from daybook.cli import app


@pytest.fixture
def daybook(tmp_path, monkeypatch):
    """Run the command as on a machine where nothing of ours runs, with the settings given."""

    def run(command, **settings):
        environment = {"APP_ENV": "test", "DAYBOOK_DATA": str(tmp_path), **settings}
        return CliRunner().invoke(app, [command], env=environment)

    return run


def test_it_tells_its_version_whatever_the_settings_are(daybook):
    told = daybook("--version", PORT="70000")

    assert (told.exit_code, told.output) == (0, f"daybook {version()}\n")


def test_a_setting_that_cannot_be_is_named(daybook):
    refused = daybook("up", PORT="70000", SECRET_KEY="hunter2")

    assert refused.exit_code == 1
    assert refused.stderr == (
        "daybook: PORT: Input should be less than or equal to 65535\n"
        "daybook: SECRET_KEY: must be at least 32 bytes long\n"
    )


@pytest.mark.parametrize("command", ["up", "migrate"])
def test_a_file_of_settings_that_is_no_text_is_one_line_without_its_content(daybook, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(settings.Settings.model_config, "env_file", ".env")
    (tmp_path / ".env").write_bytes("SECRET_KEY=Schlüssel".encode("latin-1"))

    refused = daybook(command)

    assert (refused.exit_code, refused.stderr) == (1, "daybook: .env is not in UTF-8\n")


@pytest.mark.parametrize("command", ["up", "api", "work"])
def test_production_names_the_secret_it_lacks(daybook, command):
    refused = daybook(command, APP_ENV="production")

    assert refused.exit_code == 1
    assert refused.stderr == "daybook: SECRET_KEY must be set when APP_ENV is production\n"


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("change-me-" * 4, "SECRET_KEY is a placeholder: `daybook secrets` prints a good one"),
        ("short", "SECRET_KEY: must be at least 32 bytes long"),
    ],
)
def test_production_names_the_secret_that_is_not_good(daybook, secret, complaint):
    refused = daybook("up", APP_ENV="production", SECRET_KEY=secret)

    assert (refused.exit_code, refused.stderr) == (1, f"daybook: {complaint}\n")


def test_secrets_that_are_printed_are_good_and_new_each_time(daybook, monkeypatch):
    printed = [daybook("secrets").stdout for _ in range(2)]

    assert printed[0] != printed[1]
    made = dict(line.split("=", 1) for line in printed[0].splitlines())
    assert made.keys() == {"SECRET_KEY", "OWNER_PASSWORD", "DAYBOOK_PASSWORD"}
    monkeypatch.setenv("SECRET_KEY", made["SECRET_KEY"])
    assert settings.read(signs=True).secret_key.get_secret_value() == made["SECRET_KEY"]


@pytest.mark.parametrize(
    ("command", "named", "missing"),
    [
        ("migrate", {}, "DATABASE_URL"),
        ("api", {}, "DATABASE_URL"),
        ("follow", {"DATABASE_URL": "postgresql://a@h/d"}, "REDIS_URL"),
    ],
)
def test_a_role_without_its_stores_says_which(daybook, tmp_path, command, named, missing):
    refused = daybook(command, **named)

    assert refused.exit_code == 1
    assert refused.stderr == f"daybook: {missing} is not set, and no `daybook up` runs on {tmp_path}\n"


def test_migrating_makes_the_schema_that_is_named_and_may_be_repeated(daybook, stores):
    named = {
        "DATABASE_URL": stores.database_url,
        "DATABASE_OWNER_URL": stores.database_owner_url,
        "DAYBOOK_SCHEMA": "migrated_by_command",
    }

    assert [daybook("migrate", **named).exit_code for _ in range(2)] == [0, 0]

    with connect(stores.database_owner_url) as connection:
        made = connection.execute("select count(*) from pg_tables where schemaname = 'migrated_by_command'").fetchone()
        assert made[0] > 1
        connection.execute("drop schema migrated_by_command cascade")


def test_a_role_that_is_not_named_cannot_be_granted_anything(daybook):
    refused = daybook("migrate", DATABASE_URL="postgresql://127.0.0.1:1/d")

    assert refused.exit_code == 1
    assert refused.stderr == "daybook: DATABASE_URL must name a user: it is granted what our processes may do\n"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"DATABASE_OWNER_URL": "daybook"}, "permission denied for database daybook"),
        ({"DATABASE_URL": "nobody"}, 'role "nobody" does not exist'),
    ],
    ids=["the-owner-may-not", "nobody-to-grant-to"],
)
def test_a_database_that_is_not_ours_to_migrate_is_one_line(daybook, stores, wrong, why):
    named = {"DATABASE_URL": stores.database_url, "DATABASE_OWNER_URL": stores.database_owner_url}
    named |= {name: stores.database_url.replace("daybook@", f"{user}@") for name, user in wrong.items()}

    refused = daybook("migrate", DAYBOOK_SCHEMA="not_migrated", **named)

    assert (refused.exit_code, refused.stderr) == (1, f"daybook: the database cannot be migrated: {why}\n")


def test_a_database_that_is_not_there_is_one_line_without_its_password(daybook):
    refused = daybook("migrate", DATABASE_URL="postgresql://ada:hunter2@127.0.0.1:1/d")

    assert refused.exit_code == 1
    assert refused.stderr.startswith("daybook: the database cannot be migrated: connection failed")
    assert refused.stderr.count("\n") == 1
    assert "hunter2" not in refused.stderr


INTERRUPTED = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == "daybook.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
import daybook.__main__
"""


def test_an_interrupt_while_it_is_still_imported_ends_it_without_a_word():
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, timeout=30, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, b"", b"")
