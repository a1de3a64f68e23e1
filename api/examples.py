"""An example of every body, in one story: Ana books a room that Mr Okafor runs."""

from collections.abc import Mapping
from typing import Any

_ANA, _OKAFOR = "3f0d2c1a-6f1e-4b6e-8a57-1c9f4e1d7a01", "9c5a7e42-0d34-4f5c-9a43-8e0b5d2f6b02"
_ROOM, _BOOKING = "5b1c8f0e-7a53-4d8b-9d3c-2f6f4a1f0c11", "7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0d21"
_KEY, _SESSION = "e2b7a9d4-51c3-4c58-b7f6-0a4d3e9c1f31", "c8d4f1b6-2e9a-4d37-8c15-6b7a0e5f3d41"
_COMMAND = "1a6e9c83-7b25-4f0d-9e62-d3c8b4a75f51"
_START, _END, _EARLIER = "2026-12-01T09:00:00Z", "2026-12-01T11:00:00Z", "2026-11-24T08:30:00Z"
_EMAIL, _PASSWORD, _OTHER_PASSWORD = "ana@example.org", "correct horse battery staple", "a stable correctly horsed"
_TOKEN = "eyJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"
_LETTER = "Zk3vJm1qXc9TgU5oYbR7sLw2eN8hDpAi"

