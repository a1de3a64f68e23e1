"""The manifests are what Kubernetes takes, what our settings know, and no more rights than the processes need."""

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from api.query_routers import health
from daybook import wiring
from daybook.roles import ROLES
from daybook.settings import SIGNING, Settings
from tests.deploy.manifests import (
    BASE,
    IMAGE,
    OVERLAYS,
    Manifest,
    containers,
    kustomization,
    literals,
    pods,
    rendered,
    written,
)

VERSIONS = ("1.30", "1.37")  # the first that has what we use, and the last that is known

# Between whom a connection may be made, and to which port.
NAMES = {("kube-system", "UDP", 53), ("kube-system", "TCP", 53)}
STORES = {("anybody", "TCP", 5432), ("anybody", "TCP", 6379)}
WATCHED = {("monitoring", "TCP", "metrics")}
TRACED = {("monitoring", "TCP", 4318)}
CALLED = {("ingress-nginx", "TCP", "http")}
WORLD = {(network, "TCP", port) for network in ("0.0.0.0/0", "::/0") for port in (443, 465, 587)}

PRIVATE = (
    *("10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    *("::1", "fd00::1", "fe80::1"),
)


@pytest.fixture(params=["as written", *(overlay.name for overlay in OVERLAYS)])
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return written() if request.param == "as written" else rendered(BASE.parent / "overlays" / request.param)


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def passages(manifests: list[Manifest], labels: dict[str, str], *, way: str, other: str) -> set[tuple[str, str, Any]]:
    """With whom pods that bear the labels may speak: who, by which protocol, at which port."""
    return {
        (who, port["protocol"], port["port"])
        for policy in of_kind(manifests, "NetworkPolicy").values()
        if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels.items()
        for rule in policy["spec"].get(way, [])
        for who in whom(rule.get(other))
        for port in rule["ports"]
    }


def whom(peers: list[Manifest] | None) -> Iterator[str]:
    for peer in peers or ():
        match peer:
            case {"ipBlock": {"cidr": network}}:
                yield network
            case {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}:
                yield namespace
            case _:
                pytest.fail(f"nobody has said whom {peer} lets through")
    if not peers:
        yield "anybody"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_takes(manifests: list[Manifest], version: str) -> None:
    assert {one["kind"] for one in manifests} >= {
        "Deployment", "Job", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy",
    }  # fmt: skip
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_every_role_runs_and_the_schema_is_brought_up_to_date(manifests: list[Manifest]) -> None:
    assert {name: container["args"] for name, container in containers(manifests)} == {
        f"daybook-{role}": [role] for role in (*ROLES, "migrate")
    }


def test_an_overlay_names_an_image_and_which_one_of_it() -> None:
    for overlay in OVERLAYS:
        (image,) = kustomization(overlay)["images"]
        assert image["name"] == IMAGE
        assert image["newTag"] not in {"", "latest"}
    assert {container["image"] for _, container in containers(written())} == {IMAGE}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_no_image_is_the_latest(overlay: Path) -> None:
    for _, container in containers(rendered(overlay)):
        assert re.fullmatch(rf"{IMAGE}:\d+\.\d+\.\d+", container["image"])


def test_what_processes_are_told_are_settings(manifests: list[Manifest]) -> None:
    known = {name.upper() for name in Settings.model_fields}
    told = {one["name"] for _, container in containers(manifests) for one in container["env"]}

    assert told <= known
    assert {name for directory in (BASE, *OVERLAYS) for name in literals(directory)} <= known


def test_the_settings_that_are_told_are_good(monkeypatch: pytest.MonkeyPatch) -> None:
    for overlay in OVERLAYS:
        for name, value in (literals(BASE) | literals(overlay)).items():
            monkeypatch.setenv(name, value)
        assert Settings().app_env == "production"


def test_what_is_secret_is_referred_to_and_never_told(manifests: list[Manifest]) -> None:
    secret = {name.upper() for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)}

    for _, container in containers(manifests):
        for one in container["env"]:
            assert one["name"] in secret
            assert one["valueFrom"]["secretKeyRef"]["key"] == one["name"]
    assert not secret & {name for directory in (BASE, *OVERLAYS) for name in literals(directory)}
    assert not of_kind(manifests, "Secret")


def test_only_migrations_know_the_owner_of_the_database(manifests: list[Manifest]) -> None:
    owners = {
        name
        for name, container in containers(manifests)
        for one in container["env"]
        if one["valueFrom"]["secretKeyRef"]["name"] != "daybook" or one["name"] == "DATABASE_OWNER_URL"
    }

    assert owners == {"daybook-migrate"}


def test_no_process_may_more_than_it_needs(manifests: list[Manifest]) -> None:
    for _, pod in pods(manifests):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for _, container in containers(manifests):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {*container["resources"]["requests"]} == {*container["resources"]["limits"]} == {"cpu", "memory"}


def test_where_the_root_cannot_be_written_there_is_a_tmp_that_can(manifests: list[Manifest]) -> None:
    for _, pod in pods(manifests):
        empty = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
        for container in pod["containers"]:
            mounts = [(mount["mountPath"], mount.get("readOnly", False)) for mount in container["volumeMounts"]]
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert ("/tmp", False) in mounts
            assert {mount["name"] for mount in container["volumeMounts"]} <= empty


