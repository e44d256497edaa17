"""What the server orders: one job, and the files that belong to it. Frozen: what happens to them is told elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, Optional

from pilot.contract.frozen import Frozen
from pilot.contract.input_lists import InputList
from pilot.contract.named import NamedTuple

#: PanDA's "MB" of memory and disk, in bytes.
PANDA_MB = 2**20


class Role(str, Enum):
    """What a file is to its job; PanDA's words of ``filestable4.type``."""

    INPUT = "input"
    OUTPUT = "output"
    LOG = "log"
    ZIP = "zipoutput"  # an archive of the outputs of event ranges


class FileSpec(Frozen):
    """A file as it was ordered. A spec is never written to: see `messages.StoredFile` for what became of it.

    ``size`` is in bytes; ``checksum`` is ``adler32:xxxxxxxx`` or ``md5:...``; both are ``None`` when not known yet.
    ``urls`` are addresses of an input that is known to lie there; no job on the wire names any. ``copied``: the input
    is brought to the payload even where others are read remotely (PanDA's ``prodDBlockToken`` is ``local``).
    """

    lfn: str
    role: Role
    scope: str = ""
    dataset: str = ""
    size: Optional[int] = None
    checksum: Optional[str] = None
    endpoint: str = ""
    guid: str = ""
    urls: tuple[str, ...] = ()
    copied: bool = False

    def evolve(self, **changes: Any) -> FileSpec:
        """Answer a copy with some fields changed."""
        return replace(self, **changes)


class Archive(NamedTuple):
    """Outputs that are stored in one archive; it is an output itself. See `contract.archives`."""

    name: str
    members: tuple[str, ...]


class Program(Frozen):
    """A program that goes with the payload, and its arguments; ``command`` is what a transformation may be."""

    command: str
    arguments: tuple[str, ...] = ()


class JobSpec(Frozen):
    """One attempt of one job, complete: a pilot needs nothing else to run it.

    ``max_walltime`` and ``max_cpu_time`` are seconds, ``memory`` and ``disk`` bytes; 0 means that nobody said.
    """

    id: int
    attempt: int
    transformation: str
    arguments: tuple[str, ...] = ()
    name: str = ""
    task_id: Optional[int] = None
    label: str = "managed"
    processing_type: str = ""
    user: str = ""
    working_group: str = ""
    release: str = ""
    home_package: str = ""
    platform: str = ""
    container: str = ""
    container_script: str = ""  # a line for a shell in the container, in the transformation's stead
    container_options: tuple[str, ...] = ()  # for its runtime, as far as the site lets jobs choose
    cores: int = 1
    priority: int = 0
    max_walltime: int = 0
    max_cpu_time: int = 0
    memory: int = 0
    disk: int = 0
    looping_check: bool = True
    allow_no_output: tuple[str, ...] = ()
    debug: bool = False
    inputs: tuple[FileSpec, ...] = ()
    outputs: tuple[FileSpec, ...] = ()
    log: Optional[FileSpec] = None
    signature: str = ""  # see `contract.signature`
    preprocess: Optional[Program] = None  # before the payload
    postprocess: Optional[Program] = None  # after one that ended well
    coprocess: Optional[Program] = None  # beside it
    events: bool = False  # its work comes in event ranges, which are asked for while it runs
    merges_events: bool = False  # its inputs are archives of what such jobs have stored
    jobset_id: Optional[int] = None  # of the event ranges
    input_lists: tuple[InputList, ...] = ()  # wanted as files by a job that merges
    iterative: bool = False  # all three and the payload again and again, until the preprocess says that it is enough
    direct: bool = False  # inputs may be read where they lie (PanDA's transferType)
    alternative_storage: Optional[bool] = None  # whether outputs may go to another one (altStageOut); None: queue says
    archives: tuple[Archive, ...] = ()  # what of the outputs is stored together
    uses_secrets: bool = False  # its server gives with it what its owner keeps there for the payload
    resource_type: str = ""  # PanDA's word for cores and memory together, such as MCORE_HIMEM

    @property
    def key(self) -> tuple[int, int]:
        """What tells this attempt from every other: (id, attempt)."""
        return (self.id, self.attempt)

    @property
    def programs(self) -> Mapping[str, Program]:
        """What goes with the payload, by PanDA's words."""
        named = {"preprocess": self.preprocess, "postprocess": self.postprocess, "coprocess": self.coprocess}
        return {name: program for name, program in named.items() if program is not None}

    @property
    def files(self) -> tuple[FileSpec, ...]:
        """All files, inputs first, the log last."""
        return (*self.inputs, *self.outputs, *((self.log,) if self.log else ()))


class JobOrder(NamedTuple):
    """A job as it is submitted, before it has a number. ``spec.id`` and ``spec.attempt`` are 0 until it has.

    ``first_attempt`` is the number of its first attempt. From 2 on, what lies under its outputs' names is taken for
    what was left behind by a job in whose place it comes; a first attempt takes that for somebody else's.
    """

    spec: JobSpec
    queue: str
    max_attempts: int = 3
    share: str = ""
    waits: bool = False  # True: born ``defined`` and activated later, when its inputs are ready
    country: str = ""  # its user's, for pilots that are a country's own; no order on the wire names it
    first_attempt: int = 1  # no order on the wire names it, either
