"""A worker killed right after a receiver answered: what it could not note is sent again, under the same id."""

import asyncio
import os
import signal
from pathlib import Path

from commands import webhooks
from daybook.embedded import Stores
from tests.commands.people import enter
from tests.commands.posts import a_post
from tests.examples import created, hours, notes_changed
from tests.journals import a_place
from tests.processes import Running, environment
from tests.receivers import Received, a_receiver


async def test_what_a_killed_worker_could_not_note_is_sent_again_under_the_same_id(
    stores: Stores, tmp_path: Path
) -> None:
    booking, secret = created(hours(9, 10)), webhooks.new_secret()
    with a_place(stores) as place:
        told = environment(stores, place, tmp_path) | {"WEBHOOKS_TO_PRIVATE_ADDRESSES": "true"}
        worker = Running("work", told, tmp_path / "work.log")

        def answer(_: Received) -> int:
            if len(receiver.received) == 1:
                os.kill(worker.process.pid, signal.SIGKILL)  # the answer is had by nobody
            return 200

        async with a_receiver(answer) as receiver, a_post(place, keys=(told["SECRET_KEY"],)) as post:
            webhook_id = await post.add(receiver, "BookingCreated", "BookingNotesChanged", secret=secret)
            enter(place, booking, notes_changed(booking, None))
            worker.start()
            try:
                await receiver.got(1)
                await asyncio.to_thread(worker.process.wait)
            finally:
                worker.stop()
            assert await post.states(webhook_id) == [("waiting", 0)] * 2
            await post.settle()
            assert len(receiver.received) == 1, "what is lent stays away from others"
            with place.owner() as owner:
                owner.execute("update deliveries set lent_until = now()")
            await post.settle()
            one, again, after = receiver.received
        assert one.id == again.id != after.id
        assert again.verified(secret)["type"] == "BookingCreated"
        assert after.verified(secret)["type"] == "BookingNotesChanged"
