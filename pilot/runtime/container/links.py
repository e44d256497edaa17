"""Outputs that are links: the pilot stands outside of a payload's container, and would follow them further."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed

if TYPE_CHECKING:
    from pilot.runtime.container.values import Container

#: Folders of the node that a container without isolation shows.
_SHARED = ("/tmp", "/var/tmp")  # noqa: S108  # nothing is written there


def check(container: Container, folder: Path, names: Sequence[str]) -> None:
    """Refuse links that lead to what a container does not show at the same path.

    Args:
        container: In which the payload ran.
        folder: The job's directory.
        names: Files in it that are links.

    Raises:
        JobFailed: one leads out, perhaps to the pilot's own files (CONTAINER_NOT_PERMITTED).
    """
    shown = [os.path.realpath(path) for path in (str(folder), *_shown(container))]
    for name in names:
        end = os.path.realpath(folder / name)
        if not any(end.startswith(f"{path.rstrip('/')}/") for path in shown):
            words = f"{name}: it is a link to {end}, which is not what the payload's container shows there"
            raise JobFailed(ErrorCode.CONTAINER_NOT_PERMITTED, words, lfn=name)


def _shown(container: Container) -> list[str]:
    same = [bind.source for bind in container.binds if os.path.normpath(bind.source) == bind.target]
    cvmfs = [container.cvmfs] if container.cvmfs == "/cvmfs" else []
    return [*same, *cvmfs, *(_SHARED if container.isolation == "none" else ())]
