"""The figures can be taken with what the lock installs: a section that fails tells nothing."""

import subprocess
import sys


def test_appends_are_measured_beside_the_librarys_own():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "append"], capture_output=True, text=True, timeout=120
    )

    assert "0 sections failed" in done.stdout, done.stdout + done.stderr
