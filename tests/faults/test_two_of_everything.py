"""Two API processes, two followers and two workers on one journal pass the suite of the façade."""

import faulthandler
import os
import re
import subprocess
import sys
from pathlib import Path

FEWEST = 200  # tests that ask the processes; the others tell why they do not


def test_two_of_everything_pass_the_suite_of_the_facade() -> None:
    """Tests that look inside one process are left out; which and why is printed, with `-s` or on failure."""
    faulthandler.cancel_dump_traceback_later()  # it is a suite, and may take as long
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "tests/api", "--two-of-everything"),
            *("-q", "-rs", "--durations=10", "-p", "no:cacheprovider", "-p", "no:xdist"),
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=900,
    )
    print(done.stdout)

    assert done.returncode == 0, done.stdout[-10_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > FEWEST
