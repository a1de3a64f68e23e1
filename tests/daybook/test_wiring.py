"""What the wiring makes of the settings where a mistake would let somebody in."""

import logging
import subprocess
import sys

import pytest
from pydantic import SecretStr

from commands.deciding import Deciding
from commands.letters import Kind
from daybook import wiring
from daybook.embedded import Stores
from daybook.settings import Settings
from journal.folding import Aggregates
from tests.commands.people import register
from tests.examples import ANA
from tests.journals import a_journal, a_place

DEVELOPMENT, SMTP_URL = "development", "smtp://127.0.0.1:1"


@pytest.mark.parametrize(("app_env", "smtp_url"), [(DEVELOPMENT, ""), (DEVELOPMENT, SMTP_URL), ("production", "")])
async def test_what_a_letter_says_stands_in_the_log_of_a_development_system_that_mails_nothing(
    stores: Stores, caplog: pytest.LogCaptureFixture, app_env: str, smtp_url: str
):
    caplog.set_level(logging.INFO)
    with a_place(stores) as place:
        settings = Settings(
            app_env=app_env,
            database_url=SecretStr(place.url),
            redis_url=SecretStr(stores.redis_url),
            daybook_schema=place.schema,
            smtp_url=SecretStr(smtp_url),
            mail_from="daybook@example.org",
            secret_key=SecretStr("pMzX0Fq7o8W1uYk3Zt6BvL9cD2eHs5Jr"),
        )
        async with a_journal(place) as journal:
            await register(Deciding(journal, Aggregates(journal)), ANA)
        async with wiring.rooms(settings) as rooms:
            await rooms.letters.write(Kind.PASSWORD_RESET, f"{ANA}@example.com")
            said = caplog.messages[-1]
            reader = await rooms.letters.reader(Kind.PASSWORD_RESET, said.split()[-1])

        assert "a letter was written: password-reset" in said
        assert (reader == ANA) is (app_env == DEVELOPMENT and not smtp_url)
        assert rooms.secure_cookies is (app_env == "production")
        assert str(ANA) not in said


def test_whoever_is_not_watched_does_not_pay_for_it():
    looking = "import sys, daybook.wiring; print(*sys.modules)"
    imported = subprocess.run(
        [sys.executable, "-c", looking], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"prometheus_client", "daybook.metrics", "daybook.tracing", "opentelemetry.exporter"} & set(imported)
