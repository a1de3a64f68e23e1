"""The `daybook` command: everything on one machine (`up`), and each role of its own."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from daybook import auditing, embedded, importing, notices, projecting, settings, users, version
from daybook.settings import NoSecret, NotReadable, Settings
from daybook.supervisor import CannotRun
from daybook.up import up as bring_up

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
complaints = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"daybook {version()}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version and exit.")
]


@app.callback()
def daybook(_told: Version = False) -> None:
    """What can be asked without a command."""


@app.command()
def up() -> None:
    """Start everything on this machine: the stores that are not named, migrations, API, follower and worker."""
    with _complaining():
        bring_up(
            settings.read(signs=True),
            migrate=_migrate,
            commands={name: _role(name) for name in ("api", "follow", "work")},
            say=typer.echo,
        )


@app.command()
def api() -> None:
    """Answer HTTP."""
    _become("api")


@app.command()
def follow() -> None:
    """Post what the journal records to the views."""
    _become("follow")


@app.command()
def work() -> None:
    """Do what is due: record the bookings whose time is over, send notices, and send to webhooks what was recorded."""
    _become("work")


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date, before anything else starts."""
    with _complaining():
        _migrate(_with_stores(views=False))


@app.command()
def secrets() -> None:
    """Print new secrets for the environment: one to sign tokens with, and the passwords of the database roles."""
    for name in ("SECRET_KEY", "OWNER_PASSWORD", "DAYBOOK_PASSWORD"):
        typer.echo(f"{name}={settings.new_secret()}")


@app.command("import", help=importing.HELP)
def import_timetable(
    file: importing.File,
    email: importing.As,
    timezone: importing.Zone,
    hours: importing.Hours = "00:00-24:00",
    starting: importing.Starting = None,
    grant: importing.Grant = False,
    dry_run: importing.DryRun = False,
) -> None:
    with _complaining(importing.NOT_CARRIED_OUT):
        code = importing.run(
            _with_stores(views=False),
            file,
            email=email,
            timezone=timezone,
            hours=hours,
            starting=starting.date() if starting else None,
            grant=grant,
            dry_run=dry_run,
        )
    raise typer.Exit(code)


def _migrate(told: Settings) -> None:
    import_module("daybook.migrating").migrate(told)


def _role(name: str) -> list[str]:
    """The role by way of this interpreter, whatever lies in the directory we are called from."""
    return [sys.executable, "-P", "-m", "daybook.roles", name]


def _become(name: str) -> None:
    """Be the role from here on, as this very process."""
    with _complaining():
        os.execve(sys.executable, _role(name), _with_stores(signs=name in settings.SIGNING).as_environment())


def _with_stores(*, views: bool = True, signs: bool = False) -> Settings:
    """The environment's settings; stores it does not name are those of the `daybook up` that runs here."""
    told = settings.read(signs=signs)
    found = told.with_stores(**embedded.addresses(told.daybook_data))
    needed = {"DATABASE_URL": found.database_url} | ({"REDIS_URL": found.redis_url} if views else {})
    for name, address in needed.items():
        if not address:
            raise CannotRun(f"{name} is not set, and no `daybook up` runs on {told.daybook_data}")
    return found


@contextmanager
def _complaining(code: int = 1) -> Iterator[None]:
    """What people can mend is told in one line each and ends with this exit code, and so does a fault of ours.

    Where other codes are a verdict, nothing else must be taken for one; Ctrl-C is none either (130).
    """
    try:
        yield
    except ValidationError as invalid:
        for error in invalid.errors(include_input=False, include_url=False):
            named = "".join(f"{part}: ".upper() for part in error["loc"])
            complaints.print(f"daybook: {named}{error['msg'].removeprefix('Value error, ')}")
        raise typer.Exit(code) from None
    except BrokenPipeError:  # whoever reads has had enough; what is left must not be written at the end either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None
    except typer.Exit:
        raise
    except (CannotRun, NotReadable, NoSecret, OSError) as error:
        complaints.print(f"daybook: {error}")
        raise typer.Exit(code) from None
    except Exception:
        traceback.print_exc()
        raise typer.Exit(code) from None


app.add_typer(auditing.commands(lambda: _with_stores(views=False), _complaining), name="audit")
app.add_typer(notices.commands(lambda: _with_stores(views=False), _complaining), name="notices")
app.add_typer(projecting.commands(_with_stores, _complaining), name="projections")
app.add_typer(users.commands(lambda: _with_stores(views=False), _complaining), name="users")
