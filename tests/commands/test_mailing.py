"""Notices on their way to a real mail server: each is sent once, says what happened, and waits out what is amiss."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from booking.roles import Role
from booking.terms import Rules
from commands import notices
from commands.accounts import Account
from commands.bookings import ApproveBooking, CancelBooking, ChangeBooking, CreateBooking, RejectBooking
from commands.command import Author, Command
from commands.deadlines import carry_out
from commands.deciding import Deciding, Done
from commands.due import DECLINE, Work
from commands.letters import Kind, Letter, Letters
from commands.mail_server import SENT_WITHIN, TAKEN_WITHIN, LogAlone, MailServer, TakesMail
from commands.mailing import ATTEMPTS, FIRST_PAUSE, LONGEST_PAUSE, MARGIN, Mailing, mailbox
from commands.notices import LENT, Handed, Listed, State
from commands.spaces import CreateSpace
from commands.users import EraseUser, RegisterUser, VerifyEmail
from journal.connection import ANSWER_WITHIN, Line
from journal.folding import Aggregates
from journal.journal import Journal
from tests.commands.people import SYSTEM, request
from tests.examples import ALWAYS_OPEN, ANA, CLEO, DESK, HOUR, MEETING_ROOM, MONDAY_8AM, ROOM, TUESDAY, WEDNESDAY, at
from tests.examples import hours as utc_hours
from tests.journal.go_between import GoBetween
from tests.journals import Place, a_journal
from tests.mail_servers import Mail, Server, a_mail_server

KEY = "a secret key for tests that is long enough"
OLD_KEY = "the secret key that was in use before this one"
EMAIL = "ana@example.org"
SENDER = mailbox("Daybook <daybook@example.com>")
LATER = timedelta(days=1)
HEADERS = ["Message-ID", "Date", "From", "To", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type"]


@dataclass
class Post:
    """A journal with Ana who books, Cleo who runs the spaces, and what sends their notices."""

    place: Place
    journal: Journal
    deciding: Deciding
    server: Server

    def mailing(self, server: TakesMail | None = None, *, within: float = 10.0, taken_within: float = 10.0) -> Mailing:
        address = SENDER.addr_spec
        server = server or MailServer(self.server.url, sender=address, within=within, taken_within=taken_within)
        return Mailing(self.journal, self.deciding.aggregates, server, sender=SENDER, keys=[KEY, OLD_KEY])

    async def do(self, command: Command[Any], *, by: UUID = ANA) -> Done[Any]:
        return await self.deciding.do(command, by=Author.person(by), request=request())

    async def book(self, space_id: UUID = ROOM, *, start: float = 9, notes: str | None = None) -> UUID:
        booking_id = UUID(int=int(start * 2) + space_id.int * 1000)
        slot = utc_hours(start, start + 1, TUESDAY)
        await self.do(CreateBooking(booking_id=booking_id, space_id=space_id, user_id=ANA, slot=slot, notes=notes))
        return booking_id

    async def somebody_books(self, email: str, name: str, space_id: UUID = ROOM) -> None:
        """A new user of this address and name books a slot."""
        user_id, slot = UUID(int=9), utc_hours(20, 21, TUESDAY)
        account = Account(email=email, full_name=name, password_hash="x")
        await self.deciding.do(RegisterUser(user_id=user_id, account=account), by=SYSTEM, request=request())
        await self.do(CreateBooking(booking_id=UUID(int=8), space_id=space_id, user_id=user_id, slot=slot), by=user_id)

    async def post(self, *, remind_before: timedelta = timedelta(0)) -> None:
        post = notices.posting(remind_before=remind_before).post
        while await post(self.journal):
            pass

    async def handed(self) -> Handed:
        """The one notice that is due."""
        await self.post()
        (handed,) = await notices.take(self.journal, limit=10)
        return handed

    async def send(self, mailing: Mailing | None = None, **posted: timedelta) -> list[Mail]:
        """Post and send everything that is due; the mails that came of it."""
        before, mailing = len(self.server.mails), mailing or self.mailing()
        await self.post(**posted)
        while handed := await notices.take(self.journal, limit=10):
            for one in handed:
                await mailing.send(one)
        return self.server.mails[before:]

    async def listed(self, state: State | None = None) -> list[Listed]:
        return await notices.listed(self.journal, state=state, limit=100)


@pytest.fixture
async def post(place: Place, journal: Journal, deciding: Deciding) -> AsyncIterator[Post]:
    place.set_clock(MONDAY_8AM)
    async with a_mail_server() as server:
        made = Post(place, journal, deciding, server)
        people = ((ANA, EMAIL, "Ana Pérez", Role.STUDENT), (CLEO, "cleo@example.org", "Cleo", Role.STAFF))
        for user_id, email, name, role in people:
            account = Account(email=email, full_name=name, password_hash="x")
            await deciding.do(
                RegisterUser(user_id=user_id, account=account, role=role, max_active_bookings=100),
                by=SYSTEM,
                request=request(),
            )
        for space_id, requires_approval in ((ROOM, False), (DESK, True)):
            await made.do(
                CreateSpace(
                    space_id=space_id,
                    description=MEETING_ROOM,
                    timezone="Europe/Berlin",
                    opening_hours=ALWAYS_OPEN,
                    rules=Rules(requires_approval=requires_approval),
                ),
                by=CLEO,
            )
        yield made


def in_calendar(mail: Mail) -> tuple[object, ...]:
    """What a calendar is asked to do."""
    event = mail.event
    return mail.calendar["method"], event["sequence"], event["status"], event.start.isoformat()


async def test_a_booking_is_confirmed_moved_and_cancelled_in_the_calendar_too(post: Post) -> None:
    booking_id = await post.book(notes="Bring the <big> screen\r\nand; cake")
    (confirmed,) = await post.send()
    start = at(12, TUESDAY)
    await post.do(ChangeBooking(booking_id=booking_id, start=start, end=start + HOUR))
    (moved,) = await post.send()
    await post.do(CancelBooking(booking_id=booking_id, reason="Fewer of us"), by=CLEO)
    (cancelled,) = await post.send()
    assert await post.send() == []

    assert [mail.to for mail in post.server.mails] == [EMAIL] * 3
    assert confirmed.subject == "Confirmed: Meeting Room, Tuesday 6 January 2026, 10:00"
    assert confirmed.text == (
        "Hello Ana Pérez,\n\nYour booking is confirmed.\n\nSpace: Meeting Room\n"
        "When: Tuesday 6 January 2026, 10:00 – 11:00 (Europe/Berlin, CET)\n"
        f"Notes: Bring the <big> screen\nand; cake\nBooking: {booking_id}\n"
    )
    assert "Bring the &lt;big&gt; screen<br>and; cake" in confirmed.html
    assert "Before: Tuesday 6 January 2026, 10:00 – 11:00 (Europe/Berlin, CET)" in moved.text
    assert "When: Tuesday 6 January 2026, 13:00 – 14:00 (Europe/Berlin, CET)" in moved.text
    assert "Your booking was cancelled." in cancelled.text
    assert "Reason: Fewer of us" in cancelled.text
    assert [in_calendar(mail) for mail in (confirmed, moved, cancelled)] == [
        ("REQUEST", 0, "CONFIRMED", "2026-01-06T10:00:00+01:00"),
        ("REQUEST", 1, "CONFIRMED", "2026-01-06T13:00:00+01:00"),
        ("CANCEL", 2, "CANCELLED", "2026-01-06T13:00:00+01:00"),
    ]
    assert {str(mail.event["uid"]) for mail in post.server.mails} == {f"{booking_id}@daybook"}
    assert confirmed.event["description"] == "Bring the <big> screen\nand; cake"
    assert {str(zone["tzid"]) for zone in confirmed.calendar.timezones} == {"Europe/Berlin"}
    assert (confirmed.event["organizer"], confirmed.event["attendee"]) == (
        "mailto:daybook@example.com",
        f"mailto:{EMAIL}",
    )
    assert len({mail.id for mail in post.server.mails}) == 3
    assert [listed.state for listed in await post.listed()] == [State.SENT] * 3


async def test_a_booking_that_is_moved_and_gets_other_notes_at_once_is_told_with_those(post: Post) -> None:
    booking_id = await post.book(notes="Bring the old key")
    await post.send()
    start, notes = at(12, TUESDAY), "Bring the new key"
    done = await post.do(ChangeBooking(booking_id=booking_id, start=start, end=start + HOUR, notes=notes))

    (moved,) = await post.send()

    assert f"Notes: {notes}" in moved.text
    assert (moved.event["description"], moved.event["sequence"]) == (notes, done.subject.revision - 1)


async def test_a_request_is_tentative_until_it_is_decided_on(post: Post) -> None:
    approved, rejected, declined = [await post.book(DESK, start=start) for start in (9, 11, 13)]
    asked = await post.send()
    await post.do(ApproveBooking(booking_id=approved), by=CLEO)
    await post.do(RejectBooking(booking_id=rejected, reason="Painters"), by=CLEO)
    decided = await post.send()
    post.place.set_clock(at(12, TUESDAY))
    await carry_out(post.deciding, [Work(DECLINE, declined)])
    lapsed = await post.send()

    assert {mail.subject.partition(":")[0] for mail in asked} == {"Requested"}
    assert "Decided by: Tuesday 6 January 2026, 09:00 (Europe/Berlin, CET)" in asked[0].text
    assert [in_calendar(mail)[:3] for mail in asked] == [("REQUEST", 0, "TENTATIVE")] * 3
    told = {mail.subject.partition(":")[0]: mail for mail in (*decided, *lapsed)}
    assert {about: in_calendar(mail)[:3] for about, mail in told.items()} == {
        "Approved": ("REQUEST", 1, "CONFIRMED"),
        "Rejected": ("CANCEL", 1, "CANCELLED"),
        "Declined": ("CANCEL", 1, "CANCELLED"),
    }
    assert "Reason: Painters" in told["Rejected"].text
    assert "Decided by" not in told["Approved"].text


async def test_of_what_begins_soon_one_is_reminded_once_and_of_nothing_else(post: Post) -> None:
    kept, moved, cancelled = [await post.book(start=start) for start in (9, 11, 13)]
    await post.send(remind_before=24 * HOUR)
    await post.do(ChangeBooking(booking_id=moved, start=at(12, WEDNESDAY), end=at(13, WEDNESDAY)))
    handed = [listed.id for listed in await post.listed() if listed.booking_id == cancelled and not listed.sent_at]
    await post.do(CancelBooking(booking_id=cancelled))
    post.place.set_clock(at(14))
    mailing = post.mailing()
    await mailing.send(Handed(handed[0], 0))  # before it is posted that there is nothing to be reminded of
    reminded = await post.send(mailing, remind_before=24 * HOUR)
    again = await post.send(remind_before=24 * HOUR)

    assert [(mail.subject, str(kept) in mail.text) for mail in reminded if "Reminder" in mail.subject] == [
        ("Reminder: Meeting Room, Tuesday 6 January 2026, 10:00", True)
    ]
    assert sorted(mail.subject.partition(":")[0] for mail in reminded) == ["Cancelled", "Moved", "Reminder"]
    assert again == []


@pytest.mark.parametrize("taken", [True, False])
async def test_a_change_waits_for_a_reminder_that_is_being_sent_and_not_for_one_that_was_not_taken(
    post: Post, taken: bool
) -> None:
    booking_id = await post.book()
    await post.send(remind_before=3 * HOUR)
    post.place.set_clock(at(6, TUESDAY))
    reminder = await post.handed()
    post.server.to_mail = lambda _: "250 OK" if taken else "451 4.3.0 later"
    post.server.replies.clear()
    sending = asyncio.create_task(post.mailing().send(reminder))
    await post.server.until(lambda: post.server.handed == 2)
    await post.do(ChangeBooking(booking_id=booking_id, start=at(15, TUESDAY), end=at(16, TUESDAY)), by=CLEO)
    assert await post.send(remind_before=3 * HOUR) == []
    post.server.replies.set()
    await sending
    post.server.to_mail = lambda _: "250 OK"
    await post.send(remind_before=3 * HOUR)
    post.place.set_clock(at(12, TUESDAY))
    await post.send()

    told = [mail.subject.partition(":")[0] for mail in post.server.mails]
    assert told == ["Confirmed", *(["Reminder"] if taken else []), "Moved", "Reminder"]


async def test_what_people_wrote_is_text_alone_wherever_it_stands(post: Post) -> None:
    name = 'Room\r\nBcc: all@example.org\n\n<script>alert("x")</script>; \u202eevil\x85BEGIN:VALARM'
    await post.do(
        CreateSpace(
            space_id=UUID(int=7),
            description=replace(MEETING_ROOM, name=name),
            opening_hours=ALWAYS_OPEN,
        ),
        by=CLEO,
    )
    await post.book(UUID(int=7), notes="One\r\nEND:VEVENT\r\n.\r\nBEGIN:VEVENT\x0b\x1b[2J")

    (mail,) = await post.send()

    assert mail.to == EMAIL
    assert mail.message.keys() == HEADERS
    assert mail.subject.startswith(
        'Confirmed: Room Bcc: all@example.org <script>alert("x")</script>; evil BEGIN:VALARM'
    )
    assert "<script" not in mail.html
    assert "\x1b" not in mail.text + mail.html
    (event,) = mail.calendar.events
    assert event.subcomponents == []
    assert event["description"] == "One\nEND:VEVENT\n.\nBEGIN:VEVENT\n [2J"


async def test_an_address_beyond_ascii_and_a_name_of_anything_are_written_as_headers_can(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = a_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    await post.somebody_books("jürgen@bücher.example", 'J"ü,\r\nBcc: x@example.org')
    async with a_mail_server(enable_SMTPUTF8=False) as old, a_mail_server(tls_context=tls) as new:
        await post.send(post.mailing(MailServer(old.url, sender=SENDER.addr_spec)))
        (dead,) = await post.listed()
        await notices.retry(post.journal)
        await post.send(post.mailing(MailServer(new.url, sender=SENDER.addr_spec)))

    assert (dead.state, dead.error) == (State.DEAD, "the mail server takes no addresses beyond ASCII")
    assert old.asked == 0
    (mail,) = new.mails
    assert mail.to == "jürgen@xn--bcher-kva.example"
    assert [str(one.display_name) for one in mail.message["To"].addresses] == ['J"ü, Bcc: x@example.org']


@pytest.mark.parametrize("text", ["=?utf-8?q?Room=0D=0ABcc=3A_x=40example.org?=", "=?utf-8?b?DQpCY2M6IHhAeS5vcmc=?= ="])
async def test_no_encoded_word_that_somebody_wrote_is_read_as_one(post: Post, text: str) -> None:
    """RFC 2047 would have line ends within, and Python's headers write out what they decode."""
    space_id, description = UUID(int=7), replace(MEETING_ROOM, name=text)
    await post.do(CreateSpace(space_id=space_id, description=description, opening_hours=ALWAYS_OPEN), by=CLEO)
    await post.somebody_books("ben@example.org", text, space_id)

    (mail,) = await post.send()

    assert mail.message.keys() == HEADERS
    seen = text.replace("=?", "= ?")
    assert mail.subject == f"Confirmed: {seen}, Tuesday 6 January 2026, 20:00"
    assert [one.display_name for one in mail.message["To"].addresses] == [seen]


