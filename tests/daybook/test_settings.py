"""Settings: read once, refused by name when they cannot be, and silent about what is secret."""

import re
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from secrets import choice, token_bytes, token_hex

import pytest
from pydantic import ValidationError

from daybook import settings
from daybook.settings import NoSecret, Settings

SECRET = "a secret of more than thirty-two bytes"


def test_what_is_not_said_is_for_one_machine():
    told = Settings(secret_key=SECRET)

    assert (told.app_env, told.host, told.port) == ("production", "127.0.0.1", 8000)
    assert told.daybook_schema == "daybook"
    assert told.access_token_life == timedelta(minutes=15)
    assert not told.is_development


def test_the_environment_is_read_and_what_is_empty_is_not_said(monkeypatch):
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("HOST", "")

    told = Settings(secret_key=SECRET)

    assert (told.port, told.log_level, told.host) == (9000, "DEBUG", "127.0.0.1")


def test_proxies_are_addresses_and_networks_between_commas(monkeypatch):
    assert Settings().trusted_proxies == ()

    monkeypatch.setenv("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8,fd00::/8")

    assert [str(one) for one in Settings().trusted_proxies] == ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]


def test_origins_are_named_between_commas(monkeypatch):
    assert Settings().cors_origins == ()

    monkeypatch.setenv("CORS_ORIGINS", "https://desk.example.org, http://localhost:3000")

    assert Settings().cors_origins == ("https://desk.example.org", "http://localhost:3000")


def test_production_describes_itself_to_nobody_unless_it_is_allowed():
    described = {name: Settings(app_env=name).is_described for name in ("production", "development", "test")}

    assert described == {"production": False, "development": True, "test": True}
    assert Settings(app_env="production", docs_in_production=True).is_described


def test_the_example_shows_every_setting_with_its_default(monkeypatch):
    shown = dict(re.findall(r"^([A-Z_]+)=(.*)$", Path(".env.example").read_text(), re.MULTILINE))
    assert {name.lower() for name in shown} == Settings.model_fields.keys()

    for name, value in shown.items():
        monkeypatch.setenv(name, value)

    assert Settings() == Settings.model_construct()


def test_they_do_not_change():
    with pytest.raises(ValidationError):
        Settings(secret_key=SECRET).port = 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("app_env", "staging"),
        ("port", "0"),
        ("database_url", "mysql://ada:hunter2@h/d"),
        ("database_url", "postgresql://ada:hunter2%zz@h/d"),
        ("database_owner_url", "postgresql://h/d?hunter2=1"),
        ("redis_url", "http://ada:hunter2@h"),
        ("redis_url", "redis://ada:hunter2/@h"),
        ("redis_url", "redis://ada:hunter2\u2100@h"),
        ("daybook_schema", "Robert'); drop"),
        ("daybook_schema", "a" * 41),
        ("secret_key", "hunter2"),
        ("access_token_minutes", "0"),
        ("log_level", "loud"),
        ("trusted_proxies", "10.0.0.0/8, the proxy"),
        ("sign_ins_per_account", "0"),
        ("cors_origins", "*"),
        ("cors_origins", "https://desk.example.org/"),
        ("cors_origins", "desk.example.org"),
        ("smtp_url", "https://ada:hunter2@h"),
        ("smtp_url", "smtp://"),
        ("smtp_url", "smtp://ada:hunter2"),
        ("mail_from", "hunter2"),
        ("mail_from", "a@example.org\nBcc: hunter2@example.org"),
        ("reminder_hours_before", "-1"),
    ],
)
def test_a_setting_that_cannot_be_is_named_and_not_repeated(name, value):
    with pytest.raises(ValidationError, match=name) as refused:
        Settings(**{"secret_key": SECRET, name: value})
    assert "hunter2" not in str(refused.value)


def test_mails_are_sent_by_somebody():
    with pytest.raises(ValidationError, match="MAIL_FROM must be set where SMTP_URL is"):
        Settings(smtp_url="smtp://mail.example.org")

    told = Settings(smtp_url="smtp://mail.example.org", mail_from="Daybook <daybook@example.org>")

    assert (told.mail_from, told.remind_before) == ("Daybook <daybook@example.org>", timedelta(hours=24))


def test_production_does_not_start_without_a_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("DAYBOOK_DATA", str(tmp_path / "data"))

    with pytest.raises(NoSecret, match="SECRET_KEY must be set"):
        settings.read(signs=True)
    assert not (tmp_path / "data").exists()


