"""Mailing: a notice becomes a mail to the person it is for, as they and the booking are by then, and is noted."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from uuid import UUID

from email_validator import validate_email

from booking.bookings import Status
from booking.events import BookingEvent
from commands import accounts, letters, notices, wording
from commands.invitations import Invitation
from commands.mail_server import NotSent, TakesMail
from commands.notices import LENT, Begun, Handed, Kind, State
from commands.wording import Words, in_header
from journal import folding
from journal.connection import Unavailable
from journal.folding import Aggregates
from journal.journal import Journal
from journal.tallies import Counter
from journal.troubles import Trouble

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=2)
ATTEMPTS = 16
"""After that many a notice is dead: with the pauses between them most of a day has gone by."""

MARGIN = timedelta(seconds=10)
"""How long before others may take it nobody begins to hand in a mail any more."""

_TRIED = Counter("daybook_notices_tried", "What came of sending notices: sent, logged, put-off, dead.", ("outcome",))

log = logging.getLogger(__name__)


class _Stopped(Exception):
    """We are to stop, and no mail server can have the mail yet."""


class Mailing:
    """Sends the notices of one journal from a `sender`; `keys` are the secret keys, under one of which letters' tokens
    were made.
    """

    def __init__(
        self, journal: Journal, aggregates: Aggregates, server: TakesMail, *, sender: Address, keys: Sequence[str]
    ) -> None:
        self._journal = journal
        self._aggregates = aggregates
        self._server = server
        self._sender = sender
        self._keys = keys
        self._trouble = Trouble(log, "notices wait")
        self._stopping = False
        self._not_handed_over = set[asyncio.Timeout]()

    async def send(self, handed: Handed) -> None:
        """Send a notice once, however often it is handed to anybody, or put it off. Raises `Unavailable`.

        Once the mail server has taken it that is noted as soon as the journal answers: only if this process ends first,
        or the journal is away for longer than the loan, is the notice sent again, under the same Message-ID.
        """
        ours_until = asyncio.get_running_loop().time() + (LENT - MARGIN).total_seconds()
        notice = None if self._stopping else await notices.begin(self._journal, handed)
        if notice is None:
            return
        try:
            async with self._until(ours_until) as handing_over:
                written = await self._written(notice)
                if written is None:
                    await notices.drop(self._journal, notice)
                    return
                mail, to = written
                await self._server.send(mail, kind=notice.kind, to=to, handing_over=handing_over)
        except NotSent as not_sent:
            await self._put_off(notice, str(not_sent), for_good=not_sent.for_good)
        except TimeoutError:
            await self._put_off(notice, "it took longer than it may", for_good=False)
        except _Stopped:
            await notices.give_back(self._journal, notice)
        except Unavailable:
            raise
        except Exception as fault:  # ours, and no reason to try again at once and for ever
            log.exception("a notice could not be written: %s %s", notice.kind, notice.id)
            await self._put_off(notice, f"it could not be written: {type(fault).__name__}", for_good=False)
        else:
            await self._note_taken(notice)
            self._trouble.over()

    def stop(self) -> None:
        """Give back at once whatever no mail server can have taken yet, and begin no more; the rest goes on."""
        self._stopping = True
        for limit in self._not_handed_over:
            if not limit.expired():
                limit.reschedule(0)

    @asynccontextmanager
    async def _until(self, end: float) -> AsyncIterator[Callable[[], None]]:
        """Break off at a time of the loop, also in a process that was suspended meanwhile, or when told to stop before
        what this gives was called. Raises `TimeoutError`, `_Stopped`.
        """
        limit = asyncio.timeout_at(0 if self._stopping else end)

        def handing_over() -> None:
            self._not_handed_over.discard(limit)
            limit.reschedule(end)

        try:
            async with limit:
                self._not_handed_over.add(limit)
                try:
                    yield handing_over
                finally:
                    self._not_handed_over.discard(limit)
        except TimeoutError:
            if limit.when() != end:
                raise _Stopped from None
            raise

    async def _note_taken(self, notice: Begun) -> None:
        note = notices.note_logged if self._server.as_taken is State.LOGGED else notices.note_sent
        while True:
            try:
                await note(self._journal, notice)
                _TRIED.add(self._server.as_taken)
                return
            except Unavailable:
                await asyncio.sleep(0.05)

    async def _put_off(self, notice: Begun, why: str, *, for_good: bool) -> None:
        dead = for_good or notice.attempts >= ATTEMPTS
        pause = min(FIRST_PAUSE * 2 ** (notice.attempts - 1), LONGEST_PAUSE) * random.uniform(0.5, 1)
        _TRIED.add("dead" if dead else "put-off")
        if dead:
            log.warning("a notice is dead: %s %s: %s", notice.kind, notice.id, why)
        else:
            self._trouble.tell(why)
        await notices.note_failed(self._journal, notice, why, again_after=None if dead else pause)

    async def _written(self, notice: Begun) -> tuple[EmailMessage, str] | None:
        """The mail and the address it goes to; None where nobody is there, or there is nothing to tell any more."""
        account = (await accounts.of_users(self._journal, [notice.user_id])).get(notice.user_id)
        if account is None:
            return None
        try:
            to = mailbox(account.email, account.full_name)
        except ValueError:
            raise NotSent("the address cannot be written into a header", for_good=True) from None
        about = await self._about(notice, to)
        if about is None:
            return None
        words, invitation = about
        mail = EmailMessage((SMTP if to.addr_spec.isascii() else SMTPUTF8).clone(cte_type="7bit"))
        mail["Message-ID"] = f"<{notice.id}@{self._sender.domain}>"
        mail["Date"] = format_datetime(notice.now)
        mail["From"], mail["To"] = self._sender, to
        mail["Subject"] = in_header(words.subject)
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(words.text(account.full_name))
        mail.add_alternative(words.html(account.full_name), subtype="html")
        if invitation is not None:
            mail.add_alternative(
                invitation.text,
                subtype="calendar",
                disposition="inline",
                filename="booking.ics",
                params={"method": invitation.method},
            )
        return mail, to.addr_spec

    async def _about(self, notice: Begun, to: Address) -> tuple[Words, Invitation | None] | None:
        if notice.booking_id is not None:
            return await self._of_booking(notice, notice.booking_id, to)
        found = await letters.written(self._journal, notice.id, self._keys)
        return (wording.of_letter(letters.Kind(notice.kind), *found), None) if found else None

    async def _of_booking(self, notice: Begun, booking_id: UUID, to: Address) -> tuple[Words, Invitation | None] | None:
        """What the fact at the notice's position tells; nothing once the slot is over."""
        kind, named = Kind(notice.kind), folding.booking(booking_id)
        facts = await self._journal.page(notice.position - 1, 1)
        if not facts or not isinstance(fact := facts[0].event, BookingEvent) or fact.booking_id != booking_id:
            return None
        booking = await self._aggregates.as_of(named, notice.position)
        space, _ = await self._aggregates.fresh(folding.space(booking.space_id))
        if kind is not Kind.REMINDER:
            invitation = Invitation(booking, space, organizer=self._sender.addr_spec, attendee=to.addr_spec)
            over = booking.slot.end <= notice.now
            return None if over else (wording.of_booking(kind, booking, space, fact), invitation)
        latest, _ = await self._aggregates.fresh(named)
        as_told = (latest.slot, latest.recorded_status) == (booking.slot, Status.CONFIRMED)
        begun = booking.slot.start <= notice.now
        return (wording.of_booking(kind, latest, space, fact), None) if as_told and not begun else None


def mailbox(email: str, name: str = "") -> Address:
    """An address as headers have it, its domain in ASCII (RFC 5891), its name without anything to mislead with.

    The address may bring a name itself, as in `Daybook <daybook@example.org>`. Raises `ValueError` for what is none.
    """
    checked = validate_email(
        email, allow_display_name=True, check_deliverability=False, globally_deliverable=False, test_environment=True
    )
    if "=?" in checked.local_part:  # headers would decode it, line ends and all
        raise ValueError("this looks like an encoded word (RFC 2047)")
    return Address(in_header(name or checked.display_name or ""), checked.local_part, checked.ascii_domain)
