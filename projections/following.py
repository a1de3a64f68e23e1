"""Posting the journal to the views: one loop per process, a page of facts at a time, each exactly once in effect.

A generation's mark names the fact it reflects last, and its hash. Every page is read from that fact on, so a view whose
past the journal does not have (a backup was restored) is found out before anything is written to it, and built anew.
So is one that is not there, or was built by an older version: building is the same posting, into another generation.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import perf_counter, time_ns
from typing import Any, TypeVarTuple

from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswer

from booking.events import UserErased
from journal import chain
from journal.codec import UnknownFact
from journal.connection import Unavailable
from journal.folding import Named
from journal.journal import Journal, Recorded
from journal.tallies import Counter, Histogram
from journal.troubles import Trouble
from projections import activity, availability, bookings, spaces, utilisation
from projections.asking import Asking
from projections.generations import Generation, Keys, Lease, Mark, Moved, NotOwner
from projections.reading import SHOWN_AT_ONCE
from projections.views import Documents, Lists, View

VIEWS = (availability.VIEW, bookings.VIEW, spaces.VIEW, utilisation.VIEW, activity.VIEW)
PAGE = 500  # facts
POLL = 0.5  # seconds: leases are kept and the journal is looked at, whether its bell rang or not
GATHER = 0.05  # seconds that facts are gathered for a page of views whose readers do not wait for each
LEASE = timedelta(seconds=5)
ANSWER_WITHIN = 2.0  # seconds that Redis may take for a page
LONGEST_REST = 15.0  # seconds between two tries of a view that fails

_POSTED = Counter("daybook_facts_posted", "Facts posted to a view, in whichever generation.", ("view",))
_PAGE_DURATION = Histogram("daybook_page_duration_seconds", "Time to fold a page of facts and write it.", ("view",))

Arguments = TypeVarTuple("Arguments")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Followed:
    """A view as this process follows it. It feeds no generation while the lease is somebody else's."""

    view: View
    lease: Lease
    active: Generation | None = None
    building: Generation | None = None
    previous: Generation | None = None
    resting_until: float = 0.0  # on the loop's clock
    gathering_until: float = 0.0
    rest: float = POLL  # seconds
    trouble: Trouble = field(init=False)
    swept: set[bytes] = field(default_factory=set)  # the numbers that were left when it was swept last
    sweeping: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.trouble = Trouble(log, f"the view {self.view.name} cannot be fed for now")

    def forget(self) -> None:
        """Feed nothing until the lease was taken again."""
        self.active = self.building = self.previous = None

    @property
    def is_awaited(self) -> bool:
        """Whether commands wait until it shows what they did."""
        return self.view.name in SHOWN_AT_ONCE


