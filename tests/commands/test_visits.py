"""What is asked again and again looks at the rows it has something to do with, however many others there are."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import pytest

from commands import deliveries, due, notices
from commands.letters import Kind, Letters
from commands.sessions import Sessions
from journal.connection import Line
from journal.journal import Journal
from tests.examples import ANA
from tests.journals import Place, entry

Asks = Callable[[str, Mapping[str, Any]], Awaitable[list[tuple[Any, ...]]]]
Grows = Callable[[str], None]

MANY, FEW = 3000, 60
KEY = "a secret key for tests that is long enough"
WEBHOOK = UUID(int=0xE1)


@pytest.fixture
async def line(place: Place) -> AsyncIterator[Line]:
    line = Line(place.url, place.schema, name="sessions")
    yield line
    await line.close()


@pytest.fixture(params=["young", "known"])
def grown(request: pytest.FixtureRequest, place: Place) -> Grows:
    """Tells PostgreSQL what a table is like by now, or does not: both are met with."""

    def analyze(table: str) -> None:
        if request.param == "known":
            with place.owner() as owner:
                owner.execute(f"analyze {table}")

    return analyze


async def visited(ask: Asks, table: str) -> int:
    """Rows of a table at which the session behind `ask` has looked so far, through an index or not."""
    await ask("select pg_stat_force_next_flush()", {})
    ((rows,),) = await ask(
        "select (select sum(idx_tup_read) from pg_stat_user_indexes where relid = %(table)s::regclass)"
        " + (select seq_tup_read from pg_stat_user_tables where relid = %(table)s::regclass)",
        {"table": table},
    )
    return int(rows)


async def test_of_work_that_is_due_later_none_is_looked_at(journal: Journal, grown: Grows) -> None:
    await journal.query(
        "insert into due select 'expire', gen_random_uuid(), journal_now() + (n - 10) * interval '1 minute', n"
        " from generate_series(1, %(many)s) n",
        {"many": MANY},
    )
    grown("due")
    before = await visited(journal.query, "due")

    taken = await due.take(journal, limit=5)
    await due.wait_until_next(journal, at_most=0.5)
    count, _ = await due.backlog(journal)

    assert (len(taken), count) == (5, 10)
    assert await visited(journal.query, "due") - before < FEW


async def test_of_work_that_is_late_as_much_is_looked_at_as_is_lent(journal: Journal, grown: Grows) -> None:
    await journal.query(
        "insert into due select 'expire', gen_random_uuid(), journal_now() - n * interval '1 minute', n"
        " from generate_series(1, %(many)s) n",
        {"many": MANY},
    )
    grown("due")
    before = await visited(journal.query, "due")

    taken = await due.take(journal, limit=5)

    assert len(taken) == 5
    assert await due.wait_until_next(journal, at_most=0.5) == 0
    assert await visited(journal.query, "due") - before < FEW


async def a_webhook(journal: Journal) -> None:
    await journal.query(
        "insert into webhooks (webhook_id, url, events, secret, posted, added_at)"
        " values (%(id)s, 'http://127.0.0.1', '{SpaceActivated}', '', 0, journal_now())",
        {"id": WEBHOOK},
    )


async def test_whoever_posts_deliveries_looks_at_none_that_is_kept(journal: Journal, grown: Grows) -> None:
    await a_webhook(journal)
    await journal.query(
        "insert into deliveries (webhook_id, position, hash, subject, type, state, due_at, attempts, attempted_at)"
        " select %(id)s, n + 10, '', gen_random_uuid(), '', 'delivered', journal_now(), 1,"
        " journal_now() - case when n > 3 then interval '29 days' else interval '31 days' end"
        " from generate_series(1, %(many)s) n",
        {"id": WEBHOOK, "many": MANY},
    )
    grown("deliveries")
    await journal.append(await entry(journal))
    before = await visited(journal.query, "deliveries")

    assert await deliveries.post(journal) == 1

    assert await visited(journal.query, "deliveries") - before < FEW
    assert len(await deliveries.log_of(journal, WEBHOOK, limit=2 * MANY)) == MANY - 3 + 1


async def test_of_deliveries_that_were_put_off_none_is_looked_at(journal: Journal, grown: Grows) -> None:
    await a_webhook(journal)
    await journal.query(
        "insert into deliveries (webhook_id, position, hash, subject, type, due_at, attempts)"
        " select %(id)s, n, '', gen_random_uuid(), '', journal_now() + (n - 2) * interval '1 hour', 1"
        " from generate_series(1, %(many)s) n",
        {"id": WEBHOOK, "many": MANY},
    )
    grown("deliveries")
    before = await visited(journal.query, "deliveries")

    count, _ = await deliveries.standing(journal)
    taken = await deliveries.take(journal)

    assert (count, len(taken)) == (2, 2)
    assert await visited(journal.query, "deliveries") - before < FEW


async def test_whoever_counts_what_was_given_up_looks_at_nothing_that_was_delivered(
    journal: Journal, grown: Grows
) -> None:
    await a_webhook(journal)
    await journal.query(
        "insert into deliveries (webhook_id, position, hash, subject, type, state, due_at, attempts, attempted_at)"
        " select %(id)s, n, '', gen_random_uuid(), '', case when n < 3 then 'dead' else 'delivered' end,"
        " journal_now(), 10, journal_now() - n * interval '20 seconds' from generate_series(1, %(many)s) n",
        {"id": WEBHOOK, "many": MANY},
    )
    grown("deliveries")
    before = await visited(journal.query, "deliveries")

    assert await deliveries.given_up(journal) == 2

    assert await visited(journal.query, "deliveries") - before < FEW


async def test_of_notices_that_are_due_later_none_is_looked_at(journal: Journal, grown: Grows) -> None:
    await journal.query(
        "insert into notices (notice_id, kind, booking_id, user_id, position, at)"
        " select gen_random_uuid(), 'reminder', gen_random_uuid(), %(user)s, n,"
        " journal_now() + (n - 2) * interval '1 hour' from generate_series(1, %(many)s) n",
        {"user": ANA, "many": MANY},
    )
    grown("notices")
    before = await visited(journal.query, "notices")

    taken = await notices.take(journal, limit=8)

    assert len(taken) == 2
    assert await visited(journal.query, "notices") - before < FEW


async def an_account(line: Line) -> None:
    await line.execute(
        "insert into accounts (user_id, email, full_name, password_hash)"
        " values (%(user)s, 'ana@example.com', 'Ana', 'x')",
        {"user": ANA},
    )


async def test_whoever_signs_in_looks_at_no_session_that_is_open(line: Line, grown: Grows) -> None:
    await an_account(line)
    await line.execute(
        "insert into sessions (session_id, user_id, user_agent, opened_at, used_at, expires_at)"
        " select gen_random_uuid(), %(user)s, '', journal_now(), journal_now(),"
        " journal_now() + (n - 2) * interval '1 hour' from generate_series(1, %(many)s) n",
        {"user": ANA, "many": MANY},
    )
    grown("sessions")
    sessions = Sessions(line, [KEY])
    before = await visited(line.repeatable, "sessions")

    assert await sessions.open(ANA, password_hash="x", agent="a browser")

    assert await visited(line.repeatable, "sessions") - before < FEW
    assert len(await sessions.of_user(ANA, token=None)) == MANY - 2 + 1


async def test_whoever_stays_signed_in_looks_at_no_token_that_is_remembered(line: Line, grown: Grows) -> None:
    await an_account(line)
    sessions = Sessions(line, [KEY])
    token = await sessions.open(ANA, password_hash="x", agent="a browser")
    assert token
    await line.execute(
        "insert into refresh_tokens (hash, session_id, spent_at, successor)"
        " select int4send(n), session_id, journal_now() - interval '6 days', ''"
        " from sessions, generate_series(1, %(many)s) n",
        {"many": MANY},
    )
    grown("refresh_tokens")
    before = await visited(line.repeatable, "refresh_tokens")

    assert await sessions.refresh(token)

    assert await visited(line.repeatable, "refresh_tokens") - before < FEW


async def test_whoever_has_a_letter_sent_looks_at_no_other_one(line: Line, grown: Grows) -> None:
    await an_account(line)
    await line.execute(
        "insert into letters (letter_id, user_id, kind, token_hash, written_at, expires_at)"
        " select gen_random_uuid(), %(user)s, 'verification', int4send(n), journal_now(),"
        " journal_now() + (n - 2) * interval '1 hour' from generate_series(1, %(many)s) n",
        {"user": ANA, "many": MANY},
    )
    grown("letters")
    letters = Letters(line, KEY, writing=line, told=lambda _: None)
    before = await visited(line.repeatable, "letters")

    await letters.write(Kind.VERIFICATION, "ana@example.com")

    assert await visited(line.repeatable, "letters") - before < FEW
    assert len(await letters.to_user(ANA)) == MANY - 2 + 1
