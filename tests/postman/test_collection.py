"""The Postman collection: as the API is, with every operation of it, and its story comes true."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.describing import described
from daybook.embedded import Stores
from tests.api.houses import every_route
from tests.journals import a_place
from tests.postman import collection
from tests.postman.collection import COLLECTION, ENVIRONMENT, FOLDER, NoStory
from tests.postman.story import CHAPTERS
from tests.processes import daybook

NEWMAN = FOLDER / "node_modules" / ".bin" / "newman"


def test_collection_and_environment_are_as_the_api_and_the_story_have_them():
    assert {path: path.read_text() for path in (COLLECTION, ENVIRONMENT)} == collection.written(), (
        "run `make reference`"
    )


def test_an_operation_without_a_step_is_told_and_where_to_add_one():
    document = described(every_route(), version="")
    document["paths"]["/lockers"] = {"get": {"operationId": "lockers_free"}}

    with pytest.raises(NoStory, match=r"add a Step\(operation=…\) .* tests/postman/story.py for lockers_free"):
        collection.collection(document)


def items() -> Iterator[dict[str, Any]]:
    for chapter in json.loads(COLLECTION.read_text())["item"]:
        yield from chapter["item"]


@pytest.mark.parametrize("item", list(items()), ids=lambda item: item["name"])
def test_every_request_asserts_status_and_kind_and_what_is_answered(item: dict[str, Any]):
    script = item["event"][-1]["script"]["exec"]
    asserted = [line.split('"')[1] for line in script if line.startswith("pm.test(")]

    (status,) = (one for one in asserted if one.startswith("it answers "))
    assert {"it is whole", "it is a list"} & set(asserted) or status == "it answers 304"
    assert any(one.startswith(("it is application/", "it is text/")) for one in asserted) or status == "it answers 304"


def test_the_lock_names_no_registry():
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]

    assert "omit-lockfile-registry-resolved=true" in (FOLDER / ".npmrc").read_text().splitlines()
    assert len(locked) > 100
    assert not any("resolved" in package for package in locked.values())
    assert all(package.get("integrity", "").startswith("sha512-") for name, package in locked.items() if name)


@pytest.mark.skipif(not NEWMAN.exists(), reason="newman is not there: `make test` installs it where there is npm")
def test_the_story_comes_true_on_a_fresh_development_system(stores: Stores, tmp_path: Path):
    report = tmp_path / "report.json"
    with a_place(stores) as place, daybook(stores, place, tmp_path) as (api,):
        arguments = ["--environment", ENVIRONMENT, "--env-var", f"base_url={api.url}", "--color", "off"]
        arguments += ["--reporters", "cli,json", "--reporter-json-export", report, "--timeout", "60000"]
        ran = subprocess.run([NEWMAN, "run", COLLECTION, *arguments], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-1_000:]
    stats = json.loads(report.read_text())["run"]["stats"]
    assert stats["requests"] == {"total": sum(map(len, CHAPTERS.values())), "pending": 0, "failed": 0}
    assert stats["assertions"]["failed"] == 0
    assert stats["assertions"]["total"] > 5 * stats["requests"]["total"]
