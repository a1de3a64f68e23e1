"""Every command on every page is true: `curl` and `daybook` are run, page by page, against a fresh development system.

`make`, `docker`, `kubectl`, `kustomize` and `pg_basebackup` are stood in for, and what they are asked is held against
what they name, `make` by `make --dry-run`. Backing up is run by tests/faults/test_restore.py, `make run` by
tests/faults/test_up.py, `make docs` by test_site.py, `make reference` by tests/reference. The other targets are not run
by a test: `make test` is what runs this one, `make lint` and `make bench` take longer than all pages together, and
`make lock` asks a package index, whose answer changes.

A `curl` of a page fails (`-f`) unless it succeeds. One without `-f` is there to show what is no success: its status is
then one that the page tells.
"""

import asyncio
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
import yaml

from daybook.cli import app
from daybook.embedded import Stores
from tests.deploy.manifests import IMAGE, OVERLAYS, containers, kustomization, written
from tests.docs.pages import HOST, METRICS_PORT, PAGES, Page
from tests.journals import a_place
from tests.processes import Api, daybook, eventually, free_port, started

ROOT = Path(__file__).parents[2]
STOOD_IN_FOR = ("make", "docker", "kubectl", "kustomize", "pg_basebackup")
COMPONENT = "app.kubernetes.io/component"
OF_NOBODY = re.compile(r"\.(example|invalid|test)$|\bexample\.(com|org|net)$")  # RFC 2606
RUN_WITHIN = 120  # seconds for a page
TELLING_CURL = """\
for word; do case "$word" in -f*) exec {curl} "$@";; esac; done
{curl} --dump-header "$ASKED.headers" "$@"
code=$?
{tell} "$0" $(sed -n 's/^HTTP[^ ]* \\([0-9]*\\).*/\\1/p' "$ASKED.headers")
exit $code"""
"""A `curl` that writes down with which status it was answered, unless it fails by itself."""
RUN = [page for page in PAGES if page.blocks("sh")]
FIRST = ("README", "first-booking", "book", "audit", "administer", "calendar-feeds")
IN_ORDER = tuple(page for name in FIRST for page in RUN if page.path.stem == name)
"""Pages that a newcomer reads one after the other, on one system."""
CLI: Any = typer.main.get_command(app)


