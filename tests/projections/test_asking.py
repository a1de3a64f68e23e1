"""What is asked of Redis goes out as redis-py would have it go out, over whatever connection."""

import pytest
from redis.asyncio import Connection, SSLConnection

from projections.asking import client


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "v:{bookings@daybook}:active"),
        ("EVALSHA", "0f" * 20, 2, "a key", "schlüssel", b"", b"\x00\xff\r\n", -1, 2**62, 0.5),
        ("CLIENT SETINFO", "LIB-NAME", "redis-py"),
        (b"MGET", *(f"v:{{bookings@daybook}}:g1:booking:{n}" for n in range(1_000))),
        ("SET", "large", b"x" * 100_000),
    ],
    ids=lambda command: str(command[0]),
)
async def test_a_command_is_packed_as_redis_py_packs_it(command: tuple[str | bytes | int | float, ...]) -> None:
    async with client("redis://localhost", within=1) as redis:
        ours = redis.connection_pool.make_connection()

    assert b"".join(ours.pack_commands([command, command])) == b"".join(Connection().pack_commands([command, command]))
    assert b"".join(ours.pack_command(*command)) == b"".join(Connection().pack_command(*command))


async def test_over_tls_redis_pys_own_connection_is_used() -> None:
    async with client("rediss://localhost", within=1) as redis:
        assert type(redis.connection_pool.make_connection()) is SSLConnection
