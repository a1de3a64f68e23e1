"""The environment in which the command line is run."""

from pathlib import Path

import pytest

from tests.journals import Place


def named_by_the_environment(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the environment names the journal at `place`."""
    settings = {
        "APP_ENV": "test",
        "DATABASE_URL": place.url,
        "DATABASE_OWNER_URL": place.owner_url,
        "DAYBOOK_SCHEMA": place.schema,
        "DAYBOOK_DATA": str(tmp_path / "data"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