@pytest.fixture(scope="module")
def api(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A development system with every role of it."""
    logs = tmp_path_factory.mktemp("logs")
    with (
        a_place(stores) as place,
        started("work", stores, place, logs, number=1),
        daybook(stores, place, logs) as (api,),
    ):
        yield api


@pytest.fixture(scope="module")
def warm() -> Iterator[Path]:
    """The socket of a `daybook` that has imported everything already."""
    with tempfile.TemporaryDirectory() as directory:  # the path of a socket is short
        at = Path(directory) / "warm"
        command = [sys.executable, "-m", "tests.docs.warm", at]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as running:
            assert running.stdout
            assert running.stdout.readline() == b"ready\n"
            yield at
            running.terminate()


@pytest.fixture
def desk(tmp_path: Path, warm: Path) -> Path:
    """A directory to run a page in: beside the files that pages name, with `daybook` and the stand-ins on its PATH."""
    for name in ("docs", "deploy", "Makefile", "docker-compose.yml", "Dockerfile", ".env.example", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    beside = Path(__file__).parent
    lasting = f'case "$1" in up|api|follow|work) exec "{sys.executable}" -P -m daybook "$@";; esac'
    ours = {"daybook": f'{lasting}\nexec "{sys.executable}" -S "{beside / "ask.py"}" "{warm}" "$@"'}
    ours |= dict.fromkeys(STOOD_IN_FOR, f'exec "{sys.executable}" -S "{beside / "stand_in.py"}" "$0" "$@"')
    ours["curl"] = TELLING_CURL.format(curl=_real("curl"), tell=f"{sys.executable} -S {beside / 'stand_in.py'}")
    for name, command in ours.items():
        (programs / name).write_text(f"#!/bin/sh\n{command}\n")
        (programs / name).chmod(0o755)
    return tmp_path


def begin_anew(api: Api) -> None:
    """An empty system, seeded as `make run` does it."""
    with httpx.Client(base_url=api.url, timeout=10) as client:
        assert client.delete("/dev/reset").status_code == 200
        assert client.post("/dev/seed").status_code == 200


def files_in(desk: Path) -> set[str]:
    """What lies there, but for what the stand-ins were asked."""
    return {one.name for one in desk.iterdir() if not one.name.startswith("asked")}


def names(pages: Sequence[Page]) -> str:
    return "+".join(map(str, pages))


async def shows_its_spaces(api: Api) -> None:
    async with api.client() as client:

        async def shown() -> bool:
            answer = await client.get("/spaces")
            return answer.status_code == 200 and len(answer.json()) == 3

        await eventually(shown)


@pytest.mark.parametrize("pages", [IN_ORDER, *((page,) for page in RUN if page not in IN_ORDER)], ids=names)
async def test_pages_can_be_followed_from_top_to_bottom_and_leave_nothing_behind(
    pages: Sequence[Page], api: Api, desk: Path
) -> None:
    begin_anew(api)
    await shows_its_spaces(api)
    before = files_in(desk)

    for page in pages:
        done, asked = await followed(page.blocks("sh"), api, desk)

        assert done.returncode == 0, f"{page}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        for name, *words in asked:
            if name == "curl":
                is_told(words, page.text)
            else:
                CHECKS[name](words)
    assert files_in(desk) - before <= {".env"}, "what a page has the reader keep is a .env"


@pytest.mark.parametrize("at_fault", ["curl -fsS {}/deliverees", "HERE=$(curl -fsS {}/deliverees | cat)"])
async def test_a_page_with_a_path_that_is_not_there_fails(at_fault: str, api: Api, desk: Path) -> None:
    done, _ = await followed([at_fault.format(HOST), "echo went on"], api, desk)

    assert done.returncode != 0
    assert done.stdout == ""


async def test_a_page_whose_refusal_is_another_than_it_tells_fails(api: Api, desk: Path) -> None:
    _, asked = await followed([f"curl -sS {HOST}/deliverees", f"curl -sS {HOST}/spaces"], api, desk)

    assert asked == [["curl", "404"], ["curl", "200"]]
    is_told(["404"], "it answers 404")
    for status, text in (("404", "it answers 409"), ("200", "it answers 200")):
        with pytest.raises(AssertionError):
            is_told([status], text)


async def followed(
    blocks: Sequence[str], api: Api, desk: Path
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Run the blocks in one shell. Returns how that ended, and what the stand-ins were asked."""
    script = "\n".join(["set -euo pipefail", *blocks]).replace(HOST, api.url)
    script = script.replace(METRICS_PORT, str(free_port()))  # others may be reading the same page
    asked = desk / "asked"
    asked.write_text("")
    environment = api.environment | {"PATH": f"{desk / 'bin'}:{api.environment['PATH']}", "ASKED": str(asked)}
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", script],
        env=environment | {"HOME": str(desk), "PGHOST": "/nowhere"},
        cwd=desk,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN,
    )
    return done, [json.loads(line) for line in asked.read_text().splitlines()]


