"""Starts a job's program once for each event range, or for a few: a worker for programs that know nothing of ranges.

It is run by `pilot.eventservice.way` under the payload's keeper, in an interpreter without site-packages: the standard
library and the payloads' own client are all it has. Its arguments: the socket, the job's directory, how many programs
run at a time, how many ranges each is started for, then the program and its arguments with names in braces in them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilot.api.event_client import Events

#: Run by the pilot it has none of the pilot's packages, but the folder in which the client lies.
_client = import_module("pilot.api.event_client" if __package__ else "event_client")

#: What is put in an argument's place, or into it: fields of a range, where its output goes, and a file of all ranges.
FIELDS = ("eventRangeID", "startEvent", "lastEvent", "LFN", "GUID", "scope")
OUTPUT, RANGES = "output", "ranges"
PLACEHOLDERS = tuple(f"{{{name}}}" for name in (*FIELDS, OUTPUT, RANGES))
#: The folder of outputs, in the job's directory.
FOLDER = "events"


def asks_for_ranges(argv: Sequence[str]) -> bool:
    """Say whether a command has names in it that only a range can replace."""
    return any(name in word for word in argv for name in PLACEHOLDERS)


def filled(argv: Sequence[str], ranges: Sequence[Mapping[str, Any]], outputs: Sequence[str], listed: str) -> list[str]:
    """Answer the command for some ranges; of several ranges, fields and output are those of the first."""
    values = {f"{{{name}}}": str(ranges[0].get(name, "")) for name in FIELDS}
    values.update({f"{{{OUTPUT}}}": outputs[0], f"{{{RANGES}}}": listed})
    words = []
    for word in argv:
        for name, value in values.items():
            if name in word:
                word = word.replace(name, value)  # noqa: PLW2901
        words.append(word)
    return words


class Starter:
    """Starts programs in a job's directory, for ranges that it asks for."""

    def __init__(self, address: str, folder: str, per_start: int, argv: Sequence[str]) -> None:
        self._address, self._per_start, self._argv = address, per_start, argv
        self._folder = Path(folder) / FOLDER
        self._folder.mkdir(exist_ok=True)

    def work(self) -> None:
        """Ask for ranges and run the program for them until there are no more, or the pilot is gone."""
        try:
            line: Events
            with _client.Events(self._address) as line:
                while ranges := line.next(self._per_start):
                    self._run(line, ranges)
        except _client.Gone as gone:
            sys.stderr.write(f"events: {gone}\n")

    def _run(self, line: Events, ranges: Sequence[Mapping[str, Any]]) -> None:
        ids = [str(one["eventRangeID"]) for one in ranges]
        outputs = [str(self._folder / f"{range_id}.out") for range_id in ids]
        listed = self._folder / f"{ids[0]}.json"
        began = time.monotonic()
        try:
            listed.write_text(json.dumps([{**one, OUTPUT: output} for one, output in zip(ranges, outputs)]))
        except OSError as wrong:
            words = f"{listed}: {wrong.strerror}"
        else:
            words = self._failure(filled(self._argv, ranges, outputs, str(listed)))
        with suppress(OSError):
            listed.unlink()
        seconds = (time.monotonic() - began) / len(ids)
        for range_id, output in zip(ids, outputs):
            self._tell(line, range_id, output, words, seconds)

    @staticmethod
    def _tell(line: Events, range_id: str, output: str, words: str, seconds: float) -> None:
        try:
            if words:
                with suppress(OSError):
                    Path(output).unlink()  # nobody wants it, and the next ranges need its room
                line.failed(range_id, words)
            elif not Path(output).exists():
                line.failed(range_id, "the program ended well and left no output for this range")
            else:
                line.done(range_id, output, wall=seconds)
        except _client.NotTaken as refused:
            sys.stderr.write(f"events: {range_id}: {refused}\n")

    @staticmethod
    def _failure(argv: Sequence[str]) -> str:
        """Run a program; answer why it failed, or ""."""
        try:
            status = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode
        except OSError as wrong:
            return f"{argv[0]} cannot be started: {wrong.strerror}"
        if status < 0:
            return f"the program was ended by signal {-status}"
        return f"the program ended with status {status}" if status else ""


def main(argv: Sequence[str]) -> int:
    """Work with as many workers as are wanted; answer the exit status."""
    address, folder, workers, per_start = argv[0], argv[1], int(argv[2]), int(argv[3])
    starter = Starter(address, folder, per_start, argv[4:])
    threads = [threading.Thread(target=starter.work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0
