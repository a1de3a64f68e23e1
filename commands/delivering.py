"""Delivering: facts are sent to webhooks over HTTP, signed as Standard Webhooks says (standardwebhooks.com).

A receiver has what it answered 2xx to. Redirects are not followed, and what was judged is what is connected to.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import uuid4

import httpx
import orjson
from standardwebhooks import Webhook as Signing

from booking.refusals import NotFound
from commands import deliveries, webhooks
from commands.command import Author
from commands.deciding import Deciding, Request
from commands.deliveries import Delivery, State
from commands.destinations import AddressNotAllowed, Destinations
from commands.webhooks import Secrets, SwitchWebhook
from journal import codec
from journal.connection import Unavailable
from journal.journal import Journal, Recorded
from journal.tallies import Counter
from journal.troubles import Trouble

SENT_WITHIN = 10.0  # seconds for a name, a connection and an answer; less than a delivery is lent for
CONNECTED_WITHIN = 3.0  # seconds for a connection to any address of a host but its last, which has what is left
READ_AT_MOST = 16 << 10  # bytes of an answer's body, so that its sender is not cut off in the middle of a usual one
READ_WITHIN = 1.0  # seconds for them
POLL = 0.5  # seconds
AGENT = "Daybook"

SENDER = Author.system("webhooks")

_TRIED = Counter(
    "daybook_deliveries_tried", "What came of sending to webhooks: delivered, put-off, dead.", ("outcome",)
)

log = logging.getLogger(__name__)


def body_of(fact: Recorded) -> bytes:
    """What is sent of a fact: all but people's texts, which no erasure would reach where they went."""
    name, version, json = codec.told(fact.event)
    recorded_at = fact.recorded_at
    data = {"position": fact.position, "recorded_at": recorded_at, "version": version, **orjson.loads(json)}
    return orjson.dumps({"type": name, "timestamp": recorded_at, "data": data}, option=orjson.OPT_UTC_Z)


def signed(id: str, body: bytes, secrets: list[str], *, now: datetime) -> dict[str, str]:
    """The headers by which a receiver knows whom `body` is from; with two secrets either will do."""
    text = body.decode()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signing(secret).sign(id, now, text) for secret in secrets),
    }


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of an attempt: the status of an answer, or else, for people, why there is none."""

    status: int | None = None
    error: str | None = None

    @property
    def has_it(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Sending:
    """Sends over HTTP, each time on a connection of its own: what was judged once is not used again."""

    def __init__(self, destinations: Destinations, *, connected_within: float = CONNECTED_WITHIN) -> None:
        self._destinations = destinations
        self._connected_within = connected_within
        self._client: httpx.AsyncClient | None = None

    async def send(self, url: str, body: bytes, headers: dict[str, str]) -> Answered:
        """POST `body` to `url`; whatever goes wrong is told, not raised."""
        try:
            async with asyncio.timeout(SENT_WITHIN):
                return Answered(await self._send(httpx.URL(url), body, headers))
        except (TimeoutError, httpx.TimeoutException):
            return Answered(error=f"there was no answer within {SENT_WITHIN:g} seconds")
        except AddressNotAllowed as error:
            return Answered(error=str(error))
        except (httpx.ConnectError, OSError):
            return Answered(error="it cannot be reached, or does not prove who it is")
        except (httpx.HTTPError, httpx.InvalidURL):
            return Answered(error="it broke off, or does not speak HTTP as it should")

    async def _send(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> int:
        *others, last = await self._destinations.addresses(str(url))
        for address in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._post(url, address, body, headers, connected_within=self._connected_within)
        return await self._post(url, last, body, headers, connected_within=SENT_WITHIN)

    async def _post(
        self, url: httpx.URL, address: str, body: bytes, headers: dict[str, str], *, connected_within: float
    ) -> int:
        """The status of the answer of this very address, which has to prove that it is the host's."""
        # Not before: a worker that sends nothing need not wait until the authorities are loaded.
        client = self._client = self._client or _client()
        request = client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={"Host": url.netloc.decode(), "Content-Type": "application/json", **headers},
            timeout=httpx.Timeout(SENT_WITHIN, connect=connected_within),
            extensions={"sni_hostname": url.raw_host.decode()},
        )
        answer = await client.send(request, stream=True)
        try:
            with suppress(TimeoutError, httpx.HTTPError):  # the status is all that counts
                async with asyncio.timeout(READ_WITHIN):
                    await _read(answer)
        finally:
            await answer.aclose()
        return answer.status_code

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=httpx.create_ssl_context(),
        trust_env=False,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
    )


