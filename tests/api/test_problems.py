"""Problems: every refusal has a status, and each is written as RFC 9457 says."""

import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

from api.problems import STATUS, problem_of
from booking import refusals
from booking.refusals import Refusal, Refused
from booking.roles import Role
from booking.slots import Slot
from journal.connection import Unavailable
from tests.api.houses import House

AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
SLOT = Slot(AT, AT.replace(hour=11))
EXAMPLES: list[Refusal] = [
    refusals.SlotTooShort(30),
    refusals.SlotTooLong(480),
    refusals.TooLittleNotice(AT),
    refusals.TooFarAhead(date(2026, 1, 5), "UTC"),
    refusals.OutsideOpeningHours("UTC", ((AT, AT.replace(hour=12)),)),
    refusals.SpaceInactive(),
    refusals.SlotTaken((SLOT,)),
    refusals.AllowanceUsedUp(5),
    refusals.DeadlinePassed(AT),
    refusals.BookingNotActive("cancelled"),
    refusals.BookingNotPending("confirmed"),
    refusals.UserInactive(),
    refusals.LastAdmin(),
    refusals.RoleHoldsNoBookings(Role.AUDITOR),
    refusals.EmailTaken(),
    refusals.PasswordAlreadyChanged(),
]


def written(error: Exception) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(problem_of(error).response().body)
    return document


def test_every_refusal_is_in_the_table_and_among_the_examples() -> None:
    # By name: a dataclass with slots takes the place of a class that may still be around.
    names = {refusal.__name__ for refusal in Refusal.__subclasses__()}
    assert names == {refusal.__name__ for refusal in STATUS} == {type(example).__name__ for example in EXAMPLES}


@pytest.mark.parametrize("refusal", EXAMPLES, ids=lambda refusal: refusal.code)
def test_a_refusal_gives_its_name_to_the_problem(refusal: Refusal) -> None:
    problem = problem_of(Refused([refusal]))
    document = written(Refused([refusal]))

    assert problem.status_code == document["status"] == STATUS[type(refusal)]
    assert document["type"] == f"urn:daybook:problem:{refusal.code}"
    assert document["title"] == type(refusal).__doc__
    assert document["detail"] == refusal.detail
    (told,) = document["refusals"]
    assert (told["code"], told["detail"]) == (refusal.code, refusal.detail)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", refusal.code)


def test_instants_and_stretches_are_told_in_utc_with_a_z() -> None:
    hours, taken = written(Refused([EXAMPLES[4]])), written(Refused([EXAMPLES[6]]))

    assert hours["refusals"][0]["open"] == [{"start": "2026-01-05T10:00:00Z", "end": "2026-01-05T12:00:00Z"}]
    assert taken["refusals"][0]["conflicting_slots"] == [
        {"start": "2026-01-05T10:00:00Z", "end": "2026-01-05T11:00:00Z"}
    ]


def test_the_answer_is_409_only_if_every_refusal_is() -> None:
    taken, inactive, short = refusals.SlotTaken((SLOT,)), refusals.SpaceInactive(), refusals.SlotTooShort(30)

    assert problem_of(Refused([taken, inactive])).status_code == 409
    mixed = written(Refused([taken, short]))
    assert (mixed["status"], mixed["type"]) == (422, "urn:daybook:problem:slot-too-short")
    assert [one["code"] for one in mixed["refusals"]] == ["slot-taken", "slot-too-short"]


def test_what_is_away_is_to_be_tried_again() -> None:
    away, unknown = Unavailable("host 10.0.0.1 secret"), Unavailable("secret", unknown=True)

    assert problem_of(away).headers == {"Retry-After": "1"}
    assert "secret" not in json.dumps(written(away))
    assert "Idempotency-Key" in written(unknown)["detail"]


async def test_what_the_framework_refuses_is_a_problem_too(house: House) -> None:
    nowhere = await house.client().get("/nowhere")
    no_such_method = await house.client().put("/bookings", json={})
    with_a_slash = await house.client().get("/spaces/")

    assert [answer.status_code for answer in (nowhere, no_such_method, with_a_slash)] == [404, 405, 404]
    assert {answer.headers["Content-Type"] for answer in (nowhere, no_such_method)} == {"application/problem+json"}
    assert set(no_such_method.headers["Allow"].split(", ")) <= {"GET", "POST"}
    assert nowhere.json()["correlation_id"] == nowhere.headers["X-Request-ID"]
