"""``compass``: argv to one action, its answer to the terminal or, with ``--json``, to a program."""

from __future__ import annotations

import argparse
import errno
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from client import (
    actions,
    admin,
    checks,
    choices,
    cleanup,
    dry_runs,
    explain,
    factory,
    harvesters,
    orders,
    pilots,
    resets,
    retries,
    steering,
    storage_requests,
    usage,
)
from client.errors import ClientError
from client.terminal import harmless
from pilot.contract.version import PRODUCT

#: Status of a command that was not understood.
USAGE = 2
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line with a remedy; what begins like an option is none."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **more})

    def error(self, message: str) -> NoReturn:
        raise ClientError(message, f"see '{self.prog} --help'", status=USAGE)


def parser() -> argparse.ArgumentParser:
    """Describe every command, option and default."""
    common = Parser(add_help=False)
    common.add_argument("--home", help="folder of the local system (COMPASS_HOME)")
    common.add_argument("--url", help="address of the server (COMPASS_URL)")
    common.add_argument("--token-file", help="file that holds the token for it (COMPASS_TOKEN_FILE)")
    common.add_argument("--json", action="store_true", help="answer in JSON")
    main_parser = Parser(prog="compass", description="Define productions, watch them, and run a whole system here.")
    main_parser.add_argument("--version", action="version", version=f"compass {PRODUCT}")
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    _local(commands, common)
    _task(commands, common)
    _job(commands, common)
    storage_requests.add_commands(commands, common, Parser)
    kill = commands.add_parser("kill", parents=[common], help="end one job")
    kill.add_argument("id", type=int, help="its number (PandaID)")
    kill.add_argument("--code", type=int, help="PanDA's kill code, such as 9: at once, without its pilot")
    kill.set_defaults(action=orders.kill)
    explain.add_command(commands, common)
    factory.add_commands(commands, common, Parser)
    pilots.add_commands(commands, common, Parser)
    harvesters.add_commands(commands, common, Parser)
    usage.add_command(commands, common)
    admin.add_commands(commands, common, Parser)
    status = commands.add_parser("status", parents=[common], help="jobs by state, tasks, pilots, services")
    status.add_argument("--watch", action="store_true", help="show it anew every second until Ctrl-C")
    status.set_defaults(action=actions.status)
    return main_parser


def _local(commands: Any, common: argparse.ArgumentParser) -> None:
    up = commands.add_parser("up", parents=[common], help="start a system on this machine and leave it running")
    up.add_argument("--port", type=int, default=0, help="port of its server (default: one that is free)")
    up.add_argument("--slots", type=int, default=2, help="jobs at once on the local queue (default: 2)")
    up.add_argument("--bundle", help="pilot bundle made by 'make bundle'")
    up.set_defaults(action=actions.up)
    down = commands.add_parser("down", parents=[common], help="stop the system on this machine and all its pilots")
    down.set_defaults(action=actions.down)
    demo = commands.add_parser(
        "demo", parents=[common], help="process a Monte Carlo task from definition to merged files"
    )
    demo.add_argument("--runs", type=int, default=2, help="runs of the task (default: 2)")
    demo.add_argument("--chunks", type=int, default=3, help="chunks of each run (default: 3)")
    demo.add_argument("--events", type=int, default=1000, help="events of each chunk (default: 1000)")
    demo.add_argument("--slots", type=int, default=2, help="jobs at once (default: 2)")
    demo.add_argument("--bundle", help="pilot bundle made by 'make bundle'")
    demo.add_argument("--keep", action="store_true", help="leave the system running afterwards")
    demo.add_argument("--time-limit", type=float, default=600.0, help="seconds until it is given up (default: 600)")
    demo.set_defaults(action=actions.demo)


