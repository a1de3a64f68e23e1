"""Migrations: once, however many ask for them at the same time, and again without harm."""

import asyncio
import sys
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from daybook.embedded import Stores
from daybook.migrations.run import migrate
from journal.connection import conninfo
from journal.journal import Journal
from tests.journals import Place, entry

MIGRATE = "import sys; from daybook.migrations.run import migrate; migrate(sys.argv[1], sys.argv[2], role='daybook')"


@pytest.fixture
def nowhere(stores: Stores) -> Iterator[Place]:
    """A place where nothing is yet."""
    place = Place(stores.database_url, stores.database_owner_url, "not_there_yet")
    yield place
    place.end()


async def test_four_processes_at_once_make_one_journal(nowhere: Place):
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, nowhere.owner_url, nowhere.schema, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(4)
    ]
    ended = [(await one.communicate(), one.returncode) for one in running]

    assert [code for _, code in ended] == [0] * 4, ended
    with nowhere.role() as role:
        assert role.execute("select count(*) from journal_head").fetchone() == (1,)


async def test_twice_is_harmless(place: Place, journal: Journal):
    await journal.append(await entry(journal))
    before = place.rows(), await journal.head()

    migrate(place.owner_url, place.schema, role="daybook")

    assert (place.rows(), await journal.head()) == before
    assert await journal.append(await entry(journal)) == 2


async def test_a_step_that_fails_leaves_nothing_behind(nowhere: Place):
    with pytest.raises(psycopg.errors.UndefinedObject):
        migrate(nowhere.owner_url, nowhere.schema, role="nobody_there")

    with nowhere.owner() as owner:
        assert (
            owner.execute("select tablename from pg_tables where schemaname = %s", (nowhere.schema,)).fetchall() == []
        )
    nowhere.begin()
    assert nowhere.rows() == []


@pytest.fixture
def reserved(stores: Stores) -> Iterator[Place]:
    yield (place := Place(stores.database_url, stores.database_owner_url, "order"))
    with psycopg.connect(conninfo(place.owner_url, "public", name="test", plans=False)) as owner:
        owner.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(place.schema)))


async def test_a_schema_may_be_called_by_any_word(reserved: Place):
    reserved.begin()
    journal = Journal(reserved.url, reserved.schema)
    bell = journal.bell()

    await bell.wait(0)
    assert await journal.append(await entry(journal)) == 1

    await bell.close()
    await journal.close()


async def test_tags_are_ordered_by_code_point_whatever_the_language_of_the_database(place: Place):
    with place.owner() as owner:
        collation = owner.execute(
            "select collation_name from information_schema.columns "
            "where table_schema = current_schema and table_name = 'event_tags' and column_name = 'tag'"
        ).fetchone()
    assert collation == ("C",)
