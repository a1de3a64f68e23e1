"""The mail server: where mails are handed in (RFC 5321), and what it means that one was not taken."""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPStatus,
)

from commands.notices import State

CONNECTED_WITHIN = 10.0  # seconds
ANSWERED_WITHIN = 60.0  # seconds for each command: a server that scans what it was given takes its time
SENT_WITHIN = 120.0  # seconds until the whole mail is handed over
TAKEN_WITHIN = 600.0
"""Seconds for the reply to its end (RFC 5321 §4.5.3.2.6): whoever waits for less hands in again what was taken."""

log = logging.getLogger(__name__)


class NotSent(Exception):
    """A mail was not taken, nor will it be if it is `for_good`. The text quotes codes alone: replies name people."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        self.for_good = for_good
        super().__init__(why)


class TakesMail(Protocol):
    """Where mails go, and what a notice is whose mail was handed in."""

    as_taken: State

    async def send(self, mail: EmailMessage, *, kind: str, to: str, handing_over: Callable[[], None]) -> None:
        """Return once the mail for a bare address was taken. Raises `NotSent`.

        `handing_over` is told before the server may have it: whoever is broken off later may have sent it.
        """


class LogAlone:
    """In the place of a mail server where none is set: a line of the log tells that there was a mail."""

    as_taken = State.LOGGED

    async def send(self, mail: EmailMessage, *, kind: str, to: str, handing_over: Callable[[], None]) -> None:
        log.info("no mail server is set, so this was not sent: %s", kind)


class MailServer:
    """A server at `smtp://` or `smtps://` (TLS from the first byte), with a user and a password if it asks for them.

    With `smtp://` STARTTLS is used where it is offered, and required before a password is told to another machine.
    A mail is handed over `within` so many seconds, and its end answered within `taken_within` more.
    """

    as_taken = State.SENT

    def __init__(
        self, url: str, *, sender: str, within: float = SENT_WITHIN, taken_within: float = TAKEN_WITHIN
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls = parts.scheme == "smtps"
        self._starttls = True if self._user and not _is_here(self._host) else None
        self._sender = sender
        self._within, self._taken_within = within, taken_within

    async def send(self, mail: EmailMessage, *, kind: str, to: str, handing_over: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(self._within) as limit:
                await self._send(mail, to, limit, handing_over)
        except SMTPResponseException as refused:
            # What says no to the sender or to who we are says nothing of this mail: an operator mends it.
            raise _refused(refused, for_good=isinstance(refused, SMTPRecipientRefused | SMTPDataError)) from None
        except TimeoutError:
            raise NotSent("the mail server did not answer in time") from None
        except ConnectionError:
            raise NotSent("the mail server cannot be reached, or hung up") from None
        except (SMTPException, OSError) as error:
            raise NotSent(f"the mail server cannot be used: {type(error).__name__}") from None

    async def _send(
        self, mail: EmailMessage, to: str, limit: asyncio.Timeout, handing_over: Callable[[], None]
    ) -> None:
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls,
            start_tls=None if self._tls else self._starttls,
            local_hostname=self._sender.rpartition("@")[2],
            timeout=min(ANSWERED_WITHIN, self._within),
        )
        try:
            await client.connect(timeout=CONNECTED_WITHIN)
            options, encoding = [], "ascii"
            if not to.isascii():
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
                if not client.supports_extension("smtputf8"):
                    raise NotSent("the mail server takes no addresses beyond ASCII", for_good=True)
                options, encoding = ["smtputf8"], "utf-8"
            await client.mail(self._sender, options=options, encoding=encoding)
            await client.rcpt(to, encoding=encoding)
            await self._hand_over(client, mail.as_bytes(), limit, handing_over)
            with suppress(Exception):  # it was taken, whatever becomes of the goodbye, whose answer nobody waits for
                cast("asyncio.WriteTransport", client.transport).write(b"QUIT\r\n")
        finally:
            client.close()

    async def _hand_over(
        self, client: aiosmtplib.SMTP, content: bytes, limit: asyncio.Timeout, handing_over: Callable[[], None]
    ) -> None:
        """Return once the mail was taken; `limit` is put off when its end is all that is left to be answered."""
        reply = await client.execute_command(b"DATA")
        if reply.code == SMTPStatus.start_input:
            if (protocol := client.protocol) is None:
                raise SMTPServerDisconnected("it hung up")
            handing_over()
            protocol.write(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")  # RFC 5321 §4.5.2
            limit.reschedule(asyncio.get_running_loop().time() + self._taken_within)
            reply = await protocol.read_response()
            if reply.code == SMTPStatus.completed:
                return
        raise SMTPDataError(reply.code, reply.message)


def _refused(reply: SMTPResponseException, *, for_good: bool) -> NotSent:
    """What a reply says by its codes: 4yz passes, 5yz does not (RFC 5321 §4.2.1, RFC 3463)."""
    enhanced = re.match(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)", reply.message)
    codes = f"{reply.code} {enhanced[0]}" if enhanced else str(reply.code)
    return NotSent(f"the mail server refused: {codes}", for_good=for_good and reply.code >= 500)


def _is_here(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
