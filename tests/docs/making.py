"""Has `make` really do what it says, in a copy of what is here, so that nothing here is written over."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NO_SOURCES = (
    ".git",
    ".venv",
    ".daybook",
    ".*_cache",
    ".hypothesis",
    ".coverage*",
    "__pycache__",
    "node_modules",
    "site",
)


def a_copy(at: Path) -> Path:
    """Everything that is source, in a directory under `at`."""
    return shutil.copytree(ROOT, at / "daybook", ignore=shutil.ignore_patterns(*_NO_SOURCES))


def make(target: str, *, at: Path) -> None:
    """`make` a target by the environment that runs the tests: making another one is a matter of minutes."""
    done = subprocess.run(
        ["make", target, "DEV=", "ARGS=", f"BIN={Path(sys.executable).parent}"],
        cwd=at,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
