"""The story the Postman collection tells on a fresh development system: who asks for what, and what comes of it.

Every operation of the OpenAPI document has a step; method, path, body and what an answer must hold come from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request. `{{name}}` stands for what an earlier step kept; `by` names whose token it bears."""

    operation: str
    called: str
    by: str | None = None
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None  # the example of the OpenAPI document where none is given
    status: int | None = None  # the good one where none is given
    problem: str | None = None  # its code
    holds: tuple[str, ...] = ()  # JavaScript that must be true of `body` and `headers`
    keeps: Mapping[str, str] = field(default_factory=dict)  # variable: JavaScript over the same


ADMIN, ANA, SERVICE = "admin_token", "ana_token", "api_key"

_SPACE = {"space_id": "{{space_id}}"}
_BOOKING = {"booking_id": "{{booking_id}}"}
_WEBHOOK = {"webhook_id": "{{webhook_id}}"}
_CALENDAR_TOKEN = {"token": "{{calendar_token}}"}
_SLOT = {"start": "{{start}}", "end": "{{end}}"}
_RANGE = {"from": "{{day}}", "to": "{{day}}"}
_A_SPACE = {
    "name": "Story Room",
    "capacity": 4,
    "price_per_hour": 12.5,
    "timezone": "Europe/Berlin",
    "opening_time": "00:00",
    "closing_time": "24:00",
    "min_advance_minutes": 0,
    "cancellation_deadline_hours": 0,
}
_BOOKED_BY_ANA = ("body.status === 'confirmed'", "body.user_id === kept('ana_id')")

