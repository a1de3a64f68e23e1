"""Giving way: whoever else is at work has a turn between two pieces, and nothing is left out."""

import asyncio

from journal.giving_way import in_pieces, in_turns


async def turns_beside(doing: asyncio.Task[None]) -> int:
    """How many turns another task has until this one is done."""
    turns = 0
    while not doing.done():
        turns += 1
        await asyncio.sleep(0)
    return turns


async def test_others_have_a_turn_between_one_and_the_next_but_none_beside_a_single_one():
    seen: list[int] = []

    async def go_through(number: int) -> None:
        async for one in in_turns(range(number)):
            seen.append(one)

    assert await turns_beside(asyncio.create_task(go_through(100))) >= 100
    assert seen == list(range(100))
    assert await turns_beside(asyncio.create_task(go_through(1))) == 1
    assert await turns_beside(asyncio.create_task(go_through(0))) == 1


async def test_pieces_are_the_whole_in_order():
    for length in (0, 1, 7, 8, 9, 20):
        pieces = [list(piece) async for piece in in_pieces(range(length), size=8)]

        assert [one for piece in pieces for one in piece] == list(range(length))
        assert all(len(piece) == 8 for piece in pieces[:-1])
        assert all(pieces)
