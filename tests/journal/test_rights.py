"""What the processes may do: read, and append by the one function. Whoever breaks into one of them changes no fact."""

import asyncio
from collections.abc import Iterator

import pytest
from psycopg.errors import InsufficientPrivilege

from daybook.embedded import Stores
from journal.journal import Journal
from tests.journals import Place, a_journal, a_place, entry

TABLES = ("events", "event_tags", "journal_head")
OWN = ("accounts", "sealing_keys", "sessions", "refresh_tokens", "letters", "notices", "notices_posted")


@pytest.fixture(scope="module")
def filled(stores: Stores) -> Iterator[Place]:
    """A journal with a fact in it, from which nothing below succeeds in taking anything."""
    with a_place(stores) as place:
        asyncio.run(fill(place))
        yield place


async def fill(place: Place) -> None:
    async with a_journal(place) as journal:
        await journal.append(await entry(journal))


FORBIDDEN = [
    *(f"insert into {table} select * from {table}" for table in TABLES),
    "update events set payload = ''",
    "update event_tags set tag = ''",
    "update journal_head set position = 0",
    *(f"delete from {table}" for table in TABLES),
    *(f"truncate {table}" for table in (*TABLES, *OWN)),
    *(f"drop table {table}" for table in TABLES),
    *(f"alter table {table} disable trigger all" for table in TABLES),
    *(f"lock table {table}" for table in TABLES),
    *(f"select * from {table} for update" for table in TABLES),
    "merge into events using (select 1) x on true when matched then delete",
    "copy events from stdin",
    "update sealing_keys set key = ''",
    "drop function journal_append(json)",
    "alter function journal_append(json) owner to {role}",
    "create or replace function journal_append(batch json) returns bigint[] language sql as 'select null::bigint[]'",
    "create or replace function journal_now() returns timestamptz language sql as 'select now()'",
    "call journal_begin()",
    "create table {schema}.mine (n int)",
    "create function {schema}.mine() returns int language sql as 'select 1'",
    "create view {schema}.mine as select 1",
    "create type {schema}.mine as (n int)",
    "create schema mine",
    "create rule mine as on insert to events do instead nothing",
    "create trigger mine before insert on events execute function suppress_redundant_updates_trigger()",
    "select * from alembic_version",
    "set role daybook_owner",
    "set session authorization daybook_owner",
    "alter schema {schema} rename to mine",
    "drop schema {schema} cascade",
    "grant insert on events to {role}",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_processes_cannot(filled: Place, statement: str):
    before = filled.rows()
    with filled.role() as role, role.transaction(force_rollback=True):
        if statement.startswith("grant"):
            role.execute(statement.format(schema=filled.schema, role="daybook"))  # a warning, and nothing is granted
            assert not role.execute("select has_table_privilege('events', 'insert')").fetchone()[0]  # type: ignore[index]
        else:
            with pytest.raises(InsufficientPrivilege):
                role.execute(statement.format(schema=filled.schema, role="daybook"))
    assert filled.rows() == before


def test_the_processes_can_do_what_they_have_to(filled: Place):
    with filled.role() as role:
        for table in (*TABLES, *OWN):
            role.execute(f"select * from {table}")
        role.execute("select journal_append('[]'), journal_now()")
        role.execute("insert into sealing_keys values (gen_random_uuid(), '')")
        role.execute("delete from sealing_keys")
        role.execute("insert into accounts values (gen_random_uuid(), 'a@b.de', 'A', 'x')")
        role.execute("update accounts set full_name = 'B'")
        role.execute("delete from accounts")


async def test_names_of_ones_own_do_not_mislead_the_append_function(place: Place, journal: Journal):
    """A temporary table is found before every other one, except by a function that says where to look."""
    one = await entry(journal)
    batch = (
        f'[{{"id": "{one.command_id}", "after": 0, "actor": "", "correlation_id": "", "events": '
        '[{"type": "x", "version": 1, "tags": ["x"], "payload": "{}"}]}]'
    )
    with place.owner() as owner:
        database = owner.info.dbname
        owner.execute(f"grant temporary on database {database} to daybook")
    try:
        with place.role() as role:
            role.execute("create temporary table journal_head as select * from journal_head")
            role.execute("create temporary table events (like events)")
            role.execute("update pg_temp.journal_head set position = 100")

            assert role.execute("select journal_append(%s::json)", (batch,)).fetchone() == ([1],)
    finally:
        with place.owner() as owner:
            owner.execute(f"revoke temporary on database {database} from daybook")
    assert [row.position for row in place.rows()] == [1]


def test_others_see_nothing(filled: Place):
    with filled.owner() as owner:
        granted = owner.execute(
            "select has_schema_privilege('public', current_schema, 'usage'), "
            "has_table_privilege('public', 'events', 'select'), "
            "has_function_privilege('public', 'journal_append(json)', 'execute')"
        ).fetchone()
    assert granted == (False, False, False)