PLACEHOLDERS = [
    "change-me-change-me-change-me-change-me",
    "please-CHANGE_THIS-to-something-long-and-random",
    "your-secret-key-goes-here-and-is-long",
    "placeholder placeholder placeholder",
    "my-super-secret-key-for-jwt-signing-1234",
    "a secret as it stands in the example file",
    "a" * 64,
    "0123" * 16,
    "please-change-in-production-0123456789",
    "dev-only-not-for-production-use-12345",
    "0123456789abcdef0123456789abcdef",
    "k9-Zq_4rTw7Xb2Lm" * 3,
    "<generate with openssl rand -hex 32>",
    "TODO-set-a-real-value-before-deploying",
    "todo_set_a_real_value_before_deploying",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
]


@pytest.mark.parametrize("name", ["SECRET_KEY", "PREVIOUS_SECRET_KEY"])
@pytest.mark.parametrize("secret", PLACEHOLDERS)
def test_production_does_not_start_with_a_placeholder_and_names_it(tmp_path, monkeypatch, name, secret):
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv(name, secret)

    with pytest.raises(NoSecret, match=rf"^{name} is a placeholder") as refused:
        settings.read(signs=True)
    assert secret not in str(refused.value)


@pytest.mark.parametrize("name", ["SECRET_KEY", "PREVIOUS_SECRET_KEY"])
def test_production_does_not_start_with_a_short_secret_and_names_it(monkeypatch, name):
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv(name, "k9-Zq_4r" * 3)

    with pytest.raises(ValidationError, match=name.lower()):
        settings.read(signs=True)


def test_production_starts_with_a_secret_made_by_chance(monkeypatch):
    for _ in range(100):
        monkeypatch.setenv("SECRET_KEY", settings.new_secret())
        monkeypatch.setenv("PREVIOUS_SECRET_KEY", choice((token_hex(32), b64encode(token_bytes(48)).decode())))

        assert settings.read(signs=True).app_env == "production"


def test_passwords_are_hashed_well_in_production():
    with pytest.raises(ValidationError, match="PASSWORD_ROUNDS must be at least 10"):
        Settings(password_rounds=9)
    assert Settings(password_rounds=10).password_rounds == 10
    assert Settings(app_env="test", password_rounds=4).password_rounds == 4


def test_whoever_signs_nothing_needs_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("DAYBOOK_DATA", str(tmp_path / "data"))

    assert settings.read().app_env == "production"
    assert not (tmp_path / "data").exists()


def test_elsewhere_a_secret_is_made_once_and_kept_for_us_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("APP_ENV", "development")
    monkeypatch.setenv("DAYBOOK_DATA", str(tmp_path / "data"))

    made, kept = settings.read(signs=True), settings.read(signs=True)

    assert len(made.secret_key.get_secret_value()) >= settings.SHORTEST_SECRET
    assert made.secret_key == kept.secret_key
    (file,) = (tmp_path / "data").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_owner_of_the_database_is_its_user_unless_named():
    assert Settings(secret_key=SECRET, database_url="postgresql://a@h/d").database_owner_url.get_secret_value() == (
        "postgresql://a@h/d"
    )
    named = Settings(secret_key=SECRET, database_url="postgresql://a@h/d", database_owner_url="postgresql://o@h/d")
    assert named.database_owner_url.get_secret_value() == "postgresql://o@h/d"


def test_our_own_stores_stand_in_for_those_that_are_not_named():
    ours = {
        "database_url": "postgresql://daybook@/daybook",
        "database_owner_url": "postgresql://daybook_owner@/daybook",
        "redis_url": "unix:///s",
    }

    unnamed = Settings(secret_key=SECRET).with_stores(**ours)
    named = Settings(secret_key=SECRET, database_url="postgresql://a@h/d").with_stores(**ours)

    assert unnamed.database_owner_url.get_secret_value() == "postgresql://daybook_owner@/daybook"
    assert named.database_url.get_secret_value() == "postgresql://a@h/d"
    assert named.database_owner_url.get_secret_value() == "postgresql://a@h/d"
    assert named.redis_url.get_secret_value() == "unix:///s"


def test_nothing_secret_is_printed():
    told = Settings(secret_key=SECRET, database_url="postgresql://ada:hunter2@h/d", redis_url="redis://:hunter2@h")

    assert SECRET not in repr(told)
    assert "hunter2" not in repr(told)