async def test_an_address_that_headers_would_decode_is_sent_nothing(post: Post) -> None:
    await post.somebody_books("=?utf-8?q?a=0d=0abcc=3ax?=@example.org", "Ben")

    assert await post.send() == []

    (dead,) = await post.listed()
    assert (dead.state, dead.error) == (State.DEAD, "the address cannot be written into a header")


async def test_a_notice_that_is_delivered_twice_is_sent_once(post: Post) -> None:
    await post.book()
    handed, mailing = await post.handed(), post.mailing()

    await asyncio.gather(*(mailing.send(handed) for _ in range(3)))
    await mailing.send(handed)

    assert len(post.server.mails) == 1


def test_a_loan_outlives_the_wait_for_a_mail_server() -> None:
    assert (LENT - MARGIN).total_seconds() > SENT_WITHIN + TAKEN_WITHIN + 3 * ANSWER_WITHIN, (
        "the journal is asked before"
    )


async def test_two_workers_never_send_the_same(post: Post) -> None:
    for start in range(9, 19):
        await post.book(start=start)
    await post.post()

    async def work(mailing: Mailing) -> None:
        while taken := await notices.take(post.journal, limit=2):
            await asyncio.gather(*(mailing.send(one) for one in taken))

    await asyncio.gather(*(work(post.mailing()) for _ in range(3)))

    assert len(post.server.mails) == len({mail.id for mail in post.server.mails}) == 10


