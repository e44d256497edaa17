"""In which words jobs are ordered: COMPASS's own programs, or a program that takes the Monte Carlo example's arguments.

Which of them a task runs is said by one word of it. Pure rules; a structured argument list, and never shell text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pilot.contract.naming import EMPTY_DUMP_SIZE
from pilot.contract.processing import ProcessingType
from server.production.states import MergeKind, OutputKind

#: The example's program, which Monte Carlo tasks run unless they say another.
EXAMPLE = "compass-mc"
#: The word for the experiment's own programs.
OWN = "compass"


@dataclass(frozen=True)
class Work:
    """What a chunk's job has to do; ``source`` is the name of the file that it reads, ``files`` what it writes."""

    type: ProcessingType
    run: int
    chunk: int
    slot: int
    phast: int
    files: Mapping[OutputKind, str]
    source: str = ""
    seed: int | None = None
    events: int | None = None
    template: str = ""


@dataclass(frozen=True)
class Join:
    """What a merge has to do; ``refusal`` is the largest sum of inputs in bytes, ``events`` what they hold if known."""

    kind: MergeKind
    output: str
    inputs: tuple[str, ...]
    refusal: int
    events: int | None = None


class Programs(Protocol):
    """The programs of a release, in their own words."""

    @property
    def dump_head(self) -> int:
        """Bytes at the beginning of an event dump that a merge of dumps writes once."""

    @property
    def needs_software(self) -> bool:
        """Whether the node has to have the release that a task names."""

    def program(self, work: ProcessingType) -> str:
        """Name what pilots start: the transformation."""

    def arguments(self, work: Work) -> tuple[str, ...]:
        """Order a chunk's work."""

    def join(self, join: Join) -> tuple[str, ...]:
        """Order a merge."""


#: What a merge is to pilots.
MERGING: Mapping[MergeKind, ProcessingType] = {
    MergeKind.MDST: ProcessingType.MERGE_MDST,
    MergeKind.HISTOGRAMS: ProcessingType.MERGE_HISTOGRAMS,
    MergeKind.DUMP: ProcessingType.MERGE_DUMP,
    MergeKind.LOGS: ProcessingType.PACK_LOGS,
}

_CORAL = (ProcessingType.TEST, ProcessingType.MASS, ProcessingType.TECHNICAL, ProcessingType.RECONSTRUCTION)


#: What packs logs, whatever program a task runs.
PACKER = "tar"
#: The same logs, in the order in which they are named, give the same bytes: neither who packs them counts, nor when.
_PACKED_ALIKE = (
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mtime=@0",
    "--mode=0644",
    "--force-local",
    "--no-recursion",
    # Names are taken as they are, with whatever is in them.
    "--no-unquote",
)


def packing(join: Join) -> tuple[str, ...]:
    """Order the packing of logs."""
    return ("--create", f"--file={join.output}", *_PACKED_ALIKE, "--", *join.inputs)


@dataclass(frozen=True)
class CompassPrograms:
    """CORAL, DDD, TGEANT, PHAST, hadd and cat. The pilot writes their command lines; files it knows by their names."""

    #: Dumps are the detector's own events: one after the other is a dump again.
    dump_head: int = 0
    needs_software: bool = True

    def program(self, work: ProcessingType) -> str:
        return _OWN_PROGRAMS[work]

    def arguments(self, work: Work) -> tuple[str, ...]:
        numbers: dict[str, int | None] = {"run": work.run, "chunk": work.chunk}
        if work.type is ProcessingType.GENERATION:
            numbers |= {"seed": work.seed, "events": work.events}
        else:
            numbers["slot"] = work.slot
        if work.type in _CORAL:
            numbers |= {"phast": work.phast, "events": work.events}
        template = ("--template", work.template) if work.template and work.type is not ProcessingType.FILTERING else ()
        return (*_options(numbers), *template)

    def join(self, join: Join) -> tuple[str, ...]:
        if join.kind is not MergeKind.MDST:
            return ()
        return _options({"max-size": join.refusal, "expected-events": join.events})


_OWN_PROGRAMS: Mapping[ProcessingType, str] = {
    **dict.fromkeys(_CORAL, "coral.exe"),
    ProcessingType.FILTERING: "ddd",
    ProcessingType.GENERATION: "TGEANT",
    ProcessingType.MERGE_MDST: "phast",
    ProcessingType.MERGE_HISTOGRAMS: "hadd",
    ProcessingType.MERGE_DUMP: "cat",
}


@dataclass(frozen=True)
class ExamplePrograms:
    """``compass-mc``, or a program that takes its arguments: it says of each file under which name it lies."""

    name: str = EXAMPLE
    #: Each of its dumps begins with a line that a merged one has once, too.
    dump_head: int = EMPTY_DUMP_SIZE
    needs_software: bool = False

    def program(self, work: ProcessingType) -> str:
        return self.name

    def arguments(self, work: Work) -> tuple[str, ...]:
        where = _options({"run": work.run, "chunk": work.chunk})
        if work.type is ProcessingType.GENERATION:
            generated = ("--output", work.files[OutputKind.GENERATED])
            return ("generate", *where, *_options({"seed": work.seed, "events": work.events}), *generated)
        source, dump = ("--input", work.source), ("--event-dump", work.files[OutputKind.DUMP])
        if work.type is ProcessingType.FILTERING:
            return ("filter", *where, *source, *dump)
        made = ("--mdst", work.files[OutputKind.MDST], "--histograms", work.files[OutputKind.HISTOGRAMS])
        return ("reconstruct", *where, *_options({"slot": work.slot, "phast": work.phast}), *source, *made, *dump)

    def join(self, join: Join) -> tuple[str, ...]:
        words = ("merge", "--kind", _EXAMPLES_KINDS[join.kind], "--output", join.output)
        return (*words, *_options({"max-size": join.refusal}), *join.inputs)


_EXAMPLES_KINDS: Mapping[MergeKind, str] = {
    MergeKind.MDST: "mdst",
    MergeKind.HISTOGRAMS: "histograms",
    MergeKind.DUMP: "event-dump",
}


def _options(numbers: Mapping[str, int | None]) -> tuple[str, ...]:
    """Write options with their numbers; those that have none are left out."""
    return tuple(word for name, number in numbers.items() if number is not None for word in (f"--{name}", str(number)))


def programs_of(word: str) -> Programs:
    """Answer the programs that a task's word means: `OWN`, or the name or path of one with the example's arguments."""
    return CompassPrograms() if word == OWN else ExamplePrograms(word or EXAMPLE)
