"""Workers killed before and after they have a receiver's answer: what they could not note is sent again as it was."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

from psycopg.conninfo import conninfo_to_dict

from commands import webhooks
from daybook.embedded import Stores
from tests.commands.people import enter
from tests.commands.posts import a_post
from tests.examples import created, hours, notes_changed
from tests.journal.go_between import GoBetween
from tests.journals import a_place
from tests.processes import Running, environment
from tests.receivers import PATIENCE, Received, a_receiver


async def test_what_killed_workers_could_not_note_is_sent_again_under_the_same_id(
    stores: Stores, tmp_path: Path
) -> None:
    booking, secret = created(hours(9, 10)), webhooks.new_secret()
    with a_place(stores) as place:
        async with GoBetween(stores.database_url) as between:
            told = environment(stores, place, tmp_path) | {
                "WEBHOOKS_TO_PRIVATE_ADDRESSES": "true",
                "DATABASE_URL": f"postgresql://?{urlencode(conninfo_to_dict(between.url))}",
            }
            worker = Running("work", told, tmp_path / "work.log")

            def answer(_: Received) -> int:
                if len(receiver.received) == 1:
                    worker.kill()  # the answer is had by nobody
                return 200

            async def kill() -> None:
                worker.kill()

            async with a_receiver(answer) as receiver, a_post(place, keys=(told["SECRET_KEY"],)) as post:
                webhook_id = await post.add(receiver, "BookingCreated", "BookingNotesChanged", secret=secret)
                enter(place, booking, notes_changed(booking, None))
                for killed in range(1, 3):
                    between.lose_question("update deliveries set state = 'delivered'", kill)  # it has the answer
                    worker.start()
                    try:
                        await receiver.got(killed)
                        await asyncio.to_thread(worker.process.wait, PATIENCE)
                    finally:
                        worker.stop()
                    assert await post.states(webhook_id) == [("waiting", 0)] * 2
                    await post.settle()
                    assert len(receiver.received) == killed, "what is lent stays away from others"
                    with place.owner() as owner:
                        owner.execute("update deliveries set lent_until = now()")
                await post.settle()
                assert await post.states(webhook_id) == [("delivered", 1)] * 2
        one, again, third, after = receiver.received
        assert one.id == again.id == third.id != after.id
        assert third.verified(secret)["type"] == "BookingCreated"
        assert after.verified(secret)["type"] == "BookingNotesChanged"
