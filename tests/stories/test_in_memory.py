"""The stories on the library's in-memory recorder: nothing is started, and they take seconds."""

import pytest
from eventsourcing.dcb.popo import InMemoryDCBRecorder

from tests.stories.stories import STORIES
from tests.stories.telling import Library, Story, told


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_it_is_told(story: Story):
    await told(story, Library(InMemoryDCBRecorder()))


def test_no_two_stories_have_one_name():
    assert len({story.name for story in STORIES}) == len(STORIES)
