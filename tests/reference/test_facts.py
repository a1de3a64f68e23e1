"""The schemas of facts: as the code has them, and none of them leaves a reader behind."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from journal.codec import FORMS
from tests.journal import frozen
from tests.reference import facts
from tests.reference.__main__ import main
from tests.reference.facts import SCHEMAS, breaches, schemas_of


def stored() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}


def test_no_fact_that_is_stored_is_left_unreadable():
    assert list(breaches(stored(), schemas_of())) == []


def test_the_schemas_and_their_page_are_as_the_code_has_them():
    there = {path: path.read_text() for path in (facts.PAGE, *SCHEMAS.glob("*.json"))}

    assert there == facts.written(), "run `make reference`"


def test_there_is_a_schema_for_every_form():
    assert schemas_of().keys() == {f"{form.name}.{form.version}" for form in FORMS}


@pytest.mark.parametrize("row", frozen.ROWS, ids=lambda row: f"{row.name}-{row.version}")
def test_what_was_once_stored_is_what_its_schema_says(row: frozen.Frozen):
    Draft202012Validator(schemas_of()[f"{row.name}.{row.version}"]).validate(json.loads(row.payload))


Schema = dict[str, Any]


def without(schema: Schema, field: str) -> None:
    del schema["properties"][field]


def with_type(schema: Schema, field: str, **type: str) -> None:
    schema["properties"][field] = type


CHANGES: dict[str, tuple[str, Callable[[Schema], object]]] = {
    "BookingCreated.1.notes is gone": ("BookingCreated.1", lambda schema: without(schema, "notes")),
    "BookingCreated.1.notes has changed its type": (
        "BookingCreated.1",
        lambda schema: with_type(schema, "notes", type="integer"),
    ),
    "BookingCreated.1.space_id has changed its type from string to integer": (
        "BookingCreated.1",
        lambda schema: with_type(schema, "space_id", type="integer"),
    ),
    "BookingCreated.1.at has changed its format from date-time to date": (
        "BookingCreated.1",
        lambda schema: with_type(schema, "at", type="string", format="date"),
    ),
    "BookingCreated.1.hold has become required": (
        "BookingCreated.1",
        lambda schema: schema["required"].append("hold"),
    ),
    "BookingCreated.1.slot.end is gone": ("BookingCreated.1", lambda schema: without(schema["$defs"]["Slot"], "end")),
    "UserRegistered.1.role can no longer be STAFF": (
        "UserRegistered.1",
        lambda schema: schema["$defs"]["Role"]["enum"].remove("STAFF"),
    ),
    "SpecialHoursSet.1.windows[].opens is gone": (
        "SpecialHoursSet.1",
        lambda schema: without(schema["$defs"]["Window"], "opens"),
    ),
    "SpaceCreated.1.timezone can only be Blue, Red any more": (
        "SpaceCreated.1",
        lambda schema: schema["properties"]["timezone"].update(enum=["Red", "Blue"]),
    ),
    "SpaceCreated.1.timezone has changed its format from None to email": (
        "SpaceCreated.1",
        lambda schema: schema["properties"]["timezone"].update(format="email"),
    ),
    "SpaceCreated.1 has a new additionalProperties": (
        "SpaceCreated.1",
        lambda schema: schema.update(additionalProperties=False),
    ),
    "BookingCreated.1.slot.start has a new pattern": (
        "BookingCreated.1",
        lambda schema: schema["$defs"]["Slot"]["properties"]["start"].update(pattern="Z$"),
    ),
    "BookingCreated.1.slot has a new minProperties": (
        "BookingCreated.1",
        lambda schema: schema["properties"]["slot"].update(minProperties=3),
    ),
    "SpecialHoursSet.1.windows has a new minItems": (
        "SpecialHoursSet.1",
        lambda schema: schema["properties"]["windows"].update(minItems=1),
    ),
    **{
        f"{fact}.{field} has a new {keyword}": (
            fact,
            lambda schema, field=field, keyword=keyword, value=value: schema["properties"][field].update(
                {keyword: value}
            ),
        )
        for fact, field, keyword, value in (
            ("SpaceCreated.1", "timezone", "const", "Blue"),
            ("SpaceCreated.1", "timezone", "maxLength", 5),
            ("SpaceCreated.1", "timezone", "not", {"const": "Red"}),
            ("WebhookReplayed.1", "from_position", "minimum", 10),
            ("WebhookReplayed.1", "from_position", "multipleOf", 2),
        )
    },
}


@pytest.mark.parametrize(("told", "change"), CHANGES.items(), ids=CHANGES.keys())
def test_a_change_that_leaves_readers_behind_is_told(told: str, change: tuple[str, Callable[[Schema], object]]):
    name, apply = change
    now = copy.deepcopy(schemas_of())
    apply(now[name])

    assert list(breaches(schemas_of(), now)) == [told]


@pytest.mark.parametrize(
    ("keyword", "before", "tighter", "wider"),
    [("minimum", 1, 2, 0), ("maxLength", 5, 4, 6), ("maxItems", 5, 4, 6), ("minProperties", 1, 2, 0)],
)
def test_a_bound_may_be_widened_and_not_tightened(keyword: str, before: int, tighter: int, wider: int):
    def bounded(bound: int) -> dict[str, Schema]:
        return {"Fact.1": {"type": "object", "properties": {"field": {keyword: bound}}}}

    assert list(breaches(bounded(before), bounded(tighter))) == [f"Fact.1.field has another {keyword}"]
    assert list(breaches(bounded(before), bounded(wider))) == []
    assert list(breaches(bounded(before), {"Fact.1": {"type": "object", "properties": {"field": {}}}})) == []


def test_what_was_one_of_two_types_is_still_bound_by_nothing_new():
    now = schemas_of()
    text, _ = now["BookingCreated.1"]["properties"]["notes"]["anyOf"]
    text["maxLength"] = 10

    assert list(breaches(schemas_of(), now)) == ["BookingCreated.1.notes has changed its type"]


def test_a_fact_that_is_gone_is_told():
    now = schemas_of()
    del now["SpaceActivated.1"]

    assert list(breaches(schemas_of(), now)) == ["SpaceActivated.1: there is no such fact any more"]


def test_what_is_new_leaves_nobody_behind():
    now = schemas_of()
    now["BookingCreated.1"]["properties"]["colour"] = {"type": "string", "default": "blue"}
    now["UserRegistered.1"]["$defs"]["Role"]["enum"].append("GUEST")
    now["BookingCreated.2"] = now["BookingCreated.1"]

    assert list(breaches(schemas_of(), now)) == []


def test_a_new_schema_is_not_written_over_one_that_readers_go_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    main()
    kept = SCHEMAS / "BookingExpired.1.json"
    older = json.loads(kept.read_text())
    older["properties"]["colour"] = {"type": "string"}
    kept.write_text(json.dumps(older))

    with pytest.raises(SystemExit, match=r"BookingExpired\.1\.colour is gone"):
        main()

    assert json.loads(kept.read_text()) == older


def test_a_schema_written_anew_is_still_compared_with_the_one_before(tmp_path: Path):
    """As for a proposed change, with what stands where it is to go."""
    for path in SCHEMAS.glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    main(["--since", str(tmp_path)])
    kept = tmp_path / "BookingExpired.1.json"
    older = json.loads(kept.read_text())
    older["properties"]["colour"] = {"type": "string"}
    kept.write_text(json.dumps(older))

    with pytest.raises(SystemExit, match=r"BookingExpired\.1\.colour is gone"):
        main(["--since", str(tmp_path)])


def test_nothing_to_compare_with_is_no_good_news(tmp_path: Path):
    with pytest.raises(SystemExit, match="there are no schemas"):
        main(["--since", str(tmp_path / "nowhere")])
