"""A real mail server for tests, which takes what it is given, refuses, or keeps one waiting."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_string
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session
from icalendar import Calendar, Event

PATIENCE = 15.0  # seconds for a mail to arrive


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it was handed in."""

    to: str
    raw: bytes
    message: EmailMessage

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self._part("text/plain")

    @property
    def html(self) -> str:
        return self._part("text/html")

    @property
    def calendar(self) -> Calendar:
        return cast("Calendar", Calendar.from_ical(self._part("text/calendar")))

    @property
    def event(self) -> Event:
        (event,) = self.calendar.events
        return event

    def _part(self, kind: str) -> str:
        part = next(part for part in self.message.walk() if part.get_content_type() == kind)
        return str(part.get_content()).replace("\r\n", "\n")


def _fine(_to: str) -> str:
    return "250 OK"


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class Server:
    """What arrived, and what is answered: to a recipient, and to a mail. While it `hangs` nobody is answered; who has
    handed in a mail is answered once `replies` is set.
    """

    mails: list[Mail] = field(default_factory=list)
    to_recipient: Callable[[str], str] = _fine
    to_mail: Callable[[str], str] = _fine
    asked: int = 0
    handed: int = 0
    hangs: bool = False
    replies: asyncio.Event = field(default_factory=_set)
    url: str = ""
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, condition: Callable[[], bool], *, within: float = PATIENCE) -> None:
        """Return when the condition is true, asked whenever somebody names a recipient or hands in a mail."""
        async with asyncio.timeout(within), self._came:
            await self._came.wait_for(condition)

    async def arrived(self, number: int) -> list[Mail]:
        """What arrived, as soon as there are so many mails."""
        await self.until(lambda: len(self.mails) >= number)
        return self.mails

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.asked += 1
        await self._tell()
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        reply = self.to_recipient(address)
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content, to = cast("bytes", envelope.content), envelope.rcpt_tos[0]
        reply = self.to_mail(to)
        self.handed += 1
        if reply.startswith("250"):
            message = cast("EmailMessage", message_from_string(content.decode(), policy=default))
            self.mails.append(Mail(to, content, message))
        await self._tell()
        await self.replies.wait()
        return reply

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()


@asynccontextmanager
async def a_mail_server(*, port: int = 0, **options: Any) -> AsyncIterator[Server]:
    """A server on loopback; `options` are those of aiosmtpd."""
    server = Server()
    listening = await asyncio.get_running_loop().create_server(
        lambda: SMTP(server, **{"hostname": "localhost", "enable_SMTPUTF8": True, **options}), "127.0.0.1", port
    )
    host, bound = listening.sockets[0].getsockname()
    server.url = f"smtp://{host}:{bound}"
    try:
        yield server
    finally:
        listening.close()
