"""Whether folders answer, asked by a program of its own: a file system that hangs must not hang the pilot."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Mapping, Sequence

#: Lists a folder; its path is added.
PROGRAM = ("ls",)
#: Seconds that reading takes what a program has said that has ended.
MOMENT = 0.1
_LAST_WORDS = 300


def answers(paths: Sequence[str], seconds: float, program: Sequence[str] = PROGRAM) -> Mapping[str, str]:
    """Answer for each path what is wrong with it, "" for nothing. All are asked at the same time.

    A program that hangs in the kernel is killed and left: it ends when the file system answers, or with the node.
    """
    until = time.monotonic() + seconds
    asked = {path: _ask([*program, path]) for path in paths}
    return {
        path: _heard(one, until, seconds) if isinstance(one, subprocess.Popen) else one for path, one in asked.items()
    }


def _ask(argv: Sequence[str]) -> subprocess.Popen[bytes] | str:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
    except OSError as wrong:
        return f"{argv[0]}: {wrong.strerror}"


def _heard(asked: subprocess.Popen[bytes], until: float, seconds: float) -> str:
    try:
        words = asked.communicate(timeout=max(MOMENT, until - time.monotonic()))[1]
    except subprocess.TimeoutExpired:
        asked.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            asked.communicate(timeout=MOMENT)
        if asked.stderr is not None:
            asked.stderr.close()
        return f"does not answer within {seconds:g} s"
    if asked.returncode == 0:
        return ""
    return words.decode("utf-8", "replace").strip()[-_LAST_WORDS:] or f"status {asked.returncode}"
