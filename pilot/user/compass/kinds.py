"""The kinds of work that COMPASS has, one row each: program, options, files, end and counts. A table, and nothing else.

Source of programs, markers and lines: the experiment's public production system and pilot (read as facts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Optional

from pilot.contract.job import JobSpec
from pilot.contract.naming import FileKind
from pilot.contract.processing import ProcessingType

END_OF_JOB = b"End of Job"
END_OF_DECODING = b"End of the decoding!"


class Count(NamedTuple):
    """A line in which a program counts events: what always stands in it, and all of it with the number as a group."""

    text: bytes
    pattern: bytes


#: What programs say of the events that they have written; the last such line counts.
MINI_DST = Count(b" events had been written to miniDST", rb"(?:^|(?<=\s))(\d{1,18}) events had been written to miniDST")
SAVED = Count(b"Number of events saved to output : ", rb"Number of events saved to output : (\d{1,18})")
GENERATED = Count(b"Number of events generated : ", rb"Number of events generated : (\d{1,18})")
IN_HISTOGRAMS = Count(b"Number of events in the histograms : ", rb"Number of events in the histograms : (\d{1,18})")
IN_DUMP = Count(b"Number of events in the dump : ", rb"Number of events in the dump : (\d{1,18})")
EVERY_COUNT = (MINI_DST, SAVED, GENERATED, IN_HISTOGRAMS, IN_DUMP)


@dataclass(frozen=True)
class Expected:
    """A file that a kind of work writes. ``optional``: a job may name it or not, and it may stay away or be empty."""

    kind: FileKind
    optional: bool = False


@dataclass(frozen=True)
class WorkKind:
    """One kind of work.

    ``program`` is the transformation of the experiment's own system; a job of this kind with another one is run as any
    job is, and judged by this row. ``needs`` and ``may`` are the arguments that the pilot makes options of; ``extra``:
    what follows ``--`` goes to the program. ``reads``: there must be an input. ``marker`` is what a program prints last
    when its work is done; ``silent``: the row's own program does not. ``counted`` is the line that counts events
    written; ``never_empty``: where the row's own program wrote none, it has failed.
    """

    type: ProcessingType
    program: str
    outputs: tuple[Expected, ...]
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    extra: bool = False
    reads: bool = True
    template: str = ""
    marker: Optional[bytes] = None
    silent: bool = False
    counted: tuple[Count, ...] = EVERY_COUNT
    never_empty: bool = False
    calibration: bool = False

    @property
    def merges(self) -> bool:
        """Whether several files become one."""
        return self.type in (ProcessingType.MERGE_MDST, ProcessingType.MERGE_HISTOGRAMS, ProcessingType.MERGE_DUMP)


_CHUNK = ("run", "chunk", "slot", "phast")
_RECONSTRUCTED = (
    Expected(FileKind.MDST),
    Expected(FileKind.HISTOGRAMS),
    Expected(FileKind.DUMP, optional=True),
    Expected(FileKind.RICH, optional=True),
)


def _production(kind: ProcessingType) -> WorkKind:
    """Reconstruction by CORAL: data of the detector in the three productions, generated events in MC reconstruction."""
    return WorkKind(
        kind,
        "coral.exe",
        _RECONSTRUCTED,
        needs=_CHUNK,
        may=("template", "events", "calibration"),
        template="plain",
        marker=END_OF_JOB,
        counted=(MINI_DST,),
        never_empty=True,
        calibration=True,
    )


_ROWS = (
    _production(ProcessingType.TEST),
    _production(ProcessingType.MASS),
    _production(ProcessingType.TECHNICAL),
    _production(ProcessingType.RECONSTRUCTION),
    WorkKind(
        ProcessingType.FILTERING,
        "ddd",
        (Expected(FileKind.DUMP),),
        needs=("run", "chunk", "slot"),
        extra=True,
        marker=END_OF_DECODING,
        counted=(IN_DUMP,),
    ),
    WorkKind(
        ProcessingType.GENERATION,
        "TGEANT",
        (Expected(FileKind.GENERATED),),
        needs=("run", "chunk"),
        may=("template", "events", "seed"),
        reads=False,
        template="tgeant.xml",
        counted=(GENERATED,),
    ),
    WorkKind(
        ProcessingType.MERGE_MDST,
        "phast",
        (Expected(FileKind.MERGED_MDST),),
        may=("max-size", "expected-events"),
        marker=END_OF_JOB,
        counted=(SAVED,),
    ),
    WorkKind(
        ProcessingType.MERGE_HISTOGRAMS,
        "hadd",
        (Expected(FileKind.MERGED_HISTOGRAMS),),
        marker=END_OF_JOB,
        silent=True,
        counted=(IN_HISTOGRAMS,),
    ),
    WorkKind(
        ProcessingType.MERGE_DUMP,
        "cat",
        (Expected(FileKind.MERGED_DUMP),),
        marker=END_OF_JOB,
        silent=True,
        counted=(IN_DUMP,),
    ),
    WorkKind(ProcessingType.ANALYSIS, "phast", (), needs=("user",), extra=True, reads=False),
)
KINDS: Mapping[str, WorkKind] = {row.type.value: row for row in _ROWS}

#: Dumps are stored, empty or not: where nothing was kept, a marker is.
DUMPS = (FileKind.DUMP, FileKind.MERGED_DUMP)


def kind_of(spec: JobSpec) -> Optional[WorkKind]:
    """Answer a job's kind; ``None`` for a job that is none of the experiment's."""
    return KINDS.get(spec.processing_type)


def own_kind_of(spec: JobSpec) -> Optional[WorkKind]:
    """Answer a job's kind if it runs the experiment's own program for it, so that the pilot writes its command."""
    kind = kind_of(spec)
    return kind if kind is not None and kind.program == spec.transformation else None
