"""The one door for those who run payloads: choose a job's container, put its command in it, explain its failure."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Callable, Optional

from pilot.errors import JobFailed
from pilot.job import Problem
from pilot.runtime.workdir import TEMPORARY

if TYPE_CHECKING:
    from pilot.contract.job import JobSpec
    from pilot.contract.queue import QueueData
    from pilot.job import PayloadCommand, PayloadOutcome
    from pilot.runtime.container.podman import Podman
    from pilot.runtime.container.values import Container
    from pilot.settings import sections

log = logging.getLogger(__name__)

#: So much of the end of the error output is read for the runtime's words.
_TAIL = 16384


class Containers:
    """Containers of one pilot. ``site`` is the admin's section of settings, ``own`` the pilot's own environment.

    ``hidden`` answers the files and folders that no image, and no bind of a job's choice, may show.
    """

    def __init__(
        self, site: sections.Container, own: Mapping[str, str], hidden: Callable[[], Sequence[str]] = tuple
    ) -> None:
        self._site, self._own, self._hidden = site, own, hidden

    def choose(self, spec: JobSpec, queue: QueueData) -> Optional[Container]:
        """Answer the container that a job's payload runs in; raises as `choice.choose` does."""
        if not (spec.container or queue.container_type or self._site.required):
            return None  # most jobs, which are spared the time of loading the rest
        from pilot.runtime.container.choice import choose

        return choose(spec, queue, self._site)

    def check(self, spec: JobSpec, queue: QueueData) -> Optional[Problem]:
        """Say why a job's container cannot run here; ``None`` when it can, or when the job needs none.

        Looks for files only, and starts no program.
        """
        try:
            chosen = self.choose(spec, queue)
            if chosen is not None:
                from pilot.runtime.container import node

                node.look(chosen, self._own, self._hidden_from(chosen))
        except JobFailed as failure:
            return Problem(failure.code, failure.detail)
        return None

    def check_outputs(self, spec: JobSpec, queue: QueueData, folder: Path) -> None:
        """Refuse outputs in a job's directory that are links to what its payload could not see.

        Raises:
            JobFailed: there is one (CONTAINER_NOT_PERMITTED).
        """
        names = [file.lfn for file in spec.outputs if (folder / file.lfn).is_symlink()]
        if names and (chosen := self.choose(spec, queue)) is not None:
            from pilot.runtime.container import links

            links.check(chosen, folder, names)

    def runtime(self, queue: QueueData) -> str:
        """Answer the program that a queue's containers are started with here, or "" for a queue without containers.

        Looks for files only, and starts no program: the runtime, the site's own image, and whatever is to be bound; and
        at what jobs may choose.

        Raises:
            JobFailed: what is missing, or said wrongly, with the code that jobs would fail with.
        """
        from pilot.runtime.container import node
        from pilot.runtime.container.asked import check_lists
        from pilot.runtime.container.choice import container_of, image_of, runtime_of

        kind = runtime_of(queue, self._site)
        if kind is None:
            return ""
        check_lists(self._site)
        # Without an image of its own the site leaves it to the jobs; a folder that is always there stands for theirs.
        image = image_of(self._site.image, queue, self._site, kind) if self._site.image else "/"
        return node.look(container_of(kind, image, queue, self._site), self._own).program

    def wrap(self, chosen: Container, command: PayloadCommand) -> PayloadCommand:
        """Put a payload's command into its container, without the variables that describe the node.

        Raises:
            JobFailed: the node lacks something that it needs; see `node.look`.
        """
        from dataclasses import replace

        from pilot.runtime.container.command import carried

        inside = replace(command, environment=carried(command.environment, self._own))
        return put_in(chosen, inside, self._own, command.workdir / TEMPORARY, self._hidden_from(chosen))

    def _hidden_from(self, chosen: Container) -> Sequence[str]:
        return self._hidden() if not chosen.is_address or any(bind.within for bind in chosen.binds) else ()

    @contextlib.contextmanager
    def leaving_nothing(self, chosen: Optional[Container], temporary: Path) -> Iterator[None]:
        """Have nothing left of the container with a temporary folder at the end, however that comes."""
        try:
            yield
        finally:
            if chosen is not None and (store := _store(chosen, self._own)):
                store.remove_of(temporary)

    def explain(self, chosen: Optional[Container], outcome: PayloadOutcome) -> Optional[Problem]:
        """Say whether it was the runtime that failed, and why. Call it for each payload that has ended."""
        if chosen is None or outcome.well:
            return None
        from pilot.runtime.container.diagnosis import diagnose

        with contextlib.suppress(OSError), _opened(outcome.stderr) as stderr:
            stderr.seek(max(0, outcome.stderr.stat().st_size - _TAIL))
            return diagnose(chosen, outcome.status, stderr.read().decode("utf-8", "replace"))
        return None


def _opened(path: Path) -> IO[bytes]:
    """Open what a payload may have put in a file's place; no pipe is waited for, and none can be searched."""
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def put_in(
    chosen: Container, command: PayloadCommand, own: Mapping[str, str], temporary: Path, hidden: Sequence[str] = ()
) -> PayloadCommand:
    """Put a command into a container of this node; ``temporary`` becomes its ``/tmp``.

    Raises:
        JobFailed: the node lacks something that it needs; see `node.look`.
    """
    from pilot.runtime.container import node
    from pilot.runtime.container.command import wrap

    found = node.look(chosen, own, hidden)
    if store := _store(chosen, own):
        store.remove_orphans()
    log.info("%s runs in %s by %s", command.argv[0] if command.argv else "nothing", chosen.image, found.program)
    return wrap(command, chosen, found, temporary)


def _store(chosen: Container, own: Mapping[str, str]) -> Optional[Podman]:
    """Answer what remembers containers; Apptainer's are processes and nothing else."""
    from pilot.runtime.container.values import Runtime

    if chosen.runtime is not Runtime.PODMAN:
        return None
    from pilot.runtime.container import node
    from pilot.runtime.container.podman import Podman, of_storage

    program, environment = node.program_of(chosen, own)
    return Podman(program, environment, of_storage(chosen.options))
