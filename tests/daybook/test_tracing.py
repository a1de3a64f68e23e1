"""Traces: which one something is part of, and that nobody waits for a receiver that does not answer."""

import socket
import time
from uuid import UUID

import pytest

from daybook import tracing
from daybook.tracing import Step, Tracing, span_of_append, trace_of
from tests.processes import free_port

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_trace_goes_by_the_correlation_id_that_is_one() -> None:
    assert trace_of(TRACE) == int(TRACE, 16)


@pytest.mark.parametrize("id", ["order/17", TRACE.upper(), TRACE[1:], "0" * 32, f"{TRACE}-01"])
def test_of_any_other_id_one_is_made_that_is_always_the_same(id: str) -> None:
    assert trace_of(id) == trace_of(id)
    assert trace_of(id) not in (None, 0, trace_of(id + " "), int(TRACE, 16))


@pytest.mark.parametrize("id", [f"{TRACE}-00", "due:expire", "import:5f0c0c1e", "operator:5f0c0c1e"])
def test_what_its_caller_does_not_trace_and_what_nobody_called_for_is_in_none(id: str) -> None:
    assert trace_of(id) is None


def test_two_commands_have_two_appends() -> None:
    assert span_of_append(UUID(int=1)) == span_of_append(UUID(int=1)) != span_of_append(UUID(int=2))


@pytest.mark.parametrize("hangs", [True, False])
def test_it_ends_soon_though_its_receiver_is_away_or_hangs(hangs: bool) -> None:
    with socket.socket() as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.listen()
        port = receiver.getsockname()[1] if hangs else free_port()
        told = Tracing(f"http://127.0.0.1:{port}/", service="daybook-test", version="1")
        told.tell(Step("a step", 1, 2))

        began = time.monotonic()
        told.close()

        assert time.monotonic() - began < 3 * tracing.EXPORT_WITHIN
