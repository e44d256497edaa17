"""A process in which `compass-server` is imported once: each command is a fork of it, and costs no start of its own.

``python -m tests.server.manage.prepared`` reads commands, one JSON list of words per line, and answers each with its
status and what it wrote.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from tests.server.manage.running import PATIENCE, ROOT, environment


class Prepared:
    """Runs commands on one home, as `running.command` does."""

    def __init__(self, home: Path) -> None:
        argv = [sys.executable, "-m", __name__]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(argv, env=environment(home), cwd=ROOT, text=True, **pipes)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return subprocess.CompletedProcess(words, *json.loads(self.process.stdout.readline()))

    def end(self) -> int:
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return status


def serve() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
    django.setup()
    from django.core.checks import run_checks

    run_checks()  # which imports what most commands have to import
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
            child = os.fork()
            if not child:
                _run(json.loads(line), out.fileno(), said.fileno())
            _, status = os.waitpid(child, 0)
            answer = [os.waitstatus_to_exitcode(status), *(_content(file) for file in (out, said))]
        print(json.dumps(answer), flush=True)


def _run(words: list[str], out: int, said: int) -> NoReturn:
    """Be the command, and leave the process as it does."""
    from server.manage import main

    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), out, said)):
        os.dup2(file, number)
    sys.argv[1:] = words
    main()
    sys.exit()


def _content(file) -> str:
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    serve()