class Follower:
    """Posts one journal to its views. Any number of processes may: each view is fed by the one that has its lease."""

    def __init__(
        self,
        redis_url: str,
        schema: str,
        journal: Journal,
        *,
        views: Sequence[View] = VIEWS,
        lease: timedelta = LEASE,
        page: int = PAGE,
        on_posted: Callable[[View, Sequence[Recorded], int], Awaitable[None]] | None = None,
    ) -> None:
        """`on_posted` is told of a view that answers which facts it shows from now on, and when, in nanoseconds since
        1970, posting them began.
        """
        self._on_posted = on_posted
        self._page = page
        self._journal = journal
        self._bell = journal.bell()
        self._asking = Asking(redis_url, within=ANSWER_WITHIN, gather=True)
        self._followed = [
            Followed(view, Lease(self._asking, Keys.of(view.name, schema), lasts=lease)) for view in views
        ]
        self._look_at = 0.0

    async def run(self) -> None:
        """Follow until cancelled, then leave the leases to others."""
        trouble = Trouble(log, "the journal cannot be followed for now")
        try:
            while True:
                try:
                    more = await self._round()
                except Unavailable as error:
                    trouble.tell(error)
                    await self._let_go_of_all()  # somebody else may reach it
                    await asyncio.sleep(POLL)
                except Exception as error:  # whatever it is, somebody has to follow once it is over
                    log.error("the journal cannot be followed: %s", _told(error))
                    await asyncio.sleep(POLL)
                else:
                    trouble.over()
                    if not more:
                        await self._bell.wait(self._patience())
        finally:
            await self._leave()

    def _patience(self) -> float:
        """Seconds until something is to be done even if the bell does not ring."""
        now = asyncio.get_running_loop().time()
        gathering = (one.gathering_until - now for one in self._followed if one.gathering_until > now)
        return min([POLL, *gathering])

    async def _round(self) -> bool:
        """Take what can be taken, post a page to each generation; whether there is more to do at once."""
        clock = asyncio.get_running_loop().time
        awake = [followed for followed in self._followed if followed.resting_until <= clock()]
        if clock() >= self._look_at:
            await self._journal.head()  # who does not reach the journal must not keep the views from whoever does
            self._look_at = clock() + POLL
            await asyncio.gather(*(self._alone(self._take, followed) for followed in awake))
        together: dict[Mark, list[tuple[Followed, Generation]]] = {}
        for followed in awake:
            if followed.gathering_until > clock():
                continue
            for generation in (followed.active, followed.building, followed.previous):
                if generation is not None:
                    past = replace(generation.mark, version=0)
                    together.setdefault(past, []).append((followed, generation))
        more = False
        for past, fed in together.items():
            try:
                facts = await self._facts_after(past)
            except UnknownFact as error:
                for followed in {one.view.name: one for one, _ in fed}.values():
                    await self._alone(self._leave_to_others, followed, f"is to be fed {error}, which is not known here")
                continue
            doing = (
                self._alone(self._withdraw, followed, one)
                if facts is None
                else self._alone(self._post, followed, one, facts)
                for followed, one in fed
            )
            await asyncio.gather(*doing)
            more = more or facts is None or len(facts) == self._page
        return more or self._look_at == 0.0

    async def _facts_after(self, mark: Mark) -> list[Recorded] | None:
        """The next page, or None when the journal does not have the past that the mark tells of."""
        if mark.position == 0:
            journal_id, _, _ = await self._journal.head()
            return await self._journal.page(0, self._page) if mark.hash == chain.origin(journal_id) else None
        facts = await self._journal.page(mark.position - 1, self._page + 1)
        if not facts or (facts[0].position, facts[0].hash) != (mark.position, mark.hash):
            return None
        return facts[1:]

    async def _take(self, followed: Followed) -> None:
        """Take or keep the lease, find the generations to feed, and begin one when there is none."""
        view, lease = followed.view, followed.lease
        followed.forget()
        standing = await lease.take()
        if standing is None:
            return
        if standing.active and standing.active.mark.version > view.version:
            await self._leave_to_others(followed, "is of a newer version than this follower's")
            return
        building = standing.building if _of_version(standing.building, view) else None
        active = standing.active if _of_version(standing.active, view) else None
        if active is None and building is None:
            journal_id, _, _ = await self._journal.head()
            building = await lease.begin(Mark(0, view.version, journal_id, chain.origin(journal_id)))
            log.info("the view %s is built anew as generation %s", view.name, building.number.decode())
        followed.active, followed.building = active, building
        followed.previous = standing.previous if _of_version(standing.previous, view) else None
        kept, last = await lease.keep(view.version)
        if followed.swept != kept and (followed.sweeping is None or followed.sweeping.done()):
            followed.sweeping = asyncio.create_task(self._alone(self._sweep, followed, kept, last))

    async def _leave_to_others(self, followed: Followed, why: str) -> None:
        """Let a newer follower have the view, and look after a rest whether there is one."""
        log.warning("the view %s %s: it is left to others", followed.view.name, why)
        followed.resting_until = asyncio.get_running_loop().time() + LONGEST_REST
        await self._let_go(followed)

    async def _let_go(self, followed: Followed) -> None:
        followed.forget()
        await followed.lease.release()

    async def _let_go_of_all(self) -> None:
        await asyncio.gather(*(self._alone(self._let_go, followed) for followed in self._followed))
        self._look_at = 0.0

    async def _post(self, followed: Followed, generation: Generation, facts: Sequence[Recorded]) -> None:
        """Fold a page into a generation; one that is being built takes over once there is no more."""
        if erasures := [fact.position for fact in facts if isinstance(fact.event, UserErased)]:
            await followed.lease.note_erasure(erasures[-1])
            self._look_at = 0.0
        reached = generation
        if facts:
            begun, at = perf_counter(), time_ns()
            reached = await post(facts, followed.view, followed.lease, generation)
            _PAGE_DURATION.add(perf_counter() - begun, followed.view.name)
            _POSTED.add(followed.view.name, count=len(facts))
            if self._on_posted is not None and followed.active is generation:
                await self._on_posted(followed.view, facts, at)
        followed.rest = POLL
        followed.trouble.over()
        if 0 < len(facts) < self._page and not followed.is_awaited:
            followed.gathering_until = asyncio.get_running_loop().time() + GATHER
        if followed.active is generation:
            followed.active = reached
        elif followed.previous is generation:
            followed.previous = reached
        elif followed.building is generation:
            followed.building = reached
            if len(facts) < self._page and not _behind(reached, followed.active):
                await followed.lease.switch(reached)
                log.info("the view %s answers from generation %s", followed.view.name, reached.number.decode())
                followed.previous, followed.active, followed.building = followed.active, reached, None

    async def _withdraw(self, followed: Followed, generation: Generation) -> None:
        log.warning("the view %s is of a past the journal does not have", followed.view.name)
        await followed.lease.withdraw(generation)
        self._look_at = 0.0

    async def _sweep(self, followed: Followed, kept: set[bytes], last: int) -> None:
        await followed.lease.sweep(kept, last)
        followed.swept = kept

    async def _alone(
        self, do: Callable[[Followed, *Arguments], Awaitable[None]], followed: Followed, *arguments: *Arguments
    ) -> None:
        """Do it for one view; what fails does so for this view alone, and is tried again after a rest."""
        try:
            await do(followed, *arguments)
        except (NotOwner, Moved):
            followed.forget()
            self._look_at = 0.0
        except Exception as error:  # a view that fails must not stop the others
            followed.forget()
            followed.resting_until = asyncio.get_running_loop().time() + followed.rest
            self._look_at = 0.0
            if not isinstance(error, Disconnected | NoAnswer | OSError | Unavailable):
                log.error("the view %s cannot be fed: %s", followed.view.name, _told(error))
                followed.rest = min(2 * followed.rest, LONGEST_REST)
            else:
                followed.trouble.tell(error)  # redis-py's words: an address, never a password

    async def _leave(self) -> None:
        for followed in self._followed:
            if followed.sweeping:
                followed.sweeping.cancel()
        with suppress(RedisError, OSError):
            await asyncio.gather(*(followed.lease.release() for followed in self._followed))
        await self._bell.close()
        await self._asking.close()


