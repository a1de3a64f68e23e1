"""Starting a view over: another generation is filled beside the one that answers, and takes over in one step.

The filling has a lease and a place of its own, so it runs beside the follower and, after a kill at any moment, goes on
where its last page ended. Once it has caught up it is left to the follower, who feeds it and lets it take over.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from journal import chain
from journal.journal import Journal
from projections.asking import Asking
from projections.following import Follower, post
from projections.generations import Generation, Keys, Lease, Look, Mark, look, roll_back
from projections.views import View

PAGE = 50  # facts: a query waits as long as Redis enters them, 1.5 ms; of 500 it was 14, and no quicker
LEASE = timedelta(seconds=10)
ANSWER_WITHIN = 5.0  # seconds
LOOK_AGAIN_AFTER = 0.02  # seconds

Progress = Callable[[int, int], None]
"""Told the position that is reached, and the journal's last."""


class Busy(Exception):
    """Somebody else is rebuilding the view."""


class NoWayBack(Exception):
    """There is no generation of this version any more that answered before."""


class Rebuilder:
    """Rebuilds the views of one journal, switches them back, and looks at them."""

    def __init__(self, redis_url: str, schema: str, journal: Journal) -> None:
        self._redis_url, self._schema, self._journal = redis_url, schema, journal
        self._asking = Asking(redis_url, within=ANSWER_WITHIN)

    async def rebuild(self, view: View, progress: Progress) -> int:
        """Fill a new generation from the journal; the number of the one that answers, once it or a later one does.

        It is a later one where somebody rebuilt the view right behind us. A filling that was broken off is gone on
        with. Raises `Busy`, `Unavailable`, `RedisError`, `OSError`.
        """
        keys = self._keys(view)
        apart = Lease(self._asking, keys.apart(), lasts=LEASE)
        clock = asyncio.get_running_loop().time
        give_up = clock() + 1.2 * LEASE.total_seconds()  # the lease of one that was killed has run out by then
        while (standing := await apart.take()) is None:
            if clock() > give_up:
                raise Busy(f"the view {view.name} is being rebuilt")
            await asyncio.sleep(LOOK_AGAIN_AFTER)
        journal_id, head, _ = await self._journal.head()
        generation = standing.building
        if generation is None or not await self._can_go_on(generation, view):
            generation = await apart.begin(Mark(0, view.version, journal_id, chain.origin(journal_id)))
        facts = await self._journal.page(generation.mark.position, PAGE)
        while facts:
            # The next page is read while this one is folded and written.
            reading = asyncio.create_task(self._journal.page(facts[-1].position, PAGE))
            try:
                generation = await post(facts, view, apart, generation)
                facts = await reading
            finally:
                reading.cancel()
            progress(generation.mark.position, max(head, generation.mark.position))
        await apart.hand_over(generation, keys)
        return await self._taken_over(view, int(generation.number))

    async def roll_back(self, view: View) -> int:
        """Have the generation before answer again; its number. Raises `NoWayBack`, `RedisError`, `OSError`."""
        number = await roll_back(self._asking, self._keys(view), view.version)
        if number is None:
            raise NoWayBack(f"the view {view.name} has no generation to go back to")
        return int(number)

    async def looked_at(self, view: View) -> Look:
        """How the view stands. Raises `RedisError`, `OSError`."""
        return await look(self._asking.ask, self._keys(view))

    async def close(self) -> None:
        await self._asking.close()

    def _keys(self, view: View) -> Keys:
        return Keys.of(view.name, self._schema)

    async def _can_go_on(self, generation: Generation, view: View) -> bool:
        """Whether it is of this version, and of a past that the journal has."""
        mark = generation.mark
        if mark.version != view.version:
            return False
        if mark.position == 0:
            return mark.hash == chain.origin((await self._journal.head())[0])
        facts = await self._journal.page(mark.position - 1, 1)
        return bool(facts) and (facts[0].position, facts[0].hash) == (mark.position, mark.hash)

    async def _taken_over(self, view: View, number: int) -> int:
        """Wait until it or a later one answers, or it did and was switched back from; the number of what answers.

        We follow too: where nobody else does, the lease and the switch fall to us.
        """
        following = asyncio.create_task(Follower(self._redis_url, self._schema, self._journal, views=(view,)).run())
        try:
            while True:
                look = await self.looked_at(view)
                if look.active is not None and (look.active >= number or look.previous == number):
                    return look.active
                await asyncio.sleep(LOOK_AGAIN_AFTER)
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
