"""What the environment says, read once into a frozen model, with nothing secret in what it prints.

`DATABASE_URL` and `REDIS_URL` may be empty: `daybook up` then starts the embedded stores and fills them in.
"""

import os
import re
import secrets
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from redis.connection import parse_url

SHORTEST_SECRET = 32  # bytes: as long as the digest of HS256 (RFC 7518 §3.2)
UNREADABLE = "cannot be read: what is not a letter or a digit in a name or a password is percent-encoded"
FEWEST_ROUNDS = 10  # of bcrypt, in production (OWASP Password Storage Cheat Sheet)

SIGNING = frozenset({"api", "work"})
"""The roles that need the secret: one signs tokens, the other writes them into letters."""


Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]
"""As a browser writes it (RFC 6454 §6.2): no path, small letters, no port that goes without saying."""


class Settings(BaseSettings):
    """Each field is the environment variable of its name in capitals; `.env.example` shows them all."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    app_env: Literal["development", "production", "test"] = "production"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    database_url: SecretStr = SecretStr("")
    database_owner_url: SecretStr = SecretStr("")
    redis_url: SecretStr = SecretStr("")
    daybook_data: Path = Path(".daybook")
    daybook_schema: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,39}$")] = "daybook"
    secret_key: SecretStr = SecretStr("")
    previous_secret_key: SecretStr = SecretStr("")
    access_token_minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 15
    refresh_token_days: Annotated[int, Field(ge=1, le=90)] = 7
    password_rounds: Annotated[int, Field(ge=4, le=16)] = 12
    unverified_may_book: bool = True
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = ()
    docs_in_production: bool = False
    smtp_url: SecretStr = SecretStr("")
    mail_from: str = ""
    reminder_hours_before: Annotated[int, Field(ge=0, le=30 * 24)] = 24
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    sign_ins_per_address: Annotated[int, Field(ge=1)] = 300
    sign_ins_per_account: Annotated[int, Field(ge=1)] = 20
    registrations_per_address: Annotated[int, Field(ge=1)] = 300
    resets_per_address: Annotated[int, Field(ge=1)] = 60
    resets_per_account: Annotated[int, Field(ge=1)] = 5
    requests_per_caller: Annotated[int, Field(ge=1)] = 60_000
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65533)] = 0  # `daybook up` takes the two above it as well
    otel_exporter_otlp_endpoint: Annotated[str, StringConstraints(pattern=r"^(https?://.+)?$")] = ""
    webhooks_to_private_addresses: bool = False
    drain_seconds: Annotated[float, Field(ge=0, le=300)] = 0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "people", "json"] = "auto"  # auto: people's lines on a terminal

    @field_validator("trusted_proxies", "cors_origins", mode="before")
    @classmethod
    def _between_commas(cls, value: object) -> object:
        return [one.strip() for one in value.split(",")] if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _a_postgresql_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not url.startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        try:
            conninfo_to_dict(url)
        except ProgrammingError:  # it quotes what may be a password
            raise ValueError(UNREADABLE) from None
        return value

    @field_validator("redis_url")
    @classmethod
    def _a_redis_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        try:
            parse_url(url or "redis://")  # type: ignore[no-untyped-call]
        except ValueError:  # it quotes what may be a password
            raise ValueError(UNREADABLE) from None
        return value

    @field_validator("secret_key", "previous_secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if value and len(value.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"must be at least {SHORTEST_SECRET} bytes long")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _a_mail_server(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        try:
            good = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
        except ValueError:  # it quotes what should be a port, and that may be a password
            good = False
        if value and not good:
            raise ValueError("must be smtp:// or smtps://, with a host, and a port if it is not the usual one")
        return value

    @field_validator("mail_from")
    @classmethod
    def _an_address(cls, value: str) -> str:
        try:
            if value:
                validate_email(
                    value,
                    allow_display_name=True,
                    check_deliverability=False,
                    globally_deliverable=False,
                    test_environment=True,
                )
        except EmailNotValidError:
            raise ValueError("must be an e-mail address, or a name and one in angle brackets") from None
        return value

    @model_validator(mode="after")
    def _mails_come_from_somewhere(self) -> Self:
        if self.smtp_url and not self.mail_from:
            raise ValueError("MAIL_FROM must be set where SMTP_URL is")
        return self

    @model_validator(mode="before")
    @classmethod
    def _the_owner_is_the_user_unless_named(cls, values: dict[str, object]) -> dict[str, object]:
        return {"database_owner_url": values.get("database_url", ""), **values}

    @model_validator(mode="after")
    def _passwords_are_hashed_well_in_production(self) -> Self:
        if self.app_env == "production" and self.password_rounds < FEWEST_ROUNDS:
            raise ValueError(f"PASSWORD_ROUNDS must be at least {FEWEST_ROUNDS} when APP_ENV is production")
        return self

    def with_stores(self, *, database_url: str = "", database_owner_url: str = "", redis_url: str = "") -> Self:
        """The same with the addresses of stores that are ours; each the environment names stays."""
        ours: dict[str, SecretStr] = {}
        if not self.database_url:
            ours |= {"database_url": SecretStr(database_url), "database_owner_url": SecretStr(database_owner_url)}
        if not self.redis_url:
            ours |= {"redis_url": SecretStr(redis_url)}
        return self.model_copy(update=ours)

    def as_environment(self, *, terminal: bool = False) -> dict[str, str]:
        """The caller's environment, for a process that is to read these settings; a pipe to a `terminal` is one."""
        people = {"LOG_FORMAT": "people"} if self.is_for_people(terminal=terminal) else {}
        return {
            **os.environ,
            "DATABASE_URL": self.database_url.get_secret_value(),
            "DATABASE_OWNER_URL": self.database_owner_url.get_secret_value(),
            "REDIS_URL": self.redis_url.get_secret_value(),
            **people,
        }

    def is_for_people(self, *, terminal: bool) -> bool:
        """Whether lines are said to people, when the standard output is a `terminal` or is none."""
        return self.log_format == "people" or (self.log_format == "auto" and terminal)

    @property
    def access_token_life(self) -> timedelta:
        return timedelta(minutes=self.access_token_minutes)

    @property
    def refresh_token_life(self) -> timedelta:
        return timedelta(days=self.refresh_token_days)

    @property
    def secret_keys(self) -> list[str]:
        """The secret keys that are set, the one in use first."""
        return [key.get_secret_value() for key in (self.secret_key, self.previous_secret_key) if key]

    @property
    def is_described(self) -> bool:
        """Whether whoever asks is shown what the API offers."""
        return self.app_env != "production" or self.docs_in_production

    @property
    def remind_before(self) -> timedelta:
        return timedelta(hours=self.reminder_hours_before)

    @property
    def is_development(self) -> bool:
        return self.app_env == "development"


