"""The demonstration: a Monte Carlo task from its definition to merged, cross-checked files and a plot."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar
from urllib.parse import unquote, urlparse

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from client import show
from client.connection import Connection
from client.errors import ClientError, Unanswered
from client.local import system
from client.place import Home, find_place, read_system

#: Seconds between two looks at the task.
LOOK = 0.5
#: Seconds after which a task in which nothing is under way any more, and something is bad, is given up.
STUCK = 15.0
#: First run number; like those of the experiment, six digits.
FIRST_RUN = 277001
PATIENCE_FOR_PLOT = 120.0
#: Seconds for which the server may be away: the supervisor starts it again.
AWAY = 60.0

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Wanted:
    """The size of the demonstration; ``time_limit`` in seconds."""

    runs: int
    chunks: int
    events: int
    slots: int
    bundle: Path | None
    keep: bool
    time_limit: float

    def __post_init__(self) -> None:
        for name in ("runs", "chunks", "events", "slots"):
            if getattr(self, name) < 1:
                raise ClientError(f"--{name} is {getattr(self, name)}", "give 1 or more", status=2)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C, so that all that was started is stopped in order."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    old = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def run(home: Home, wanted: Wanted, console: Console) -> dict[str, Any]:
    """Bring a system up, run the task, and stop what was started; answer the summary.

    A system that was up before is used and left as it is.
    """
    was_up = system.supervisor_of(read_system(home)) is not None
    if not was_up and wanted.bundle is None:
        raise ClientError(
            "pilots cannot be started without their bundle", "run 'make bundle' and give --bundle", status=2
        )
    with terminated_as_interrupted():
        try:
            began = time.monotonic()
            size = f"{wanted.runs} runs × {wanted.chunks} chunks × {wanted.events} events"
            console.print(f"[bold]COMPASS Monte Carlo[/bold]: {size}")
            found = system.up(home, system.Wishes(slots=wanted.slots, bundle=wanted.bundle))
            console.print(
                f"system up after {time.monotonic() - began:.1f} s: [link={found['url']}]{found['url']}[/link]"
            )
            connection = Connection(find_place(None, None, home))
            summary = _process(connection, wanted, console, home)
            summary["seconds"] = round(time.monotonic() - began, 1)
            summary["page"] = found["url"]
            summary["page_is_up"] = was_up or wanted.keep
            return summary
        finally:
            if not (was_up or wanted.keep):
                with _undisturbed():
                    system.down(home)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C wait until everything is stopped."""
    old = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def definitions(number: int, wanted: Wanted, year: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the definitions of the generation task and of the reconstruction task that follows it."""
    frame = {
        "production": f"demo{number}",
        "year": year,
        "period": "P01",
        "soft": f"compass-mc-{number}",
        "queue": "LOCAL",
        "slot": 1,
    }
    lines = "\n".join(f"{FIRST_RUN + run}, {wanted.chunks}" for run in range(wanted.runs))
    generation = {
        **frame,
        "name": f"demo{number}-generation",
        "type": "mc_generation",
        "runs": lines,
        "events_per_chunk": wanted.events,
    }
    return generation, {**frame, "name": f"demo{number}", "type": "mc_reconstruction", "parent": generation["name"]}


def _process(connection: Connection, wanted: Wanted, console: Console, home: Home) -> dict[str, Any]:
    known = patiently(partial(_known, connection))
    number = next(n for n in range(1, len(known) + 2) if f"demo{n}" not in known)
    pair = definitions(number, wanted, time.gmtime().tm_year)
    for definition in pair:
        patiently(partial(_define, connection, definition))
    generation, reconstruction = _watch(connection, [str(definition["name"]) for definition in pair], wanted, console)
    return summary_of(generation, reconstruction, _plot(reconstruction, home, number))


def patiently(ask: Callable[[], Answer], seconds: float = AWAY, look: float = LOOK) -> Answer:
    """Ask a server that may be away, because it is being started again, until it answers.

    Raises:
        ClientError: it refuses, or does not answer for so many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Unanswered:
            if time.monotonic() > deadline:
                raise
            time.sleep(look)


def _known(connection: Connection) -> set[str]:
    return {task["name"] for task in connection.get("production/list_tasks", limit=500)}


def _define(connection: Connection, definition: Mapping[str, Any]) -> None:
    """Define a task, unless it was defined before and only the answer was lost."""
    if definition["name"] not in _known(connection):
        connection.post("production/define_task", {"definition": definition, "start": True})


def _watch(connection: Connection, names: list[str], wanted: Wanted, console: Console) -> list[dict[str, Any]]:
    """Show the tasks until they have ended, got stuck or used up their time; answer how they stand."""
    deadline, moved = time.monotonic() + wanted.time_limit, time.monotonic()
    last: list[Any] = []
    with Live(Group(), console=console, auto_refresh=False) as live:
        while True:
            found = patiently(partial(_look, connection, names))
            live.update(_picture(found), refresh=True)
            steps = [task["steps"] for task in found]
            if steps != last:
                last, moved = steps, time.monotonic()
            if _ended(found, time.monotonic() - moved) or time.monotonic() > deadline:
                return found
            time.sleep(LOOK)


def _look(connection: Connection, names: list[str]) -> list[dict[str, Any]]:
    return [connection.get("production/get_task", name=name) for name in names]


def _picture(found: list[dict[str, Any]]) -> RenderableType:
    steps = [step for task in found for step in task["steps"]]
    return Group(show.bars(steps), Text(), Text("jobs  ", style="dim") + show.counts(jobs_of(found)))


def jobs_of(tasks: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Add up the jobs of these tasks by state."""
    summed: Counter[str] = Counter()
    for task in tasks:
        summed.update(task["jobs"])
    return dict(summed)


def _ended(found: list[dict[str, Any]], quiet: float) -> bool:
    """Say whether nothing more is to be expected: all is done, or something is bad and nothing has moved for long."""
    if found[-1]["status"] in ("done", "cancelled", "archived"):
        return True
    steps = [step for task in found for step in task["steps"]]
    return any(step["bad"] for step in steps) and not any(step["active"] for step in steps) and quiet > STUCK


def _plot(task: Mapping[str, Any], home: Home, number: int) -> str | None:
    """Draw the merged histograms of all runs into one figure; ``None`` when there are none or they cannot be drawn."""
    files = [path_of(output["url"]) for output in task["outputs"] if output["kind"] == "merged_histograms"]
    if not files:
        return None
    folder = home.folder / "plots"
    folder.mkdir(exist_ok=True)
    summed, png = folder / f"demo{number}.root", folder / f"demo{number}.png"
    for words in (
        ("merge", "--kind", "histograms", "--output", summed, *files),
        ("plot", "--histograms", summed, "--output", png),
    ):
        argv = [str(Path(sys.executable).with_name("compass-mc")), *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE_FOR_PLOT)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ClientError(f"compass-mc {words[0]} failed: {last}", "look at the merged files by hand")
    return str(png)


def path_of(url: str) -> str:
    """Answer the path of a file of this machine."""
    return unquote(urlparse(url).path)


def verdict_of(checks: list[Mapping[str, Any]], runs: int) -> str:
    """Answer ``yes`` only if every run was checked and every check says yes."""
    mdst = {check["run"] for check in checks if check["kind"] == "mdst"}
    if len(mdst) < runs:
        return "no"
    return "yes" if all(check["verdict"] == "yes" for check in checks) else "manual_check"


def summary_of(generation: Mapping[str, Any], task: Mapping[str, Any], plot: str | None) -> dict[str, Any]:
    """Say how the two tasks ended. The verdict is ``yes`` only for a task that is done."""
    verdict = verdict_of(task["checks"], generation["runs"])
    return {
        "task": task["name"],
        "status": task["status"],
        "verdict": verdict if task["status"] == "done" or verdict != "yes" else "no",
        "jobs": jobs_of([generation, task]),
        "events": {
            "generated": generation["events"]["done"],
            "reconstructed": task["events"]["done"],
            "merged": task["events"]["merged"],
        },
        "checks": task["checks"],
        "merged_files": [output for output in task["outputs"] if str(output["kind"]).startswith("merged")],
        "troubles": [words for row in task["matrix"] + generation["matrix"] for words in row["words"]],
        "plot": plot,
    }


def shown(summary: Mapping[str, Any]) -> RenderableType:
    """Show the summary at the end."""
    events = summary["events"]
    rows = show.table("", "")
    rows.show_header = False
    rows.add_row("task", f"{summary['task']} ({summary['status'].replace('_', ' ')}, {summary['seconds']} s)")
    rows.add_row("jobs", show.counts(summary["jobs"]))
    rows.add_row(
        "events", f"{events['generated']} generated, {events['reconstructed']} reconstructed, {events['merged']} merged"
    )
    rows.add_row("cross-check", show.state(summary["verdict"]))
    rows.add_row("plot", summary["plot"] or "none: there are no merged histograms")
    closed = "" if summary["page_is_up"] else "  (closed again; 'make up' keeps the system and its page)"
    rows.add_row("web page", f"{summary['page']}{closed}")
    parts: list[RenderableType] = [Text(), rows, Text(), show.checks(summary["checks"])]
    if summary["merged_files"]:
        parts += [Text(), show.outputs(summary["merged_files"])]
    parts += [Text(words, style="red") for words in summary["troubles"]]
    return Group(*parts)
