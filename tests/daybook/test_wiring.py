"""What the wiring makes of the settings where a mistake would let somebody in."""

import json
import logging
import socket
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from httpx import ASGITransport, AsyncClient, Response
from pydantic import SecretStr

from api.app import create_app
from commands.deciding import Deciding
from commands.letters import Kind
from daybook import wiring
from daybook.embedded import Stores
from daybook.settings import Settings
from journal.folding import Aggregates
from tests.commands.people import register
from tests.examples import ANA, ROOM
from tests.journals import Place, a_journal, a_place

DEVELOPMENT, SMTP_URL = "development", "smtp://127.0.0.1:1"


def told(stores: Stores, place: Place, **more: Any) -> Settings:
    return Settings(
        database_url=SecretStr(place.url),
        redis_url=SecretStr(stores.redis_url),
        daybook_schema=place.schema,
        password_rounds=10,
        secret_key=SecretStr("pMzX0Fq7o8W1uYk3Zt6BvL9cD2eHs5Jr"),
        **more,
    )


async def test_limits_and_proxies_and_who_may_book_are_as_the_settings_say(stores: Stores):
    with a_place(stores) as place:
        settings = told(
            stores,
            place,
            sign_ins_per_account=1,
            requests_per_caller=3,
            trusted_proxies="10.0.0.0/8",
            unverified_may_book=False,
        )
        async with wiring.rooms(settings) as rooms:
            proxy = ASGITransport(create_app(rooms, version="1"), client=("10.0.0.1", 123))
            async with AsyncClient(transport=proxy, base_url="http://daybook") as client:

                async def post(path: str, address: str, body: dict[str, Any], **headers: str) -> Response:
                    return await client.post(path, json=body, headers={"X-Forwarded-For": address, **headers})

                guess = {"email": "a@example.org", "password": "a guess"}
                guesses = [await post("/auth/login", "198.51.100.1", guess) for _ in range(4)]
                person = {"email": "b@example.org", "password": "a good long one", "full_name": "Ben"}
                made = await post("/auth/register", "198.51.100.2", person)
                token = f"Bearer {made.json()['access_token']}"
                booking = {"space_id": str(ROOM), "start": "2030-01-07T10:00:00Z", "end": "2030-01-07T11:00:00Z"}
                booked = await post("/bookings", "198.51.100.2", booking, Authorization=token)

    policies = [one.headers["RateLimit-Policy"].partition(";")[0] for one in guesses if one.status_code == 429]
    assert [one.status_code for one in guesses] == [401, 429, 429, 429]
    assert policies == ['"sign-in-per-account"', '"sign-in-per-account"', '"requests"']
    assert made.status_code == 201
    assert (booked.status_code, booked.json()["type"]) == (403, "urn:daybook:problem:email-not-verified")


@pytest.mark.parametrize(("app_env", "smtp_url"), [(DEVELOPMENT, ""), (DEVELOPMENT, SMTP_URL), ("production", "")])
async def test_what_a_letter_says_stands_in_the_log_of_a_development_system_that_mails_nothing(
    stores: Stores, caplog: pytest.LogCaptureFixture, app_env: str, smtp_url: str
):
    caplog.set_level(logging.INFO)
    with a_place(stores) as place:
        settings = told(stores, place, app_env=app_env, smtp_url=SecretStr(smtp_url), mail_from="daybook@example.org")
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


@pytest.mark.usefixtures("logging_as_before")
def test_what_ends_a_process_that_nobody_reads_is_a_line_like_every_other(
    stores: Stores, capsys: pytest.CaptureFixture[str]
):
    with a_place(stores) as place, socket.create_server(("127.0.0.1", 0)) as taken:
        settings = told(stores, place, metrics_port=taken.getsockname()[1])

        with pytest.raises(SystemExit) as ended:
            wiring.follow(settings)

    said = json.loads(capsys.readouterr().out)
    assert (ended.value.code, said["level"]) == (1, "critical")
    assert said["event"].startswith(f"METRICS_PORT {settings.metrics_port} of 127.0.0.1 cannot be used")


@pytest.mark.usefixtures("logging_as_before")
def test_what_nobody_foresaw_ends_a_process_without_the_words_it_came_with(
    stores: Stores, capsys: pytest.CaptureFixture[str]
):
    detail = "ana@example.org"

    async def fall() -> None:
        raise psycopg.errors.UniqueViolation(f"duplicate key\nDETAIL: Key (email)=({detail}) exists")

    with a_place(stores) as place, pytest.raises(SystemExit) as ended:
        wiring._run(told(stores, place), fall())

    out, err = capsys.readouterr()
    said = json.loads(out)
    assert (ended.value.code, said["level"], err) == (1, "critical", "")
    assert "UniqueViolation: duplicate key" in said["exception"]
    assert detail not in out
