#!/usr/bin/env python3
"""Runs one COMPASS job below a pilot of PanDA's makers, which brings its inputs, stores its outputs and reports on it.

The pilot fetches this file, and starts it in the job's directory. It has our own pilot run the job there, from a
bundle whose hash the server has said, without any server: release, options, container, diagnosis are those of every
COMPASS job. What the job wrote comes back into the directory, with the job's own log as an archive among it.

This file stands alone: it needs Python 3.9 and nothing else. Exit status: the payload's, or 1 when something else
failed; what it was is said in ``payload_error_report.json``, which newer pilots send on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

#: Where our pilot works, and its storage; below the job's directory, so that what it writes counts as the job's.
FOLDER, STORAGE = "compass", "storage"
LOG = "compass-job.log.tgz"
ERRORS, REPORT = "payload_error_report.json", "jobReport.json"
#: PanDA's numbers: the program could not be fetched; the pilot itself has failed; the payload ended with a status.
NOT_FETCHED, INTERNAL, PAYLOAD_FAILED = 1149, 1319, 1305
#: Seconds without a byte after which the bundle is given up; a bundle's largest size, in bytes.
PATIENCE, LARGEST = 120, 100 * 2**20
#: Variables by which the outer pilot is known, or which are its own to use: nothing of that is the inner one's.
OTHERS = ("PANDA", "PanDA", "OIDC_", "X509_", "HARVESTER_", "PILOT_", "COMPASS_", "PYTHON", "_CONDOR")
_PIECE = 2**16


class Failed(Exception):
    """The job cannot be run; ``code`` is PanDA's number for it."""

    def __init__(self, words: str, code: int = INTERNAL) -> None:
        super().__init__(words)
        self.code = code


def main(argv: Sequence[str]) -> int:
    """Run the job that the arguments describe, here; answer the exit status."""
    parser = argparse.ArgumentParser(description="Run one COMPASS job in this directory.", allow_abbrev=False)
    parser.add_argument("--bundle", required=True, help="our pilot: an address or a file")
    parser.add_argument("--sha256", required=True, help="the bundle's hash")
    parser.add_argument("--job", required=True, help="job and queue as JSON, in percent-encoding")
    told = parser.parse_args(argv)
    here = Path.cwd()
    try:
        order = json.loads(unquote(told.job))
        pilot = unpacked(told.bundle, told.sha256, here / FOLDER / "pilot")
        laid_out(order, here)
        started(pilot, here)
        return settled(order["job"], here)
    except Failed as failed:
        return refuse(here, failed.code, str(failed))
    except (OSError, ValueError, KeyError) as wrong:
        return refuse(here, INTERNAL, f"{type(wrong).__name__}: {wrong}")


def refuse(here: Path, code: int, words: str, status: int = 1) -> int:
    """Say what has failed, to people and to the pilot above; answer the exit status."""
    sys.stderr.write(f"compass-job: {words} ({code})\n")
    (here / ERRORS).write_text(json.dumps({"error_code": code, "error_diag": words}))
    return status


def unpacked(bundle: str, wanted: str, folder: Path) -> Path:
    """Fetch the bundle, verify it, unpack it into ``folder``.

    Raises:
        Failed: it does not come, or is another one.
    """
    try:
        content = fetched(bundle)
    except (OSError, urllib.error.URLError) as wrong:
        raise Failed(f"{bundle}: cannot be fetched: {wrong}", NOT_FETCHED) from wrong
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise Failed(f"{bundle}: its SHA-256 is {found}, and not {wanted}", NOT_FETCHED)
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".pyz")
    archive.write_bytes(content)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)  # noqa: S202 - its hash is the one that the server has said
    archive.unlink()
    return folder


def fetched(bundle: str) -> bytes:
    """Answer the bundle's bytes, from an address or a file."""
    if not bundle.startswith(("http://", "https://")):
        return Path(bundle).read_bytes()
    with urllib.request.urlopen(bundle, timeout=PATIENCE) as answer:  # noqa: S310 - one of these two schemes
        content: bytes = answer.read(LARGEST)
    return content