def test_the_api_is_replaced_without_one_less_of_it(manifests: list[Manifest]) -> None:
    strategy = of_kind(manifests, "Deployment")["daybook-api"]["spec"]["strategy"]

    assert strategy.get("type", "RollingUpdate") == "RollingUpdate"
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0
    assert strategy["rollingUpdate"]["maxSurge"] == 1


def test_processes_run_as_the_user_the_image_makes(manifests: list[Manifest]) -> None:
    (user,) = re.findall(r"^USER (\d+)$", Path("Dockerfile").read_text(), re.MULTILINE)

    assert {pod["securityContext"]["runAsUser"] for _, pod in pods(manifests)} == {int(user)}


def test_the_names_of_ports_lead_from_the_service_to_the_setting(manifests: list[Manifest]) -> None:
    (api,) = (container for name, container in containers(manifests) if name == "daybook-api")
    ports = {port["name"]: port["containerPort"] for port in api["ports"]}
    (service,) = of_kind(manifests, "Service").values()

    assert ports == {"http": int(literals(BASE)["PORT"]), "metrics": int(literals(BASE)["METRICS_PORT"])}
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert api[probe]["httpGet"]["port"] == "http"


def test_selectors_select_the_pods_they_are_meant_for(manifests: list[Manifest]) -> None:
    deployments = of_kind(manifests, "Deployment")
    labels = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in deployments.items()}

    for name, deployment in deployments.items():
        assert deployment["spec"]["selector"]["matchLabels"] == labels[name]
        spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert {one["topologyKey"] for one in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        assert all(one["labelSelector"]["matchLabels"] == labels[name] for one in spread)
    for name, service in of_kind(manifests, "Service").items():
        assert service["spec"]["selector"] == labels[name]
    for name, budget in of_kind(manifests, "PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"] == labels[name]
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler").values():
        assert scaler["spec"]["scaleTargetRef"]["name"] == "daybook-api"
        assert "replicas" not in deployments["daybook-api"]["spec"], "applying it would undo the scaling"


def test_every_role_is_scraped_and_found_alive_where_it_tells_its_metrics(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment").values():
        template = deployment["spec"]["template"]
        (container,) = template["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        probed = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe")]

        assert template["metadata"]["annotations"] == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(ports["metrics"]),
            "prometheus.io/path": "/metrics",
        }
        assert ports["metrics"] == int(literals(BASE)["METRICS_PORT"])
        assert {probe["port"] for probe in probed} == {"http" if "http" in ports else "metrics"}


def test_whoever_signs_has_the_secret(manifests: list[Manifest]) -> None:
    told = {container["args"][0]: {one["name"] for one in container["env"]} for _, container in containers(manifests)}

    assert {role for role, names in told.items() if "SECRET_KEY" in names} == SIGNING


def test_a_pod_begins_with_the_journal_and_goes_on_without(manifests: list[Manifest]) -> None:
    (api,) = (container for name, container in containers(manifests) if name == "daybook-api")
    live, ready = (getattr(route, "path", None) for route in health.router.routes)

    assert api["startupProbe"]["httpGet"]["path"] == ready
    assert {api[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")} == {live}


def test_a_pod_is_given_the_time_it_takes_to_leave(manifests: list[Manifest]) -> None:
    (api,) = (pod for name, pod in pods(manifests) if name == "daybook-api")
    waits = api["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    drains = float(literals(BASE)["DRAIN_SECONDS"])

    assert waits > 0
    assert drains > 0
    assert waits + drains + wiring.STOP_WITHIN < api["terminationGracePeriodSeconds"]


def test_nothing_passes_but_what_is_named(manifests: list[Manifest]) -> None:
    policies = of_kind(manifests, "NetworkPolicy")

    assert policies["nothing-else"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies.values():
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            assert rule["ports"], "a rule without ports lets everything through"
        for rule in policy["spec"].get("ingress", []):
            assert rule["from"]


def test_each_role_speaks_with_whom_it_has_to_and_nobody_else(manifests: list[Manifest]) -> None:
    templates = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in manifests
        if one["kind"] in {"Deployment", "Job"}
    }
    out = {name: passages(manifests, labels, way="egress", other="to") for name, labels in templates.items()}
    come = {name: passages(manifests, labels, way="ingress", other="from") for name, labels in templates.items()}

    assert out == {
        "daybook-migrate": NAMES | STORES | TRACED,
        "daybook-api": NAMES | STORES | TRACED,
        "daybook-follow": NAMES | STORES | TRACED,
        "daybook-work": NAMES | STORES | TRACED | WORLD,
    }
    assert come == {
        "daybook-migrate": WATCHED,
        "daybook-api": WATCHED | CALLED,
        "daybook-follow": WATCHED,
        "daybook-work": WATCHED,
    }


def test_the_world_is_without_what_is_private(manifests: list[Manifest]) -> None:
    (rule,) = of_kind(manifests, "NetworkPolicy")["world"]["spec"]["egress"]
    closed = [ip_network(network) for peer in rule["to"] for network in peer["ipBlock"]["except"]]

    assert [one for one in PRIVATE if not any(ip_address(one) in network for network in closed)] == []
