"""What every test may ask for: real stores, started when the first one asks and thrown away at the end.

They have nothing to do with `DATABASE_URL` and `REDIS_URL`, so that tests run beside a running Daybook.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daybook import embedded
from daybook.embedded import Stores
from daybook.settings import Settings

pytest_plugins = ["tests.hearing"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--two-of-everything",
        action="store_true",
        help="have the tests of the façade speak to two API processes with two followers and two workers",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "one_process(because): left out with two of everything")


COVERING = {"audit", "booking", "commands", "journal", "projections", "stories"}
"""Whose tests say how much of the rules, the journal and the commands is covered: to measure costs others a third."""


LONGEST = {"test_schemathesis.py", "test_worker.py", "test_rebuild.py", "test_up.py", "test_restore.py"}
"""Files begun first, so that nobody waits for one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have coverage pause where it is not asked for, and what takes longest begin first."""
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] not in COVERING:
            item.add_marker("no_cover")
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session", autouse=True)
def nothing_of_this_machine() -> Iterator[None]:
    """Settings are what a test says, not what the environment or `.env` does."""
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        patch.setitem(Settings.model_config, "env_file", None)
        yield


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """PostgreSQL and Redis for all tests of this run; whoever hurts them asks for `own_stores`."""
    with embedded.throw_away_stores() as running:
        yield running


@pytest.fixture
def own_stores() -> Iterator[Stores]:
    """PostgreSQL and Redis for one test, to be killed, stopped and restarted."""
    with embedded.throw_away_stores() as running:
        yield running