def _behind(generation: Generation, other: Generation | None) -> bool:
    return other is not None and generation.mark.position < other.mark.position


async def post(facts: Sequence[Recorded], view: View, lease: Lease, to: Generation) -> Generation:
    """Fold a page into the generation, which has to be right before it. Raises `NotOwner`, `Moved`.

    All or nothing, apart from a fact that sweeps a list: what comes before it and it itself are pages of their own.
    """
    for part, sweep in view.parts(facts):
        swept = [sweep.named(entry) for entry in await lease.entries(to, sweep.list)] if sweep else []
        to = await _post(part, swept, view, lease, to)
    return to


async def _post(
    facts: Sequence[Recorded], swept: Sequence[Named[Any]], view: View, lease: Lease, to: Generation
) -> Generation:
    touched = [(fact.event, [*view.touches(fact.event), *swept]) for fact in facts]
    tags = {one.tag: None for _, ones in touched for one in ones}
    documents, lists = Documents(view.forms, await lease.read(to, list(tags))), Lists()
    for event, ones in touched:
        for one in ones:
            view.project(event, one, documents, lists)
    last = replace(to.mark, position=facts[-1].position, hash=facts[-1].hash)
    return await lease.apply(to, last, documents, lists)


def _of_version(generation: Generation | None, view: View) -> bool:
    return generation is not None and generation.mark.version == view.version


def _told(error: Exception) -> str:
    """Where it happened and what it is, without its message: that may quote somebody's words."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
