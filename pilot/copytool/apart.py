"""Does in a Python process apart what cannot be interrupted here: libraries that ignore their own time-outs.

A child imports one module and calls its functions, one at a time, until it has had nothing to do for a while. It is
killed when a call's time is up, or when that is asked for, and ends when the pilot does. What goes between the two is
one line of JSON each way. The child may be another Python than the pilot's, as old as 3.9, with no library but the
tool's: a tool's module for it imports nothing of the pilot but `pilot.copytool.base`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NoReturn, Optional, cast

from pilot.copytool.base import CHILDREN, Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind, Inside, Setup
from pilot.copytool.last_words import kind_of, last_of
from pilot.copytool.program import CANNOT_RUN, PATIENCE, before, kill

#: Seconds without work after which a child ends.
IDLE = 30.0
#: Seconds for one that answers no more to be gone by itself.
ENDING = 1.0
#: What a child's module may have: a function that is called when the pilot has ended, and takes away what would stay.
LEFT_ALONE = "left_alone"
#: Children that are kept for the next call, of each kind.
MOST_KEPT = 8
_ROOT = str(Path(__file__).resolve().parents[2])  # a folder, or the bundle
#: Takes this `pilot` and no other that its PYTHONPATH may have; what lies beside it is found after all else.
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); import pilot; sys.path.append(sys.path.pop(0));"
    " from pilot.copytool import apart; apart.main(sys.argv[2])"
)


class Apart:
    """Children for one module; may be used from several threads, each of which gets a child of its own meanwhile."""

    def __init__(
        self,
        module: str,
        *,
        python: str = "",
        environment: Mapping[str, str] = MappingProxyType({}),
        setup: Setup = "",
    ) -> None:
        """Say what the children are.

        Args:
            module: Whose functions are called: with JSON's values by name, answering one.
            python: The interpreter that runs them; the pilot's own, or the container's, when left out.
            environment: Variables beside the pilot's own. Never a secret.
            setup: A script that is sourced before; or the container, and that script in it.
        """
        own, root = (setup.python, CHILDREN) if isinstance(setup, Inside) else (sys.executable, _ROOT)
        self._command = [*before(setup, environment), python or own, "-c", _CHILD, root, module]
        self._begin()

    def _begin(self) -> None:
        self._process, self._lock, self._kept = os.getpid(), threading.Lock(), list[_Child]()

    def call(
        self, function: str, arguments: Mapping[str, Any], deadline: Deadline, cancel: Optional[Cancel] = None
    ) -> Any:
        """Call a function there.

        Raises:
            CopyFailed: it said so; or its time is up (TIMEOUT), or its process died.
            CopyCancelled: it was given up.
        """
        cancel = deadline.cancel if cancel is None else cancel  # one that was not asked for is false
        if cancel:
            raise CopyCancelled
        if not deadline.left():
            raise CopyFailed(FailureKind.TIMEOUT, f"{function} was not begun: its time is up")
        answer = self._ask(json.dumps({"function": function, "arguments": dict(arguments)}), deadline, cancel)
        if answer is None:
            raise CopyFailed(FailureKind.TIMEOUT, f"{function} did not end within its time")
        if "words" in answer:
            raise CopyFailed(FailureKind(answer["kind"]) if answer["kind"] else None, answer["words"])
        return answer["value"]

    def _ask(self, request: str, deadline: Deadline, cancel: Cancel) -> Optional[Mapping[str, Any]]:
        """Answer what a child says; ``None`` when it had no time to."""
        while True:
            child, fresh = self._take()
            with cancel.doing(child.kill):
                answer = child.ask(request, deadline)
            if cancel:
                child.end()
                raise CopyCancelled
            if answer is not None:
                self._keep(child)
                return answer
            late, words = not deadline.left(), child.ended()
            if late:
                return None
            if fresh:  # one that was kept may have ended just now for want of work
                # That a Python is not there says nothing of the file that it was to copy.
                kind = None if child.status in CANNOT_RUN else kind_of(words)
                raise CopyFailed(kind, words or f"the process of the copy has died ({child.status})")

    def close(self) -> None:
        """End the children that wait for work."""
        with self._lock:
            kept, self._kept = self._kept, []
        for child in kept:
            child.end()

    def _take(self) -> tuple[_Child, bool]:
        if self._process != os.getpid():  # a fork: two that speak with one child would get each other's answers
            self._begin()
        with self._lock:
            if self._kept:
                return self._kept.pop(), False
        return _Child(self._command), True

    def _keep(self, child: _Child) -> None:
        with self._lock:
            if len(self._kept) < MOST_KEPT:
                self._kept.append(child)
                return
        child.end()


@functools.cache
def shared(module: str, python: str = "", environment: tuple[tuple[str, str], ...] = (), setup: Setup = "") -> Apart:
    """Answer the children that all who want the same share; they outlive the tools, which are made for each job."""
    return Apart(module, python=python, environment=dict(environment), setup=setup)


class _Child:
    def __init__(self, command: list[str]) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed when the child has ended
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                encoding="utf-8",
                start_new_session=True,
                cwd="/",
            )
        except OSError as wrong:
            self._errors.close()
            raise CopyFailed(None, f"{command[0]} cannot be run: {wrong.strerror}") from wrong

        self._requests, self._answers = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)

    def ask(self, request: str, deadline: Deadline) -> Optional[Mapping[str, Any]]:
        """Answer what the child says; ``None`` when it died, or was killed because its time was up."""
        timer = threading.Timer(deadline.left(), self.kill)
        timer.daemon = True
        timer.start()
        try:
            self._requests.write(request + "\n")
            self._requests.flush()
            line = self._answers.readline()
            return json.loads(line) if line else None
        except (OSError, ValueError):  # the pipe is broken, or the line cut off
            return None
        finally:
            timer.cancel()

    @property
    def status(self) -> Optional[int]:
        """How it ended; ``None`` as long as that is not known."""
        return self._process.returncode

    def kill(self) -> None:
        """Kill it, with what it has started; `ask` then answers."""
        kill(self._process)

    def ended(self) -> str:
        """Let one whose answers have ended go by itself, so that its status is its own; answer its last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING)
        return self.end()

    def end(self) -> str:
        """Have it gone, and answer its last words."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()
        with self._errors as errors:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4000))
            return last_of(errors.read().decode("utf-8", "replace"))


def main(name: str) -> None:
    """Serve as a child: calls of functions of one module, until stdin ends or nothing has come for a while."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries may print what they like
    asked, nothing = os.fdopen(os.dup(0), encoding="utf-8"), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # and what they start may read: it finds the end, and no request
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked, requests, name), daemon=True).start()
    module = import_module(name)
    while True:
        try:
            request = json.loads(requests.get(timeout=IDLE))
        except queue.Empty:
            _end()
        answers.write(json.dumps(_answer(module, request)) + "\n")
        answers.flush()


def _listen(asked: IO[str], requests: queue.SimpleQueue[str], name: str) -> None:
    for line in asked:
        requests.put(line)
    try:
        tidy_up = getattr(sys.modules.get(name), LEFT_ALONE, None)
        if tidy_up:
            tidy_up()
    finally:
        _end()  # the pilot has ended, whatever is going on here


def _end() -> NoReturn:
    """End at once, with what was started here."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _answer(module: Any, request: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return {"value": getattr(module, request["function"])(**request["arguments"])}
    except CopyFailed as failed:
        return {"kind": failed.kind.value if failed.kind else None, "words": failed.words}
    except Exception as wrong:  # noqa: BLE001  whatever a library raises is told to whoever asked
        words = last_of(f"{type(wrong).__name__}: {wrong}")
        kind = kind_of(words)
        return {"kind": kind.value if kind else None, "words": words}
