"""What a running system tells of itself, in its logs, its metrics and its traces; and what it keeps to itself."""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from daybook.embedded import Stores
from tests.journals import a_place
from tests.processes import PATIENCE, slot
from tests.scanning import secrets_in
from tests.seen.systems import ROLES, System, a_system
from tests.seen.walking import Walk, walk

ROOT = Path(__file__).parents[2]
DEPLOY, GUIDE = ROOT / "deploy", ROOT / "docs" / "how-to" / "watch.md"


@dataclass(frozen=True, slots=True)
class Seen:
    """A system that somebody walked through."""

    system: System
    walked: Walk

    def lines(self, role: str) -> list[dict[str, Any]]:
        (process,) = (one for one in self.system.processes if one.name == role)
        return [json.loads(line) for line in process.log.read_text().splitlines()]

    def samples(self, role: str) -> list[Sample]:
        families = text_string_to_metric_families(self.system.metrics(role))
        return [sample for family in families for sample in family.samples]

    def await_views(self) -> None:
        """Return when every view shows everything: nobody waits for those of the dashboards otherwise."""
        until = time.monotonic() + PATIENCE
        while self.value("follow", "daybook_view_lag_facts"):
            assert time.monotonic() < until

    def value(self, role: str, name: str, **labels: str) -> float:
        """The sum of a metric over those labels that are not named."""
        return sum(
            sample.value
            for sample in self.samples(role)
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@pytest.fixture(scope="module")
def seen(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    logs: Path = tmp_path_factory.mktemp("logs")
    with a_place(stores) as place, a_system(stores, place, logs) as system:
        seen = Seen(system, asyncio.run(walk(system)))
        seen.await_views()
        yield seen


def test_the_walk_met_every_kind_of_answer(seen: Seen) -> None:
    assert {200, 201, 400, 401, 403, 404, 405, 409, 422, 500} <= set(seen.walked.statuses)


def test_nothing_secret_is_in_any_log(seen: Seen) -> None:
    for process in seen.system.processes:
        assert process.log.stat().st_size
        assert list(secrets_in(process.log, seen.walked.secrets)) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_line_is_json_of_its_moment(seen: Seen, role: str) -> None:
    for line in seen.lines(role):
        assert {"timestamp", "level", "logger", "event"} <= set(line)


def test_every_request_has_a_line_with_its_route_and_not_its_path(seen: Seen) -> None:
    requests = [line for line in seen.lines("api") if line["logger"] == "requests"]

    booked = [line for line in requests if line["correlation_id"] == seen.walked.booked["correlation_id"]]
    assert [(line["method"], line["route"], line["status"]) for line in booked] == [("POST", "/bookings", 201)]
    assert booked[0]["user_id"]
    signed_in = [line["user_id"] for line in requests if (line["route"], line["status"]) == ("/auth/login", 200)]
    assert all(signed_in)
    assert len(set(signed_in)) == 2
    assert {"/bookings/{booking_id}", "unmatched"} <= {line["route"] for line in requests}
    assert len({line["request_id"] for line in requests}) == len(requests)


def test_a_fault_is_told_with_whose_request_it_was_and_where_it_happened(seen: Seen) -> None:
    faults = [line for line in seen.lines("api") if line["event"] == "fault"]

    assert len(faults) >= 2
    for line in faults:
        assert line["correlation_id"]
        assert "Traceback" not in line["event"]
        assert "psycopg" in line["exception"]


async def booked(seen: Seen, quarter: int, **headers: str) -> None:
    """Another booking, by the walk's ADMIN."""
    async with seen.system.api.client(seen.walked.admin_token) as client:
        body = {"space_id": seen.walked.space_id, "notes": seen.walked.secrets[0], **slot(quarter)}
        answer = await client.post("/bookings", json=body, headers=headers)
        assert answer.status_code == 201, answer.text


TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WAY = ("POST /bookings", "decide CreateBooking", "read", "append", "project bookings", "project activity")


def parents(spans: list[tuple[str, Span]]) -> dict[str, str]:
    """The name of every span's parent, or its id where it is nobody's here."""
    names = {span.span_id: span.name for _, span in spans}
    return {span.name: names.get(span.parent_span_id, span.parent_span_id.hex()) for _, span in spans}


async def test_one_trace_leads_from_the_caller_through_request_and_append_to_the_views(seen: Seen) -> None:
    await booked(seen, 100, traceparent=f"00-{TRACE}-{CALLER}-01")

    spans = await asyncio.to_thread(seen.system.receiver.of_trace, TRACE, until=WAY)

    assert parents(spans) == {
        "POST /bookings": CALLER,
        "decide CreateBooking": "POST /bookings",
        "read": "decide CreateBooking",
        "append": "decide CreateBooking",
        "project availability": "append",
        "project bookings": "append",
        "project utilisation": "append",
        "project activity": "append",
    }
    services = {span.name: service for service, span in spans}
    assert (services["append"], services["project bookings"]) == ("daybook-api", "daybook-follow")
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for _, span in spans)


async def test_a_request_without_a_trace_begins_one_and_its_id_names_it(seen: Seen) -> None:
    spans = await asyncio.to_thread(
        seen.system.receiver.of_trace,
        seen.walked.booked["correlation_id"],
        until=("POST /bookings", "project bookings"),
    )

    assert parents(spans)["POST /bookings"] == ""
    (line,) = (one for one in seen.lines("api") if one.get("request_id") in {span.span_id.hex() for _, span in spans})
    assert line["route"] == "/bookings"


async def test_under_an_id_of_its_own_a_request_is_a_trace_of_its_own_that_points_to_its_caller(seen: Seen) -> None:
    await booked(seen, 120, traceparent=f"00-{TRACE}-{CALLER}-01", **{"X-Request-ID": "order/17"})

    trace = hashlib.sha256(b"order/17").hexdigest()[:32]
    spans = await asyncio.to_thread(seen.system.receiver.of_trace, trace, until=WAY)

    (request,) = (span for _, span in spans if span.name == "POST /bookings")
    assert parents(spans)["POST /bookings"] == ""
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in request.links] == [(TRACE, CALLER)]
    assert parents(spans)["project bookings"] == "append"