def is_told(statuses: Sequence[str], text: str) -> None:
    """Whether what was answered is no success, and is on the page."""
    (status,) = statuses
    assert status[0] in "34", f"{status}: a command that is to succeed has -f"
    assert re.search(rf"\b{status}\b", text), f"the page does not tell of {status}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_asks_no_other_host_and_hides_no_command(page: Page) -> None:
    commands = "\n".join(page.blocks("sh"))

    named = {url for url in re.findall(r"https?://[^/\s\"'$)]+", commands) if not OF_NOBODY.search(url)}
    assert {url for url in named if not url.startswith("http://127.0.0.1:")} <= {HOST}
    assert not re.search(r"^\s*(USER|HOME|PATH|PWD|SHELL|LANG)=", commands, re.MULTILINE), "the reader needs that"
    assert not page.languages() & {"bash", "shell", "zsh"}
    for block in page.blocks(""):
        assert not re.search(r"^\s*(curl|daybook|make) (?!→)", block, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_the_prose_quotes_is_there(page: Page) -> None:
    for quoted in page.inline("make"):
        is_a_target(shlex.split(quoted.replace("…", ""))[1:])
    for quoted in page.inline("daybook"):
        is_a_command(shlex.split(quoted)[1:])


def is_a_target(words: Sequence[str]) -> None:
    done = subprocess.run([_real("make"), "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def is_a_command(words: Sequence[str]) -> None:
    """Whether the words lead through the command line; what follows may be left to the reader."""
    command = CLI
    for word in words:
        if word.startswith("-"):
            options = {"--help", *(name for option in command.params for name in option.opts)}
            assert word in options, f"daybook has no {' '.join(words)}"
        elif within := getattr(command, "commands", None):
            assert set(word.split("|")) <= within.keys(), f"daybook has no {' '.join(words)}"
            command = within[word.split("|")[0]]


def is_for_a_service(words: Sequence[str]) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    match [word for word in words if not word.startswith("-")]:
        case ["compose", "build" | "up" | "ps" | "logs" | "stop" | "down" | "restart", *named]:
            assert set(named) <= services.keys()
        case ["compose", "run" | "exec", service, "daybook", *command]:
            assert service in services
            is_a_command(command)
        case ["compose", "run", service, *command]:
            assert service in services
            is_a_command(command)
        case ["build", *places]:
            assert places[-1] == "."
            assert (ROOT / "Dockerfile").is_file()
        case other:
            pytest.fail(f"nobody has said how docker {other} is checked")


def is_in_the_manifests(words: Sequence[str]) -> None:
    """Whether what `kubectl` is asked names overlays, namespaces, resources and secrets of ours."""
    words = list(words)
    manifests = written()
    resources = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in manifests}
    references: dict[str, set[str]] = {}
    for _, container in containers(manifests):
        for one in container["env"]:
            reference = one["valueFrom"]["secretKeyRef"]
            references.setdefault(reference["name"], set()).add(reference["key"])
    namespaces = {kustomization(overlay)["namespace"] for overlay in OVERLAYS}
    options = _options(words)

    assert set(options.get("--namespace", [])) <= namespaces
    for directory in [*options.get("-k", []), *([words[1]] if words[0] == "kustomize" else [])]:
        assert (ROOT / directory / "kustomization.yaml").is_file(), directory
    for label in options.get("--selector", []):
        assert label.partition("=")[2] in {one["metadata"]["labels"][COMPONENT] for one in manifests}
    for word in words:
        if re.fullmatch(r"(deployment|job|service|horizontalpodautoscaler)/\S+", word):
            assert word in resources, word
    if "secret" in words:
        name = words[words.index("generic") + 1]
        assert {one.partition("=")[0] for one in options["--from-literal"]} <= references[name]
    if "namespace" in words:
        assert words[words.index("namespace") + 1] in namespaces
    if "--" in words:
        assert words[words.index("--") + 1] == "daybook"
        is_a_command(words[words.index("--") + 2 :])


def names_the_image(words: Sequence[str]) -> None:
    assert words[:3] == ["edit", "set", "image"]
    assert words[3].partition("=")[0] == IMAGE


def _options(words: Sequence[str]) -> dict[str, list[str]]:
    """What is given to each option, with `=` or as the next word."""
    found: dict[str, list[str]] = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, has_value, value = word.partition("=")
        if name.startswith("-"):
            found.setdefault(name, []).append(value if has_value else following)
    return found


def _real(name: str) -> str:
    program = shutil.which(name)
    assert program is not None
    return program


def is_as_it_is_tested(words: Sequence[str]) -> None:
    assert [word for word in words if word.startswith("--")] == [
        "--host", "--username", "--pgdata", "--wal-method", "--checkpoint",
    ]  # fmt: skip


CHECKS: dict[str, Any] = {
    "make": is_a_target,
    "docker": is_for_a_service,
    "kubectl": is_in_the_manifests,
    "kustomize": names_the_image,
    "pg_basebackup": is_as_it_is_tested,
}