_WINDOWS = [{"opens": "08:00", "closes": "22:00"}]
_HOURS = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), _WINDOWS)
_CLOSED = {"date": "2026-12-24", "windows": [], "reason": "Christmas Eve"}
_SLOT = {"start": _START, "end": _END}
_TERMS = {
    "name": "Meeting Room A",
    "description": "First floor, with a screen.",
    "capacity": 10,
    "price_per_hour": 25.0,
    "timezone": "Europe/Berlin",
    "concurrent_bookings": 1,
    "min_duration_minutes": 30,
    "max_duration_minutes": 480,
    "min_advance_minutes": 60,
    "max_advance_days": 365,
    "cancellation_deadline_hours": 24,
    "buffer_before_minutes": 0,
    "buffer_after_minutes": 15,
    "requires_approval": False,
    "approval_ttl_hours": 48,
    "approval_deadline_hours": 1,
    "managers": [_OKAFOR],
    "opening_hours": _HOURS,
    "special_hours": [_CLOSED],
}
_BOOKED = {
    "id": _BOOKING,
    "space_id": _ROOM,
    "user_id": _ANA,
    **_SLOT,
    "status": "confirmed",
    "decide_by": None,
    "notes": "Four of us, with a guest.",
    "reason": None,
    "created_at": _EARLIER,
    "updated_at": _EARLIER,
}
_SPACE = {"id": _ROOM, **_TERMS, "is_active": True, "created_at": _EARLIER}
_USER = {"id": _ANA, "email": _EMAIL, "full_name": "Ana Sousa", "role": "STUDENT", "is_admin": False}
_OWN = {**_USER, "max_active_bookings": 5}
_API_KEY = {
    "id": _KEY,
    "name": "Door display",
    "user_id": _OKAFOR,
    "scopes": ["spaces:read"],
    "issued_at": _EARLIER,
}
_FACT = {
    "position": 4711,
    "type": "BookingCreated",
    "version": 1,
    "recorded_at": _EARLIER,
    "actor": f"user:{_ANA}",
    "correlation_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "causation_id": None,
    "command_id": _COMMAND,
    "tags": [f"booking:{_BOOKING}", f"calendar:{_ROOM}/2026-12-01", f"allowance:{_ANA}", f"bookings-of:{_ROOM}"],
    "payload": {
        "booking_id": _BOOKING,
        "space_id": _ROOM,
        "user_id": _ANA,
        "slot": _SLOT,
        "at": _EARLIER,
        "notes": "Four of us, with a guest.",
        "hold": {"start": _START, "end": "2026-12-01T11:15:00Z"},
        "decide_by": None,
    },
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
_SESSION_OPEN = {
    "id": _SESSION,
    "user_agent": "Mozilla/5.0",
    "opened_at": _EARLIER,
    "used_at": _EARLIER,
    "expires_at": "2026-12-01T08:30:00Z",
    "current": True,
}
_WEBHOOK = {
    "id": "b81f6d2e-94c3-4a70-8e5d-f3a6c2b7e961",
    "url": "https://hooks.example.org/daybook",
    "events": ["BookingCancelled", "BookingCreated"],
    "is_active": True,
    "position": 4711,
    "previous_secret_until": None,
    "added_at": _EARLIER,
}
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_CALENDAR_TOKEN = {"id": "d94e7c5a-3b18-4f62-a0d7-8c1b5e6f2a71", "name": "My phone", "made_at": _EARLIER}
_ACCESS = {"access_token": _TOKEN, "token_type": "bearer"}

EXAMPLES: Mapping[str, Any] = {
    # what is sent
    "Registration": {"email": _EMAIL, "password": _PASSWORD, "full_name": "Ana Sousa"},
    "Credentials": {"email": _EMAIL, "password": _PASSWORD},
    "PasswordChange": {"current_password": _PASSWORD, "new_password": _OTHER_PASSWORD},
    "ResetRequest": {"email": _EMAIL},
    "Reset": {"token": _LETTER, "new_password": _OTHER_PASSWORD},
    "Verification": {"token": _LETTER},
    "Erasure": {"password": _PASSWORD},
    "UserChange": {"role": "STAFF", "max_active_bookings": 20},
    "ApiKeyRequest": {"name": "Door display", "scopes": ["spaces:read"], "user_id": _OKAFOR},
    "SpaceRequest": _TERMS,
    "SpaceChange": {"capacity": 12, "special_hours": [_CLOSED]},
    "BookingRequest": {"space_id": _ROOM, **_SLOT, "notes": "Four of us, with a guest."},
    "BookingChange": {"start": "2026-12-01T10:00:00Z", "end": "2026-12-01T12:00:00Z"},
    "WebhookRequest": {"url": _WEBHOOK["url"], "events": _WEBHOOK["events"]},
    "SwitchRequest": {"is_active": False},
    "SecretRequest": {"secret": _SECRET},
    "ReplayRequest": {"from_position": 4711},
    "CalendarTokenRequest": {"name": "My phone"},
    "Rejection": {"reason": "The room is being painted."},
    # what is answered
    "SlotDocument": _SLOT,
    "BookingDocument": _BOOKED,
    "SpaceDocument": _SPACE,
    "ChangedSpaceDocument": {**_SPACE, "is_active": False, "held_bookings": [_BOOKED]},
    "BusyDocument": {**_SLOT, "booking": _BOOKED},
    "UseOfSpaceDocument": {"space_id": _ROOM, "name": "Meeting Room A", "booked_minutes": 120, "open_minutes": 840},
    "ActivityDocument": {
        "date": "2026-12-01",
        "made": 3,
        "approved": 1,
        "rejected": 0,
        "declined": 0,
        "cancelled": 1,
        "expired": 2,
        "mean_lead_minutes": 2_900,
        "lead_times": {"under_1_hours": 0, "under_24_hours": 1, "from_24_hours": 2},
    },
    "ProjectionDocument": {
        "view": "bookings",
        "state": "followed",
        "version": 3,
        "generation": 17,
        "position": 4711,
        "behind": 0,
        "previous_generation": 16,
        "filled_to": None,
    },
    "AvailabilityDocument": {
        "space_id": _ROOM,
        **_SLOT,
        "is_available": False,
        "conflicting_slots": [_SLOT],
        "refusals": [
            {
                "code": "slot-taken",
                "detail": "Already held: 2026-12-01T09:00:00Z to 2026-12-01T11:00:00Z.",
                "conflicting_slots": [_SLOT],
                "tzdata": "2026.1",
            }
        ],
    },
    "OwnUserDocument": _OWN,
    "ChangedUserDocument": {**_OWN, "is_active": False, "held_bookings": [_BOOKED]},
    "ListedUserDocument": {**_OWN, "is_active": True, "created_at": _EARLIER},
    "MetricsDocument": {
        "spaces": {"total": 3, "active": 2},
        "users": {"total": 41},
        "bookings": {
            "total": 7,
            "confirmed": 2,
            "cancelled": 1,
            "expired": 3,
            "pending": 1,
            "rejected": 0,
            "declined": 0,
        },
    },
    "ApiKeyDocument": _API_KEY,
    "IssuedApiKeyDocument": {**_API_KEY, "key": "dbk_Zk3vJm1qXc9TgU5oYbR7sLw2eN8hDpAi"},
    "WebhookDocument": _WEBHOOK,
    "ShownWebhookDocument": {**_WEBHOOK, "secret": _SECRET},
    "DeliveryDocument": {
        "id": "msg_5f0e4d7e0f9d5b0aa0b0f7a3a1c9d2e4",
        "position": 4711,
        "event": "BookingCreated",
        "state": "waiting",
        "attempts": 1,
        "attempted_at": _EARLIER,
        "next_attempt_at": "2026-11-24T08:30:05Z",
        "status_code": 503,
        "error": "it answered 503",
    },
    "CalendarTokenDocument": _CALENDAR_TOKEN,
    "ShownCalendarTokenDocument": {**_CALENDAR_TOKEN, "token": "dbc_Zk3vJm1qXc9TgU5oYbR7sLw2eN8hDpAi"},
    "TokenDocument": {**_ACCESS, "expires_in": 900},
    "SessionDocument": _SESSION_OPEN,
    "DetailDocument": {"detail": "Signed out"},
    "MessageDocument": {"message": "The key is good for nothing any more"},
    "RegisteredDocument": {"user": _USER, **_ACCESS},
    "SeedDocument": {
        "message": "Demo data is there",
        "admin_email": "admin@example.com",
        "admin_password": "admin-password",
        "user_email": "user@example.com",
        "user_password": "user-password",
        **_ACCESS,
    },
    "HealthDocument": {"status": "ok", "version": "1.2.3"},
    "ReadyDocument": {"status": "ready"},
    "FactDocument": _FACT,
    "BookingAsOfDocument": {"position": 4711, "moment": _EARLIER, "booking": _BOOKED, "facts": [_FACT]},
    "ExportDocument": {
        "account": {**_OWN, "created_at": _EARLIER},
        "bookings": [_BOOKED],
        "facts": [_FACT],
        "sessions": [_SESSION_OPEN],
        "api_keys": [_API_KEY],
        "letters": [{"kind": "verification", "written_at": _EARLIER, "expires_at": "2026-12-01T08:30:00Z"}],
        "calendar_tokens": [_CALENDAR_TOKEN],
    },
}
"""By the name of the schema."""


def _problem(status: int, code: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    document = {"type": f"urn:daybook:problem:{code}", "title": title, "status": status, "detail": detail}
    return {**document, **more, "correlation_id": "4bf92f3577b34da6a3ce929d0e0e4736"}


def _refusal(code: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    return _problem(409, code, title, detail, refusals=[{"code": code, "detail": detail, **more, "tzdata": "2026.1"}])


_PROBLEMS = (
    _problem(400, "nul-character", "The request cannot be read", "U+0000 is in no text that is kept here."),
    _problem(401, "unauthenticated", "Sign in first", "Send an access token: Authorization: Bearer …"),
    _problem(403, "not-allowed", "This is not for you to do", "Your role or state does not permit this."),
    _problem(403, "cross-origin", "This is not for another site to do", "The request is another origin's."),
    _problem(404, "not-found", "There is no such thing", "No booking goes by this id."),
    _refusal(
        "slot-taken",
        "The slot is taken",
        "Already held: 2026-12-01T09:00:00Z to 2026-12-01T11:00:00Z.",
        conflicting_slots=[_SLOT],
    ),
    _refusal("booking-not-active", "The booking is no longer held", "The booking is cancelled.", status="cancelled"),
    _refusal(
        "booking-not-pending",
        "The booking does not wait for a decision",
        "The booking is confirmed.",
        status="confirmed",
    ),
    _refusal("last-admin", "There must be an active ADMIN", "This is the last active ADMIN; make another one first."),
    _refusal("email-taken", "The e-mail address has an account", "Sign in with this address, or register another one."),
    _refusal(
        "password-already-changed",
        "The password was changed meanwhile",
        "What proved who you are was good for the password before: sign in with the new one.",
    ),
    _problem(408, "body-too-slow", "The body did not come in time", "It has 5 seconds. Nothing was done."),
    _problem(409, "shown-before", "The key was shown before", "It is not kept: revoke it and issue another."),
    _problem(409, "too-many-tokens", "There are too many calendar tokens", "Revoke one first."),
    _problem(
        412,
        "precondition-failed",
        "It is no longer as you have seen it",
        "Read it again, and send the command with its ETag if you still want it.",
    ),
    _problem(413, "body-too-large", "The body is too large", "A body has at most 1048576 bytes."),
    _problem(
        415, "unsupported-media-type", "The body is of another kind", "Send Content-Type: application/json, in UTF-8."
    ),
    _problem(
        422,
        "invalid-request",
        "The request is not fit to be carried out",
        "Field required.",
        errors=[{"code": "missing", "detail": "Field required.", "pointer": "#/start"}],
    ),
    _problem(429, "too-many-requests", "Too much was asked in a short time", "Ask again in 17 seconds."),
    _problem(503, "unavailable", "Not available right now", "What this needs does not answer now."),
)
PROBLEM_EXAMPLES: Mapping[str, Any] = {problem["type"].rpartition(":")[2]: problem for problem in _PROBLEMS}
"""By code: one for each that an operation names first."""