async def test_a_refusal_that_passes_is_waited_out_with_growing_pauses(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = await post.book(), await post.book(start=11)
    post.server.to_recipient = lambda _: "451 4.3.0 ana@example.org: try again"
    mailing, clock, pauses = post.mailing(), MONDAY_8AM, []
    for _ in range(4):
        assert await post.send(mailing) == []
        told = [listed for listed in await post.listed() if listed.booking_id == first]
        pauses.append(told[0].at - clock)
        clock += FIRST_PAUSE * 2 ** len(pauses)
        post.place.set_clock(clock)
    await post.do(CancelBooking(booking_id=first))
    post.server.to_recipient = lambda _: "250 OK"
    sent = await post.send()

    assert told[0].error == "the mail server refused: 451 4.3.0"
    assert EMAIL not in caplog.text
    assert caplog.messages == ["notices wait: the mail server refused: 451 4.3.0"]
    for n, pause in enumerate(pauses):
        assert FIRST_PAUSE * 2**n / 2 <= pause <= FIRST_PAUSE * 2**n
    of_first = [mail.subject.partition(":")[0] for mail in sent if str(first) in mail.text]
    assert of_first == ["Confirmed", "Cancelled"]
    assert len(sent) == 3
    assert str(second) in "".join(mail.text for mail in sent)


async def test_after_many_attempts_a_notice_is_dead_until_it_is_retried(post: Post) -> None:
    await post.book(start=1000)
    down = MailServer("smtp://127.0.0.1:1", sender=SENDER.addr_spec)
    clock = MONDAY_8AM
    for attempt in range(1, ATTEMPTS + 1):
        await post.send(post.mailing(down))
        (listed,) = await post.listed()
        assert (listed.attempts, listed.state) == (attempt, State.WAITING if attempt < ATTEMPTS else State.DEAD)
        clock += LONGEST_PAUSE
        post.place.set_clock(clock)
    assert listed.error == "the mail server cannot be reached, or hung up"
    assert await post.send() == []

    assert await notices.retry(post.journal, listed.id) == 1
    assert len(await post.send()) == 1


async def test_a_recipient_refused_for_good_is_a_dead_letter_at_once_and_holds_nobody_up(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    booking_id = await post.book()
    post.server.to_recipient = lambda to: f"550 5.1.1 <{to}> is unknown"
    assert await post.send() == []
    (dead,) = await post.listed(State.DEAD)
    post.server.to_recipient = lambda _: "250 OK"
    await post.do(CancelBooking(booking_id=booking_id))
    (cancelled,) = await post.send()

    assert (dead.attempts, dead.error) == (1, "the mail server refused: 550 5.1.1")
    assert "Cancelled" in cancelled.subject
    assert f"a notice is dead: confirmation {dead.id}: the mail server refused: 550 5.1.1" in caplog.messages
    assert EMAIL not in caplog.text
    assert await notices.retry(post.journal, dead.id) == 0, "what was told since says otherwise"


async def test_what_is_dead_is_not_retried_while_a_later_notice_of_its_booking_is_being_sent(post: Post) -> None:
    booking_id = await post.book()
    post.server.to_mail = lambda _: "554 5.7.1 spam"
    assert await post.send() == []
    post.server.to_mail = lambda _: "250 OK"
    await post.do(CancelBooking(booking_id=booking_id))
    handed = await post.handed()
    assert await notices.retry(post.journal) == 0, "it is on its way already"

    post.server.replies.clear()
    sending = asyncio.create_task(post.mailing().send(handed))
    await post.server.arrived(1)
    assert await notices.retry(post.journal) == 0
    post.server.replies.set()
    await sending

    assert await post.send() == []
    assert [mail.subject.partition(":")[0] for mail in post.server.mails] == ["Cancelled"]


async def test_a_mail_refused_for_good_is_dead_and_one_that_is_slow_is_not(post: Post) -> None:
    await post.book()
    post.server.hangs = True
    assert await post.send(post.mailing(within=0.3)) == []
    (slow,) = await post.listed()
    post.server.hangs = False
    post.server.to_mail = lambda _: "554 5.7.1 spam"
    assert await notices.retry(post.journal) == 1, "nobody has to wait for the pause to end"
    assert await post.send() == []
    (refused,) = await post.listed()

    assert (slow.state, slow.error) == (State.WAITING, "the mail server did not answer in time")
    assert (refused.state, refused.error) == (State.DEAD, "the mail server refused: 554 5.7.1")


async def test_a_server_that_answers_late_what_it_has_taken_is_waited_for_and_has_it_once(post: Post) -> None:
    await post.book(notes="One\n.\n..two")
    handed, within = await post.handed(), 0.5
    post.server.replies.clear()
    sending = asyncio.create_task(post.mailing(within=within).send(handed))
    (mail,) = await post.server.arrived(1)
    await asyncio.sleep(within)  # as long as there is for anything else
    post.server.replies.set()
    await sending

    assert await post.send() == []
    (told,) = await post.listed()
    assert (told.state, told.attempts) == (State.SENT, 1)
    assert "Notes: One\n.\n..two\n" in mail.text


async def test_a_server_that_never_answers_what_it_was_given_is_not_waited_for_for_ever(post: Post) -> None:
    await post.book()
    post.server.replies.clear()
    await post.send(post.mailing(taken_within=0.1))

    (told,) = await post.listed()
    assert (told.state, told.error) == (State.WAITING, "the mail server did not answer in time")


async def test_when_told_to_stop_what_no_server_can_have_is_given_back_at_once_and_what_one_may_have_is_waited_for(
    post: Post,
) -> None:
    handed_over = await post.book()
    first, mailing = await post.handed(), post.mailing()
    post.server.replies.clear()
    sending = [asyncio.create_task(mailing.send(first))]
    await post.server.arrived(1)
    post.server.hangs = True
    await post.book(start=11)
    second = await post.handed()
    sending.append(asyncio.create_task(mailing.send(second)))
    await post.server.until(lambda: post.server.asked == 2)

    mailing.stop()
    await sending[1]
    post.server.hangs = False
    post.server.replies.set()
    await sending[0]
    await mailing.send(again := await post.handed())

    assert again.notice_id == second.notice_id, "nobody waits for the end of its loan"
    assert [mail.text for mail in post.server.mails if str(handed_over) not in mail.text] == [], "it begins no more"
    assert sorted(one.state for one in await post.listed()) == [State.SENT, State.WAITING]
    await post.mailing().send(again)
    assert len(post.server.mails) == 2


@pytest.mark.parametrize("lost", [GoBetween.lose_question, GoBetween.lose_answer])
async def test_what_was_taken_is_noted_though_the_journal_is_lost_just_then(
    post: Post, lost: Callable[[GoBetween, str], None]
) -> None:
    await post.book()
    handed = await post.handed()
    async with GoBetween(post.place.url) as between, a_journal(post.place, url=between.url) as far:
        server = MailServer(post.server.url, sender=SENDER.addr_spec)
        lost(between, "set state = 'sent', sent_at")
        await Mailing(far, Aggregates(far), server, sender=SENDER, keys=[KEY]).send(handed)

    assert [listed.state for listed in await post.listed()] == [State.SENT]
    assert len(post.server.mails) == 1


async def test_a_notice_that_cannot_be_written_waits_and_holds_nobody_up(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    broken = await post.book(notes="Nobody may read this")
    await post.post()
    with post.place.role() as role:
        role.execute("update notices set kind = 'of another version'")
    await post.book(start=11)

    (sent,) = await post.send()

    assert str(broken) not in sent.text
    assert sorted((listed.state, listed.error) for listed in await post.listed() if listed.booking_id == broken) == [
        (State.WAITING, "it could not be written: ValueError")
    ]
    assert "Nobody may read this" not in caplog.text


async def test_a_notice_of_a_fact_that_is_not_there_is_dropped(post: Post) -> None:
    await post.book()
    await post.post()
    with post.place.role() as role:
        role.execute("update notices set position = 1")

    assert await post.send() == []
    assert await post.listed() == []


async def test_what_is_over_by_the_time_it_could_be_told_is_not(post: Post) -> None:
    await post.book(start=9)
    await post.book(start=30)
    await post.post()
    post.place.set_clock(at(10, TUESDAY))

    (mail,) = await post.send()

    assert mail.subject == "Confirmed: Meeting Room, Wednesday 7 January 2026, 07:00"
    assert len(await post.listed()) == 1


async def test_who_was_erased_is_told_nothing(post: Post) -> None:
    await post.book()
    handed = await post.handed()
    await post.do(EraseUser(user_id=ANA))
    await post.mailing().send(handed)  # before it is posted that nobody is there

    assert await post.send() == []
    assert await post.listed() == []
    assert post.server.asked == 0


async def test_where_there_is_no_mail_server_the_log_tells_that_there_was_a_notice(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await post.book(notes="Nobody may read this")

    assert await post.send(post.mailing(LogAlone())) == []

    assert caplog.messages == ["no mail server is set, so this was not sent: confirmation"]
    assert [(listed.state, listed.sent_at) for listed in await post.listed()] == [(State.LOGGED, None)]


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
async def test_a_letter_is_sent_with_the_token_that_is_good(post: Post, key: str) -> None:
    told: list[Letter] = []
    line = Line(post.place.url, post.place.schema, name="letters")
    letters = Letters(line, key, writing=line, told=told.append)
    await letters.write(Kind.PASSWORD_RESET, EMAIL)
    await letters.write(Kind.VERIFICATION, "nobody@example.org")
    (reset,) = await post.send()
    token = reset.text.partition("Token: ")[2].partition("\n")[0]

    assert (reset.to, reset.subject) == (EMAIL, "Reset your password")
    assert "Good until: Monday 5 January 2026, 08:30 UTC" in reset.text
    assert await letters.reader(Kind.PASSWORD_RESET, token) == ANA
    assert [letter.token for letter in told] == [token]

    await letters.write(Kind.VERIFICATION, EMAIL)
    await post.do(VerifyEmail(user_id=ANA))
    assert await post.send() == [], "it was used before it was sent"
    await line.close()


async def test_a_password_is_told_over_tls_and_a_wrong_one_is_no_reason_to_give_up(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = a_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    right = b"p@ss"

    def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _how: str, told: Any) -> AuthResult:
        return AuthResult(success=told == LoginPassword(b"ada", right), handled=False)

    strict = {"auth_required": True, "auth_require_tls": True, "authenticator": authenticate}
    async with a_mail_server(tls_context=tls, **strict) as server:
        mailing = post.mailing(MailServer(with_user(server.url), sender=SENDER.addr_spec))
        await post.book()
        right = b"another"
        await post.send(mailing)
        (wrong,) = await post.listed()
        post.place.set_clock(at(9))
        right = b"p@ss"
        await post.send(mailing)

    assert (wrong.state, wrong.error) == (State.WAITING, "the mail server refused: 535 5.7.8")
    assert len(server.mails) == 1


async def test_no_password_is_told_to_another_machine_in_the_clear(post: Post) -> None:
    told: list[object] = []
    refusing = {
        "auth_require_tls": False,
        "authenticator": lambda *about: told.append(about) or AuthResult(success=True),
    }
    async with a_mail_server(**refusing) as server:
        here, elsewhere = with_user(server.url), with_user(server.url.replace("127.0.0.1", "127.1"))
        await post.book()
        await post.send(post.mailing(MailServer(elsewhere, sender=SENDER.addr_spec)))
        before, (waiting,) = len(told), await post.listed()
        post.place.set_clock(at(9))
        await post.send(post.mailing(MailServer(here, sender=SENDER.addr_spec)))

    assert (before, waiting.error) == (0, "the mail server cannot be used: SMTPException")
    assert len(told) == len(server.mails) == 1


def with_user(url: str) -> str:
    return url.replace("smtp://", "smtp://ada:p%40ss@")


def a_certificate(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server on loopback shows, and the file in which it is trusted."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + LATER)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = directory / "certificate.pem", directory / "key.pem"
    trusted.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted
