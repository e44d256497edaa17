"""The bad line itself: what it does to a call, and that it does the same again."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tests.whole.bad_line import CALL, WAYS, BadLine, way_of

pytestmark = pytest.mark.one_python

SEED = 7
#: How often the server is asked, and whether the client hears its answer.
DONE = {
    "plain": (1, True),
    "request lost": (0, False),
    "answer lost": (1, False),
    "twice": (2, True),
    "twice at once": (2, True),
    "late": (1, True),
    "overtaken": (1, False),
}


def call_that_goes(way: str) -> str:
    """Find the name of a call of which that becomes, soon."""
    return next(str(n) for n in range(10_000) if way_of(SEED, str(n))[0] == way and way_of(SEED, str(n))[1] < 0.1)


async def made(call: str) -> tuple[int, bytes]:
    """Make one call; answer how often the server was asked, and what the client has heard."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\nbody"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nyes\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        line = BadLine(server.sockets[0].getsockname()[1], SEED)
        async with await asyncio.start_server(line.take, "127.0.0.1", 0) as bad:
            reader, writer = await asyncio.open_connection("127.0.0.1", bad.sockets[0].getsockname()[1])
            writer.write(f"POST / HTTP/1.1\r\n{CALL}: {call}\r\ncontent-length: 4\r\n\r\nbody".encode())
            heard = b""
            with suppress(ConnectionResetError):
                heard = await reader.read()
            await asyncio.gather(*line.behind)
            writer.close()
    return len(asked), heard


@pytest.mark.parametrize("way", WAYS)
def test_a_call_reaches_the_server_as_often_as_it_is_said_and_its_client_hears_of_it_or_not(way):
    times, hears = DONE[way]
    asked, heard = asyncio.run(asyncio.wait_for(made(call_that_goes(way)), 30))
    assert (asked, heard.endswith(b"yes\n")) == (times, hears)


def test_the_same_seed_does_the_same_to_the_same_calls_and_another_one_does_not():
    calls = [f"1.{number}.0" for number in range(200)]
    assert [way_of(1, call) for call in calls] == [way_of(1, call) for call in calls]
    assert [way_of(1, call) for call in calls] != [way_of(2, call) for call in calls]
    assert {way_of(1, call)[0] for call in calls} == set(WAYS)


def test_a_calm_call_does_nothing_that_its_client_does_not_hear_of():
    ways = {way_of(1, f"!{number}")[0] for number in range(200)}
    assert ways == set(WAYS) - {"overtaken", "twice at once"}
