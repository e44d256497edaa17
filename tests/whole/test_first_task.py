"""The tutorial, as a reader does it: its files are written, its commands typed into a shell, its outputs compared."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from client.cli import parser
from server.production.definition import read_definition
from server.production.limits import Limits
from tests.whole.local_system import PATIENCE, ROOT

PAGE = (ROOT / "doc" / "tutorial" / "first-task.md").read_text()
#: The job that the page looks into, if the demonstration ran before.
JOB = "19"
ELISION = "…"


def files() -> dict[str, str]:
    """Answer the files that the page has written, by name."""
    blocks = re.findall(r"`(\w+\.json)`(?:(?!```).)*?```json\n(.*?)```", PAGE, re.DOTALL)
    return dict(blocks)


def commands() -> list[tuple[str, list[str]]]:
    """Answer each command with the lines that the page shows of its output."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def plain(line: str) -> str:
    """Leave out of a line what differs from run to run: numbers, names of machines, how wide columns are."""
    without_numbers = re.sub(r"\d+", "N", line.replace("━", ""))
    return re.sub(r"(sent pilot) \S+$", r"\1", " ".join(without_numbers.split()))


def missing(shown: list[str], said: str) -> list[str]:
    """Answer the lines of the page that the command has not said, in this order."""
    real = iter([plain(line) for line in said.splitlines()])
    return [line for line in shown if line.strip() and line != ELISION and plain(line) not in real]


def test_the_definitions_are_accepted():
    assert [read_definition(json.loads(text), Limits()).name for text in files().values()] == [
        "first-generation",
        "first",
    ]


def test_every_command_of_the_client_on_the_page_exists():
    lines = [line for line, _ in commands()] + re.findall(r"`(compass [^`]*\w)`", PAGE)
    calls = [part.strip() for line in lines for part in line.split("|") if part.strip().startswith("compass ")]
    assert len(calls) > 12
    for call in calls:
        words = shlex.split(call)[1:]
        if words not in (["job", "show"], ["job", "log"]):
            assert parser().parse_args(words).action


def test_the_commands_do_what_the_page_shows(local_system, tmp_path):
    system = local_system()
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    status, _, said = system.up()
    assert status == 0, said
    programs = Path(sys.executable).parent
    environment = {
        **system.environment,
        "PATH": f"{programs}:{system.environment['PATH']}",
        "COMPASS_HOME": str(system.home),
    }

    def shell(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
        )
        return done.stdout + done.stderr

    def task(name: str) -> dict[str, Any]:
        with urlopen(f"{system.url()}/tasks/{name}?json", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def job_of_first_chunk() -> str:
        moves = task("first-generation")["events_log"]
        return next(str(move["job"]) for move in moves if move["what"] == "run 278473 chunk 1")

    for command, shown in commands():
        if command == "compass task show first":
            system.wait_for(lambda: task("first")["status"] == "done", "the task is done")
        typed = command.replace(JOB, job_of_first_chunk()) if command.startswith("compass job ") else command
        said = shell(typed)
        assert missing(shown, said) == [], f"{typed}\n{said}"
    assert (tmp_path / "first.png").stat().st_size > 10_000
    assert not system.processes()
