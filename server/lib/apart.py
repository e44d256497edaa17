"""Asks in a process apart what cannot be interrupted here: client libraries that ignore their own time-outs.

A child imports one module and calls its functions, which yield their answers piece by piece; what goes between the two
is one line of JSON each. A child that is silent for too long is killed. It ends when its parent does, and is kept for
the next call as long as there are not too many, and as it does not take too long to come.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, NoReturn, cast

#: Children that are kept for the next call.
MOST_KEPT = 4
#: Seconds for which one of them waits for that.
IDLE = 300.0
#: Bytes of the longest answer: who says more in one line, as a login node may that is not ours, is not listened to.
LONGEST_LINE = 2**28
#: Seconds for a child to come up, beside the time that a call may be silent.
START = 20.0
_ROOT = str(Path(__file__).resolve().parents[2])
_CHILD = "import sys; sys.path.append(sys.argv[1]); from server.lib import apart; apart.main(sys.argv[2])"
_BLOCK = 2**16


class Unavailable(Exception):
    """Who was asked did not answer, or not within its time; ask again later."""


class Misconfigured(ValueError):
    """Nobody can be asked like that; the words name what is wrong, and the remedy."""


class Apart:
    """Children for one module; may be used from several threads, each of which gets a child of its own meanwhile.

    What a child's functions raise of these two kinds, or of kinds of them, is raised here as the kinds named below.
    """

    unavailable: ClassVar[type[Unavailable]] = Unavailable
    misconfigured: ClassVar[type[Misconfigured]] = Misconfigured

    def __init__(self, module: str, environment: Mapping[str, str], idle: float = IDLE) -> None:
        """Say what is imported there, what its environment has beside ours, and how many seconds a child may wait."""
        self._command = [sys.executable, "-c", _CHILD, _ROOT, module]
        self._environment = environment
        self._kept = _Kept(idle)
        weakref.finalize(self, self._kept.close)

    def ask(self, function: str, arguments: Mapping[str, Any], *, patience: float) -> Iterator[Any]:
        """Call a function there, and yield what it yields.

        Args:
            function: Its name.
            arguments: What it is given, by name; values of JSON.
            patience: The longest silence, in seconds.

        Raises:
            Unavailable: it says so, was silent for longer, or died.
            Misconfigured: it says so.
        """
        child = self._kept.take() or self._start()
        ended = False
        try:
            child.write({"function": function, "arguments": dict(arguments)}, patience)
            for answer in child.answers(patience):
                if "piece" not in answer:
                    # A client remembers for a while that a service did not answer; the next one tries anew.
                    ended = "unavailable" not in answer
                    self._raise_what_it_says(answer)
                    return
                yield answer["piece"]
        except Silent as silent:
            raise self.unavailable(str(silent)) from None
        finally:
            if ended:
                self._kept.put(child)
            else:
                child.kill()

    def _start(self) -> Child:
        """Start a further child; raises as `ask` does."""
        return Child(self._command, {**os.environ, **self._environment})

    def _raise_what_it_says(self, answer: Mapping[str, Any]) -> None:
        if "unavailable" in answer:
            raise self.unavailable(answer["unavailable"])
        if "misconfigured" in answer:
            raise self.misconfigured(answer["misconfigured"])


class _Kept:
    """Children that wait for the next call, those that have waited longest first."""

    def __init__(self, idle: float) -> None:
        self._idle, self._waiting = idle, list[tuple[Child, float]]()
        self._timer: threading.Timer | None = None
        # Whoever holds it may be told in the middle of that to close: objects are collected in any thread.
        self._lock = threading.RLock()

    def take(self) -> Child | None:
        """Answer one, if there is one."""
        with self._lock:
            while self._waiting:
                child, _ = self._waiting.pop()
                if child.lives():
                    return child
                child.kill()  # somebody else has ended it meanwhile; the next one is as good
        return None

    def put(self, child: Child) -> None:
        """Keep one, unless there are enough."""
        with self._lock:
            if len(self._waiting) < MOST_KEPT:
                self._waiting.append((child, time.monotonic()))
                if self._timer is None:
                    self._look_in(self._idle)
                return
        child.kill()

    def close(self) -> None:
        """End all."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            for child, _ in self._waiting:
                child.kill()
            self._waiting.clear()

    def _look_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end_idle)
        self._timer.daemon = True
        self._timer.start()

    def _end_idle(self) -> None:
        with self._lock:
            self._timer = None
            while self._waiting:
                child, since = self._waiting[0]
                left = since + self._idle - time.monotonic()
                if left > 0:
                    self._look_in(left)
                    return
                del self._waiting[0]
                child.kill()


