"""The image holds every room of the house, and the compose file runs every role of it with what we can be told."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from daybook.roles import ROLES
from daybook.settings import Settings
from daybook.up import STOPS_WITHIN
from daybook.working import ANSWERED_BEFORE

DOCKERFILE = Path("Dockerfile").read_text()


@pytest.fixture
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(Path("docker-compose.yml").read_text())["services"]
    return found


def test_the_image_is_built_from_what_there_is_and_leaves_no_room_out() -> None:
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    }
    wheel = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert {name for name in copied if not Path(name).exists()} == set()
    assert set(wheel["packages"]) <= copied
    ignored = set(Path(".dockerignore").read_text().split())
    assert not copied & ignored


def test_the_image_does_not_run_as_root_and_is_told_settings_alone() -> None:
    told = re.findall(r"\b([A-Z_]+)=", "".join(re.findall(r"^ENV .*$", DOCKERFILE, re.MULTILINE)))

    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)
    known = {name.upper() for name in Settings.model_fields} | {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert set(told) <= known
    assert not re.search(r":latest\b", DOCKERFILE)


def test_the_compose_file_is_what_docker_takes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout


def test_a_worker_is_given_the_time_in_which_a_mail_server_may_answer(services: dict[str, dict[str, Any]]) -> None:
    kubernetes = yaml.safe_load(Path("deploy/kubernetes/base/work.yaml").read_text())["spec"]["template"]["spec"]

    enough = ANSWERED_BEFORE + 10  # Redis may hang besides
    assert services["work"]["stop_grace_period"] == f"{enough:g}s"
    assert kubernetes["terminationGracePeriodSeconds"] == enough
    assert STOPS_WITHIN["work"] == enough


def test_compose_runs_every_role_from_one_image_without_more_rights(services: dict[str, dict[str, Any]]) -> None:
    ours = {name: service for name, service in services.items() if service["image"] == "daybook-server"}

    assert {name: service["command"] for name, service in ours.items()} == {
        role: [role] for role in (*ROLES, "migrate")
    }
    for service in ours.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert set(service["environment"]) <= {name.upper() for name in Settings.model_fields}
    for service in services.values():
        assert ":latest" not in service["image"]
