"""Posting, whatever the table: who finds nothing new leaves nothing behind."""

from datetime import timedelta

import pytest

from commands import due, notices
from journal.journal import Journal, Recorded
from tests.commands.people import enter
from tests.examples import created, hours
from tests.journals import Place

POSTS = {"due": due.post, "notices": notices.posting(remind_before=timedelta(0)).post}


@pytest.mark.parametrize("table", POSTS)
async def test_where_nothing_is_new_nothing_is_written_or_locked(place: Place, journal: Journal, table: str) -> None:
    def row() -> object:
        """The one that has the position, with the transactions that wrote and locked it last."""
        with place.role() as role:
            return role.execute(f"select ctid, xmin, xmax, * from {table}_posted").fetchone()

    enter(place, created(hours(9, 10)))
    assert await POSTS[table](journal) == 1
    posted = row()

    assert await POSTS[table](journal) == 0

    assert row() == posted


@pytest.mark.parametrize("table", POSTS)
async def test_whoever_is_up_to_date_asks_for_no_page(place: Place, table: str) -> None:
    class Asked(Journal):
        """Remembers which pages it was asked for."""

        pages: list[int]

        async def page(self, after: int, limit: int) -> list[Recorded]:
            self.pages.append(after)
            return await super().page(after, limit)

    enter(place, created(hours(9, 10)), created(hours(10, 11)))
    asked = Asked(place.url, place.schema)
    asked.pages = []
    try:
        posted = [await POSTS[table](asked, limit=1) for _ in range(4)]
    finally:
        await asked.close()

    assert (posted, asked.pages) == ([1, 1, 0, 0], [0, 1])
