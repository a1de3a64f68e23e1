"""The Kubernetes manifests as they stand in the files, and as kustomize renders them where kubectl is on PATH."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

KUBERNETES = Path("deploy/kubernetes")
BASE = KUBERNETES / "base"
OVERLAYS = sorted((KUBERNETES / "overlays").iterdir())
IMAGE = "daybook-server"

Manifest = dict[str, Any]


def documents(file: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


def kustomization(directory: Path) -> Manifest:
    (found,) = documents(directory / "kustomization.yaml")
    return found


def written() -> list[Manifest]:
    """What the base's files say."""
    return [document for name in kustomization(BASE)["resources"] for document in documents(BASE / name)]


@cache
def rendered(overlay: Path) -> list[Manifest]:
    """What a cluster is told. Skips where nothing renders it."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on PATH: the base's files are checked, not what an overlay makes of them")
    done = subprocess.run([kubectl, "kustomize", overlay], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Each pod a Deployment or Job makes, under the name of that."""
    for manifest in manifests:
        if manifest["kind"] in {"Deployment", "Job"}:
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def containers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for name, pod in pods(manifests):
        for container in pod["containers"]:
            yield name, container


def literals(directory: Path) -> dict[str, str]:
    """What the generated ConfigMap of a directory holds."""
    (generator,) = kustomization(directory).get("configMapGenerator", [{}])
    return dict(one.split("=", 1) for one in generator.get("literals", []))
