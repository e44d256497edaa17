"""What is needed to run a failed job's payload again elsewhere: noted while the job goes on, written into its log.

The notes lie in the job's directory, because a pilot that takes the job over packs its log. They hold nothing that the
payload did not know, and what looks like a secret is masked. `pilot.replay` reads what is written here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from pilot.contract.codec import ContractError
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import checked_lfn, from_panda, to_panda
from pilot.contract.messages import StoredFile
from pilot.contract.named import NamedTuple
from pilot.contract.version import PRODUCT
from pilot.errors import ConfigError, JobFailed
from pilot.job import Job, PayloadCommand, Problem
from pilot.runtime.workdir import read_own, write_new

if TYPE_CHECKING:
    from pilot.runtime.container.values import Container

#: The member of a log archive.
REPLAY = "replay.json"
FORMAT = 1
#: No note has more bytes.
LARGEST = 2**26
_INPUTS, _COMMAND, _CONTAINER = ".compass-inputs.json", ".compass-command.json", ".compass-container.json"
#: Variables whose values stay on the node where they were; what is left of them is that they were set.
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|PROXY|PRIVATE|_KEY$|^KEY$", re.IGNORECASE)
MASK = "***"


class Bundle(NamedTuple):
    """A failed job as `pilot replay` finds it. ``workdir`` is where it was; ``user`` names the experiment's plugin."""

    spec: JobSpec
    user: str
    problem: Problem
    status: Optional[int]
    signal: Optional[int]
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    masked: tuple[str, ...]
    workdir: str
    limits: Mapping[str, Any]
    container: Optional[Container]
    inputs: tuple[StoredFile, ...]
    node: Mapping[str, Any]
    software: Mapping[str, str]


def note_inputs(folder: Path, inputs: Sequence[StoredFile]) -> None:
    """Note where a job's inputs came from.

    Raises:
        JobFailed: it cannot be written (FILE_HANDLING, NO_LOCAL_SPACE by its words).
    """
    _note(folder / _INPUTS, [asdict(file) for file in inputs])


def read_remotely(folder: Path) -> Mapping[str, str]:
    """Answer the addresses of the inputs that were not copied, by their names."""
    noted = _noted(folder / _INPUTS)
    files = [file for file in noted if isinstance(file, dict)] if isinstance(noted, list) else []
    return {str(file.get("lfn")): str(file.get("url")) for file in files if file.get("direct")}


def note_command(folder: Path, command: PayloadCommand, limits: Mapping[str, Any]) -> None:
    """Note what is run, in which environment and under which limits.

    Raises:
        JobFailed: it cannot be written.
    """
    masked = [name for name in command.environment if _SECRET.search(name)]
    said = {
        "argv": list(command.argv),
        "environment": {**command.environment, **dict.fromkeys(masked, MASK)},
        "masked": masked,
        "workdir": str(command.workdir),
        "limits": dict(limits),
    }
    _note(folder / _COMMAND, said)


def note_container(folder: Path, container: Container) -> None:
    """Note what the payload's container is started with: its failures are told by the runtime's own words.

    Raises:
        JobFailed: it cannot be written.
    """
    said = {name: getattr(container, name) for name in ("runtime", "image", "program", "options")}
    _note(folder / _CONTAINER, said)


def write(folder: Path, job: Job, queue: str, user: str, node: Mapping[str, Any]) -> None:
    """Write ``replay.json`` into the directory of a job that failed.

    Raises:
        JobFailed: it cannot be written.
    """
    import platform  # not at the start of each pilot

    problem, outcome, spec = job.problem, job.outcome, job.spec
    said = {
        "format": FORMAT,
        "spec": to_panda(spec),
        "queue": queue,
        "user": user,
        "problem": None if problem is None else {**asdict(problem), "name": problem.code.name},
        "outcome": None if outcome is None else {"status": outcome.status, "signal": outcome.signal},
        "story": list(job.story),
        "command": _noted(folder / _COMMAND),
        "container": _noted(folder / _CONTAINER),
        "inputs": _noted(folder / _INPUTS),
        "node": dict(node),
        "software": {
            "pilot": PRODUCT,
            "python": sys.version.split()[0],
            "kernel": f"{os.uname().sysname} {os.uname().release} {os.uname().machine}",
            "libc": " ".join(platform.libc_ver()),
            "release": spec.release,
            "home_package": spec.home_package,
            "platform": spec.platform,
            "container": spec.container,
        },
    }
    _note(folder / REPLAY, said)


def read(path: Path) -> Bundle:
    """Read a ``replay.json``.

    Raises:
        ConfigError: it is none, or one of another pilot's that is read in another way.
    """
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != FORMAT:
            words = f"{path} has format {found['format']!r}, this pilot reads {FORMAT}; use the pilot that it names"
            raise ConfigError(words)
        return _bundle(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, ContractError) as wrong:
        raise ConfigError(f"{path}: cannot be read as a failure bundle: {type(wrong).__name__}: {wrong}") from wrong


def _bundle(found: Mapping[str, Any]) -> Bundle:
    command, outcome, problem = found["command"] or {}, found["outcome"] or {}, found["problem"]
    return Bundle(
        spec=from_panda(found["spec"]),
        user=str(found["user"]),
        problem=Problem(ErrorCode(problem["code"]), str(problem["detail"]), int(problem["payload_code"])),
        status=outcome.get("status"),
        signal=outcome.get("signal"),
        argv=tuple(map(str, command.get("argv", ()))),
        environment={str(name): str(value) for name, value in command.get("environment", {}).items()},
        masked=tuple(command.get("masked", ())),
        workdir=str(command.get("workdir", "")),
        limits=dict(command.get("limits", {})),
        container=_container(found.get("container")),
        inputs=tuple(_input(file) for file in found["inputs"] or ()),
        node=dict(found["node"]),
        software=dict(found["software"]),
    )


def _input(found: Mapping[str, Any]) -> StoredFile:
    """Read one input. Who replays a bundle may not have made it: its names must stay in the directory."""
    checked_lfn(found["lfn"], "inputs")
    return StoredFile(**found)


def _container(found: Optional[Mapping[str, Any]]) -> Optional[Container]:
    if not found:
        return None
    from pilot.runtime.container.values import Container, Runtime

    kind, options = Runtime(found["runtime"]), tuple(map(str, found["options"]))
    return Container(kind, str(found["image"]), str(found["program"]), options=options)


def _note(path: Path, content: Any) -> None:
    try:
        with write_new(path) as file:
            file.write(json.dumps(content, indent=1, default=str).encode())
    except OSError as wrong:
        raise JobFailed(ErrorCode.FILE_HANDLING, f"{path}: {wrong.strerror}") from wrong


def _noted(path: Path) -> Any:
    # The job did not come that far, or its payload has put something else there.
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return json.loads(read_own(path, LARGEST))
    return None
