"""The argument lists of COMPASS's programs, and the environment that they want beside the release's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from pilot.contract import naming
from pilot.contract.job import JobSpec
from pilot.contract.naming import EMPTY_DUMP_SIZE, WRITTEN_DUMP, FileKind
from pilot.contract.processing import ProcessingType
from pilot.user.compass import calibration, options
from pilot.user.compass.kinds import WorkKind
from pilot.user.compass.orders import OPTIONS, SETTINGS, ProgramOrder, output_of

#: The largest sum of the inputs' sizes that a merge of mDSTs takes, in bytes, unless the job says another.
MERGE_LIMIT = 6_000_000_000
#: What the filter of the detectors' data keeps out unless the job says otherwise.
FILTER = ("--filter-CAL",)
#: Constant: names are its arguments. An output that no input goes into is there too, and empty.
_JOIN = 'out=$1; shift; exec "$0" -- "$@" > "$out"'


@dataclass(frozen=True)
class Call:
    """One start of a program: the job's kind, what it says to the program, its release, directory and environment."""

    kind: WorkKind
    order: ProgramOrder
    spec: JobSpec
    program: str
    release: Optional[Path]
    workdir: Path
    environment: Mapping[str, str]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input files."""
        return tuple(file.lfn for file in self.spec.inputs)


def argument_list(call: Call) -> Sequence[str]:
    """Answer what runs a job, and write its options file if it has one.

    Raises:
        JobFailed: what its options are made of is not there or does not fit.
    """
    arguments = _ARGUMENTS[call.kind.type](call)
    if call.kind.type is ProcessingType.MERGE_DUMP:
        return ("/bin/sh", "-c", _JOIN, call.program, *arguments)
    return (call.program, *arguments)


def _reconstruction(call: Call) -> Sequence[str]:
    _write(call, OPTIONS, calibration.values_from(call.environment))
    return (OPTIONS,)


def _write(call: Call, name: str, values: Mapping[str, str]) -> None:
    options.write(call.kind, call.order, call.spec, call.release, values, call.workdir / name)


def brings_settings(spec: JobSpec) -> str:
    """Answer the input that is a generation's settings, made elsewhere; empty when there is none."""
    for file in spec.inputs:
        found = naming.parse(file.lfn)
        if found is not None and found.kind is FileKind.MC_SETTINGS:
            return file.lfn
    return ""


def _generation(call: Call) -> Sequence[str]:
    """Settings that came as an input are taken as they are; else they are made from the template."""
    if settings := brings_settings(call.spec):
        return (settings,)
    _write(call, SETTINGS, {})
    return (SETTINGS,)


def _filtering(call: Call) -> Sequence[str]:
    return (*(call.order.extra or FILTER), f"--out={WRITTEN_DUMP}", *call.inputs)


def _merge_mdst(call: Call) -> Sequence[str]:
    return ("-m", "-o", output_of(call.spec, FileKind.MERGED_MDST), *call.inputs)


def _merge_histograms(call: Call) -> Sequence[str]:
    return (output_of(call.spec, FileKind.MERGED_HISTOGRAMS), *call.inputs)


def _merge_dump(call: Call) -> Sequence[str]:
    """Leave out the markers of empty dumps; they are no events."""
    full = [name for name in call.inputs if _size(call.workdir / name) > EMPTY_DUMP_SIZE]
    return (output_of(call.spec, FileKind.MERGED_DUMP), *(full or ["/dev/null"]))


def _analysis(call: Call) -> Sequence[str]:
    return (f"-u{call.order.user}", *call.order.extra, *call.inputs)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return EMPTY_DUMP_SIZE + 1  # left to the program, which says what is wrong with it


_ARGUMENTS: Mapping[ProcessingType, Callable[[Call], Sequence[str]]] = {
    ProcessingType.TEST: _reconstruction,
    ProcessingType.MASS: _reconstruction,
    ProcessingType.TECHNICAL: _reconstruction,
    ProcessingType.RECONSTRUCTION: _reconstruction,
    ProcessingType.FILTERING: _filtering,
    ProcessingType.GENERATION: _generation,
    ProcessingType.MERGE_MDST: _merge_mdst,
    ProcessingType.MERGE_HISTOGRAMS: _merge_histograms,
    ProcessingType.MERGE_DUMP: _merge_dump,
    ProcessingType.ANALYSIS: _analysis,
}


def variables(kind: WorkKind, order: ProgramOrder, spec: JobSpec) -> dict[str, str]:
    """Answer the variables that the kind's program, or a release's template, reads of the job."""
    found = options.variables_of(order, spec)
    if kind.type is ProcessingType.MERGE_MDST:
        found["PHAST_mDST_MAX_SIZE"] = str(MERGE_LIMIT if order.max_size is None else order.max_size)
    return found
