"""Which request something is done for, known to everything that runs for it: the journal, the log, the answer."""

import re
from contextvars import ContextVar
from secrets import token_hex

HEADER = "X-Request-ID"
correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")

# An id is kept for ever, and no e-mail address is to be: what holds an `@`, written as it is or encoded, is no id.
_GIVEN = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def begin(given: bytes | None, traceparent: bytes | None) -> str:
    """The id this request goes by from here on: the one it brought, else its trace's (W3C Trace Context), else new."""
    if given is not None and _GIVEN.fullmatch(given):
        id = given.decode()
    elif traceparent is not None and (trace := _TRACEPARENT.fullmatch(traceparent)):
        id = trace[1].decode()
    else:
        id = token_hex(16)
    correlation_id.set(id)
    return id