async def _read(answer: httpx.Response) -> None:
    read = 0
    async for part in answer.aiter_raw():
        read += len(part)
        if read > READ_AT_MOST:
            return


class Delivering:
    """Posts deliveries and sends them, in one process of any number, until cancelled."""

    def __init__(self, journal: Journal, deciding: Deciding, secrets: Secrets, sending: Sending) -> None:
        self._journal = journal
        self._deciding = deciding
        self._secrets = secrets
        self._sending = sending
        self._news = asyncio.Event()

    async def keep_delivering(self, *, posting: Trouble, taking: Trouble) -> None:
        """Post and send as the journal grows and time goes on, until cancelled."""
        async with asyncio.TaskGroup() as under_way:
            under_way.create_task(self._keep_posting(posting))
            while True:
                taken: list[Delivery] = []
                try:
                    taken = await deliveries.take(self._journal)
                    taking.over()
                except Unavailable as error:
                    taking.tell(error)
                for one in taken:
                    under_way.create_task(self._deliver(one))
                if not taken:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL):
                            await self._news.wait()
                self._news.clear()

    async def _keep_posting(self, trouble: Trouble) -> None:
        bell, sealed_anew = self._journal.bell(), False
        try:
            while True:
                try:
                    if not sealed_anew:
                        await webhooks.seal_anew(self._journal, self._secrets)
                        sealed_anew = True
                    posted = await deliveries.post(self._journal)
                    trouble.over()
                    if posted:
                        self._news.set()
                    else:
                        await bell.wait(POLL)
                except Unavailable as error:
                    trouble.tell(error)
                    await asyncio.sleep(POLL)
        finally:
            await bell.close()

    async def _deliver(self, one: Delivery) -> None:
        # What cannot be noted is sent again when the loan ends, under the same id.
        with suppress(Unavailable):
            try:
                await self.attempt(one)
            except Unavailable:
                raise
            except Exception:  # of one delivery: the others, and expiry, must go on
                log.exception("a delivery of the webhook %s failed", one.webhook_id)
                await deliveries.note_failed(self._journal, one, status=None, error="it could not be sent")
        self._news.set()

    async def attempt(self, one: Delivery) -> None:
        """Send one delivery and note what came of it. Raises `Unavailable`."""
        answered = await self._sent(one)
        if answered.status == HTTPStatus.GONE:
            await self._disable(one)
        if answered.status is not None and answered.has_it:
            await deliveries.note_delivered(self._journal, one, status=answered.status)
            _TRIED.add("delivered")
            return
        error = answered.error or f"it answered {answered.status}"
        state = await deliveries.note_failed(self._journal, one, status=answered.status, error=error)
        _TRIED.add("dead" if state is State.DEAD else "put-off")
        if state is State.DEAD:
            log.warning("the delivery %s to the webhook %s was given up: %s", one.id, one.webhook_id, error)

    async def _sent(self, one: Delivery) -> Answered:
        secrets = [
            secret
            for sealed in (one.secret, one.previous_secret)
            if sealed and (secret := self._secrets.opened(sealed, one.webhook_id))
        ]
        if not secrets:
            return Answered(error="its secret cannot be opened any more: rotate it")
        (fact,) = await self._journal.page(one.position - 1, 1)
        body = body_of(fact)
        return await self._sending.send(one.url, body, signed(one.id, body, secrets, now=datetime.now(UTC)))

    async def _disable(self, one: Delivery) -> None:
        log.warning("the webhook %s is gone and was disabled", one.webhook_id)
        with suppress(NotFound):  # removed meanwhile
            await self._deciding.do(
                SwitchWebhook(webhook_id=one.webhook_id, is_active=False, gone=True),
                by=SENDER,
                request=Request(command_id=uuid4(), correlation_id=one.id),
            )
