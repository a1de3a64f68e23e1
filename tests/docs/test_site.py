"""The pages make a site: every page has its place, every link leads somewhere, and nothing is loaded from elsewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.making import a_copy, make


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `make docs` builds it. Strictly: a page without a place and a link without a goal are faults."""
    there = a_copy(tmp_path_factory.mktemp("docs"))
    make("docs", at=there)
    return there / "site"


def test_every_page_is_built_with_the_settings_in_it(site: Path) -> None:
    pages = [path.relative_to("docs").with_suffix("") for path in Path("docs").rglob("*.md")]

    for page in pages:
        assert (site / ("" if page.name == "index" else page) / "index.html").is_file()
    assert "DRAIN_SECONDS" in (site / "reference/settings/index.html").read_text()


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loading = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=\"?([^\"\s>]+)", page.read_text())
        assert [url for url in loading if re.match(r"(https?:)?//", url)] == [], page


def test_relative_links_of_pages_beside_the_docs_lead_somewhere() -> None:
    for page in (Path("README.md"), Path("CONTRIBUTING.md"), Path("CHANGELOG.md")):
        for goal in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text()):
            assert Path(goal).exists(), f"{page}: {goal}"
