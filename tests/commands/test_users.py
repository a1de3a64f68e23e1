"""What a command about a user tells besides: the bookings they still hold."""

from datetime import timedelta

from commands.deciding import Deciding
from commands.users import held_bookings
from journal.journal import Journal
from tests.commands.people import Interrupted, book, enter, give_back, offer, register
from tests.examples import ANA, MONDAY_8AM, at, cancelled, created, hours
from tests.journals import Place


async def test_the_bookings_a_user_holds_by_start(place: Place, deciding: Deciding):
    place.set_clock(MONDAY_8AM)
    await offer(deciding, cancellation_deadline=timedelta(0))
    await register(deciding, ANA)
    assert await held_bookings(deciding.aggregates, ANA) == []
    later, sooner, over, gone = [(await book(deciding, hours(n, n + 1))).subject for n in (14, 12, 10, 16)]
    await give_back(deciding, gone.id)
    place.set_clock(at(11))

    assert over.ends_at == at(11)
    assert await held_bookings(deciding.aggregates, ANA) == [sooner, later]


async def test_a_booking_given_back_while_they_are_read_is_held_no_more(
    place: Place, journal: Journal, deciding: Deciding
):
    place.set_clock(MONDAY_8AM)
    await offer(deciding)
    await register(deciding, ANA)
    gone, kept = [(await book(deciding, hours(n, n + 1))).subject for n in (10, 12)]
    aggregates = Interrupted(journal)
    aggregates.happens = lambda: enter(place, cancelled(created(gone.slot, booking_id=gone.id)))

    assert await held_bookings(aggregates, ANA) == [kept]
