"""What a job orders from one of COMPASS's programs, read from its arguments and checked against its files' names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable, Optional

from pilot.contract import naming
from pilot.contract.job import FileSpec, JobSpec
from pilot.contract.naming import FileKind, Name
from pilot.contract.processing import ProcessingType
from pilot.user.compass.kinds import WorkKind

#: What stands in options files and in paths: nothing that CORAL, XML or a path would take for something else.
_WORD = re.compile(r"[A-Za-z0-9_.+:@%=-][A-Za-z0-9_.+:@%=/-]*", re.ASCII)
#: What is written for a program: its options, or a generator's settings.
OPTIONS, SETTINGS = "coral.opt", "tgeant.xml"
#: Names that a job writes itself: an input of such a name would be taken for what its program wrote.
WRITTEN = (naming.WRITTEN_DUMP, OPTIONS, SETTINGS)
#: Names of files that stand in options files, or that ROOT opens: no blank, no list (``@x``), no ``?`` and ``#``.
_PLAIN = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+:@%=-]*", re.ASCII)


class BadOrder(ValueError):
    """A job's arguments or files do not fit its kind; the message names the field, the value and the remedy."""


@dataclass(frozen=True)
class ProgramOrder:
    """What a job says to its program. ``None``: it does not say. ``max_size`` is bytes, ``events`` a limit.

    ``expected_events`` is what the inputs of a merge hold; ``user`` the number of a PHAST user function.
    """

    run: Optional[int] = None
    chunk: Optional[int] = None
    slot: Optional[int] = None
    phast: Optional[int] = None
    events: Optional[int] = None
    seed: Optional[int] = None
    max_size: Optional[int] = None
    expected_events: Optional[int] = None
    user: Optional[int] = None
    template: str = ""
    calibration: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        raise ValueError("a whole number is expected")
    return int(text)


def _word(text: str) -> str:
    if not _WORD.fullmatch(text) or ".." in text.split("/"):
        raise ValueError("letters, digits and _ . + - are expected")
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_READERS: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(
        ("run", "chunk", "slot", "phast", "events", "seed", "max-size", "expected-events", "user"), _number
    ),
    "template": _word,
    "calibration": _words,
}


def read(kind: WorkKind, arguments: Sequence[str]) -> ProgramOrder:
    """Read the arguments of a job of this kind: ``--run 278473 --chunk 12 ...``, then what goes to the program.

    Raises:
        BadOrder: an argument is unknown to the kind, comes twice, lacks its value or has a wrong one, or is missing.
    """
    named, extra = _split(arguments)
    if extra and not kind.extra:
        raise BadOrder(f"jobPars: {extra[0]!r}: a job of kind {kind.type.value} hands nothing on to {kind.program}")
    values: dict[str, object] = {}
    for word, text in named:
        name = word[2:] if word.startswith("--") else ""
        if name not in (*kind.needs, *kind.may):
            known = ", ".join(f"--{one}" for one in (*kind.needs, *kind.may)) or "none"
            raise BadOrder(f"jobPars: {word!r} is no argument of a job of kind {kind.type.value}; there are {known}")
        if name in values:
            raise BadOrder(f"jobPars: {word} is there twice; leave one out")
        values[name] = _value(word, name, text)
    if missing := [f"--{name}" for name in kind.needs if name not in values]:
        raise BadOrder(f"jobPars: {', '.join(missing)} missing; a job of kind {kind.type.value} needs it")
    return ProgramOrder(**{name.replace("-", "_"): value for name, value in values.items()}, extra=extra)  # type: ignore[arg-type]


def _split(arguments: Sequence[str]) -> tuple[list[tuple[str, Optional[str]]], tuple[str, ...]]:
    """Answer (name, value) pairs, and what stands behind ``--``."""
    words = list(arguments)
    at = words.index("--") if "--" in words else len(words)
    own, extra = words[:at], tuple(words[at + 1 :])
    return [(own[one], own[one + 1] if one + 1 < len(own) else None) for one in range(0, len(own), 2)], extra


def _value(word: str, name: str, text: Optional[str]) -> object:
    if text is None:
        raise BadOrder(f"jobPars: {word} has no value; give it after a blank")
    try:
        return _READERS[name](text)
    except ValueError as wrong:
        raise BadOrder(f"jobPars: {word}: {text!r}: {wrong}") from wrong


def check_files(kind: WorkKind, order: ProgramOrder, spec: JobSpec) -> None:
    """Hold a job's files against its kind and its arguments; those of a merge against the merged file's name.

    Raises:
        BadOrder: a file that the kind reads or must write is not ordered, or one is of another run or chunk.
    """
    if kind.reads and not spec.inputs:
        what = "merge" if kind.merges else f"read for a job of kind {kind.type.value}"
        raise BadOrder(f"inFiles: there is nothing to {what}; name at least one file")
    _check_plain(kind, spec)
    inputs, outputs = _taken_apart(spec.inputs), _taken_apart(spec.outputs)
    for expected in kind.outputs:
        if not expected.optional and all(found.kind is not expected.kind for _, found in outputs):
            words = f"a job of kind {kind.type.value} writes a {expected.kind.value} file"
            raise BadOrder(f"outFiles: {words}, called {naming.PATTERNS[expected.kind]}; name it")
    numbers: dict[str, Optional[int]] = {field: getattr(order, field) for field in _COMPARED}
    for lfn, found in outputs:
        _check_numbers("outFiles", lfn, found, numbers)
        if kind.merges:
            numbers = {field: getattr(found, field) for field in _COMPARED}
    for lfn, found in inputs:
        _check_numbers("inFiles", lfn, found, numbers)


def _check_plain(kind: WorkKind, spec: JobSpec) -> None:
    """Refuse names that the kind's program, or the pilot, would take for something else."""
    for file in spec.inputs if kind.outputs else ():
        if file.lfn in WRITTEN:
            raise BadOrder(f"inFiles: {file.lfn} is the name of a file that the job writes; store it under another")
    if not kind.template and kind.type not in (ProcessingType.MERGE_MDST, ProcessingType.MERGE_HISTOGRAMS):
        return
    for file in (*spec.inputs, *spec.outputs):
        if not _PLAIN.fullmatch(file.lfn):
            where = "inFiles" if file in spec.inputs else "outFiles"
            words = f"{where}: {file.lfn!r} means more than a file to the program, or ends its option"
            raise BadOrder(f"{words}; letters, digits and _ . + : % = - are expected, and @ within")


_COMPARED = ("run", "chunk", "slot", "phast")


def _taken_apart(files: Sequence[FileSpec]) -> list[tuple[str, Name]]:
    """Answer the files that have one of the experiment's names."""
    return [(file.lfn, found) for file in files if (found := naming.parse(file.lfn)) is not None]


def _check_numbers(where: str, lfn: str, found: Name, numbers: Mapping[str, Optional[int]]) -> None:
    for field in _COMPARED:
        in_name, wanted = getattr(found, field), numbers[field]
        if in_name is not None and wanted is not None and in_name != wanted:
            raise BadOrder(f"{where}: {lfn} is of {field} {in_name}, but the job of {field} {wanted}")


def output_of(spec: JobSpec, *kinds: FileKind) -> str:
    """Answer the name of the first output of these kinds; empty when there is none."""
    for file in spec.outputs:
        found = naming.parse(file.lfn)
        if found is not None and found.kind in kinds:
            return file.lfn
    return ""
