"""Carrying out a command: read its boundary, decide, append under the condition, and again if somebody was first."""

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid5

from psycopg.errors import UniqueViolation

from booking.refusals import NotAllowed, NotFound, Refused
from commands.command import Author, Command, KeyRevoked, PreconditionFailed
from journal import sealing
from journal.connection import Unavailable
from journal.folding import Aggregate, Aggregates, Forgotten, Fresh
from journal.journal import Entry, Journal, Known
from journal.tallies import Counter

S = TypeVar("S", bound=Aggregate)

WITHIN = 4.5  # seconds; every request ends within 5
ATTEMPTS = 12
_KEYS = UUID("5a3a2a0c-4a86-5b0c-9d3f-6c5f0a3b7e11")  # the name space of ids made from an Idempotency-Key


_DECISIONS = Counter(
    "daybook_decisions",
    "What came of commands: recorded, unchanged, repeated, refused, unavailable; and of an attempt: moved.",
    ("command", "outcome"),
)
_REFUSALS = Counter("daybook_refusals", "How often each rule said no.", ("rule",))


class KeyReused(Exception):
    """The Idempotency-Key belongs to another request of the same author."""


class AnotherJournal(Unavailable):
    """The command was for the journal before this one: nothing was done."""


_OTHER_RULES: Mapping[type[Exception], str] = {
    NotFound: "not-found",
    NotAllowed: "not-allowed",
    PreconditionFailed: "precondition-failed",
    KeyReused: "idempotency-key-reused",
    KeyRevoked: "unauthenticated",
}
_REFUSED: tuple[type[Exception], ...] = (Refused, *_OTHER_RULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which request a command comes from. `retryable` says its id may be known; then `digested` must be the same.

    `journal_id` names the only journal it is for, if it is not for whichever there is.
    """

    command_id: UUID
    correlation_id: str
    causation_id: UUID | None = None
    retryable: bool = False
    digested: bytes | None = None
    journal_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Done(Generic[S]):
    """A command was carried out, now or when it was asked for the first time.

    `subject` is as the command left it; `position` its last fact's, or the journal's head where nothing had to change.
    """

    subject: S
    position: int
    changed: bool


def command_id(author: Author, key: str) -> UUID:
    """The id of the command that `author` sends under an Idempotency-Key."""
    return uuid5(_KEYS, f"{author.name}\x1f{key}")


class Deciding:
    """Carries out commands over one journal. Those of one process that write the same tag take turns."""

    def __init__(self, journal: Journal, aggregates: Aggregates) -> None:
        self._journal = journal
        self.aggregates = aggregates
        self._turns = Turns()

    async def do(self, command: Command[S], *, by: Author, request: Request) -> Done[S]:
        """Carry out `command` for its author, once per command id.

        Raises `Refused`, `NotFound`, `NotAllowed`; `KeyReused`, `KeyRevoked`; `AnotherJournal`; `Unavailable` when the
        store is away, hangs, or others were first too often, within `WITHIN` seconds.
        """
        try:
            async with asyncio.timeout(WITHIN):
                return await self._do(command, by, request)
        except _REFUSED as refused:
            _count(command, "refused")
            for rule in _rules(refused):
                _REFUSALS.add(rule)
            raise
        except Unavailable:
            _count(command, "unavailable")
            raise
        except TimeoutError:
            _count(command, "unavailable")
            raise Unavailable("the journal did not answer in time", unknown=True) from None

    async def _do(self, command: Command[S], by: Author, request: Request) -> Done[S]:
        command.by = by
        for attempt in range(ATTEMPTS):
            command.prepare(self.aggregates.kept)
            with suppress(Forgotten):
                done = await self._attempt(command, request, may_be_known=request.retryable or attempt > 0)
                if done is not None:
                    return done
            await asyncio.sleep(random.uniform(0, 0.002 * 2 ** min(attempt, 6)))
        raise Unavailable("others kept writing to the same boundary first")

    async def _attempt(self, command: Command[S], request: Request, *, may_be_known: bool) -> Done[S] | None:
        """What came of it, or None when somebody was first."""
        ids = (request.command_id,) if may_be_known else ()
        while True:
            written, folded = command.written, command.folded
            async with self._turns.taken(written):
                fresh = await self.aggregates.freshen(command.kept, ids)
                if request.journal_id not in (None, fresh.journal_id):
                    raise AnotherJournal("another journal was begun")
                command.must_be_let_in()
                if known := fresh.known.get(request.command_id):
                    return await self._done_before(command, request, known)
                if command.names_by_reading and command.folded > folded:
                    read = command.kept
                    command.prepare(lambda one, read=read: read.get(one.tag) or self.aggregates.kept(one))  # type: ignore[misc]
                    if command.kept.keys() != read.keys() or command.written != written:
                        continue
                command.now = fresh.now
                return await self._decide(command, request, fresh)

    async def _decide(self, command: Command[S], request: Request, fresh: Fresh) -> Done[S] | None:
        command.execute()
        facts, subject = command.tagged(), command.outcome()
        after = min(kept.position for kept in command.kept.values())
        if not facts:
            _count(command, "unchanged")
            return Done(subject, after, changed=False)
        along = command.along()
        entry = Entry(
            command_id=request.command_id,
            journal_id=fresh.journal_id,
            after=after,
            tags=list(command.kept),
            facts=facts,
            actor=command.by.name,
            correlation_id=request.correlation_id,
            causation_id=request.causation_id,
            request_digest=await self._digest(command.by, request),
            along=along,
        )
        try:
            first = await self._journal.append(entry)
        except UniqueViolation as error:
            refusal = along.unless.get(error.diag.constraint_name or "") if along else None
            if refusal is None:
                raise
            raise Refused([refusal]) from None
        if first <= 0:
            _count(command, "moved")
            return None
        _count(command, "recorded")
        self.aggregates.entered(command.kept, facts, first)
        return Done(subject, first + len(facts) - 1, changed=True)

    async def _done_before(self, command: Command[S], request: Request, known: Known) -> Done[S]:
        if known.request_digest != await self._digest(command.by, request):
            raise KeyReused
        position = known.facts[-1].position
        _count(command, "repeated")
        return Done(await self.aggregates.as_of(command.subject(), position), position, changed=True)

    async def _digest(self, by: Author, request: Request) -> bytes | None:
        """The request's fingerprint under its author's own key; None where there is nothing to compare or no key."""
        if request.digested is None or by.user_id is None:
            return None
        key = (await self._journal.keys.of((by.user_id,))).get(by.user_id)
        return sealing.digest(request.digested, key) if key else None


def _count(command: Command[Any], outcome: str) -> None:
    _DECISIONS.add(type(command).__name__, outcome)


def _rules(refused: Exception) -> Iterable[str]:
    """The names of the rules that said no."""
    if isinstance(refused, Refused):
        return [one.code for one in refused.refusals]
    return [_OTHER_RULES[type(refused)]]


class Turns:
    """Lets the commands of one process that write the same tag go one after the other."""

    def __init__(self) -> None:
        self._taken: dict[str, deque[asyncio.Future[None]]] = {}

    def taken(self, written: Iterable[str]) -> "_Turn":
        """Hold the turn of every tag, taken in one order so that nobody waits in a circle."""
        return _Turn(self, sorted(written))

    async def take(self, tag: str) -> None:
        waiting = self._taken.get(tag)
        if waiting is None:
            self._taken[tag] = deque()
            return
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.pass_on(tag)  # it was ours already
            raise

    def pass_on(self, tag: str) -> None:
        waiting = self._taken[tag]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._taken[tag]


class _Turn:
    """The turns of some tags while they are held. Every command takes one, so it is no generator: that costs twice."""

    __slots__ = ("_held", "_tags", "_turns")

    def __init__(self, turns: Turns, tags: Sequence[str]) -> None:
        self._turns, self._tags, self._held = turns, tags, 0

    async def __aenter__(self) -> None:
        try:
            for tag in self._tags:
                await self._turns.take(tag)
                self._held += 1
        except asyncio.CancelledError:
            self._give_back()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._give_back()

    def _give_back(self) -> None:
        for tag in self._tags[: self._held]:
            self._turns.pass_on(tag)
