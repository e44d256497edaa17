"""``pilot test``: a real pilot runs trivial jobs on this node, without any server; what happened is told in words."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional

from pilot import settings
from pilot.api.offline import FINAL, STORAGE_FOLDER
from pilot.errors import ConfigError
from pilot.usage import Parser

INPUT, TEXT = "in.txt", "a muon on its way\n"
#: What each job does: it counts its input, and so reads, runs and writes.
SCRIPT = "wc -c < in.txt > {output} && echo counted"


def main(argv: Sequence[str], say: Callable[[str], None]) -> int:
    """Run ``--jobs`` trivial jobs, any other option is the pilot's; answer the pilot's own exit status.

    ``say`` is given each line of the story.
    """
    parser = Parser(
        prog="pilot test",
        description="Run trivial jobs on this node, without a server. Further options are the pilot's own.",
        allow_abbrev=False,
    )
    parser.add_argument("--jobs", type=_number, default=1, metavar="N", help="So many jobs (default: 1).")
    parser.add_argument("-a", "--workdir", metavar="FOLDER", help="Where the pilot works (default: temporary files).")
    found, rest = parser.parse_known_args(argv)
    with _place(found.workdir) as folder:
        status = run(Path(folder), found.jobs, rest)
        for line in story(Path(folder), found.jobs):
            say(line)
    say("a pilot works here" if status == 0 else f"a pilot does not work here: exit status {status}")
    return status


def _place(below: Optional[str]) -> tempfile.TemporaryDirectory[str]:
    """Make a folder that is removed at the end. The pilot is started in it, so that its name has to be a whole path."""
    base = None if below is None else Path(below).absolute()
    try:
        if base:
            base.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="compass-pilot-test-", dir=base)
    except OSError as wrong:
        raise ConfigError(
            f"job.workdir: no folder can be made in {base or tempfile.gettempdir()}: {wrong.strerror}"
        ) from wrong


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000")
    return number


def run(folder: Path, count: int, options: Sequence[str]) -> int:
    """Have a pilot, a process of its own, run so many jobs; answer its exit status."""
    (folder / STORAGE_FOLDER).mkdir()
    (folder / STORAGE_FOLDER / INPUT).write_text(TEXT)
    path = folder / "jobs.json"
    path.write_text(json.dumps({"jobs": [job(at) for at in range(1, count + 1)]}))
    argv = [sys.executable, "-m", "pilot", *options, "-a", str(folder), "--job-file", str(path)]
    environment = {
        **settings.environment(),
        # The same Python finds the same pilot, wherever this one was started from.
        "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
        # These jobs come from no server that could have signed them.
        "COMPASS_PILOT__VERIFY__SIGNATURES": "never",
    }
    pilot = subprocess.Popen(argv, env=environment, cwd=folder)
    # A terminal sends its interrupts to the pilot as well, which ends its jobs in order; whoever ends this, ends both.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: pilot.terminate())
    status = pilot.wait()
    return status if status >= 0 else 128 - status


def job(at: int) -> Mapping[str, Any]:
    """Write one trivial job with an input, an output and a log."""
    output = f"out-{at}.txt"
    return {
        "jobName": f"test.{at}",
        "transformation": "/bin/sh",
        "jobParameters": ["-c", SCRIPT.format(output=output)],
        "files": [
            {"lfn": INPUT, "type": "input", "fsize": len(TEXT)},
            {"lfn": output, "type": "output"},
            {"lfn": f"test-{at}.log.tgz", "type": "log"},
        ],
    }


def story(folder: Path, count: int) -> Iterator[str]:
    """Tell what became of each job, one line each, from the reports that the pilot has written."""
    for at in range(1, count + 1):
        try:
            said = json.loads((folder / FINAL.format(id=at, attempt=1)).read_bytes())
        except FileNotFoundError:
            yield f"job {at}: no final report was written"
        else:
            yield f"job {at}: {told(said)}"


def told(said: Mapping[str, Any]) -> str:
    """Tell one final report in words."""
    stored = ", ".join(json.loads(said.get("xml") or "{}"))
    words = f"{said['state']}, payload's exit status {said.get('transExitCode', 'none')}, stored: {stored or 'nothing'}"
    if not said.get("pilotErrorCode"):
        return words
    return f"{words}; error {said['pilotErrorCode']}: {said.get('pilotErrorDiag', '')}"
