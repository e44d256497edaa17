"""``pilot replay``: runs the payload of a failed job again, from what its log archive holds, without any server."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.parse import unquote, urlsplit

from pilot import plugins, settings
from pilot.contract.codes import ErrorCode
from pilot.contract.messages import StoredFile
from pilot.control import verdicts
from pilot.copytool import checksum
from pilot.copytool.base import Cancel, Deadline
from pilot.errors import ConfigError, JobFailed
from pilot.job import PayloadCommand, PayloadOutcome, Problem
from pilot.runtime import bundle, core_dump, process
from pilot.runtime.bundle import REPLAY, Bundle
from pilot.runtime.compression import decompressed
from pilot.runtime.container.containers import Containers
from pilot.runtime.limits import Limits
from pilot.runtime.workdir import Workdir
from pilot.settings import sections
from pilot.usage import Parser

#: Exit status: the same failure as then; it ended well; it failed in another way; something it needs is not here.
SAME, WELL, OTHER, MISSING = 0, 1, 3, 4
#: What the archive held, beside the directory that the payload runs in.
ORIGINAL, RUN = "original", "run"
#: Seconds between SIGTERM and SIGKILL for a payload that is interrupted, and for a checksum.
GRACE, PATIENCE = 10.0, 3600.0
#: What a shell says of a program that Ctrl-C has ended.
INTERRUPTED = 130
#: No file of a job has a longer name, with the folders that it lies in.
LONGEST_NAME = 255

Say = Callable[[str], None]


def main(argv: Sequence[str], say: Say) -> int:
    """Replay a bundle; answer `SAME`, `WELL`, `OTHER` or `MISSING`.

    ``say`` is given each line of the story.

    Raises:
        ConfigError: the bundle cannot be read, or the folder to work in is not empty.
    """
    found = _options(argv)
    base = _fresh(found.workdir)
    try:
        unpack(Path(found.bundle), base / ORIGINAL)
        failed = _read(base / ORIGINAL, found.bundle)
    except ConfigError:
        shutil.rmtree(base / ORIGINAL, ignore_errors=True)
        base.rmdir()
        raise
    replay = Replay(failed, base, Path(found.inputs).absolute() if found.inputs else None)
    say(f"job {replay.bundle.spec.id}.{replay.bundle.spec.attempt} in {base}")
    missing = replay.prepare(say)
    for words in missing:
        say(f"missing: {words}")
    if missing or found.dry_run:
        return MISSING if missing else SAME
    return replay.shell() if found.shell else replay.run(say)


def _options(argv: Sequence[str]) -> Any:
    parser = Parser(
        prog="pilot replay",
        description="Run the payload of a failed job again. Exit status: 0 the same failure, 1 it ended well, "
        "3 it failed in another way, 4 something that it needs is missing.",
        allow_abbrev=False,
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="The job's log archive, or the folder it was unpacked to.")
    parser.add_argument("--inputs", metavar="FOLDER", help="Where the job's inputs lie.")
    parser.add_argument("--workdir", metavar="FOLDER", help="A new folder to work in (default: a temporary one).")
    parser.add_argument("--shell", action="store_true", help="Open a shell in the payload's place and environment.")
    parser.add_argument("--dry-run", action="store_true", help="Prepare everything, and run nothing.")
    return parser.parse_args(argv)


def _fresh(folder: Optional[str]) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="pilot-replay-"))
    path = Path(folder).absolute()
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise ConfigError(f"--workdir: {path} is not empty; give a new folder")
    return path


def unpack(source: Path, target: Path) -> None:
    """Put what a log archive holds into a folder: files and folders, and nothing that could lie elsewhere.

    Raises:
        ConfigError: it is no log archive.
    """
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
        return
    try:
        with source.open("rb") as file, decompressed(file) as content, tarfile.open(fileobj=content, mode="r|") as tar:
            for member in tar:
                inside = Path(*Path(member.name).parts[1:])
                if member.isreg() and ".." not in inside.parts and not inside.is_absolute():
                    (target / inside).parent.mkdir(parents=True, exist_ok=True)
                    with (target / inside).open("wb") as copy:
                        shutil.copyfileobj(_member(tar, member), copy)
                    (target / inside).chmod(member.mode & 0o700 | 0o600)
    except (OSError, EOFError, ValueError, tarfile.TarError) as wrong:
        raise ConfigError(f"{source}: cannot be read as a log archive: {wrong}") from wrong


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    return tar.extractfile(member)


def _read(folder: Path, name: str) -> Bundle:
    found = sorted([*folder.glob(REPLAY), *folder.glob(f"*/{REPLAY}")])
    if not found:
        why = f"only the log of a job that failed has one, and only with log.failure_bundle; there is no {REPLAY}"
        raise ConfigError(f"{name}: nothing to replay: {why}")
    return bundle.read(found[0])


@dataclass(frozen=True)
class Replay:
    """One replay below ``base``. ``inputs`` is the folder in which the job's inputs are looked for first."""

    bundle: Bundle
    base: Path
    inputs: Optional[Path] = None

    @property
    def folder(self) -> Path:
        """Answer the directory that the payload runs in."""
        return self.base / RUN

    def prepare(self, say: Say) -> list[str]:
        """Make the payload's directory, with its inputs; say what is different, answer what is missing."""
        (self.folder / "tmp").mkdir(parents=True)
        missing = [words for file in self.bundle.inputs if (words := self._bring(file, say))]
        known = {file.lfn for file in self.bundle.inputs}
        missing += [f"input {file.lfn}: it never arrived" for file in self._never(known)]
        if not self.bundle.argv:
            return [*missing, "the payload: the job failed before it was started"]
        self._bring_scripts()
        command = self.command()
        if self.bundle.spec.events:
            say("different: nobody hands out event ranges here; what the job ran is run once, and finds none")
        for name in self.bundle.masked:
            say(f"masked: {name} was set, its value was not kept")
        if shutil.which(command.argv[0], path=command.environment.get("PATH", "")) is None:
            missing.append(f"program {command.argv[0]}")
        return missing

    def command(self) -> PayloadCommand:
        """Answer what was run, in this replay's directory; what was masked is left out."""
        here = str(self.folder)
        there = self.bundle.workdir or here
        kept = {name: value for name, value in self.bundle.environment.items() if name not in self.bundle.masked}
        return PayloadCommand(
            tuple(word.replace(there, here) for word in self.bundle.argv),
            {name: value.replace(there, here) for name, value in kept.items()},
            self.folder,
        )

    def run(self, say: Say) -> int:
        """Run the payload, and compare its end with the one it had."""
        place = Workdir(self.folder)
        try:
            with self._containers().leaving_nothing(self.bundle.container, place.temporary):
                payload = process.start(self.command(), stdout=place.stdout, stderr=place.stderr, limits=self._limits())
                try:
                    outcome = payload.wait()
                except KeyboardInterrupt:
                    payload.stop(GRACE)
                    payload.wait()
                    return INTERRUPTED
            problem = self._judge(outcome)
            here = (problem, outcome.status, outcome.signal)
        except JobFailed as failed:
            here = (Problem(ErrorCode(failed.code), failed.detail), None, None)
        then = (self.bundle.problem, self.bundle.status, self.bundle.signal)
        say(f"then: {_told(*then)}")
        say(f"here: {_told(*here)}")
        if here[0] is None:
            say("it ended well here: look for what is different, such as the node, its inputs or its software")
            return WELL
        same = _essence(*here) == _essence(*then)
        say("the same failure" if same else "it failed in another way")
        return SAME if same else OTHER

    def shell(self) -> int:
        """Open a shell where the payload would run; ``./payload`` runs it."""
        command = self.command()
        script = self.folder / "payload"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(command.argv)}\n")
        script.chmod(0o700)
        program = settings.environment().get("SHELL", "/bin/sh")
        sys.stdout.flush()  # what was said before stands before what the shell says
        return subprocess.run([program], check=False, cwd=self.folder, env=dict(command.environment)).returncode

    def _bring(self, file: StoredFile, say: Say) -> str:
        """Link one input into place; answer what is missing."""
        if file.direct:
            say(f"remote: input {file.lfn} is read from {file.url}")
            return ""
        for source in (self.inputs / file.lfn if self.inputs else None, _local(file.url)):
            if source is not None and source.is_file():
                (self.folder / file.lfn).symlink_to(source)
                for words in _differences(source, file):
                    say(f"different: input {file.lfn} {words}")
                return ""
        return f"input {file.lfn} ({file.size} bytes, it came from {file.url}); put it into a folder, give --inputs"

    def _never(self, known: set[str]) -> list[Any]:
        return [file for file in self.bundle.spec.inputs if file.lfn not in known]

    def _bring_scripts(self) -> None:
        """Copy what the command names of the job's directory, such as a transformation that was fetched."""
        below = f"{self.bundle.workdir}/"
        for word in self.bundle.argv:
            name = Path(os.path.normpath(word[len(below) :] if word.startswith(below) else word))
            # A word may be a whole script, and too long for a name; another may lead out of the directory.
            inside = not name.is_absolute() and ".." not in name.parts and len(word) < LONGEST_NAME
            source = self.base / ORIGINAL / name
            if inside and source.is_file() and not (self.folder / name).exists():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, self.folder / name)

    def _limits(self) -> Limits:
        said: Mapping[str, Any] = self.bundle.limits
        resources = tuple(tuple(row) for row in said.get("resources", ()))
        bounds = {name: int(said[name]) for name in ("memory", "processes", "cpu_time") if name in said}
        return Limits(**bounds, resources=resources)

    def _judge(self, outcome: PayloadOutcome) -> Optional[Problem]:
        manager, spec = plugins.load(self.bundle.user), self.bundle.spec
        plugins.call(manager, "settle_outputs", spec=spec, outcome=outcome)
        found: Optional[Problem] = None if outcome.well else verdicts.of_limits(outcome)
        found = found or self._containers().explain(self.bundle.container, outcome)
        found = found or plugins.call(manager, "diagnose_payload", spec=spec, outcome=outcome)
        if outcome.well:
            return found or self._outputs()
        found = found or verdicts.of_status(outcome)
        return verdicts.with_core(found, core_dump.where(outcome.pid, self.folder)) if outcome.dumped else found

    def _containers(self) -> Containers:
        return Containers(sections.Container(), settings.environment())

    def _outputs(self) -> Optional[Problem]:
        """Look whether the outputs are there, as storing them would; those of event ranges are not the job's."""
        if self.bundle.spec.events:
            return None
        made_later = {archive.name for archive in self.bundle.spec.archives}
        for file in self.bundle.spec.outputs:
            path = self.folder / file.lfn
            if file.lfn in self.bundle.spec.allow_no_output or file.lfn in made_later:
                continue
            if not path.is_file():
                return Problem(ErrorCode.OUTPUT_MISSING, f"{file.lfn} was not written")
            if not path.stat().st_size:
                return Problem(ErrorCode.ZERO_FILE_SIZE, f"{file.lfn} is empty")
        return None


def _local(url: str) -> Optional[Path]:
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme in ("file", "") and parts.path else None


def _differences(source: Path, file: StoredFile) -> list[str]:
    size = source.stat().st_size
    if size != file.size:
        return [f"has {size} bytes, it had {file.size}"]
    if file.checksum:
        algorithm = file.checksum.partition(":")[0]
        found = checksum.of_file(source, algorithm, Deadline(PATIENCE), Cancel())
        if found != file.checksum:
            return [f"has {found}, it had {file.checksum}"]
    return []


def _told(problem: Optional[Problem], status: Optional[int], signal: Optional[int]) -> str:
    how = "no payload" if status is None else f"exit status {status}"
    how = how if signal is None else f"signal {signal}"
    return how if problem is None else f"{how}; {problem.code.name} ({int(problem.code)}): {problem.detail}"


def _essence(problem: Optional[Problem], status: Optional[int], signal: Optional[int]) -> tuple[Any, ...]:
    """Answer what makes two failures the same; words have numbers in them that change."""
    code, payload_code = (problem.code, problem.payload_code) if problem else (None, 0)
    return (code, payload_code, status, signal)