CHAPTERS: Mapping[str, tuple[Step, ...]] = {
    "A fresh system": (
        Step(operation="health", called="it answers", holds=("body.status === 'ok'",)),
        Step(operation="health_ready", called="it can work", holds=("body.status === 'ready'",)),
        Step(
            operation="development_seed",
            called="somebody to sign in as, and spaces",
            holds=("body.admin_email === 'admin@example.com'",),
            keeps={
                ADMIN: "body.access_token",
                "admin_email": "body.admin_email",
                "admin_password": "body.admin_password",
            },
        ),
        Step(
            operation="users_sign_in",
            called="the administrator signs in",
            body={"email": "{{admin_email}}", "password": "{{admin_password}}"},
            holds=("body.token_type === 'bearer'",),
            keeps={ADMIN: "body.access_token"},
        ),
    ),
    "Ana signs in": (
        Step(
            operation="users_register",
            called="Ana registers",
            body={"email": "{{email}}", "password": "{{password}}", "full_name": "Ana Sousa"},
            holds=("body.user.role === 'STUDENT'", "body.user.is_admin === false"),
            keeps={ANA: "body.access_token", "ana_id": "body.user.id"},
        ),
        Step(
            operation="users_register",
            called="nobody else takes her address",
            body={"email": "{{email}}", "password": "{{password}}", "full_name": "Somebody"},
            status=409,
            problem="email-taken",
        ),
        Step(
            operation="users_sign_in",
            called="a wrong password lets nobody in",
            body={"email": "{{email}}", "password": "not her password"},
            status=401,
            problem="unauthenticated",
            holds=("headers.has('RateLimit')", "headers.get('WWW-Authenticate') === 'Bearer'"),
        ),
        Step(
            operation="users_sign_in",
            called="hers does",
            body={"email": "{{email}}", "password": "{{password}}"},
            holds=("body.expires_in > 0", "pm.cookies.has('refresh')"),
            keeps={ANA: "body.access_token"},
        ),
        Step(operation="users_refresh", called="the cookie gets the next token", keeps={ANA: "body.access_token"}),
        Step(operation="users_me", called="who she is", by=ANA, holds=("body.id === kept('ana_id')",)),
        Step(operation="users_me", called="without a token nobody is told", status=401, problem="unauthenticated"),
        Step(operation="users_sessions", called="where she is signed in", by=ANA, holds=("body.length >= 1",)),
        Step(operation="users_request_verification", called="another letter", by=ANA),
        Step(
            operation="users_verify",
            called="a token of no letter verifies nothing",
            body={"token": "of no letter"},
            status=422,
            problem="bad-token",
        ),
        Step(
            operation="users_request_reset",
            called="a letter, whether there is an account or not",
            body={"email": "nobody@example.org"},
            holds=("body.detail === 'If the email exists, instructions will be sent'",),
        ),
        Step(
            operation="users_reset_password",
            called="a token of no letter resets nothing",
            body={"token": "of no letter", "new_password": "{{password}}"},
            status=422,
            problem="bad-token",
        ),
        Step(
            operation="users_change_password",
            called="she takes another password",
            by=ANA,
            body={"current_password": "{{password}}", "new_password": "{{new_password}}"},
        ),
        Step(
            operation="users_sign_in",
            called="she signs in with it",
            body={"email": "{{email}}", "password": "{{new_password}}"},
            keeps={ANA: "body.access_token"},
        ),
    ),
    "Spaces": (
        Step(
            operation="spaces_create",
            called="the administrator offers a space",
            by=ADMIN,
            body=_A_SPACE,
            holds=("body.is_active === true", "headers.get('Location') === `/spaces/${body.id}`"),
            keeps={"space_id": "body.id", "space_etag": "headers.get('ETag')"},
        ),
        Step(
            operation="spaces_create",
            called="and one whose bookings wait for an approval",
            by=ADMIN,
            body={**_A_SPACE, "name": "Approved Room", "requires_approval": True},
            holds=("body.requires_approval === true",),
            keeps={"approved_space_id": "body.id"},
        ),
        Step(operation="spaces_create", called="Ana may not", by=ANA, body=_A_SPACE, status=403, problem="not-allowed"),
        Step(
            operation="spaces_change",
            called="more people fit in",
            by=ADMIN,
            path=_SPACE,
            headers={"If-Match": "{{space_etag}}"},
            body={"capacity": 12},
            holds=("body.capacity === 12",),
        ),
        Step(
            operation="spaces_change",
            called="nobody changes what they have not seen",
            by=ADMIN,
            path=_SPACE,
            headers={"If-Match": "{{space_etag}}"},
            body={"capacity": 13},
            status=412,
            problem="precondition-failed",
        ),
        Step(
            operation="spaces_active",
            called="what can be booked",
            query={"limit": "200"},
            holds=("body.some((one) => one.id === kept('space_id'))",),
        ),
        Step(operation="spaces_every", called="every space", by=ADMIN, holds=("body.length >= 2",)),
        Step(
            operation="spaces_one",
            called="one with its rules",
            path=_SPACE,
            holds=("body.id === kept('space_id')", "body.opening_hours.mon[0].closes === '24:00'"),
            keeps={"space_seen": "headers.get('ETag')"},
        ),
        Step(
            operation="spaces_one",
            called="nothing new of it",
            path=_SPACE,
            headers={"If-None-Match": "{{space_seen}}"},
            status=304,
        ),
        Step(
            operation="spaces_search",
            called="where a slot is free for twelve",
            query={**_SLOT, "capacity": "12"},
            holds=("body.some((one) => one.id === kept('space_id'))",),
        ),
        Step(
            operation="spaces_of_slot",
            called="whether it is free",
            path=_SPACE,
            query=_SLOT,
            holds=("body.is_available === true",),
        ),
        Step(
            operation="spaces_slots",
            called="the slots of a day",
            path=_SPACE,
            query={"date": "{{day}}", "duration": "60", "step": "60"},
            holds=("body.length >= 1", "body[0].start < body[0].end"),
        ),
        Step(
            operation="spaces_next_available",
            called="the next slot",
            path=_SPACE,
            query={"duration": "60"},
            holds=("body.length === 1",),
        ),
    ),
    "A booking": (
        Step(
            operation="bookings_create",
            called="Ana books",
            by=ANA,
            headers={"Idempotency-Key": "{{$guid}}"},
            body={**_SPACE, **_SLOT, "notes": "Four of us."},
            holds=(
                *_BOOKED_BY_ANA,
                "headers.get('Location') === `/bookings/${body.id}`",
                "body.notes === 'Four of us.'",
            ),
            keeps={"booking_id": "body.id", "booking_etag": "headers.get('ETag')"},
        ),
        Step(
            operation="bookings_create",
            called="it is taken, and others are offered",
            by=ADMIN,
            body={**_SPACE, **_SLOT},
            status=409,
            problem="slot-taken",
            holds=("body.refusals[0].conflicting_slots.length === 1", "body.alternatives.length >= 1"),
        ),
        Step(
            operation="bookings_create",
            called="a slot that ends before it begins is none",
            by=ANA,
            body={**_SPACE, "start": "{{end}}", "end": "{{start}}"},
            status=422,
            problem="invalid-request",
            holds=("body.errors[0].code === 'bad-slot'",),
        ),
        Step(
            operation="bookings_own",
            called="hers",
            by=ANA,
            query={"status": "confirmed"},
            holds=("body.length === 1", "body[0].id === kept('booking_id')"),
        ),
        Step(
            operation="bookings_one",
            called="the one",
            by=ANA,
            path=_BOOKING,
            holds=_BOOKED_BY_ANA,
        ),
        Step(
            operation="spaces_calendar",
            called="what is held of the space",
            by=ANA,
            path=_SPACE,
            query={"from": "{{start}}", "to": "{{late}}"},
            holds=("body.length === 1", "body[0].booking.id === kept('booking_id')"),
        ),
        Step(
            operation="bookings_change",
            called="she moves it",
            by=ANA,
            path=_BOOKING,
            headers={"If-Match": "{{booking_etag}}"},
            body={"start": "{{end}}", "end": "{{late}}"},
            holds=("body.start === kept('end')", "body.end === kept('late')"),
        ),
        Step(
            operation="bookings_cancel",
            called="she gives it back",
            by=ANA,
            path=_BOOKING,
            query={"reason": "It rains."},
            holds=("body.status === 'cancelled'",),
        ),
        Step(
            operation="bookings_cancel",
            called="once",
            by=ANA,
            path=_BOOKING,
            status=409,
            problem="booking-not-active",
            holds=("body.refusals[0].status === 'cancelled'",),
        ),
    ),
    "An approval": (
        Step(
            operation="bookings_create",
            called="Ana asks for a slot",
            by=ANA,
            body={"space_id": "{{approved_space_id}}", **_SLOT},
            holds=("body.status === 'pending'", "body.decide_by !== null"),
            keeps={"asked_id": "body.id"},
        ),
        Step(
            operation="bookings_requests",
            called="what waits",
            by=ADMIN,
            holds=("body.some((one) => one.id === kept('asked_id'))",),
        ),
        Step(
            operation="bookings_approve",
            called="she gets it",
            by=ADMIN,
            path={"booking_id": "{{asked_id}}"},
            holds=("body.status === 'confirmed'", "body.id === kept('asked_id')"),
        ),
        Step(
            operation="bookings_create",
            called="Ana asks for another",
            by=ANA,
            body={"space_id": "{{approved_space_id}}", "start": "{{end}}", "end": "{{late}}"},
            holds=("body.status === 'pending'",),
            keeps={"asked_id": "body.id"},
        ),
        Step(
            operation="bookings_reject",
            called="she does not get that",
            by=ADMIN,
            path={"booking_id": "{{asked_id}}"},
            holds=("body.status === 'rejected'",),
        ),
        Step(
            operation="bookings_reject",
            called="that is decided",
            by=ADMIN,
            path={"booking_id": "{{asked_id}}"},
            status=409,
            problem="booking-not-pending",
        ),
    ),
    "Those who run it": (
        Step(
            operation="administration_users",
            called="who has an account",
            by=ADMIN,
            query={"search": "{{email}}"},
            holds=("body.length === 1", "body[0].id === kept('ana_id')"),
        ),
        Step(operation="administration_users", called="Ana is not told", by=ANA, status=403, problem="not-allowed"),
        Step(
            operation="users_change",
            called="Ana may hold more",
            by=ADMIN,
            path={"user_id": "{{ana_id}}"},
            body={"max_active_bookings": 20},
            holds=("body.max_active_bookings === 20", "body.is_active === true"),
        ),
        Step(
            operation="administration_every_booking",
            called="everybody's bookings",
            by=ADMIN,
            query={"user_id": "{{ana_id}}", "limit": "200"},
            holds=("body.length === 3", "body.every((one) => one.user_id === kept('ana_id'))"),
        ),
        Step(
            operation="administration_metrics",
            called="how much there is",
            by=ADMIN,
            holds=("body.spaces.total >= 2", "body.users.total >= 3", "body.bookings.total >= 3"),
        ),
        Step(
            operation="dashboards_used",
            called="how much of the spaces is used",
            by=ADMIN,
            query=_RANGE,
            holds=("body.some((one) => one.booked_minutes === 60)",),
        ),
        Step(
            operation="dashboards_done",
            called="what became of bookings",
            by=ADMIN,
            query={"from": "{{today}}", "to": "{{today}}"},
            holds=("body[0].made >= 3", "body[0].approved >= 1", "body[0].rejected >= 1"),
        ),
        Step(
            operation="projections_standing",
            called="how the views stand",
            by=ADMIN,
            holds=("body.every((one) => one.state === 'followed')",),
        ),
    ),
    "A service": (
        Step(
            operation="api_keys_issue",
            called="a key to read history with",
            by=ADMIN,
            body={"name": "Archive", "scopes": ["audit:read"]},
            holds=("body.scopes.length === 1",),
            keeps={SERVICE: "body.key", "key_id": "body.id"},
        ),
        Step(
            operation="history_events",
            called="it reads the facts of a booking",
            by=SERVICE,
            query={"tag": "booking:{{booking_id}}"},
            holds=(
                "body.map((fact) => fact.type).join() === 'BookingCreated,BookingRescheduled,BookingCancelled'",
                "body[0].payload.notes === 'Four of us.'",
            ),
            keeps={"made_at": "body[0].position"},
        ),
        Step(
            operation="history_booking",
            called="the booking as it was when it was made",
            by=SERVICE,
            path=_BOOKING,
            query={"as_of": "{{made_at}}"},
            holds=("body.booking.status === 'confirmed'", "body.facts.length === 1"),
        ),
        Step(
            operation="bookings_own",
            called="it reads nothing else",
            by=SERVICE,
            status=403,
            problem="out-of-scope",
        ),
        Step(
            operation="administration_keys",
            called="which keys there are",
            by=ADMIN,
            holds=("body.some((one) => one.id === kept('key_id'))", "body.every((one) => one.key === undefined)"),
        ),
        Step(operation="api_keys_revoke", called="it is taken back", by=ADMIN, path={"key_id": "{{key_id}}"}),
        Step(
            operation="stream",
            called="a stream goes on behind what there is alone",
            by=ANA,
            headers={"Last-Event-ID": "none"},
            status=422,
            problem="bad-last-event-id",
        ),
    ),
    "Others are told": (
        Step(
            operation="webhooks_add",
            called="a receiver is told of bookings from now on",
            by=ADMIN,
            body={"url": "https://receiver.invalid/daybook", "events": ["BookingCreated", "BookingCancelled"]},
            holds=("body.is_active === true", "body.secret.startsWith('whsec_')"),
            keeps={"webhook_id": "body.id"},
        ),
        Step(
            operation="webhooks_add",
            called="nothing is sent to what only we can reach",
            by=ADMIN,
            body={"url": "http://169.254.169.254/latest/meta-data/", "events": ["BookingCreated"]},
            status=422,
            problem="invalid-request",
            holds=("body.errors[0].code === 'address-not-allowed'",),
        ),
        Step(
            operation="webhooks_every",
            called="which there are",
            by=ADMIN,
            holds=("body.some((one) => one.id === kept('webhook_id'))", "body.every((one) => !('secret' in one))"),
        ),
        Step(
            operation="webhooks_switch",
            called="it is sent nothing for a while",
            by=ADMIN,
            path=_WEBHOOK,
            body={"is_active": False},
            holds=("body.is_active === false",),
        ),
        Step(
            operation="webhooks_rotate_secret",
            called="it has another secret",
            by=ADMIN,
            path=_WEBHOOK,
            holds=("body.secret.startsWith('whsec_')", "body.previous_secret_until !== null"),
        ),
        Step(
            operation="webhooks_replay",
            called="it will be sent everything once more",
            by=ADMIN,
            path=_WEBHOOK,
            body={"from_position": 1},
            holds=("body.position === 0",),
        ),
        Step(operation="webhooks_one", called="how it is", by=ADMIN, path=_WEBHOOK, holds=("!('secret' in body)",)),
        Step(operation="webhooks_log", called="what it was sent", by=ADMIN, path=_WEBHOOK),
        Step(operation="webhooks_remove", called="it is forgotten", by=ADMIN, path=_WEBHOOK),
        Step(
            operation="webhooks_one",
            called="and gone",
            by=ADMIN,
            path=_WEBHOOK,
            status=404,
            problem="not-found",
        ),
        Step(
            operation="calendars_make",
            called="Ana's phone is to show her bookings",
            by=ANA,
            holds=("body.token.startsWith('dbc_')",),
            keeps={"calendar_token": "body.token", "calendar_token_id": "body.id"},
        ),
        Step(operation="calendars_tokens", called="one token", by=ANA, holds=("body.length === 1",)),
        Step(
            operation="calendars_own",
            called="it does",
            query=_CALENDAR_TOKEN,
            holds=("body.includes(`UID:${kept('booking_id')}@daybook`)",),
            keeps={"etag": "headers.get('ETag')"},
        ),
        Step(
            operation="calendars_own",
            called="and is not told what it knows",
            query=_CALENDAR_TOKEN,
            headers={"If-None-Match": "{{etag}}"},
            status=304,
        ),
        Step(
            operation="calendars_of_space",
            called="when the room is taken",
            path=_SPACE,
            query=_CALENDAR_TOKEN,
            holds=("body.includes('SUMMARY:Your booking')",),
        ),
        Step(
            operation="calendars_revoke",
            called="the phone is lost",
            by=ANA,
            path={"token_id": "{{calendar_token_id}}"},
        ),
        Step(
            operation="calendars_own",
            called="and shows nothing any more",
            query=_CALENDAR_TOKEN,
            status=401,
            problem="unauthenticated",
        ),
    ),
    "The end": (
        Step(
            operation="spaces_deactivate",
            called="a space is taken out of use",
            by=ADMIN,
            path={"space_id": "{{approved_space_id}}"},
            holds=("body.is_active === false", "body.held_bookings.length === 1"),
        ),
        Step(
            operation="users_export",
            called="all that is held on Ana",
            by=ANA,
            holds=("body.account.email === kept('email')", "body.bookings.length === 3", "body.facts.length >= 8"),
        ),
        Step(operation="users_sign_out", called="Ana signs out", holds=("body.detail === 'Signed out'",)),
        Step(operation="users_refresh", called="and is", status=401, problem="unauthenticated"),
        Step(operation="users_sign_out_by_delete", called="twice does no harm"),
        Step(operation="users_sign_out_everywhere", called="everywhere", by=ANA),
        Step(
            operation="users_erase",
            called="a wrong password erases nobody",
            by=ANA,
            body={"password": "not her password"},
            status=403,
            problem="wrong-password",
        ),
        Step(operation="users_erase", called="Ana is forgotten", by=ANA, body={"password": "{{new_password}}"}),
        Step(operation="users_me", called="and gone", by=ANA, status=401, problem="unauthenticated"),
        Step(
            operation="development_reset_all",
            called="everything begins anew",
            holds=("body.message.startsWith('All data wiped')",),
        ),
        Step(
            operation="users_sign_in",
            called="and nobody is known",
            body={"email": "{{admin_email}}", "password": "{{admin_password}}"},
            status=401,
            problem="unauthenticated",
        ),
    ),
}
