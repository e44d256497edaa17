"""Images and instances of Apptainer and Singularity, by spython; part of `pilot.api.container`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError, JobFailed
from pilot.runtime.container.diagnosis import diagnose
from pilot.runtime.container.values import Bind, Container, Runtime

#: What spython runs; Apptainer installs this name too.
_PROGRAM = "singularity"
_APPTAINER_FAILED = 255


@dataclass(frozen=True)
class Instance:
    """A container that runs in the background under a name, until it is stopped: it does not end with its caller."""

    name: str
    image: str

    @property
    def container(self) -> Container:
        """What `run` takes in order to run a command inside."""
        return Container(Runtime.SINGULARITY, f"instance://{self.name}", isolation="none")

    def stop(self) -> None:
        """End it.

        Raises:
            PilotError: there is no such instance (APPTAINER_GENERAL).
        """
        _say(["instance", "stop", self.name], self.image)


def inspect(image: Union[str, Path]) -> Mapping[str, Any]:
    """Answer what an image says of itself: labels, definition, environment, run script, by their names.

    Raises:
        PilotError: there is no such image (IMAGE_NOT_FOUND), or it cannot be read (APPTAINER_MOUNT).
        ConfigError: spython is not installed.
    """
    client = _client()
    found = client.inspect(str(image), quiet=True)
    if "attributes" not in found:
        raise _failure(str(image), found)
    attributes: Mapping[str, Any] = found["attributes"]
    return attributes


def build(
    source: Union[str, Path], target: Union[str, Path], *, sandbox: bool = False, options: Sequence[str] = ()
) -> Path:
    """Build an image from a definition file, a folder or an address, and answer where it is.

    Args:
        source: What it is built from.
        target: Where it is to be; replaced at the end, and left as it was when the build fails.
        sandbox: Whether it becomes a folder, and not a file. There must be none of that name.
        options: Further options of ``apptainer build``, such as ``--fakeroot``.

    Raises:
        PilotError: it could not be built, with the last words of the build (APPTAINER_GENERAL and others).
        ConfigError: spython is not installed.
    """
    final = Path(target)
    part = final.with_name(f".{final.name}.part")
    if sandbox and final.exists():
        raise JobFailed(ErrorCode.FILE_EXISTS, f"{final} exists, and a folder is not replaced")
    try:
        _say(["build", *(["--sandbox"] if sandbox else []), *options, str(part), str(source)], str(source))
        part.rename(final)
    finally:
        _remove(part)
    return final


@contextmanager
def start_instance(
    image: Union[str, Path], name: str, *, binds: Sequence[Bind] = (), options: Sequence[str] = ()
) -> Iterator[Instance]:
    """Keep a container in the background for as long as a ``with`` block lasts.

    Args:
        image: A path or an address; Apptainer itself must have built it, since a plain folder lacks its scripts.
        name: By which others may find it; one of each name at a time.
        binds: What is seen in it of this machine.
        options: Further options of ``apptainer instance start``, such as ``--contain``.

    Raises:
        PilotError: it could not be started (IMAGE_NOT_FOUND, APPTAINER_GENERAL and others).
        ConfigError: spython is not installed.
    """
    bound = [f"--bind={bind.source}:{bind.target}{':ro' if bind.read_only else ''}" for bind in binds]
    _say(["instance", "start", *bound, *options, str(image), name], str(image))
    instance = Instance(name, str(image))
    try:
        yield instance
    finally:
        instance.stop()


def _client() -> Any:
    try:
        from spython.main import Client
    except ImportError:
        words = "spython is not installed: pip install 'compass-pilot[container]'"
        raise ConfigError(words) from None
    if shutil.which(_PROGRAM) is None:
        words = f"{_PROGRAM} is not on PATH; Apptainer installs it under this name too"
        raise JobFailed(ErrorCode.APPTAINER_NOT_INSTALLED, words)
    Client.quiet = True
    return Client


def _say(words: list[str], image: str) -> None:
    """Run Singularity's own command by spython; raise what went wrong."""
    _client()
    from spython.utils import run_command

    done = run_command([_PROGRAM, "--quiet", *words], quiet=True)
    if done["return_code"]:
        raise _failure(image, done)


def _failure(image: str, done: Mapping[str, Any]) -> JobFailed:
    said = "".join(done.get("message", ()))
    problem = diagnose(Container(Runtime.SINGULARITY, image), _APPTAINER_FAILED, said)
    if problem is None:
        return JobFailed(ErrorCode.APPTAINER_GENERAL, f"{image}: {' '.join(said.split()) or 'singularity failed'}")
    return JobFailed(problem.code, problem.detail)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