class Silent(Exception):
    """A child says nothing: it hangs, or has died."""


class Child:
    """A process that answers lines; what else it says goes to ``errors``, or where ours goes."""

    def __init__(self, command: list[str], environment: Mapping[str, str], errors: int | None = None) -> None:
        self._fresh = True
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        self._to = cast(IO[bytes], self._process.stdin)
        self._from = cast(IO[bytes], self._process.stdout)
        os.set_blocking(self._to.fileno(), False)
        self._rest = b""

    def write(self, request: Mapping[str, Any], patience: float) -> None:
        left = memoryview(json.dumps(request).encode() + b"\n")
        with selectors.DefaultSelector() as selector:
            selector.register(self._to, selectors.EVENT_WRITE)
            try:
                while left:
                    self._wait(selector, patience)
                    left = left[os.write(self._to.fileno(), left) :]
            except BrokenPipeError:
                raise Silent(self._how_it_ended()) from None

    def answers(self, patience: float) -> Iterator[Mapping[str, Any]]:
        """Yield what its lines say, as they come; without an end."""
        for line in self.lines(patience):
            yield json.loads(line)

    def lines(self, patience: float) -> Iterator[bytes]:
        """Yield lines as they come; without an end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._from.fileno(), selectors.EVENT_READ)
            while True:
                line, found, rest = self._rest.partition(b"\n")
                if found:
                    self._rest, self._fresh = rest, False
                    yield line
                    continue
                self._rest += self._read_on(selector, patience)

    def _read_on(self, selector: selectors.BaseSelector, patience: float) -> bytes:
        """Read to the end of a line, and what has come behind it."""
        blocks, size = list[bytes](), len(self._rest)
        while not blocks or b"\n" not in blocks[-1]:
            self._wait(selector, patience)
            block = os.read(self._from.fileno(), _BLOCK)
            if not block:
                raise Silent(self._how_it_ended())
            blocks.append(block)
            size += len(block)
            if size > LONGEST_LINE:
                raise Silent(f"it says more than {LONGEST_LINE} bytes in one line, which is no answer")
        return b"".join(blocks)

    def _wait(self, selector: selectors.BaseSelector, patience: float) -> None:
        if not selector.select(patience + (START if self._fresh else 0.0)):
            raise Silent(f"no answer within {patience:.0f} s")

    def lives(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End it, with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._to, self._from):
            with contextlib.suppress(OSError):  # what was not taken is not missed
                stream.close()

    def _how_it_ended(self) -> str:
        return f"the process that asks has ended with status {self._process.wait()}"


def main(module: str) -> NoReturn:
    """Answer requests until there is nobody to ask any more."""
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # What is asked next is read at once: so the end of our parent is seen while something hangs.
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    while True:
        request = json.loads(requests.get())
        for answer in _answer(module, request["function"], request["arguments"]):
            output.write(json.dumps(answer).encode() + b"\n")
            output.flush()


def _read(requests: queue.SimpleQueue[bytes]) -> NoReturn:
    with os.fdopen(os.dup(0), "rb") as source:  # not sys.stdin, whose lock the interpreter wants when it ends
        for line in source:
            requests.put(line)
    os._exit(0)  # without the farewells of libraries, which may take minutes


def _answer(module: str, function: str, arguments: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    try:
        for piece in getattr(importlib.import_module(module), function)(**arguments):
            yield {"piece": piece}
    except Unavailable as wrong:
        yield {"unavailable": str(wrong)}
    except (ImportError, Misconfigured) as wrong:
        yield {"misconfigured": str(wrong)}
    else:
        yield {"end": time.time()}
