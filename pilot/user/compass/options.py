"""Options files: which template a job means, what is known for it, and the file in the job's directory."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.naming import ADDED_BY_GENERATOR, FileKind
from pilot.errors import JobFailed
from pilot.user.compass import frames
from pilot.user.compass.kinds import WorkKind
from pilot.user.compass.orders import ProgramOrder, output_of
from pilot.user.compass.templates import BadTemplate, Must, fill, names

#: The variants by their names in a task: files of the release.
VARIANTS: Mapping[str, str] = {
    "plain": "template.opt",
    "mu+": "template_mu+.opt",
    "mu-": "template_mu-.opt",
}
#: Before the name of a template that comes with the pilot.
OURS = "pilot:"
#: Placeholder, and the variable under which programs and releases' own templates find the same.
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "input": ("TMPRAWFILE",),
    "mdst": ("TMPMDSTFILE",),
    "histograms": ("TMPHISTFILE",),
    "rich": ("TMPRICHFILE",),
    "dump": ("EVTDUMPFILE",),
    "generated": ("MCGENFILEOUT",),
    "mc_name": ("MCGENFILE",),
    "run": ("TMPRUNNB",),
    "slot": ("prodSlt",),
}
#: What a job's result hangs on: a template that passes one of these over would work on, or write, something else. A
#: generator is given a file's whole name, or the name to which it adds an ending of its own.
_MUST = (
    Must(("mdst",), VARIABLES["mdst"]),
    Must(("histograms",), VARIABLES["histograms"]),
    Must(("generated", "mc_name"), (*VARIABLES["generated"], *VARIABLES["mc_name"])),
    Must(("events",)),
    Must(("seed",)),
)
_INPUT = Must(("input",), VARIABLES["input"])
#: A variable holds one name: of several inputs a template that reads it would leave out all others.
_ALL_INPUTS = Must(("input",))
#: Every placeholder that there is.
PLACEHOLDERS = frozenset(
    [
        *("input", "run", "chunk", "slot", "phast", "events", "seed", "release"),
        *("mdst", "histograms", "rich", "dump", "generated", "mc_name"),
        *("calibration_use", "calibration_server", "calibration_port", "calibration_place"),
    ]
)


def values_of(order: ProgramOrder, spec: JobSpec) -> dict[str, str]:
    """Answer what is known of a job by placeholder, without its inputs."""
    numbers = {name: getattr(order, name) for name in ("run", "chunk", "slot", "phast", "seed")}
    numbers["events"] = order.events or None  # 0: all
    generated = output_of(spec, FileKind.GENERATED)
    files = {
        "mdst": output_of(spec, FileKind.MDST),
        "histograms": output_of(spec, FileKind.HISTOGRAMS),
        "rich": output_of(spec, FileKind.RICH),
        "dump": output_of(spec, FileKind.DUMP),
        "generated": generated,
        "mc_name": generated[: -len(ADDED_BY_GENERATOR)],
    }
    return {
        **{name: str(number) for name, number in numbers.items() if number is not None},
        **{name: lfn for name, lfn in files.items() if lfn},
    }


def variables_of(order: ProgramOrder, spec: JobSpec) -> dict[str, str]:
    """Answer the same as the experiment's environment variables; the first input stands for all."""
    values = values_of(order, spec)
    if spec.inputs:
        values["input"] = spec.inputs[0].lfn
    variables = {name: values[key] for key, names in VARIABLES.items() if key in values for name in names}
    if spec.release:
        variables["PRODSOFT"] = spec.release
    return variables


def write(
    kind: WorkKind, order: ProgramOrder, spec: JobSpec, release: Optional[Path], values: Mapping[str, str], path: Path
) -> None:
    """Write a job's options file from its template; ``values`` are further ones, such as the calibrations' source.

    Raises:
        JobFailed: the template is not there (SETUP_FAILURE), or it and the job do not fit (BAD_JOB_DEFINITION); or the
            file cannot be written (FILE_HANDLING).
    """
    name = order.template or kind.template
    known = {**values_of(order, spec), **values, **({"release": str(release)} if release else {})}
    inputs = [file.lfn for file in spec.inputs]
    given = {*known, *(["input"] if inputs else [])}
    musts = [
        must for must in (_ALL_INPUTS if len(inputs) > 1 else _INPUT, *_MUST) if given.intersection(must.placeholders)
    ]
    try:
        text = fill(_template(name, release), known, inputs, musts)
    except BadTemplate as wrong:
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, f"template {name}: {wrong}") from wrong
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as wrong:
        raise JobFailed(ErrorCode.FILE_HANDLING, f"{path.name} cannot be written: {wrong.strerror}") from wrong


def check(kind: WorkKind, order: ProgramOrder, release: Optional[Path]) -> None:
    """Look whether a job's template is there and asks for nothing that no job has.

    Raises:
        JobFailed: it is not there (SETUP_FAILURE), there is none of that name, or it cannot be filled
            (BAD_JOB_DEFINITION).
    """
    name = order.template or kind.template
    text = _template(name, release)
    try:
        unknown = names(text) - PLACEHOLDERS
    except BadTemplate as wrong:
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, f"template {name}: {wrong}") from wrong
    if unknown:
        first = min(unknown)
        near = difflib.get_close_matches(first, PLACEHOLDERS, 1)
        there = f"did you mean @{{{near[0]}}}?" if near else f"there are {', '.join(sorted(PLACEHOLDERS))}"
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, f"template {name}: @{{{first}}} is no placeholder; {there}")


def _template(name: str, release: Optional[Path]) -> str:
    if name.startswith(OURS):
        return _ours(name, release)
    if release is None:
        words = f"template {name} is a file of the release, and homepackage names none; give {OURS}{name}, or a release"
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, words)
    path = release / VARIANTS.get(name, name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        why = getattr(wrong, "strerror", None) or wrong
        raise JobFailed(ErrorCode.SETUP_FAILURE, f"{path}, the template {name!r}: {why}") from wrong


def _ours(name: str, release: Optional[Path]) -> str:
    try:
        text = frames.FRAMES[name[len(OURS) :]]
    except KeyError:
        there = ", ".join(f"{OURS}{one}" for one in frames.FRAMES)
        raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, f"--template: there is no {name}; there are {there}") from None
    if release is None or not (release / frames.INCLUDED).is_file():
        words = f"template {name} includes {frames.INCLUDED} of the release, and {release or 'there is no release'}"
        raise JobFailed(ErrorCode.SETUP_FAILURE, f"{words}{' has none' if release else ''}")
    return text
