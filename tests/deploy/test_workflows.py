"""The workflows are what GitHub takes, call what there is, and may no more than they need."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import KUBERNETES, OVERLAYS, kustomization, pods, written
from tests.docs.pages import Page

GITHUB = Path(".github")
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), re.MULTILINE))
PAGE = Page(Path("docs/how-to/deploy.md"))
MAY_WRITE = {"release.yml": {"propose"}, "dependencies.yml": {"update"}}


def read(workflow: Path) -> dict[Any, Any]:
    told: dict[Any, Any] = yaml.safe_load(workflow.read_text())
    return told


def jobs(workflow: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(workflow)["jobs"]
    return found


def steps() -> Iterator[tuple[Path, dict[str, Any]]]:
    for workflow in WORKFLOWS:
        for job in jobs(workflow).values():
            for step in job.get("steps", []):
                yield workflow, step


def scripts() -> Iterator[str]:
    return (step["run"] for _, step in steps() if "run" in step)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
    ],
)
def test_they_are_what_github_takes(schema: str, files: list[Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout


def test_every_make_target_script_and_workflow_they_call_is_there() -> None:
    assert {target for script in scripts() for target in re.findall(r"\bmake ([a-z-]+)", script)} <= TARGETS
    for _, step in steps():
        assert Path(step.get("working-directory", ".")).is_dir()
    for workflow in WORKFLOWS:
        for job in jobs(workflow).values():
            if "uses" in job:
                assert Path(job["uses"]).is_file()
    named = {path for script in scripts() for path in re.findall(r"\b[\w./-]+\.(?:lock|py|sh|toml)\b", script)}
    assert {path for path in named if not Path(path).is_file()} == set()
    for name in ("config", "manifest"):
        assert (GITHUB / f"release-please-{name}.json").is_file()


def test_every_script_is_bash() -> None:
    for script in scripts():
        bare = re.sub(r"\$\{\{.*?\}\}", "x", script)
        done = subprocess.run(["bash", "-n"], input=bare, capture_output=True, text=True, timeout=10)
        assert done.returncode == 0, done.stderr


def test_what_comes_from_outside_is_never_written_into_a_script() -> None:
    assert [script for script in scripts() if "${{" in script] == []


def test_actions_are_of_a_major_version() -> None:
    used = [step["uses"] for _, step in steps() if "uses" in step]

    assert used
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+", one)] == []


def test_jobs_read_and_write_no_more_than_they_need() -> None:
    for workflow in WORKFLOWS:
        assert read(workflow)["permissions"] == {"contents": "read"}
        writing = {name for name, job in jobs(workflow).items() if "write" in job.get("permissions", {}).values()}
        assert writing == MAY_WRITE.get(workflow.name, set())
    for _, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_the_registry_is_a_variable() -> None:
    (login,) = (step for _, step in steps() if step.get("uses", "").startswith("docker/login-action@"))

    assert login["with"]["registry"] == "${{ vars.REGISTRY }}"
    for workflow in WORKFLOWS:
        assert not re.search(r"https?://|\b[a-z0-9-]+\.(io|com|org|dev|net)/(?!component)", workflow.read_text())


def test_tests_run_on_every_python_that_is_promised() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    promised = [found[1] for one in project["classifiers"] if (found := re.search(r"Python :: (3\.\d+)$", one))]

    assert jobs(GITHUB / "workflows/check.yml")["test"]["strategy"]["matrix"]["python"] == promised


def test_a_release_names_its_version_wherever_it_stands() -> None:
    version = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    released = yaml.safe_load((GITHUB / "release-please-manifest.json").read_text())
    config = yaml.safe_load((GITHUB / "release-please-config.json").read_text())

    assert released == {".": version}
    assert [kustomization(overlay)["images"][0]["newTag"] for overlay in OVERLAYS] == [version] * len(OVERLAYS)
    files = {Path(one["path"]) for one in config["packages"]["."]["extra-files"]}
    assert files == {overlay / "kustomization.yaml" for overlay in OVERLAYS}


def test_what_is_rolled_out_is_what_the_manifests_name() -> None:
    deploy = GITHUB / "workflows/deploy.yml"
    told = read(deploy)[True]["workflow_dispatch"]["inputs"]["environment"]["options"]  # YAML 1.1 reads `on` as true
    environment = jobs(deploy)["deploy"]["env"]
    script = "\n".join(step.get("run", "") for step in jobs(deploy)["deploy"]["steps"])
    made = {name for name, _ in pods(written())}

    assert {KUBERNETES / "overlays" / one for one in told} == set(OVERLAYS)
    for one in told:
        overlay = environment["OVERLAY"].replace("${{ inputs.environment }}", one)
        assert (
            environment["NAMESPACE"].replace("${{ inputs.environment }}", one)
            == kustomization(Path(overlay))["namespace"]
        )
    assert set(re.findall(r"\bdaybook-(?!server)[a-z]+", script)) == made
    assert {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in written()} >= set(
        re.findall(r"component=(\w+)", script)
    )


def test_without_a_registry_nothing_is_named_and_nothing_rolled_out() -> None:
    """An image is pushed, and rolled out, under the same condition; without a digest it has no name."""
    image, release = jobs(GITHUB / "workflows/image.yml")["image"], jobs(GITHUB / "workflows/release.yml")
    (push,) = (step for step in image["steps"] if step.get("id") == "push")

    assert image["outputs"]["image"].startswith("${{ steps.push.outputs.digest && ")
    assert image["outputs"]["image"].endswith(" || '' }}")
    assert push["if"] == "github.event_name != 'pull_request' && vars.REGISTRY != ''"
    assert release["deploy"]["if"] == "vars.REGISTRY != ''"
    assert release["deploy"]["with"]["image"] == "${{ needs.image.outputs.image }}"


def test_what_is_proposed_by_a_workflow_is_checked_where_there_is_a_token_for_it() -> None:
    proposing = [
        step["with"].get("token")
        for _, step in steps()
        if re.search(r"create-pull-request|release-please", step.get("uses", ""))
    ]

    assert proposing == ["${{ secrets.PULL_REQUEST_TOKEN || github.token }}"] * 2
    assert "`PULL_REQUEST_TOKEN`" in PAGE.text


def test_a_pull_request_is_held_against_the_facts_it_goes_into() -> None:
    job = jobs(GITHUB / "workflows/check.yml")["facts"]
    checkout, *_, compare = job["steps"]

    assert job["if"] == "github.event_name == 'pull_request'"
    assert checkout["with"]["fetch-depth"] == 2, "the merge, and what it goes into"
    assert "HEAD^1 docs/events" in compare["run"]
    assert 'make reference ARGS="--since $RUNNER_TEMP/docs/events"' in compare["run"]


def test_no_process_is_replaced_before_the_schema_is_up_to_date() -> None:
    """The new code meets the new schema; the page tells who does it by hand the same."""
    steps = jobs(GITHUB / "workflows/deploy.yml")["deploy"]["steps"]
    workflow = "\n".join(step.get("run", "") for step in steps)
    (page,) = (block for block in PAGE.blocks("sh") if "kubectl apply" in block)

    for script in (workflow, page):
        in_order = re.findall(
            r"(apply|delete job|wait --for=condition=complete job|rollout status)(?:.*component=(\w+))?", script
        )
        assert in_order == [
            ("apply", "ground"),
            ("delete job", ""),
            ("apply", "migrate"),
            ("wait --for=condition=complete job", ""),
            ("apply", ""),
            ("rollout status", ""),
        ]
    assert not any(step.get("continue-on-error") for step in steps)
    going_on = {step["name"] for step in steps if "if" in step}
    assert going_on == {"Go back"}, "a step that has failed ends it"