async def test_what_its_caller_does_not_trace_no_process_does(seen: Seen) -> None:
    quiet, after = "5" * 32, "6" * 32
    await booked(seen, 140, traceparent=f"00-{quiet}-{CALLER}-00")
    await booked(seen, 160, traceparent=f"00-{after}-{CALLER}-01")

    await asyncio.to_thread(seen.system.receiver.of_trace, after, until=WAY)  # which each process sends later

    assert not [span for _, span in seen.system.receiver.spans if span.trace_id.hex() == quiet]


def test_refusals_and_faults_are_told_apart_in_a_trace(seen: Seen) -> None:
    spans = [span for _, span in seen.system.receiver.spans]

    refused = [span for span in spans if ("daybook.outcome", "refused") in attributes(span)]
    assert {span.name for span in refused} >= {"decide CreateBooking"}
    assert {span.status.code for span in refused} == {Status.STATUS_CODE_UNSET}
    faults = [span for span in spans if ("http.response.status_code", "500") in attributes(span)]
    assert faults
    assert {span.status.code for span in faults} == {Status.STATUS_CODE_ERROR}


def attributes(span: Span) -> set[tuple[str, str]]:
    return {(pair.key, pair.value.string_value or str(pair.value.int_value)) for pair in span.attributes}


def test_no_trace_holds_anything_of_a_person(seen: Seen) -> None:
    told = [(span.name, span.status.message, *attributes(span)) for _, span in seen.system.receiver.spans]

    assert {key for _, _, *pairs in told for key, _ in pairs} == {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "daybook.command",
        "daybook.facts",
        "daybook.outcome",
        "daybook.position",
        "daybook.view",
    }
    text = str(told)
    assert not [secret for secret in seen.walked.secrets if secret in text]
    assert not re.search(r"[0-9a-f]{8}-|@", text)


def test_requests_are_counted_by_route_and_status(seen: Seen) -> None:
    booked = {"method": "POST", "route": "/bookings"}

    assert seen.value("api", "daybook_http_requests_total", **booked, status="201") >= 2
    assert seen.value("api", "daybook_http_requests_total", **booked, status="409") >= 1
    assert seen.value("api", "daybook_http_requests_total", route="unmatched", status="404") == 1
    assert seen.value("api", "daybook_http_request_duration_seconds_count", **booked) == seen.value(
        "api", "daybook_http_requests_total", **booked
    )


def test_decisions_are_counted_by_what_came_of_them_and_refusals_by_their_rule(seen: Seen) -> None:
    assert seen.value("api", "daybook_decisions_total", command="CreateBooking", outcome="recorded") >= 2
    assert seen.value("api", "daybook_decisions_total", command="CreateBooking", outcome="refused") >= 1
    assert seen.value("api", "daybook_refusals_total", rule="slot-taken") >= 1


