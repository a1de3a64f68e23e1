"""The stories on PostgreSQL: through the library over our recorder, and the real way. All houses agree."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from eventsourcing.dcb.popo import InMemoryDCBRecorder

from booking.events import Event
from commands.deciding import Deciding, Request
from daybook.embedded import Stores
from journal.journal import Journal
from journal.recorder import JournalRecorder
from tests.journals import Place, a_place
from tests.stories.stories import STORIES
from tests.stories.telling import NO, Asked, Library, Outcome, Story, refused, told


class Daybook:
    """Carries commands out as Daybook does, with the journal's clock at the moment of the story."""

    def __init__(self, place: Place, journal: Journal, deciding: Deciding) -> None:
        self._place, self._journal, self._deciding = place, journal, deciding

    async def carry_out(self, asked: Asked) -> Outcome:
        self._place.set_clock(asked.at)
        _, before, _ = await self._journal.head()
        try:
            done = await self._deciding.do(
                asked.anew(), by=asked.by, request=Request(command_id=uuid4(), correlation_id="a story")
            )
        except NO as error:
            return refused(error)
        facts = [fact.event for fact in await self._journal.page(before, 100)]
        assert (done.changed, done.position) == (bool(facts), before + len(facts))
        return Outcome(facts, done.subject)

    async def history(self) -> list[Event]:
        return [fact.event for fact in await self._journal.page(0, 1000)]


@pytest.fixture(scope="module")
def schema(stores: Stores) -> Iterator[Place]:
    """One schema for all stories, each of which begins anew."""
    with a_place(stores) as place:
        yield place


@pytest.fixture
def place(schema: Place) -> Place:
    schema.begin_anew()
    return schema


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_it_ends_the_same_everywhere(story: Story, place: Place, journal: Journal, deciding: Deciding):
    there = await told(story, Daybook(place, journal, deciding))
    in_memory = await told(story, Library(InMemoryDCBRecorder()))

    assert there == in_memory


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_library_tells_it_the_same_on_our_table(story: Story, place: Place):
    recorder = JournalRecorder(place.url, place.schema)
    try:
        on_our_table = await told(story, Library(recorder))
    finally:
        recorder.close()

    assert on_our_table == await told(story, Library(InMemoryDCBRecorder()))
