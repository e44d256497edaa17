"""``pilot stage-in`` and ``pilot stage-out``: files by hand, the way a pilot of the queue would move them."""

from __future__ import annotations

import json
import queue
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, NoReturn, Optional, Union

from pilot import options, settings, usage
from pilot.api.data import FileLike, FileResult, StageIn, StageOut, Staging
from pilot.api.descriptions import names_a_file
from pilot.contract.codes import ErrorCode
from pilot.contract.exit_codes import exit_code
from pilot.errors import ConfigError
from pilot.progress_line import ProgressLine, line_of, summary
from pilot.runtime import signals, streams

#: The commands, and what each does.
COMMANDS: Mapping[str, type[Union[StageIn, StageOut]]] = {"stage-in": StageIn, "stage-out": StageOut}
_WORDS = {
    "stage-in": "Bring files from the storages of a queue to a folder.",
    "stage-out": "Store files of a folder on the storages of a queue.",
}
#: Seconds between two looks at how far it is, for a terminal.
REDRAW = 0.25
#: What ends a command from outside; asked for twice, at once.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stage_in(argv: Sequence[str], say: Callable[[str], None]) -> int:
    """Bring files; see `run`."""
    return run("stage-in", argv, say)


def stage_out(argv: Sequence[str], say: Callable[[str], None]) -> int:
    """Store files; see `run`."""
    return run("stage-out", argv, say)


def run(name: str, argv: Sequence[str], say: Callable[[str], None]) -> int:
    """Stage files; answer 0, or the status that belongs to the first failure in the order in which they are named.

    ``say`` is given each line of what becomes of them. The options of a pilot are this command's as well.

    Raises:
        PilotError: nothing was begun, because something about it is wrong.
    """
    parser = _parser(name)
    found, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(f"{unknown[0]} is not an option{parser.nearest(unknown[0])}")
    given = usage.given(found)
    for line in given.obsolete:
        streams.tell(f"pilot: {line}")
    chosen = settings.load(settings.layers(given.config, [options.as_layer(given)])).settings
    files = _files(found)
    stage = COMMANDS[name](
        _queue(chosen),
        settings=chosen,
        tools=found.tool,
        storage=found.storage,
        label=chosen.queue.label,
        at_once=found.at_once,
    )
    _start_log(debug=chosen.log.debug)
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    signals.hear(_SIGNALS, heard)
    with stage.start(files, found.folder, on_file=heard.put) as staging:
        number = _watch(staging, heard, None if found.json else say)
        results = staging.result()
    as_json = [result.as_dict() for result in results]
    say(json.dumps(as_json, indent=2) if found.json else summary(results, staging.progress().seconds))
    return exit_code([ErrorCode(result.code) for result in results.failed], signal=number)


def _parser(name: str) -> usage.Parser:
    words = f"{_WORDS[name]} Exit status: 0, or that of the first failure."
    parser = usage.make_parser(f"pilot {name}", words, _add_options)
    parser.usage = f"pilot {name} -q QUEUE [option ...] FILE [FILE ...]"
    return parser


def _add_options(parser: usage.Parser) -> None:
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="A file's name: lfn, or scope:lfn.")
    listed = "A list of files in JSON or YAML: names, or objects with lfn, scope, dataset, size, checksum, endpoint."
    add("--list", action="append", default=[], metavar="PATH", help=listed)
    where = "Where inputs come to, or outputs lie (default: the folder you are in)."
    add("--folder", default=".", metavar="PATH", help=where)
    add("--dataset", default="", metavar="NAME", help="The dataset of files that name none.")
    add("--storage", default="", metavar="NAME", help="The storage of files that name none.")
    add("--tool", action="append", default=[], metavar="NAME", help="A copy tool instead of the queue's.")
    add("--at-once", type=int, metavar="N", help="So many files at the same time.")
    add("--json", action="store_true", help="Print what became of each file as JSON.")


def _queue(chosen: settings.Settings) -> str:
    """Answer the queue's name, or the file that it is in."""
    name = chosen.queue.name
    if not name:
        raise ConfigError("queue.name (--queue) is not set; give the name of a queue, or the file that describes one")
    return str(Path(name)) if names_a_file(name) and "://" not in name else name


def _files(found: Any) -> list[FileLike]:
    files: list[FileLike] = [*found.files, *(file for path in found.list for file in _listed(Path(path)))]
    for name in found.files:
        if "/" in name:
            raise ConfigError(f"{name}: give the name of the file, its folder by --folder, a list of files by --list")
    if not files:
        raise ConfigError("no file is named; give names, or --list with a file that lists some")
    return [_with_dataset(file, found.dataset) for file in files] if found.dataset else files


def _with_dataset(file: FileLike, dataset: str) -> FileLike:
    if isinstance(file, str):
        scope, _, lfn = file.rpartition(":")
        return {"lfn": lfn, "scope": scope, "dataset": dataset}
    return {**file, "dataset": file.get("dataset") or dataset} if isinstance(file, Mapping) else file


def _listed(path: Path) -> Iterator[FileLike]:
    """Read a list of files; what is in it is looked at by whoever stages them."""
    import yaml  # JSON is YAML

    try:
        found = yaml.safe_load(path.read_bytes())
    except OSError as wrong:
        raise ConfigError(f"--list: {path}: {wrong.strerror}") from wrong
    except (yaml.YAMLError, ValueError, RecursionError) as wrong:
        raise ConfigError(f"--list: {path} is neither JSON nor YAML: {' '.join(str(wrong).split())}") from wrong
    listed = found.get("files") if isinstance(found, Mapping) else found
    if not isinstance(listed, list):
        raise ConfigError(f"--list: {path} holds no list of files")
    yield from listed


def _watch(staging: Staging, heard: queue.SimpleQueue[Any], say: Optional[Callable[[str], None]]) -> Optional[int]:
    """Tell what becomes of each file, until all have ended; answer the signal that ended it sooner."""
    line, number, left = ProgressLine(sys.stderr), None, staging.progress().files_total
    while left:
        line.show(staging.progress())
        try:
            word = heard.get(timeout=REDRAW if line.is_seen else None)
        except queue.Empty:
            continue
        if isinstance(word, FileResult):
            left -= 1
            line.clear()
            if say is not None:
                say(line_of(word))
                sys.stdout.flush()  # a pipe's reader sees it at once, too
        elif number is None:
            number = word
            staging.cancel()
        else:
            line.clear()
            _leave(word)
    line.clear()
    return number


def _leave(number: int) -> NoReturn:
    import os

    os._exit(128 + number)


def _start_log(*, debug: bool) -> None:
    """Have what the engine says printed where that is wanted, and nowhere else."""
    import logging

    root = logging.getLogger()
    if debug:
        logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    elif not root.handlers:
        root.addHandler(logging.NullHandler())
