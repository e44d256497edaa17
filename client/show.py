"""How things look in a terminal: bars, tables, one-line states. Takes what the server answered, changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from client import meanings

#: A state's colour, in every table.
COLOURS = {
    "finished": "green",
    "done": "green",
    "yes": "green",
    "accepted": "green",
    "running": "cyan",
    "active": "cyan",
    "sent": "cyan",
    "starting": "cyan",
    "failed": "red",
    "bad": "red",
    "no": "red",
    "manual_check": "red",
    "cancelled": "yellow",
    "paused": "yellow",
}
#: How many of a task's latest moves are shown.
MOVES = 10


def state(word: Any) -> Text:
    """Show a state in its colour, with blanks as people say it."""
    return Text(str(word).replace("_", " "), style=COLOURS.get(str(word), ""))


def size(count: Any) -> str:
    """Show bytes with three digits and a unit of powers of 1000."""
    if count is None:
        return ""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.3g} {unit}"
        number /= 1000
    raise AssertionError("unreachable: TB ends the loop")


def table(*columns: str, title: str | None = None) -> Table:
    """Make an empty table in the one style."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        made.add_column(column.removeprefix(">"), justify="right" if right else "left", overflow="fold")
    return made


def bars(steps: Iterable[Mapping[str, Any]]) -> Table:
    """Show a bar for each step: done of total, what is under way, what is bad."""
    made = Table(box=None, show_header=False, pad_edge=False)
    for step in steps:
        done, total, bad = int(step["done"]), int(step["total"]), int(step["bad"])
        bar = ProgressBar(total=max(1, total), completed=done, width=32, complete_style=_bar_style(done, total, bad))
        notes = [Text(f"{step['active']} under way")] if step["active"] else []
        notes += [Text(f"{bad} bad", style="red")] if bad else []
        notes += [Text(str(step["words"]))] if step.get("words") else []
        made.add_row(Text(str(step["label"])), bar, f"{done}/{total}", Text(", ").join(notes))
    return made


def _bar_style(done: int, total: int, bad: int) -> str:
    if bad:
        return "red"
    return "green" if total and done >= total else "cyan"


def counts(found: Mapping[str, Any]) -> Text:
    """Show numbers by state in one line."""
    line = Text()
    for word, number in found.items():
        line.append(f"{word.replace('_', ' ')} ", style="dim").append(f"{number}  ", style=COLOURS.get(word, "bold"))
    return line if found else Text("none yet", style="dim")


