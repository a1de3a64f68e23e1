"""Facts to JSON and back, for every fact there is and every form it ever had."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import hypothesis
import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import strategies as st

from booking.events import BookingCancelled, BookingCreated, BookingNotesChanged, Event
from journal import codec, sealing, tags
from journal.codec import UnknownFact
from tests.examples import (
    ANA,
    EVENT_TYPES,
    at,
    cancelled,
    created,
    events,
    events_of,
    expired,
    hours,
    notes_changed,
    rescheduled,
    texts,
)
from tests.journal import frozen
from tests.journal.frozen import Frozen
from tests.keys import Everybody

KEY, OTHER_KEY = sealing.new_key(), sealing.new_key()
EVERYBODY = Everybody()


def frozen_rows(*names: str) -> Iterator[Frozen]:
    return (row for row in frozen.ROWS if not names or row.name in names)


@hypothesis.given(events)
def test_every_event_survives_encoding_and_decoding(event: Event):
    name, version, payload = codec.encode(event, EVERYBODY)

    assert codec.opened(codec.decode(name, version, payload), EVERYBODY) == event


@pytest.mark.parametrize("row", frozen.ROWS, ids=lambda row: f"{row.name}-{row.version}")
def test_what_was_once_stored_reads_the_same_for_ever(row: Frozen):
    assert codec.opened(codec.decode(row.name, row.version, row.payload), {frozen.MIA: frozen.KEY}) == row.event


@pytest.mark.parametrize("row", frozen.ROWS, ids=lambda row: f"{row.name}-{row.version}")
def test_what_was_once_stored_bears_the_same_tags_for_ever(row: Frozen):
    assert tags.of(row.event) == row.tags


def test_there_is_a_frozen_row_for_every_form_and_a_form_for_every_event():
    assert {(row.name, row.version) for row in frozen.ROWS} == {(form.name, form.version) for form in codec.FORMS}
    assert {form.event for form in codec.FORMS} == set(EVENT_TYPES)


def test_a_fact_of_a_newer_daybook_is_refused_by_name():
    with pytest.raises(UnknownFact, match="BookingCreated version 99"):
        codec.decode("BookingCreated", 99, "{}")


def test_a_field_this_code_does_not_know_does_not_matter():
    (row,) = frozen_rows("SpaceActivated")

    assert codec.decode(row.name, row.version, row.payload.replace("{", '{"colour":"blue",')) == row.event


@hypothesis.given(events_of(BookingCreated, BookingNotesChanged, BookingCancelled))
def test_without_its_key_a_text_reads_as_erased_and_everything_else_as_it_was(event: Event):
    field = "reason" if isinstance(event, BookingCancelled) else "notes"

    assert codec.opened(codec.decode(*codec.encode(event, EVERYBODY)), {}) == replace(event, **{field: None})


@hypothesis.given(events_of(BookingCreated, BookingNotesChanged, BookingCancelled))
def test_of_somebody_without_a_key_no_text_is_kept(event: Event):
    field = "reason" if isinstance(event, BookingCancelled) else "notes"

    stored = codec.encode(event, {})

    assert codec.decode(*stored) == replace(event, **{field: None})


@hypothesis.given(st.text(st.characters(categories=["L", "N"], max_codepoint=0x2FFF), min_size=4, max_size=50))
def test_a_sealed_text_does_not_stand_in_the_payload(text: str):
    booking = created(hours(10, 12), notes=f"« {text} »")

    for fact in (booking, notes_changed(booking, f"« {text} »"), cancelled(booking, reason=f"« {text} »")):
        assert f"« {text} »" not in codec.encode(fact, EVERYBODY)[2]


@hypothesis.given(texts)
def test_a_text_sealed_twice_looks_different(text: str):
    assert sealing.seal(text, KEY, "here") != sealing.seal(text, KEY, "here")


def test_a_text_cannot_be_read_under_another_key():
    fact = codec.decode(*codec.encode(created(hours(10, 12), notes="Two of us."), {ANA: KEY}))

    with pytest.raises(InvalidTag):
        codec.opened(fact, {ANA: OTHER_KEY})


def test_a_text_cannot_be_moved_into_another_booking():
    mine, other = created(hours(10, 12), notes="Two of us."), created(hours(13, 14), notes="Alone.")
    sealed = codec.decode(*codec.encode(mine, {ANA: KEY}))
    assert isinstance(sealed, BookingCreated)

    with pytest.raises(InvalidTag):
        codec.opened(replace(other, notes=sealed.notes), {ANA: KEY})


def test_a_text_cannot_be_moved_into_another_kind_of_fact():
    booking = created(hours(10, 12), notes="Two of us.")
    sealed = codec.decode(*codec.encode(booking, {ANA: KEY}))
    assert isinstance(sealed, BookingCreated)

    for fact in (cancelled(booking, reason=sealed.notes), notes_changed(booking, sealed.notes)):
        with pytest.raises(InvalidTag):
            codec.opened(fact, {ANA: KEY})


def test_an_empty_text_is_a_text():
    booking = created(hours(10, 12), notes="")

    assert codec.sealed_for(booking) == ANA
    assert codec.opened(codec.decode(*codec.encode(booking, {ANA: KEY})), {ANA: KEY}) == booking


def test_a_reason_is_sealed_for_the_user_of_the_booking_whoever_wrote_it():
    assert codec.sealed_for(cancelled(created(hours(10, 12), user_id=ANA), by=UUID(int=7), reason="Flood.")) == ANA


def test_a_fact_without_text_is_sealed_for_nobody():
    booking = created(hours(10, 12))

    for fact in (
        booking,
        rescheduled(booking, hours(14, 15)),
        notes_changed(booking, None),
        expired(booking, at=at(12)),
    ):
        assert codec.sealed_for(fact) is None


@hypothesis.given(st.binary(), st.binary())
def test_a_digest_tells_requests_apart_and_needs_the_key(one: bytes, other: bytes):
    assert (sealing.digest(one, KEY) == sealing.digest(other, KEY)) is (one == other)
    assert sealing.digest(one, KEY) != sealing.digest(one, OTHER_KEY)
    assert len(sealing.digest(one, KEY)) == 32
