"""A base backup restored, with and without Redis: one documented command, and every view tells the restored journal."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from daybook.embedded import Stores
from daybook.servers import Postgres
from projections.following import VIEWS
from projections.verifying import differences
from tests.journals import Place, a_journal, a_place
from tests.processes import Api, a_space, daybook, eventually, registered, seeded, slot


@pytest.fixture
def place(own_stores: Stores) -> Iterator[Place]:
    with a_place(own_stores) as place:
        yield place


async def booked(api: Api, token: str, space: str, *quarters: int) -> list[str]:
    async with api.client(token) as client:
        answers = [await client.post("/bookings", json={"space_id": space, **slot(quarter)}) for quarter in quarters]
        assert [answer.status_code for answer in answers] == [201] * len(quarters)
        return [answer.json()["id"] for answer in answers]


def back_up(postgres: Postgres, to: Path) -> None:
    """As docs/how-to/back-up-and-restore.md says."""
    tool = postgres.program.with_name("pg_basebackup")
    where = ["--host", os.fspath(postgres.premises.sockets), "--username", "postgres", "--pgdata", os.fspath(to)]
    subprocess.run([tool, *where, "--wal-method", "stream", "--checkpoint", "fast"], check=True, capture_output=True)


def restore(postgres: Postgres, backup: Path) -> None:
    postgres.stop()
    owner = postgres.directory.stat()
    shutil.rmtree(postgres.directory)
    shutil.copytree(backup, postgres.directory)
    for path in (postgres.directory, *postgres.directory.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    postgres.start()


@pytest.mark.parametrize("redis_is", ["kept", "lost"])
async def test_a_restored_backup_converges_with_one_command(
    own_stores: Stores, place: Place, tmp_path: Path, redis_is: str
) -> None:
    postgres = own_stores.postgres
    assert postgres is not None
    backup = tmp_path / "backup"
    with daybook(own_stores, place, tmp_path) as (api,):
        space, token = await a_space(api, await seeded(api)), await registered(api)
        kept = await booked(api, token, space, 0, 8)
        back_up(postgres, backup)
        lost = await booked(api, token, space, 16, 24)

        restore(postgres, backup)
        if redis_is == "lost":
            with Redis.from_url(own_stores.redis_url) as redis:
                redis.flushall()
        command = [sys.executable, "-P", "-m", "daybook", "projections", "rebuild", "--all"]
        done = await asyncio.to_thread(
            subprocess.run, command, env=api.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

        async def listed() -> list[str] | None:
            async with api.client(token) as client:
                answer = await client.get("/bookings", params={"limit": 200})
                return [one["id"] for one in answer.json()] if answer.status_code == 200 else None

        async def only_what_was_kept() -> bool:
            found = await listed()
            return found is not None and set(found) == set(kept)

        await eventually(only_what_was_kept)
        assert set(lost).isdisjoint(await listed() or [])
        async with a_journal(place) as journal:
            for view in VIEWS:
                assert await differences(own_stores.redis_url, place.schema, journal, view) == []
        async with api.client(token) as client:
            again = await client.post("/bookings", json={"space_id": space, **slot(16)})
            assert again.status_code == 201, again.text