def tasks(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show a list of tasks, or what to do when there is none."""
    if not found:
        return Text("no task yet; define one by 'compass task create'", style="dim")
    made = table("task", "type", "status", ">runs", ">events", "progress")
    for task in found:
        progress = " · ".join(f"{step['label']} {step['done']}/{step['total']}" for step in task["steps"])
        made.add_row(
            task["name"],
            state(task["type"]),
            state(task["status"]),
            str(task["runs"]),
            _events(task["events"]),
            progress,
        )
    return made


def _events(events: Mapping[str, int]) -> str:
    """Show what is done of what was ordered; a reconstruction takes what its parent has made, it orders none."""
    return f"{events['done']}/{events['ordered']}" if events["ordered"] else str(events["done"])


def task(found: Mapping[str, Any]) -> RenderableType:
    """Show one task: what it is, its bars, its runs, its checks, its files and its latest moves."""
    events = found["events"]
    facts = table("", "")
    facts.show_header = False
    facts.add_row("task", Text(str(found["name"]), style="bold"))
    facts.add_row("status", state(found["status"]))
    facts.add_row("type", state(found["type"]))
    if found["production"]:  # a user's task is of none
        where = f"{found['year']} {found['period']} slot {found['slot']}, {found['soft']}"
        facts.add_row("production", f"{found['production']} {where}")
    else:
        facts.add_row("owner", Text(str(found["owner"])))
    facts.add_row("events", f"{_events(events)} done, {events['merged']} merged")
    parts: list[RenderableType] = [facts, Text(), bars(found["steps"])]
    if found["matrix"]:
        parts += [Text(), _matrix(found["matrix"])]
    if found["checks"]:
        parts += [Text(), checks(found["checks"])]
    if found["outputs"]:
        parts += [Text(), outputs(found["outputs"])]
    if found.get("tape"):
        parts += [Text(), *_tape(found["tape"])]
    if found["events_log"]:
        parts += [Text(), _moves(found["events_log"][:MOVES])]
    return Group(*parts)


def _tape(found: Mapping[str, Any]) -> list[RenderableType]:
    """Show how many files are on tape, what waits and for what, and the latest requests to its storage."""
    counted = [
        f"{kind.replace('_', ' ')}: {', '.join(f'{number} {word}' for word, number in states.items())}"
        for kind, states in found["files"].items()
    ]
    parts: list[RenderableType] = [Text(f"on tape at {found['storage']}: {'; '.join(counted) or 'nothing yet'}")]
    parts += [Text(words, style="yellow") for words in found["waits"]]
    if not found["requests"]:
        return parts
    made = table(">request", "kind", "state", ">files", ">hours", "last words")
    for one in found["requests"]:
        hours = f"{one['age'] / 3600:.1f}"
        files = str(one["files_of_task"])
        made.add_row(str(one["id"]), one["kind"], state(one["state"]), files, hours, Text(str(one["words"] or "")))
    return [*parts, made]


def limits(found: Mapping[str, Any]) -> RenderableType:
    """Show what limits a task, each value with where it comes from."""
    made = table("limit", ">value", "from")
    for limit in found["limits"]:
        made.add_row(str(limit["name"]), str(limit["value"]), str(limit["from"]))
    return made


def _moves(found: Sequence[Mapping[str, Any]]) -> Table:
    """Show the latest moves, newest first, each with the job behind it."""
    made = table("when", "what", ">job", "from", "to", "words")
    for move in found:
        what, job = str(move["what"] or "the task"), "" if move["job"] is None else str(move["job"])
        made.add_row(
            str(move["at"])[:19], what, job, state(move["before"]), state(move["after"]), str(move["words"] or "")
        )
    return made


def _matrix(rows: Sequence[Mapping[str, Any]]) -> Table:
    made = table(">run", *(cell["label"] for cell in rows[0]["steps"]), "remarks")
    for row in rows:
        cells = [
            Text(f"{cell['done']}/{cell['total']}", style=COLOURS.get(cell["state"], "dim")) for cell in row["steps"]
        ]
        made.add_row(str(row["run"]), *cells, Text("; ".join(row["words"]), style="red"))
    return made


def checks(found: Sequence[Mapping[str, Any]]) -> Table:
    """Show what the cross-checks compared."""
    made = table(">run", "cross-check", "verdict", ">in chunks", ">in merged", "words")
    for check in found:
        row = (
            str(check["run"]),
            str(check["kind"]),
            state(check["verdict"]),
            str(check["expected"]),
            str(check["found"]),
        )
        made.add_row(*row, str(check["words"]))
    return made


def outputs(found: Sequence[Mapping[str, Any]]) -> Table:
    """Show files: what they are, how large, where they lie."""
    made = table(">run", "kind", ">size", ">events", "where")
    for output in found:
        events = "" if output["events"] is None else str(output["events"])
        made.add_row(
            str(output["run"]), state(output["kind"]), size(output["size"]), events, str(output["url"] or output["lfn"])
        )
    return made


def facts(found: Mapping[str, Any]) -> Table:
    """Show the fields of one thing that say something."""
    made = table("", "")
    made.show_header = False
    for key, value in found.items():
        if value not in (None, "", [], {}) and not isinstance(value, (list, dict)):
            shown = state(value) if key in ("state", "jobStatus", "status") else meanings.told(key, value)
            made.add_row(Text(key, style="dim"), shown)
    return made


def job(found: Mapping[str, Any]) -> RenderableType:
    """Show one job: its fields, its attempts, its files, its moves."""
    attempts = table(">attempt", "state", "node", "sent", "ended", "why")
    for tried in found["attempts"]:
        why = " ".join(
            str(tried[key]) for key in ("pilot_error_words", "payload_error_words", "server_error_words") if tried[key]
        )
        times = (str(tried["sent_at"] or "")[:19], str(tried["ended_at"] or "")[:19])
        attempts.add_row(str(tried["number"]), state(tried["state"]), str(tried["node"]), *times, why)
    files = table("type", "file", "status", ">size", "where")
    for file in found["Files"]:
        where = str(file["surl"] or f"{file['destinationSE']}:{file['dataset']}")
        files.add_row(str(file["type"]), str(file["lfn"]), state(file["status"]), size(file["fsize"]), where)
    moves = table("when", ">attempt", "from", "to", "by", "words")
    for move in found["moves"]:
        states = (state(move["before"]), state(move["after"]))
        moves.add_row(str(move["at"])[:19], str(move["attempt"]), *states, str(move["by"]), str(move["detail"]))
    return Group(facts(found), Text(), attempts, Text(), files, Text(), moves)


def status(found: Mapping[str, Any]) -> RenderableType:
    """Show the whole system: jobs, tasks, queues, services."""
    queues = table("queue", "status", ">waiting", ">running", ">pilots")
    for queue in found["queues"]:
        numbers = (str(queue[key]) for key in ("waiting", "running", "pilots"))
        queues.add_row(str(queue["name"]), state(queue["status"]), *numbers)
    services = table("service", "health", "said")
    for service in found["services"]:
        services.add_row(str(service["name"]), state(service["health"]), str(service["words"] or service["said"]))
    jobs = Text("jobs  ", style="dim") + counts(found["jobs"])
    return Group(jobs, Text(), tasks(found["tasks"]), Text(), queues, Text(), services)
