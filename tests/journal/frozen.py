"""Rows as they were once stored, one for every form a fact ever had, and the events they are to be read as for ever.

Rows are only added: what stands here stands in somebody's journal.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from booking.events import (
    AllowanceChanged,
    ApiKeyIssued,
    ApiKeyRevoked,
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingExpired,
    BookingNotesChanged,
    BookingRejected,
    BookingRescheduled,
    BookingRulesChanged,
    EmailVerified,
    Event,
    OpeningHoursChanged,
    PasswordChanged,
    RoleChanged,
    SpaceActivated,
    SpaceCreated,
    SpaceDeactivated,
    SpaceDescribed,
    SpaceManagersNamed,
    SpecialHoursCleared,
    SpecialHoursSet,
    UserActivated,
    UserDeactivated,
    UserErased,
    UserRegistered,
    WebhookAdded,
    WebhookDisabled,
    WebhookEnabled,
    WebhookRemoved,
    WebhookReplayed,
    WebhookSecretRotated,
)
from booking.opening_hours import OpeningHours, Window
from booking.roles import Role, Scope
from booking.slots import Slot, Span
from booking.terms import Description, Rules

KEY = bytes(range(32))
"""The key the texts were sealed under."""

HALL = UUID("00000000-0000-0000-0000-0000000000a1")
MIA = UUID("00000000-0000-0000-0000-0000000000b1")
KAI = UUID("00000000-0000-0000-0000-0000000000b3")
HOOK = UUID("00000000-0000-0000-0000-0000000000c1")
BOOKING = UUID("7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001")
AT = datetime(2026, 1, 5, 8, 30, 15, 123456, tzinfo=UTC)
SLOT = Slot(datetime(2026, 1, 5, 22, tzinfo=UTC), datetime(2026, 1, 6, 1, 30, tzinfo=UTC))
HOLD = Span(datetime(2026, 1, 5, 21, 45, tzinfo=UTC), datetime(2026, 1, 6, 2, 30, tzinfo=UTC))
LATER = Slot(datetime(2026, 1, 7, 23, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC))
DECIDE_BY = datetime(2026, 1, 7, 21, 30, 15, 123456, tzinfo=UTC)
LATER_HOLD = Span(datetime(2026, 1, 7, 22, 45, tzinfo=UTC), datetime(2026, 1, 8, 1, tzinfo=UTC))
DESCRIPTION = Description(
    name="Großer Saal", description='Zweiter Stock, "links"', capacity=40, price_per_hour=Decimal("25.50")
)
RULES = Rules(
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(days=2),
    min_advance=timedelta(minutes=5),
    max_advance_days=30,
    cancellation_deadline=timedelta(hours=1),
    concurrent_bookings=3,
)
OPENING_HOURS = OpeningHours(mon=(Window("08:00", "12:00"), Window("13:00", "24:00")), sat=(Window("22:00", "02:00"),))

BOOKING_TAGS = [
    "booking:7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001",
    "calendar:00000000-0000-0000-0000-0000000000a1/2026-01-05",
    "calendar:00000000-0000-0000-0000-0000000000a1/2026-01-06",
    "allowance:00000000-0000-0000-0000-0000000000b1",
    "bookings-of:00000000-0000-0000-0000-0000000000a1",
]
WEBHOOK_TAGS = ["webhook:00000000-0000-0000-0000-0000000000c1"]
MOVED_TAGS = [
    *BOOKING_TAGS[:3],
    "calendar:00000000-0000-0000-0000-0000000000a1/2026-01-07",
    "calendar:00000000-0000-0000-0000-0000000000a1/2026-01-08",
    *BOOKING_TAGS[3:],
]
LATER_TAGS = [BOOKING_TAGS[0], *MOVED_TAGS[3:]]
SPACE_TAGS = ["space:00000000-0000-0000-0000-0000000000a1"]
USER_TAGS = ["user:00000000-0000-0000-0000-0000000000b1"]


class Frozen(NamedTuple):
    """Stored name, version and payload; what they mean; the tags the fact bears."""

    name: str
    version: int
    payload: str
    event: Event
    tags: list[str]


ROWS = [
    Frozen(
        "BookingCreated",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-05T22:00:00Z",'
        '"end":"2026-01-06T01:30:00Z"},"at":"2026-01-05T08:30:15.123456Z",'
        '"notes":"zfwuDwHFcD9YUU5OTAztAFOa2i72UbPjOsVLGI5Y5+8y0bQD/MERbCxU"}',
        BookingCreated(booking_id=BOOKING, space_id=HALL, user_id=MIA, slot=SLOT, at=AT, notes="Für zwei 🪑"),
        BOOKING_TAGS,
    ),
    Frozen(
        "BookingCancelled",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-05T22:00:00Z",'
        '"end":"2026-01-06T01:30:00Z"},"at":"2026-01-05T08:30:15.123456Z",'
        '"cancelled_by":"00000000-0000-0000-0000-0000000000b3","reason":"v7FvKVBXVzjcprhrNTqvIk93Y1XwXhlrIJ02CQyOXNIh"}',
        BookingCancelled(
            booking_id=BOOKING, space_id=HALL, user_id=MIA, slot=SLOT, at=AT, cancelled_by=KAI, reason="Regen"
        ),
        BOOKING_TAGS,
    ),
    Frozen(
        "SpaceCreated",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","description":{"name":"Großer Saal",'
        '"description":"Zweiter Stock, \\"links\\"","capacity":40,"price_per_hour":"25.50"},"timezone":"Europe/Berlin",'
        '"rules":{"min_duration":"PT15M","max_duration":"P2D","min_advance":"PT5M","max_advance_days":30,'
        '"cancellation_deadline":"PT1H","concurrent_bookings":3},"opening_hours":{"mon":[{"opens":"08:00",'
        '"closes":"12:00"},{"opens":"13:00","closes":"24:00"}],"tue":[],"wed":[],"thu":[],"fri":[],'
        '"sat":[{"opens":"22:00","closes":"02:00"}],"sun":[]},"at":"2026-01-05T08:30:15.123456Z"}',
        SpaceCreated(
            space_id=HALL,
            description=DESCRIPTION,
            timezone="Europe/Berlin",
            rules=RULES,
            opening_hours=OPENING_HOURS,
            at=AT,
        ),
        SPACE_TAGS,
    ),
    Frozen(
        "SpaceDescribed",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","description":{"name":"Großer Saal",'
        '"description":"Zweiter Stock, \\"links\\"","capacity":40,"price_per_hour":"25.50"},'
        '"at":"2026-01-05T08:30:15.123456Z"}',
        SpaceDescribed(space_id=HALL, description=DESCRIPTION, at=AT),
        SPACE_TAGS,
    ),
    Frozen(
        "BookingRulesChanged",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","rules":{"min_duration":"PT15M","max_duration":"P2D",'
        '"min_advance":"PT5M","max_advance_days":30,"cancellation_deadline":"PT1H","concurrent_bookings":3},'
        '"at":"2026-01-05T08:30:15.123456Z"}',
        BookingRulesChanged(space_id=HALL, rules=RULES, at=AT),
        SPACE_TAGS,
    ),
    Frozen(
        "OpeningHoursChanged",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","opening_hours":{"mon":[{"opens":"08:00",'
        '"closes":"12:00"},{"opens":"13:00","closes":"24:00"}],"tue":[],"wed":[],"thu":[],"fri":[],'
        '"sat":[{"opens":"22:00","closes":"02:00"}],"sun":[]},"at":"2026-01-05T08:30:15.123456Z"}',
        OpeningHoursChanged(space_id=HALL, opening_hours=OPENING_HOURS, at=AT),
        SPACE_TAGS,
    ),
    Frozen(
        "SpaceDeactivated",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","at":"2026-01-05T08:30:15.123456Z"}',
        SpaceDeactivated(space_id=HALL, at=AT),
        SPACE_TAGS,
    ),
    Frozen(
        "SpaceActivated",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","at":"2026-01-05T08:30:15.123456Z"}',
        SpaceActivated(space_id=HALL, at=AT),
        SPACE_TAGS,
    ),
    Frozen(
        "UserRegistered",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","role":"ADMIN","max_active_bookings":7,'
        '"at":"2026-01-05T08:30:15.123456Z"}',
        UserRegistered(user_id=MIA, role=Role.ADMIN, max_active_bookings=7, at=AT),
        [*USER_TAGS, "admins"],
    ),
    Frozen(
        "RoleChanged",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","role":"STAFF","role_before":"ADMIN","is_active":true,'
        '"at":"2026-01-05T08:30:15.123456Z"}',
        RoleChanged(user_id=MIA, role=Role.STAFF, role_before=Role.ADMIN, is_active=True, at=AT),
        [*USER_TAGS, "admins"],
    ),
    Frozen(
        "AllowanceChanged",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","max_active_bookings":9,"at":"2026-01-05T08:30:15.123456Z"}',
        AllowanceChanged(user_id=MIA, max_active_bookings=9, at=AT),
        USER_TAGS,
    ),
    Frozen(
        "UserDeactivated",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","role":"STUDENT","at":"2026-01-05T08:30:15.123456Z"}',
        UserDeactivated(user_id=MIA, role=Role.STUDENT, at=AT),
        USER_TAGS,
    ),
    Frozen(
        "UserActivated",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","role":"STUDENT","at":"2026-01-05T08:30:15.123456Z"}',
        UserActivated(user_id=MIA, role=Role.STUDENT, at=AT),
        USER_TAGS,
    ),
    Frozen(
        "PasswordChanged",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","reset":true,"at":"2026-01-05T08:30:15.123456Z"}',
        PasswordChanged(user_id=MIA, reset=True, at=AT),
        USER_TAGS,
    ),
    Frozen(
        "EmailVerified",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","at":"2026-01-05T08:30:15.123456Z"}',
        EmailVerified(user_id=MIA, at=AT),
        USER_TAGS,
    ),
    # With buffers: facts say what is held, apart from the slot.
    Frozen(
        "BookingCreated",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-05T22:00:00Z",'
        '"end":"2026-01-06T01:30:00Z"},"at":"2026-01-05T08:30:15.123456Z",'
        '"notes":"2BHApyH0Jun3rfPK85dMkHCnFaTPapEFm4nV6UGZ//NGsH0KMoRDefDM",'
        '"hold":{"start":"2026-01-05T21:45:00Z","end":"2026-01-06T02:30:00Z"}}',
        BookingCreated(
            booking_id=BOOKING, space_id=HALL, user_id=MIA, slot=SLOT, hold=HOLD, at=AT, notes="Für zwei 🪑"
        ),
        BOOKING_TAGS,
    ),
    Frozen(
        "BookingRescheduled",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-07T23:00:00Z",'
        '"end":"2026-01-08T00:00:00Z"},"hold":{"start":"2026-01-07T22:45:00Z","end":"2026-01-08T01:00:00Z"},'
        '"slot_before":{"start":"2026-01-05T22:00:00Z","end":"2026-01-06T01:30:00Z"},'
        '"hold_before":{"start":"2026-01-05T21:45:00Z","end":"2026-01-06T02:30:00Z"},'
        '"at":"2026-01-05T08:30:15.123456Z","rescheduled_by":"00000000-0000-0000-0000-0000000000b3"}',
        BookingRescheduled(
            booking_id=BOOKING,
            space_id=HALL,
            user_id=MIA,
            slot=LATER,
            hold=LATER_HOLD,
            slot_before=SLOT,
            hold_before=HOLD,
            at=AT,
            rescheduled_by=KAI,
        ),
        MOVED_TAGS,
    ),
    Frozen(
        "BookingNotesChanged",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","at":"2026-01-05T08:30:15.123456Z",'
        '"notes":"QZ6RzhPrVjw5/pqOkjg55+K5hkWLRSS3/TLWcrL+ro+18RznAGaxbiBh"}',
        BookingNotesChanged(booking_id=BOOKING, space_id=HALL, user_id=MIA, at=AT, notes="Für drei 🪑"),
        [BOOKING_TAGS[0], BOOKING_TAGS[-1]],
    ),
    Frozen(
        "BookingCancelled",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-07T23:00:00Z",'
        '"end":"2026-01-08T00:00:00Z"},"at":"2026-01-05T08:30:15.123456Z","cancelled_by":null,'
        '"reason":"sc5r/M38RHBjOwf7qGb/t2EFFLW8xA78a04rRCtk3KO2",'
        '"hold":{"start":"2026-01-07T22:45:00Z","end":"2026-01-08T01:00:00Z"}}',
        BookingCancelled(
            booking_id=BOOKING,
            space_id=HALL,
            user_id=MIA,
            slot=LATER,
            hold=LATER_HOLD,
            at=AT,
            cancelled_by=None,
            reason="Regen",
        ),
        LATER_TAGS,
    ),
    Frozen(
        "BookingExpired",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-05T22:00:00Z",'
        '"end":"2026-01-06T01:30:00Z"},"at":"2026-01-05T08:30:15.123456Z"}',
        BookingExpired(booking_id=BOOKING, space_id=HALL, user_id=MIA, slot=SLOT, at=AT),
        [BOOKING_TAGS[0], *BOOKING_TAGS[3:]],
    ),
    Frozen(
        "BookingRulesChanged",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","rules":{"min_duration":"PT15M","max_duration":"P2D",'
        '"min_advance":"PT5M","max_advance_days":30,"cancellation_deadline":"PT1H","concurrent_bookings":3,'
        '"buffer_before":"PT15M","buffer_after":"PT1H"},"at":"2026-01-05T08:30:15.123456Z"}',
        BookingRulesChanged(
            space_id=HALL,
            rules=replace(RULES, buffer_before=timedelta(minutes=15), buffer_after=timedelta(hours=1)),
            at=AT,
        ),
        SPACE_TAGS,
    ),
    Frozen(
        "SpecialHoursSet",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","date":"2026-12-24","windows":[{"opens":"10:00",'
        '"closes":"14:00"},{"opens":"22:00","closes":"02:00"}],"reason":"Heiligabend",'
        '"at":"2026-01-05T08:30:15.123456Z"}',
        SpecialHoursSet(
            space_id=HALL,
            date=date(2026, 12, 24),
            windows=(Window("10:00", "14:00"), Window("22:00", "02:00")),
            reason="Heiligabend",
            at=AT,
        ),
        SPACE_TAGS,
    ),
    Frozen(
        "SpecialHoursSet",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","date":"2026-12-25","windows":[],"reason":"",'
        '"at":"2026-01-05T08:30:15.123456Z"}',
        SpecialHoursSet(space_id=HALL, date=date(2026, 12, 25), windows=(), reason="", at=AT),
        SPACE_TAGS,
    ),
    Frozen(
        "SpecialHoursCleared",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","date":"2026-12-24","at":"2026-01-05T08:30:15.123456Z"}',
        SpecialHoursCleared(space_id=HALL, date=date(2026, 12, 24), at=AT),
        SPACE_TAGS,
    ),
    Frozen(
        "UserErased",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","role":"ADMIN","at":"2026-01-05T08:30:15.123456Z"}',
        UserErased(user_id=MIA, role=Role.ADMIN, at=AT),
        [*USER_TAGS, "admins"],
    ),
    Frozen(
        "BookingCreated",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-07T23:00:00Z",'
        '"end":"2026-01-08T00:00:00Z"},"at":"2026-01-05T08:30:15.123456Z","notes":null,'
        '"hold":{"start":"2026-01-07T22:45:00Z","end":"2026-01-08T01:00:00Z"},"decide_by":"2026-01-07T21:30:15.123456Z"}',
        BookingCreated(
            booking_id=BOOKING, space_id=HALL, user_id=MIA, slot=LATER, hold=LATER_HOLD, at=AT, decide_by=DECIDE_BY
        ),
        LATER_TAGS,
    ),
    Frozen(
        "BookingRescheduled",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-07T23:00:00Z",'
        '"end":"2026-01-08T00:00:00Z"},"hold":{"start":"2026-01-07T22:45:00Z","end":"2026-01-08T01:00:00Z"},'
        '"slot_before":{"start":"2026-01-05T22:00:00Z",'
        '"end":"2026-01-06T01:30:00Z"},"hold_before":{"start":"2026-01-05T21:45:00Z","end":"2026-01-06T02:30:00Z"},'
        '"at":"2026-01-05T08:30:15.123456Z","rescheduled_by":"00000000-0000-0000-0000-0000000000b1",'
        '"decide_by":"2026-01-07T21:30:15.123456Z"}',
        BookingRescheduled(
            booking_id=BOOKING,
            space_id=HALL,
            user_id=MIA,
            slot=LATER,
            hold=LATER_HOLD,
            slot_before=SLOT,
            hold_before=HOLD,
            at=AT,
            rescheduled_by=MIA,
            decide_by=DECIDE_BY,
        ),
        MOVED_TAGS,
    ),
    Frozen(
        "BookingApproved",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-07T23:00:00Z",'
        '"end":"2026-01-08T00:00:00Z"},"hold":{"start":"2026-01-07T22:45:00Z","end":"2026-01-08T01:00:00Z"},'
        '"at":"2026-01-05T08:30:15.123456Z","approved_by":"00000000-0000-0000-0000-0000000000b3"}',
        BookingApproved(
            booking_id=BOOKING, space_id=HALL, user_id=MIA, slot=LATER, hold=LATER_HOLD, at=AT, approved_by=KAI
        ),
        LATER_TAGS,
    ),
    Frozen(
        "BookingRejected",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-07T23:00:00Z",'
        '"end":"2026-01-08T00:00:00Z"},"hold":{"start":"2026-01-07T22:45:00Z","end":"2026-01-08T01:00:00Z"},'
        '"at":"2026-01-05T08:30:15.123456Z","rejected_by":"00000000-0000-0000-0000-0000000000b3",'
        '"reason":"zSe71OEMhUtYRAt5VLRP37KgZMLU8Zqk738XfVrcngK0"}',
        BookingRejected(
            booking_id=BOOKING,
            space_id=HALL,
            user_id=MIA,
            slot=LATER,
            hold=LATER_HOLD,
            at=AT,
            rejected_by=KAI,
            reason="Umbau",
        ),
        LATER_TAGS,
    ),
    Frozen(
        "BookingDeclined",
        1,
        '{"booking_id":"7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0001","space_id":"00000000-0000-0000-0000-0000000000a1",'
        '"user_id":"00000000-0000-0000-0000-0000000000b1","slot":{"start":"2026-01-07T23:00:00Z",'
        '"end":"2026-01-08T00:00:00Z"},"hold":{"start":"2026-01-07T22:45:00Z","end":"2026-01-08T01:00:00Z"},'
        '"at":"2026-01-05T08:30:15.123456Z"}',
        BookingDeclined(booking_id=BOOKING, space_id=HALL, user_id=MIA, slot=LATER, hold=LATER_HOLD, at=AT),
        LATER_TAGS,
    ),
    Frozen(
        "BookingRulesChanged",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","rules":{"min_duration":"PT15M","max_duration":"P2D",'
        '"min_advance":"PT5M","max_advance_days":30,"cancellation_deadline":"PT1H","concurrent_bookings":3,'
        '"buffer_before":"PT0S","buffer_after":"PT0S","requires_approval":true,"approval_ttl":"P1D",'
        '"approval_deadline":"PT2H"},"at":"2026-01-05T08:30:15.123456Z"}',
        BookingRulesChanged(
            space_id=HALL,
            rules=replace(
                RULES,
                requires_approval=True,
                approval_ttl=timedelta(hours=24),
                approval_deadline=timedelta(hours=2),
            ),
            at=AT,
        ),
        SPACE_TAGS,
    ),
    Frozen(
        "SpaceManagersNamed",
        1,
        '{"space_id":"00000000-0000-0000-0000-0000000000a1","managers":["00000000-0000-0000-0000-0000000000b1",'
        '"00000000-0000-0000-0000-0000000000b3"],"at":"2026-01-05T08:30:15.123456Z"}',
        SpaceManagersNamed(space_id=HALL, managers=(MIA, KAI), at=AT),
        SPACE_TAGS,
    ),
    Frozen(
        "ApiKeyIssued",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","key_id":"00000000-0000-0000-0000-0000000000b3",'
        '"scopes":["audit:read","bookings:write","spaces:read"],"at":"2026-01-05T08:30:15.123456Z"}',
        ApiKeyIssued(
            user_id=MIA, key_id=KAI, scopes=(Scope.AUDIT_READ, Scope.BOOKINGS_WRITE, Scope.SPACES_READ), at=AT
        ),
        USER_TAGS,
    ),
    Frozen(
        "ApiKeyRevoked",
        1,
        '{"user_id":"00000000-0000-0000-0000-0000000000b1","key_id":"00000000-0000-0000-0000-0000000000b3",'
        '"at":"2026-01-05T08:30:15.123456Z"}',
        ApiKeyRevoked(user_id=MIA, key_id=KAI, at=AT),
        USER_TAGS,
    ),
    Frozen(
        "WebhookAdded",
        1,
        '{"webhook_id":"00000000-0000-0000-0000-0000000000c1","host":"hooks.example.org","events":["BookingCancelled","BookingCreated"],"at":"2026-01-05T08:30:15.123456Z"}',
        WebhookAdded(webhook_id=HOOK, host="hooks.example.org", events=("BookingCancelled", "BookingCreated"), at=AT),
        WEBHOOK_TAGS,
    ),
    Frozen(
        "WebhookSecretRotated",
        1,
        '{"webhook_id":"00000000-0000-0000-0000-0000000000c1","at":"2026-01-05T08:30:15.123456Z"}',
        WebhookSecretRotated(webhook_id=HOOK, at=AT),
        WEBHOOK_TAGS,
    ),
    Frozen(
        "WebhookReplayed",
        1,
        '{"webhook_id":"00000000-0000-0000-0000-0000000000c1","from_position":17,"at":"2026-01-05T08:30:15.123456Z"}',
        WebhookReplayed(webhook_id=HOOK, from_position=17, at=AT),
        WEBHOOK_TAGS,
    ),
    Frozen(
        "WebhookDisabled",
        1,
        '{"webhook_id":"00000000-0000-0000-0000-0000000000c1","gone":true,"at":"2026-01-05T08:30:15.123456Z"}',
        WebhookDisabled(webhook_id=HOOK, gone=True, at=AT),
        WEBHOOK_TAGS,
    ),
    Frozen(
        "WebhookEnabled",
        1,
        '{"webhook_id":"00000000-0000-0000-0000-0000000000c1","at":"2026-01-05T08:30:15.123456Z"}',
        WebhookEnabled(webhook_id=HOOK, at=AT),
        WEBHOOK_TAGS,
    ),
    Frozen(
        "WebhookRemoved",
        1,
        '{"webhook_id":"00000000-0000-0000-0000-0000000000c1","at":"2026-01-05T08:30:15.123456Z"}',
        WebhookRemoved(webhook_id=HOOK, at=AT),
        WEBHOOK_TAGS,
    ),
]
