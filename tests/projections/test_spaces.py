"""Queries about spaces: one, and lists in order of name."""

from dataclasses import replace
from uuid import UUID, uuid4

import orjson
import pytest

from booking.events import Event, SpaceActivated, SpaceDeactivated, SpaceDescribed
from booking.spaces import Space
from journal.connection import Unavailable
from journal.journal import Journal
from projections import spaces
from projections.reading import BadCursor, Page, Views
from tests.examples import DESK, MEETING_ROOM, MONDAY_8AM, ROOM, given, space_created
from tests.projections.seeing import Told, enter


def called(name: str, space_id: UUID | None = None) -> Event:
    return space_created(space_id or uuid4(), description=replace(MEETING_ROOM, name=name))


def names(*pages: Page) -> list[str]:
    return [orjson.loads(item)["name"] for page in pages for item in page.items]


async def test_a_space_is_sent_as_its_document(told: Told, views: Views) -> None:
    position = await told(space_created(ROOM))

    found = await spaces.one(views, ROOM)

    assert found
    assert (found.revision, found.position) == (1, position)
    document = given(Space(ROOM), space_created(ROOM)).document()
    assert found.json == orjson.dumps(document, option=orjson.OPT_UTC_Z)


async def test_nothing_is_found_where_there_is_no_space(told: Told, views: Views) -> None:
    await told(space_created(ROOM))

    assert await spaces.one(views, DESK) is None


async def test_a_change_shows_in_document_and_lists(told: Told, views: Views) -> None:
    renamed = SpaceDescribed(space_id=ROOM, description=replace(MEETING_ROOM, name="Attic"), at=MONDAY_8AM)
    await told(called("Zoo", ROOM), called("Moor", DESK), renamed)

    found = await spaces.one(views, ROOM)

    assert found
    assert (orjson.loads(found.json)["name"], found.revision) == ("Attic", 2)
    assert names(await spaces.active(views)) == names(await spaces.all(views)) == ["Attic", "Moor"]


async def test_a_deactivated_space_is_in_the_list_of_all_alone(told: Told, views: Views) -> None:
    gone = SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM)
    await told(called("Attic", ROOM), called("Moor", DESK), gone)
    assert names(await spaces.active(views)) == ["Moor"]
    assert names(await spaces.all(views)) == ["Attic", "Moor"]

    await told(SpaceActivated(space_id=ROOM, at=MONDAY_8AM))
    assert names(await spaces.active(views)) == ["Attic", "Moor"]


async def test_spaces_come_by_name_whatever_its_case_and_pages_follow_on(told: Told, views: Views) -> None:
    given_names = ["attic", "Attic 2", "Äther", "B", "b", "B\x01", "Zoo", "éclair", "中"]
    position = await told(*map(called, reversed(given_names)))

    pages, cursor = [], None
    while not pages or cursor:
        pages.append(await spaces.all(views, limit=2, cursor=cursor))
        cursor = pages[-1].cursor

    found = names(*pages)
    assert sorted(found) == sorted(given_names)
    assert [name.casefold() for name in found] == sorted(name.casefold() for name in given_names)
    assert [len(page.items) for page in pages] == [2, 2, 2, 2, 1]
    assert {page.position for page in pages} == {position}


async def test_spaces_of_one_name_come_by_id(told: Told, views: Views) -> None:
    ids = [uuid4() for _ in range(5)]
    await told(*(called("Booth", id) for id in ids))

    first = await spaces.active(views, limit=3)
    second = await spaces.active(views, limit=3, cursor=first.cursor)

    found = [orjson.loads(item)["id"] for page in (first, second) for item in page.items]
    assert found == sorted(map(str, ids))


async def test_paging_skips_and_repeats_nothing_while_spaces_are_added(told: Told, views: Views) -> None:
    await told(*(called(f"Booth {n:02}") for n in range(6)))
    first = await spaces.active(views, limit=3)
    await told(called("Booth 01 a"), called("Booth 02 a"), called("Booth 04 a"))

    second = await spaces.active(views, limit=10, cursor=first.cursor)

    assert names(first) == ["Booth 00", "Booth 01", "Booth 02"]
    assert names(second) == ["Booth 02 a", "Booth 03", "Booth 04", "Booth 04 a", "Booth 05"]


@pytest.mark.parametrize("cursor", ["x", "Ä", "\0"])
async def test_a_cursor_that_no_page_came_with_is_refused(views: Views, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await spaces.active(views, cursor=cursor)


async def test_without_its_view_a_space_is_folded_from_the_journal_and_a_list_is_unavailable(
    journal: Journal, views: Views
) -> None:
    position = await enter(journal, space_created(ROOM), SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM))

    found = await spaces.one(views, ROOM)

    assert found
    assert (orjson.loads(found.json)["is_active"], found.revision, found.position) == (False, 2, position)
    assert await spaces.one(views, DESK) is None
    with pytest.raises(Unavailable):
        await spaces.active(views)