def _task(commands: Any, common: argparse.ArgumentParser) -> None:
    task = commands.add_parser("task", help="production tasks").add_subparsers(
        dest="verb", required=True, metavar="VERB", parser_class=Parser
    )
    create = task.add_parser("create", parents=[common], help="define a task from a file")
    create.add_argument("definition", help="JSON file with the task's fields; - reads standard input")
    create.add_argument("--start", action="store_true", help="send its jobs at once")
    create.set_defaults(action=actions.create_task)
    create.add_argument("--dry-run", action="store_const", dest="action", const=dry_runs.create_dry, help=dry_runs.HELP)
    dry_runs.add_options(create)
    show = task.add_parser("show", parents=[common], help="a task's steps, runs, checks and files")
    show.add_argument("name")
    show.add_argument("--limits", action="store_true", help="show its limits instead, each with where it comes from")
    show.set_defaults(action=actions.show_task)
    listing = task.add_parser("list", parents=[common], help="the latest tasks")
    listing.add_argument("--limit", type=int, default=50, help="how many at most (default: 50)")
    listing.set_defaults(action=actions.list_tasks)
    move = task.add_parser("move", parents=[common], help="start, pause, resume or cancel a task")
    move.add_argument("name")
    move.add_argument("to", help="start, paused, running, cancelled ...")
    move.add_argument("--words", default="", help="why, for the task's history")
    move.set_defaults(action=actions.move_task)
    steering.add_commands(task, common)
    cleanup.add_commands(task, common)
    checks.add_commands(task, common)
    dry_runs.add_commands(task, common)
    choices.add_commands(task, common)


def _job(commands: Any, common: argparse.ArgumentParser) -> None:
    job = commands.add_parser("job", help="single jobs").add_subparsers(
        dest="verb", required=True, metavar="VERB", parser_class=Parser
    )
    show = job.add_parser("show", parents=[common], help="a job's state, attempts, files and moves")
    show.add_argument("id", type=int)
    show.set_defaults(action=actions.show_job)
    log = job.add_parser("log", parents=[common], help="the output of a job's payload")
    log.add_argument("id", type=int)
    log.add_argument("--file", default="payload.stdout", help="which file of its log (default: payload.stdout)")
    log.set_defaults(action=actions.job_log)
    _resets(job, common)
    rules = job.add_parser(
        "retry-rules", parents=[common], help="what the rules for retries would have done with past failures"
    )
    rules.add_argument("--days", type=int, default=7, help="how far back (default: 7)")
    rules.add_argument("--disabled", action="store_true", help="as if all rules were enabled")
    rules.set_defaults(action=retries.retry_rules)
    debug = job.add_parser("debug", parents=[common], help="short heartbeats of a job, with the last lines it printed")
    debug.add_argument("id", type=int)
    debug.add_argument("mode", choices=("on", "off"), nargs="?", default="on", help="default: on")
    debug.set_defaults(action=orders.debug)
    tell = job.add_parser(
        "tell", parents=[common], help="a word for a job's pilot: tail payload.stdout, ls, softkill ..."
    )
    tell.add_argument("id", type=int)
    tell.add_argument("words", help="one command, or several with commas between them; '' takes back what is not told")
    tell.add_argument("--wait", type=float, default=0.0, help="seconds to wait for what it shows (default: 0)")
    tell.set_defaults(action=orders.tell)


def _resets(job: Any, common: argparse.ArgumentParser) -> None:
    reset = job.add_parser("reset", parents=[common], help="bring back jobs that failed, were cancelled or closed")
    which = reset.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", type=int, nargs="*", default=[], help="their numbers (PandaIDs)")
    which.add_argument("--task", type=int, help="all such jobs of a task, by its number")
    reset.add_argument("--why", default="", help="the reason, for the record and the jobs' history")
    reset.add_argument("--preview", action="store_true", help="only show what would be brought back")
    reset.set_defaults(action=resets.reset)
    undo = job.add_parser("undo-reset", parents=[common], help="put the jobs of a reset back, while none has run")
    undo.add_argument("reset", type=int, help="the number of the reset")
    undo.set_defaults(action=resets.undo)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 if all went well, 1 if it did not, 2 for a command that was not understood, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = parser().parse_args(words)
        return int(arguments.action(arguments))
    except ClientError as wrong:
        return complain(wrong, words)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as wrong:
        return complain(refused(wrong), words)
    except KeyboardInterrupt:
        print("compass: interrupted", file=sys.stderr)
        return INTERRUPTED


def complain(wrong: ClientError, words: Sequence[str]) -> int:
    """Say what is wrong to a person or, with ``--json``, to a program; answer the status."""
    if "--json" in words:
        print(json.dumps({"error": wrong.words, "remedy": wrong.remedy}))
    else:
        print(f"compass: {harmless(str(wrong))}", file=sys.stderr)
    return wrong.status


def refused(wrong: OSError) -> ClientError:
    """Put into words that this machine did not let a file be read or written."""
    remedy = "free some space" if wrong.errno == errno.ENOSPC else "check the rights on it"
    where = f"{wrong.filename}: " if wrong.filename else ""
    return ClientError(f"{where}{wrong.strerror or wrong}", f"{remedy}, or give another folder by --home")


if __name__ == "__main__":
    sys.exit(main())
