"""Posting: how a table that is a projection of the journal is brought up to date by whoever works.

The rows and the position they reflect change in one statement, so posting twice or from several workers has one effect.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from journal.connection import Unavailable
from journal.journal import Journal, Recorded
from journal.troubles import Trouble

# Of another journal, as after a development reset, what was posted means nothing: begin again. Otherwise nothing is
# inserted, for a row that stands against it is locked, and a lock is a write that whoever polls waits for.
_POSTED = """
with head as (select journal_id, position from journal_head),
  emptied as (
    delete from {table} where position > 0
    and exists (select from {table}_posted p, head h where p.journal_id <> h.journal_id)),
  begun as (
    insert into {table}_posted select true, journal_id, 0 from head h
    where not exists (select from {table}_posted p where p.journal_id = h.journal_id)
    on conflict (single) do update set journal_id = excluded.journal_id, position = 0
    where {table}_posted.journal_id <> excluded.journal_id
    returning position)
select h.journal_id, h.position, coalesce((select position from begun), (select position from {table}_posted))
from head h
"""
_POST = """
with moved as (
    update {table}_posted set position = %(to)s
    where position = %(after)s and journal_id = %(journal_id)s
    and journal_id = (select journal_id from journal_head)
    returning true),
{changes}
"""


@dataclass(frozen=True, slots=True)
class Posting:
    """A posted `table`; `<table>_posted` has the position it reflects. Rows with position 0 come from elsewhere.

    `statement` goes on after a CTE `moved`, which has one row if the page is the next one and else none; `parameters`
    makes what it takes of the journal's id and a page.
    """

    table: str
    statement: str
    parameters: Callable[[UUID, Sequence[Recorded]], Mapping[str, Any]]

    async def post(self, journal: Journal, *, limit: int = 500) -> int:
        """Post one page of the journal to the table; how many facts it had. Raises `Unavailable`."""
        ((journal_id, head, position),) = await journal.query(_POSTED.format(table=self.table), {})
        page = await journal.page(position, limit) if position != head else []
        if page:
            bounds = {"journal_id": journal_id, "after": position, "to": page[-1].position}
            statement = _POST.format(table=self.table, changes=self.statement)
            await journal.query(statement, {**bounds, **self.parameters(journal_id, page)})
        return len(page)


async def keep_posting(
    journal: Journal,
    posts: Sequence[Callable[[Journal], Awaitable[int]]],
    *,
    trouble: Trouble,
) -> None:
    """Post the journal to tables as it grows, until cancelled."""
    bell = journal.bell()
    try:
        while True:
            try:
                posted = [await post(journal) for post in posts]
                trouble.over()
                if not any(posted):
                    await bell.wait(0.5)
            except Unavailable as error:
                trouble.tell(error)
                await asyncio.sleep(0.5)
    finally:
        await bell.close()
