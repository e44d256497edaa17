"""What is known of a container before it runs. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Runtime(str, Enum):
    """The programs that a payload's container can be started with."""

    APPTAINER = "apptainer"
    SINGULARITY = "singularity"
    PODMAN = "podman"


@dataclass(frozen=True)
class Bind:
    """A file or folder of the node that is seen in the container.

    ``within`` is the folder that the source must not leave, over no link: it is set for what a job asks for itself.
    """

    source: str
    target: str
    read_only: bool = False
    within: str = ""


@dataclass(frozen=True)
class Container:
    """Where a command is to run.

    ``image`` is an absolute path (an image file, or a folder that holds an unpacked image) or an address such as
    ``docker://host/name:tag``. ``also_at`` is a further path at which the job's directory is seen. ``isolation`` is
    ``all`` (own file systems, process numbers and message queues), ``contain`` (own file systems) or ``none``.
    ``options`` are further words for the runtime, ``environment`` further variables, which win.
    """

    runtime: Runtime
    image: str
    program: str = ""  # the runtime's path; found on PATH when left out
    binds: tuple[Bind, ...] = ()
    cvmfs: str = ""  # seen as /cvmfs, when the node has it
    also_at: str = ""
    isolation: str = "all"
    userns: bool = False
    gpu: str = "none"
    options: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def is_instance(self) -> bool:
        """Whether it runs already, and commands are only to join it."""
        return self.image.startswith("instance://")

    @property
    def is_address(self) -> bool:
        """Whether the image is to be fetched, and not a file of the node."""
        return "://" in self.image