def laid_out(order: Mapping[str, Any], here: Path) -> None:
    """Write the files that our pilot begins with, and put the inputs where it looks for them."""
    base = here / FOLDER
    (base / STORAGE).mkdir(parents=True)
    job = dict(order["job"])
    for name in names(job, "inFiles"):
        (base / STORAGE / name).symlink_to(here / name)
    queue = {**order.get("queue", {}), "copytools": {"local": {}}, "acopytools": {"default": ["local"]}}
    (base / "queue.json").write_text(json.dumps({**queue, "astorages": {"default": ["LOCAL"]}}))
    (base / "job.json").write_text(json.dumps([job]))


def started(pilot: Path, here: Path) -> None:
    """Run our pilot to its end; a signal to this program goes to it, and it ends its payload."""
    base = here / FOLDER
    options = ["--pilot-user", "compass", "-a", str(base), "--job-file", str(base / "job.json")]
    argv = [sys.executable, "-I", str(pilot), *options, "--queuedata-url", str(base / "queue.json")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    # The server has signed what it handed to the pilot above, and that one does not look.
    kept["COMPASS_PILOT__VERIFY__SIGNATURES"] = "never"
    # It waits ten seconds after its first signal before it kills.
    kept["COMPASS_PILOT__STOP__WITHIN"] = "8"
    inner: subprocess.Popen[bytes] | None = None
    caught: list[int] = []

    def pass_on(number: int, _: Any) -> None:
        caught.append(number)
        if inner is not None:
            inner.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGXCPU, signal.SIGUSR1):
        signal.signal(number, pass_on)
    inner = subprocess.Popen(argv, cwd=base, env=kept, stdin=subprocess.DEVNULL)
    if caught:
        inner.terminate()
    inner.wait()


def settled(job: Mapping[str, Any], here: Path) -> int:
    """Bring what the job wrote into its directory, show what it said, and answer its exit status.

    Raises:
        Failed: our pilot has left no report.
    """
    base = here / FOLDER
    report = base / f"final-{job['PandaID']}-{job.get('attemptNr') or 0}.json"
    if not report.is_file():
        raise Failed("the pilot left no report on the job; its log is in the folder compass")
    said = json.loads(report.read_bytes())
    bring_back(job, here)
    if said.get("metaData"):
        (here / REPORT).write_text(str(said["metaData"]))
    if said.get("state") == "finished":
        return 0
    status = int(said.get("transExitCode") or 0)
    code = int(said.get("pilotErrorCode") or 0) or PAYLOAD_FAILED
    words = said.get("exeErrorDiag") or said.get("pilotErrorDiag") or f"the payload ended with status {status}"
    return refuse(here, code, str(words), status if 0 < status < 255 else 1)


def bring_back(job: Mapping[str, Any], here: Path) -> None:
    """Move outputs and log to where the pilot above looks for them, show what the payload said, and clean up."""
    base = here / FOLDER
    for name in names(job, "outFiles"):
        stored = base / STORAGE / name
        if stored.exists():
            stored.replace(here / name)
    if (here / LOG).exists():
        show(here / LOG)
    for left in base.iterdir():
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)


def names(job: Mapping[str, Any], key: str) -> list[str]:
    """Answer the names in one of a job's lists."""
    return [name for name in str(job.get(key, "")).split(",") if name]


def show(log: Path) -> None:
    """Write what the payload wrote to where this program writes."""
    targets = {"payload.stdout": sys.stdout, "payload.stderr": sys.stderr}
    with tarfile.open(log) as archive:
        for member in archive:
            target = targets.get(Path(member.name).name)
            content = archive.extractfile(member) if target is not None and member.isfile() else None
            if target is not None and content is not None:
                target.flush()
                shutil.copyfileobj(content, target.buffer, _PIECE)
                target.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
