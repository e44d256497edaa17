"""A bad line between clients and a server: requests and answers are lost, doubled, late, or overtaken by later ones.

``python -m tests.whole.bad_line SERVER-PORT SEED`` writes the port that it listens on, works until its input ends, and
then writes what it did. What becomes of a call is a matter of the seed and of the call's name alone (`CALL`), whatever
else goes on at the same time: the same seed does the same to the same calls.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

#: How a client names a call; another try of it has another name. One that begins with `CALM` never does anything that
#: the client does not hear of.
CALL = "X-Call"
CALM = "!"
#: What becomes of calls, and how often.
WAYS = {
    "plain": 50,
    "request lost": 8,
    "answer lost": 8,
    "twice": 8,
    "twice at once": 8,
    "late": 8,
    "overtaken": 8,  # the client hears nothing and asks again; this one arrives behind that
}
_CALM_WAYS = {"twice at once": "twice", "overtaken": "request lost"}
#: Seconds by which a call is late.
DELAYS = (0.02, 0.5)
#: Seconds for an answer.
PATIENCE = 150.0

Head = dict[str, str]


def way_of(seed: int, call: str) -> tuple[str, float]:
    """Answer what becomes of a call, and the seconds that it takes longer."""
    chance = random.Random(f"{seed} {call}")
    (way,) = chance.choices(list(WAYS), list(WAYS.values()))
    return _CALM_WAYS.get(way, way) if call.startswith(CALM) else way, chance.uniform(*DELAYS)


class BadLine:
    """Hands each request on to the server, in one of the ways that go wrong; each connection is for one."""

    def __init__(self, port: int, seed: int) -> None:
        self.port, self.seed = port, seed
        self.done: Counter[str] = Counter()
        self.behind: set[asyncio.Task[bytes]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one call from a client."""
        with suppress(OSError, asyncio.IncompleteReadError):
            request, head = await _message(reader)
            writer.write(await self.handed_on(request, head.get(CALL.lower(), "")))
            await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def handed_on(self, request: bytes, call: str) -> bytes:
        """Answer what the client hears; nothing of an answer that is lost."""
        way, delay = way_of(self.seed, call)
        self.done[way] += 1
        if way == "request lost":
            return b""
        if way == "overtaken":
            self._send_behind(request, delay)
            return b""
        if way == "late":
            await asyncio.sleep(delay)
        elif way == "twice":
            await self.asked(request)
        elif way == "twice at once":
            self._send_behind(request, 0.0)
        answer = await self.asked(request)
        return b"" if way == "answer lost" else answer

    def _send_behind(self, request: bytes, delay: float) -> None:
        task = asyncio.create_task(self._later(request, delay))
        self.behind.add(task)
        task.add_done_callback(self.behind.discard)

    async def _later(self, request: bytes, delay: float) -> bytes:
        await asyncio.sleep(delay)
        return await self.asked(request)

    async def asked(self, request: bytes) -> bytes:
        """Ask the server; nothing when it is away or ends in the middle."""
        writer = None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(request)
            async with asyncio.timeout(PATIENCE):
                answer, _ = await _message(reader)
        except (OSError, asyncio.IncompleteReadError):
            self.done["server away"] += 1
            return b""
        finally:
            if writer is not None:
                writer.close()
        self.done[f"answered {answer[9:12].decode()}"] += 1
        return answer


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, Head]:
    """Read one request or answer whole, and its head apart."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    named = {name.strip().lower(): value.strip() for name, _, value in lines}
    return head + await reader.readexactly(int(named.get("content-length", 0))), named


async def work(port: int, seed: int) -> None:
    """Listen until the input ends."""
    line = BadLine(port, seed)
    listening = await asyncio.start_server(line.take, "127.0.0.1", 0, backlog=1000)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    while line.behind:
        await asyncio.gather(*line.behind)
    print(json.dumps(line.done))


class Line:
    """A bad line as a process."""

    def __init__(self, port: int, seed: int, root: Path) -> None:
        argv = [sys.executable, "-m", "tests.whole.bad_line", str(port), str(seed)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(argv, cwd=root, text=True, **pipes)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def end(self) -> dict[str, int]:
        """Let what is still on its way arrive; answer how often what was done."""
        out, _ = self.process.communicate(timeout=PATIENCE)
        return dict(json.loads(out))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


if __name__ == "__main__":
    asyncio.run(work(int(sys.argv[1]), int(sys.argv[2])))
