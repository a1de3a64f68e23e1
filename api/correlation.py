"""Which request something is done for, known to everything that runs for it: the journal, the log, the answer."""

import re
from contextvars import ContextVar
from secrets import token_hex
from uuid import UUID

HEADER = "X-Request-ID"
correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
"""What this request and others may go by, as whoever asks wishes."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""This request's alone: 16 hexadecimal digits, the id of its span where it is traced."""

user_id: ContextVar[UUID | None] = ContextVar("user_id", default=None)
"""Who asks, once that is known."""

NOT_SAMPLED = "-00"
"""The end of a correlation id that is a trace's, where its caller traces nothing: every process has to know."""

TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
"""W3C Trace Context §3.2: the trace, the caller's span, the flags."""

# An id is kept for ever, and no e-mail address is to be: what holds an `@`, written as it is or encoded, is no id.
_GIVEN = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


def begin(given: bytes | None, traceparent: bytes | None) -> str:
    """The id this request goes by from here on: the one it brought, else its trace's (W3C Trace Context), else new."""
    if given is not None and _GIVEN.fullmatch(given):
        id = given.decode()
    elif traceparent is not None and (trace := TRACEPARENT.fullmatch(traceparent)):
        id = trace[1].decode() + ("" if is_sampled(trace[3]) else NOT_SAMPLED)
    else:
        id = token_hex(16)
    correlation_id.set(id)
    request_id.set(token_hex(8))
    user_id.set(None)
    return id


def is_sampled(flags: bytes) -> bool:
    """Whether the caller of a request traces it (W3C Trace Context §3.2.2.5.1)."""
    return bool(int(flags, 16) & 1)