def test_the_journal_tells_how_long_it_is_and_how_long_appends_wait(seen: Seen) -> None:
    with seen.system.place.role() as role:
        ((position,),) = role.execute("select position from journal_head").fetchall()

    for name in ROLES:
        assert seen.value(name, "daybook_journal_position") == position
        assert seen.value(name, "daybook_up", of="journal") == 1
    assert seen.value("api", "daybook_append_wait_seconds_count") >= 2
    assert seen.value("api", "daybook_append_batch_commands_sum") >= 2
    assert seen.value("api", "daybook_connection_wait_seconds_count", connection="api read") >= 2


def test_views_tell_how_far_they_are_and_work_how_much_is_due(seen: Seen) -> None:
    seen.await_views()
    head = seen.value("follow", "daybook_journal_position")
    positions = {one.labels["view"]: one.value for one in seen.samples("follow") if one.name == "daybook_view_position"}

    assert positions == dict.fromkeys(("availability", "bookings", "spaces", "utilisation", "activity"), head)
    for lag in ("daybook_view_lag_facts", "daybook_view_lag_seconds"):
        assert seen.value("follow", lag) == 0
    assert seen.value("follow", "daybook_view_followed") == len(positions)
    assert seen.value("follow", "daybook_facts_posted_total", view="bookings") == head
    assert seen.value("work", "daybook_due_backlog") == 0


def test_notices_and_deliveries_tell_what_came_of_them(seen: Seen) -> None:
    until = time.monotonic() + PATIENCE
    while not (
        seen.value("work", "daybook_deliveries_tried_total") and seen.value("work", "daybook_notices_tried_total")
    ):
        assert time.monotonic() < until

    assert seen.value("work", "daybook_notices_tried_total", outcome="logged") >= 1
    assert seen.value("work", "daybook_notices", state="dead") == 0
    assert seen.value("work", "daybook_deliveries_tried_total", outcome="put-off") >= 1
    assert seen.value("work", "daybook_deliveries_due") <= 1  # it may just be due again


@pytest.mark.parametrize("role", ROLES)
def test_no_label_names_a_person_or_a_thing(seen: Seen, role: str) -> None:
    values = {value for sample in seen.samples(role) for value in sample.labels.values()}

    assert not [value for value in values if re.search(r"[0-9a-f]{8}|@", value)]
    assert not [value for value in values for secret in seen.walked.secrets if secret in value]


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]
    return found


def test_every_alert_is_whole_and_its_page_tells_what_to_do() -> None:
    guide = GUIDE.read_text()

    assert len({rule["alert"] for rule in alerts()}) == len(alerts())
    for rule in alerts():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in guide


def test_no_alert_asks_for_what_a_counter_first_counts() -> None:
    """Prometheus sees no growth from nothing to one: what happens once is a gauge, or is missed."""
    for rule in alerts():
        assert not re.search(r"\b(?:increase|delta|idelta|irate|changes|resets)\(", rule["expr"]), rule["alert"]
        if "rate(" in rule["expr"]:
            assert int(rule["for"].removesuffix("m")) >= 5, rule["alert"]


def test_no_two_panels_of_the_dashboard_lie_on_each_other() -> None:
    covered = [
        (x, y)
        for panel in panels()
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(set(covered)) == len(covered)
    assert max(x for x, _ in covered) < 24
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_what_alerts_and_dashboard_ask_for_is_told_with_these_labels(seen: Seen) -> None:
    told: dict[str, set[str]] = {}
    for role in ROLES:
        for sample in seen.samples(role):
            told.setdefault(sample.name, set()).update(sample.labels, {"instance"})
    expressions = [rule["expr"] for rule in alerts()]
    expressions += [target["expr"] for panel in panels() for target in panel.get("targets", ())]

    for expression in expressions:
        assert expression.count("(") == expression.count(")")
        asked = re.findall(r"\b((?:daybook|process)_\w+)(?:\{([^}]*)\})?", expression)
        assert asked
        for metric, matchers in asked:
            assert metric in told, expression
            assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers)) <= told[metric], expression
        grouped = {name for names in re.findall(r"by \(([^)]*)\)", expression) for name in names.split(", ")}
        assert grouped <= set().union(*(told[metric] for metric, _ in asked)), expression


def test_the_guide_tells_of_every_metric_and_of_no_other(seen: Seen) -> None:
    families = {
        family.name + ("_total" if family.type == "counter" else "")
        for role in ROLES
        for family in text_string_to_metric_families(seen.system.metrics(role))
    }

    listed = set(re.findall(r"^\| `(daybook_\w+)`", GUIDE.read_text(), re.MULTILINE))
    assert listed == {name for name in families if name.startswith("daybook_")}
