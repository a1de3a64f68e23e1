"""Two API processes, two followers and two workers on one journal pass the suite of the façade."""

import faulthandler
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

FEWEST = 565  # tests that ask the processes

REASONS = {
    # It asks none of the processes, or what it asks for does not depend on how many there are.
    "it asks no system",
    "what an id is made of is the same however many there are",
    "no client sends such a header",
    # It looks inside the one that answers, or changes it.
    "it asks what one has heard",
    "it changes what is in its own process",
    "it holds the connection in its own hands",
    "it reads the log of its own process",
    "letters are written in another process",
    "the application is in another process",
    # It is about processes that are started in another way.
    "it has limits of its own",
    "its stores are away",
    "it signs in with passwords that cost as much as in production",
    "it starts processes of its own",
    "their followers take every view further",
    "they are for development",
    "they are of another version",
}
"""Why a test of the façade is left out (tests/api/conftest.py, and `left_out` where it stands)."""

LEFT_OUT_WHOLE = {
    "tests.api.test_health",
    "tests.api.test_letters",
    "tests.api.test_protocol",
    "tests.api.test_schemathesis",
    "tests.api.test_serving",
    "tests.api.test_story",
    "tests.api.test_throttling",
}
"""Files of which no test asks the processes."""


def test_two_of_everything_pass_the_suite_of_the_facade(tmp_path: Path) -> None:
    """But for the tests that look inside one process, and those named above."""
    faulthandler.cancel_dump_traceback_later()  # it is a suite, and may take as long
    report = tmp_path / "report.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "tests/api", "--two-of-everything", "--junitxml", report),
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
    ran, reasons = _of(report)
    assert sum(ran.values()) >= FEWEST
    assert reasons == {f"with two of everything: {because}" for because in REASONS}
    assert {file for file, tests in ran.items() if not tests} == LEFT_OUT_WHOLE


def _of(report: Path) -> tuple[dict[str, int], set[str]]:
    """How many tests of each file ran, and why others did not."""
    ran: dict[str, int] = defaultdict(int)
    reasons = set()
    for test in ElementTree.parse(report).iter("testcase"):
        skipped = test.find("skipped")
        ran[test.attrib["classname"]] += skipped is None
        if skipped is not None:
            reasons.add(skipped.attrib["message"])
    return ran, reasons
