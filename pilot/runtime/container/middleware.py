"""Which container the copy tools' programs run in ("middleware"): the site's own image, as queue and settings have it.

Nothing in it is a payload's: it shows the home and the temporary files of whoever runs the pilot, and what is named to
it besides. Its process numbers are its own, so that whatever was started in it ends with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container import node
from pilot.runtime.container.choice import container_of, image_of, named_for
from pilot.runtime.container.command import bound
from pilot.runtime.container.values import Bind, Container, Runtime

if TYPE_CHECKING:
    from pilot.contract.queue import QueueData
    from pilot.settings import Settings

#: The word of ``container_type`` that means copies.
USER = "middleware"
#: PanDA's words for "with no container", and for one that the site chooses.
_NONE, _ANY = "bash", "container"


def choose(queue: QueueData, settings: Settings) -> Optional[Container]:
    """Answer the container that copy tools' programs run in on a queue; ``None``: on the node itself.

    Raises:
        JobFailed: there is to be one, and the site names no image or one that may not be run (IMAGE_NOT_FOUND), or the
            runtime is not one that copies can be run by (BAD_QUEUE_CONFIGURATION).
    """
    copy, site = settings.copy, settings.container
    name = named_for(USER, queue) if copy.container != "never" else None
    if copy.container == "always" and name in (None, _NONE):
        name = _ANY
    if name is None or name == _NONE:
        return None
    runtime = _runtime(name.lower(), queue, site.runtime)
    if not copy.image:
        who = "copy.container" if copy.container == "always" else f"container_type of queue {queue.name}"
        words = f"{who} has the copy tools run in a container ({USER}), and copy.image names none"
        raise JobFailed(ErrorCode.IMAGE_NOT_FOUND, words)
    return container_of(runtime, image_of(copy.image, queue, site, runtime), queue, site)


def _runtime(name: str, queue: QueueData, chosen: str) -> Runtime:
    word = chosen if chosen != "auto" else Runtime.APPTAINER.value if name == _ANY else name
    if word not in (Runtime.APPTAINER.value, Runtime.SINGULARITY.value):
        where = "container.runtime" if chosen != "auto" else f"container_type of queue {queue.name}"
        words = f"{where}: copy tools run in containers by apptainer or singularity, not by {word!r}"
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words)
    return Runtime(word)


def enter(container: Container, own: Mapping[str, str], seen: Sequence[Bind]) -> tuple[str, ...]:
    """Answer the words that begin the container; those of a program follow them. Looks, and starts nothing.

    Args:
        container: As it was chosen.
        own: The pilot's own environment.
        seen: What is to be seen besides what settings and queue name. What is not on the node is left out.

    Raises:
        JobFailed: the node lacks something; see `node.look`.
    """
    found = node.look(container, own)
    binds = [*container.binds, *(bind for bind in seen if bind.source and Path(bind.source).exists())]
    if found.cvmfs and not any(bind.target == "/cvmfs" for bind in binds):
        binds.append(Bind(container.cvmfs, "/cvmfs", read_only=True))
    argv = [found.program, "--silent", "exec", "--cleanenv", "--no-eval", "--pwd=/"]
    argv += ["--pid"] if container.isolation == "all" else []
    argv += ["--userns"] if container.userns else []
    argv += [f"--bind={word}" for word in dict.fromkeys(bound(bind) for bind in binds)]
    return (*argv, *container.options, container.image)