class NoSecret(Exception):
    """Tokens are to be signed, and there is nothing, or nothing good, to sign them with."""


class NotReadable(Exception):
    """The file with settings is no text."""


def read(*, signs: bool = False) -> Settings:
    """The environment's settings. Whoever `signs` tokens needs a secret: outside production a missing one is made once
    and kept with the data, in production it is not made up. Raises `ValidationError`, `NotReadable`, `NoSecret`.
    """
    try:
        settings = Settings()
    except UnicodeDecodeError:  # whose text quotes what may be a secret
        raise NotReadable(".env is not in UTF-8") from None
    if not signs:
        return settings
    if settings.app_env == "production":
        if not settings.secret_key:
            raise NoSecret("SECRET_KEY must be set when APP_ENV is production")
        for name in ("secret_key", "previous_secret_key"):
            if _is_placeholder(getattr(settings, name).get_secret_value()):
                raise NoSecret(f"{name.upper()} is a placeholder: `daybook secrets` prints a good one")
    if settings.secret_key:
        return settings
    return settings.model_copy(update={"secret_key": SecretStr(_kept_secret(settings.daybook_data))})


def new_secret() -> str:
    """384 bits by chance."""
    return secrets.token_urlsafe(48)


_PLACEHOLDER = re.compile(
    r"(change|replace)[-_ ]?(me|this|it)|place[-_ ]?holder|your[-_ ]?(own[-_ ]?)?(secret|key)|example|insert[-_ ]?here"
    r"|(development|dev|test|default|dummy|super)[-_ ]?(secret|key)|(secret|jwt)[-_ ]?key"
    r"|production|^<.*>$|^todo[\W_]|openssl|123456789|abcdefgh|qwertyui|^(?P<block>.+)(?P=block)+$",
    re.IGNORECASE | re.DOTALL,
)
_PUBLISHED = {"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"}
"""Made by chance, but for the documentation of a framework, from where it is copied."""
FEWEST_CHARACTERS = 10
"""Different ones in a secret: by chance, 32 bytes written in hexadecimal have fewer once in ten million times."""


def _is_placeholder(secret: str) -> bool:
    """Whether a secret is one that stands in examples, or was typed to be long."""
    typed = len(set(secret)) < FEWEST_CHARACTERS or _PLACEHOLDER.search(secret) is not None
    return bool(secret) and (typed or secret.lower() in _PUBLISHED)


def own_directory(path: Path) -> Path:
    """Make `path` if it is not there, for us alone; root's can be passed through by the account the stores run as."""
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return path


def _kept_secret(data: Path) -> str:
    kept = own_directory(data) / "secret_key"
    if not kept.exists():
        fresh = kept.with_name(f"secret_key.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(new_secret())
        try:
            os.link(fresh, kept)  # unlike a rename it fails when another process was first
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return kept.read_text()
