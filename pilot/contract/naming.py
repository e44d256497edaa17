"""Every file name and path, once: COMPASS's names, logs, and where a file lies on a storage.

Source of the COMPASS patterns: the experiment's public production system (names read as facts).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Optional, Union
from urllib.parse import unquote, urlsplit

from pilot.contract.codec import ContractError
from pilot.contract.named import NamedTuple

#: What stands for "no event passed": an event dump of this many bytes.
EMPTY_DUMP_SIZE = 33
#: The marker that the pilot leaves where a program wrote no event dump, or an empty one.
EMPTY_DUMP = b"COMPASS-PILOT: no event was kept\n"
#: Under this name programs write their event dump, whatever it is stored as.
WRITTEN_DUMP = "testevtdump.raw"
#: What the generator adds to the name that it is given.
ADDED_BY_GENERATOR = "_run000.tgeant"
#: What a pilot remembers of event ranges, in their job's directory.
EVENT_JOURNAL = ".compass-events.jsonl"


class FileKind(str, Enum):
    """What a file of the production is, as far as its name tells."""

    RAW = "raw"
    MC_SETTINGS = "mc-settings"
    MC_EVENTS = "mc-events"
    GENERATED = "generated"
    MDST = "mdst"
    HISTOGRAMS = "histograms"
    RICH = "rich"
    DUMP = "dump"
    LOG = "log"
    MERGED_MDST = "merged-mdst"
    MERGED_HISTOGRAMS = "merged-histograms"
    MERGED_DUMP = "merged-dump"
    MERGING_LOG = "merging-log"
    PACKED_LOGS = "packed-logs"


class JobKind(str, Enum):
    """What a job of the production does, as far as its name tells."""

    PROCESSING = "processing"
    MERGING = "merging"


class Name(NamedTuple):
    """A name, taken apart. What a kind of name does not tell is ``None`` or empty; ``group`` counts from 0.

    ``merge`` is mdst, hist, dump or logs.
    """

    kind: Union[FileKind, JobKind]
    run: int
    chunk: Optional[int] = None
    slot: Optional[int] = None
    phast: Optional[int] = None
    group: Optional[int] = None
    year: Optional[int] = None
    production: str = ""
    merge: str = ""


#: How each kind is written. ``chunk5`` and ``ch`` are chunk and group with leading zeros, ``suffix`` is the end that
#: tells the group: the first merged file of a run has none, the next ones have .001, .002 ...
PATTERNS: Mapping[Union[FileKind, JobKind], str] = {
    FileKind.RAW: "cdr{chunk}-{run}.raw",
    FileKind.MC_SETTINGS: "mcr{chunk5}-{run}.xml",
    FileKind.MC_EVENTS: "mcr{chunk5}-{run}.dat",
    FileKind.GENERATED: "mcr{chunk5}-{run}" + ADDED_BY_GENERATOR,
    FileKind.MDST: "mDST-{run}-{chunk}-{slot}-{phast}.root",
    FileKind.HISTOGRAMS: "{run}-{chunk}-{slot}.root",
    FileKind.RICH: "gfile_{run}-{chunk}.gfile",
    FileKind.DUMP: "evtdump{slot}-{chunk}-{run}.raw",
    FileKind.LOG: "{production}-{run}-{chunk}-{slot}-{phast}.job.log.tgz",
    FileKind.MERGED_MDST: "mDST-{run}-{slot}-{phast}.root{suffix}",
    FileKind.MERGED_HISTOGRAMS: "histsum-{run}-{slot}-{phast}.root{suffix}",
    FileKind.MERGED_DUMP: "evtdump{slot}-{run}.raw{suffix}",
    FileKind.MERGING_LOG: "{production}-merge-{merge}-{run}-{slot}-{phast}-ch{ch}.job.log.tgz",
    FileKind.PACKED_LOGS: "{production}-{run}-{slot}-{phast}.logs.tar{suffix}",
    # The task buffer keeps a job's number and attempt; they are not part of its name.
    JobKind.PROCESSING: "{production}-{year}--{run}-{chunk}-{slot}-{phast}",
    JobKind.MERGING: "{production}-merge-{merge}-{run}-{slot}-{phast}-ch{ch}",
}

#: Field of a pattern: the field of the name that it shows, how it is written, what it looks like.
#: Ends the payloads of a pilot in whose folder it lies.
KILL_FILE = "pilot_kill_payload"
#: In a job's directory, what its owner has given the server for the payload only; never in a log.
SECRETS_FILE = "panda_secrets.json"
#: In a job's directory, what a payload writes of itself.
JOB_REPORT = "jobReport.json"
#: In a job's directory, the names of the outputs that a payload has finished while it runs, one in each line.
FINISHED_OUTPUTS = "finished_outputs.txt"
#: In a job's directory, what the iterations of a search for parameters have printed: a folder for each, by number.
ITERATIONS = "iterations"

_NUMBER = "0|[1-9][0-9]*"
_FIELDS: Mapping[str, tuple[str, str, str]] = {
    "run": ("run", "{}", _NUMBER),
    "chunk": ("chunk", "{}", _NUMBER),
    "chunk5": ("chunk", "{:05d}", "[0-9]{5}|[1-9][0-9]{5,}"),
    "slot": ("slot", "{}", _NUMBER),
    "phast": ("phast", "{}", _NUMBER),
    "year": ("year", "{:04d}", "[0-9]{4}"),
    "ch": ("group", "{:03d}", "[0-9]{3}|[1-9][0-9]{3,}"),
    "suffix": ("group", ".{:03d}", r"|\.(?!000)[0-9]{3}|\.[1-9][0-9]{3,}"),
    "production": ("production", "{}", "[A-Za-z0-9][A-Za-z0-9_.+-]*"),
    "merge": ("merge", "{}", "mdst|hist|dump|logs"),
}
_FIELD = re.compile(r"\{(\w+)\}")


def build(name: Name) -> str:
    """Write a name.

    Raises:
        ContractError: a field that this kind of name shows is missing, or holds what cannot stand there.
    """
    return _FIELD.sub(lambda found: _written(name, found[1]), PATTERNS[name.kind])


def _written(name: Name, field: str) -> str:
    key, form, pattern = _FIELDS[field]
    value = getattr(name, key)
    text = "" if field == "suffix" and value == 0 else form.format(value) if value is not None else ""
    if (value is None or value == "") or not re.fullmatch(pattern, text, re.ASCII):
        raise ContractError(f"{key}: {value!r} cannot stand in the name of a {name.kind.value}", field_name=key)
    return text


@cache
def _reader(kind: Union[FileKind, JobKind]) -> re.Pattern[str]:
    """Compile a kind's pattern when it is first read: a pilot that reads no such name would pay for all of them."""
    parts = _FIELD.split(PATTERNS[kind])  # text, field, text, field, ..., text
    turned = [f"(?P<{part}>{_FIELDS[part][2]})" if at % 2 else re.escape(part) for at, part in enumerate(parts)]
    return re.compile("".join(turned), re.ASCII)


def parse(text: str) -> Optional[Name]:
    """Take the name of a file apart; ``None`` for a name that is none of the experiment's."""
    return _parsed(text, FileKind)


def parse_job(text: str) -> Optional[Name]:
    """Take the name of a job apart; ``None`` for a name that is none of the experiment's."""
    return _parsed(text, JobKind)


def _parsed(text: str, kinds: Union[type[FileKind], type[JobKind]]) -> Optional[Name]:
    for kind in kinds:
        if found := _reader(kind).fullmatch(text):
            fields = {_FIELDS[field][0]: _read(field, value) for field, value in found.groupdict().items()}
            return Name(kind, **fields)  # type: ignore[arg-type]
    return None


def _read(field: str, text: str) -> Union[int, str]:
    if field in ("production", "merge"):
        return text
    return int(text.lstrip(".") or 0)


def raw(run: int, chunk: int) -> str:
    """Name the raw file of a chunk."""
    return build(Name(FileKind.RAW, run, chunk))


def read_raw(text: str) -> Optional[tuple[int, int]]:
    """Answer run and chunk of a raw file's name, ``None`` for another one: `parse`, for lists of very many of them."""
    found = _reader(FileKind.RAW).fullmatch(text)
    return (int(found["run"]), int(found["chunk"])) if found else None


def generated(run: int, chunk: int) -> str:
    """Name the events of one Monte Carlo chunk."""
    return build(Name(FileKind.GENERATED, run, chunk))


def mdst(run: int, chunk: int, slot: int, phast: int) -> str:
    """Name the mDST of one chunk."""
    return build(Name(FileKind.MDST, run, chunk, slot, phast))


def histograms(run: int, chunk: int, slot: int) -> str:
    """Name the histograms of one chunk."""
    return build(Name(FileKind.HISTOGRAMS, run, chunk, slot))


def rich(run: int, chunk: int) -> str:
    """Name the RICH file of one chunk."""
    return build(Name(FileKind.RICH, run, chunk))


def event_dump(run: int, chunk: int, slot: int) -> str:
    """Name the event dump of one chunk."""
    return build(Name(FileKind.DUMP, run, chunk, slot))


def log(production: str, run: int, chunk: int, slot: int, phast: int) -> str:
    """Name the log archive of one processing job."""
    return build(Name(FileKind.LOG, run, chunk, slot, phast, production=production))


def merged_mdst(run: int, slot: int, phast: int, group: int = 0) -> str:
    """Name a run's merged mDST; ``group`` counts from 0."""
    return build(Name(FileKind.MERGED_MDST, run, slot=slot, phast=phast, group=group))


def merged_histograms(run: int, slot: int, phast: int, group: int = 0) -> str:
    """Name a run's merged histograms; ``group`` counts from 0."""
    return build(Name(FileKind.MERGED_HISTOGRAMS, run, slot=slot, phast=phast, group=group))


def merged_dump(run: int, slot: int, group: int = 0) -> str:
    """Name a run's merged event dump; ``group`` counts from 0."""
    return build(Name(FileKind.MERGED_DUMP, run, slot=slot, group=group))


def packed_logs(production: str, run: int, slot: int, phast: int, group: int = 0) -> str:
    """Name the archive of a run's logs; ``group`` counts from 0."""
    return build(Name(FileKind.PACKED_LOGS, run, slot=slot, phast=phast, group=group, production=production))


def processing_job(production: str, year: int, run: int, chunk: int, slot: int, phast: int) -> str:
    """Name a processing job."""
    return build(Name(JobKind.PROCESSING, run, chunk, slot, phast, year=year, production=production))


def merging_job(production: str, merge: str, run: int, slot: int, phast: int, group: int) -> str:
    """Name a merging job; ``merge`` is mdst, hist or dump."""
    return build(Name(JobKind.MERGING, run, None, slot, phast, group, production=production, merge=merge))


def merging_log(production: str, merge: str, run: int, slot: int, phast: int, group: int) -> str:
    """Name the log archive of a merging job; ``merge`` is mdst, hist, dump or logs."""
    return build(Name(FileKind.MERGING_LOG, run, None, slot, phast, group, production=production, merge=merge))


MDST_FOLDER = "mDST.chunks"
HISTOGRAM_FOLDER = "TRAFDIC"
#: Files of the RICH detector lie apart from what is merged.
RICH_FOLDER = "gfiles"
LOG_FOLDER = "logFiles"
PACKED_LOG_FOLDER = "logArchive"
MERGED_MDST_FOLDER = "mDST"
MERGED_HISTOGRAM_FOLDER = "histos"
#: Below the path of a mass production on tape, before its software's folder.
MASS_FOLDER = "oracle_dst"


def dump_folder(slot: int) -> str:
    """Name the folder of a slot's event dumps."""
    return f"evtdump/slot{slot}"


def merged_dump_folder(slot: int) -> str:
    """Name the folder of a slot's merged event dumps."""
    return f"mergedDump/slot{slot}"


#: Below it lies what Monte Carlo productions write, and nothing else.
MC_FOLDER = "mc_prod"


def mc_area(year: int, period: str, soft: str, kind: str) -> str:
    """Name the folder of a Monte Carlo production; ``kind`` is mcgen or mcreco."""
    return f"{MC_FOLDER}/CERN/{year}/{period}/{soft}/{kind}"


#: The same of productions of the detector's data.
DATA_FOLDER = "data_prod"


def data_area(year: int, period: str, soft: str, kind: str) -> str:
    """Name the folder of a production of data; ``kind`` is test, mass, technical or ddd."""
    return f"{DATA_FOLDER}/CERN/{year}/{period}/{soft}/{kind}"


def tape_folder(path: str, soft: str, folder: str, *, mass: bool) -> str:
    """Name the folder on tape, below the tape's root, of one kind of a production's files.

    Args:
        path: The production's path; it ends with a slash.
        soft: The software version's folder.
        folder: Where that kind of files lies, such as ``mDST``.
        mass: Whether it is a mass production; those have a folder of their own above ``soft``.
    """
    _check_folders("", path, soft)
    return "/".join([*path.split("/")[:-1], *([MASS_FOLDER] if mass else []), soft, folder])


def software_area(home: str, path: str, soft: str) -> str:
    """Put together where a software version lies: root of the software, folders below it, the version's own.

    Raises:
        ContractError: the home does not start and end with a slash, the path starts with one or does not end with one,
            the version holds one, or one of them could lead elsewhere.
    """
    if not (home.startswith("/") and home.endswith("/")):
        words = f"home: {home!r} must start and end with a slash, for example /cvmfs/compass.cern.ch/"
        raise ContractError(words, field_name="home")
    _check_folders(home, path, soft)
    return f"{home}{path}{soft}"


def _check_folders(home: str, path: str, soft: str) -> None:
    if path and (path.startswith("/") or not path.endswith("/")):
        words = f"path: {path!r} must not start with a slash and must end with one, for example generalprod/"
        raise ContractError(words, field_name="path")
    if not soft or "/" in soft:
        words = f"soft: {soft!r} is not a folder's name; give the software version without slashes"
        raise ContractError(words, field_name="soft")
    for field_name, text in (("home", home), ("path", path), ("soft", soft)):
        checked_folder(text, field_name)


def log_of_attempt(lfn: str, attempt: int) -> str:
    """Name the log of an attempt: the first one keeps the ordered name, later ones get ``.N`` at the end.

    Asked again for a later attempt, the old number is replaced, if the name ends in ``.tgz``, ``.tar.gz`` or ``.log``
    before it; any other number at the end is taken as part of the name.
    """
    bare = re.sub(r"(\.tgz|\.tar\.gz|\.log)\.\d+$", r"\1", lfn)
    return bare if attempt <= 1 else f"{bare}.{attempt}"


def storage_path(lfn: str, *, scope: str, dataset: str, deterministic: bool) -> str:
    """Say where below a storage's root a file lies, without a leading slash.

    On a deterministic storage that is Rucio's rule: the scope's parts, two pairs of hex digits of
    ``md5(scope:lfn)``, the name. Elsewhere it is the dataset, which may hold slashes, then the name.

    Raises:
        ContractError: the scope, the dataset or the file's name could lead out of the storage's root.
    """
    if _parts(lfn, "lfn") != [lfn]:
        raise ContractError(f"lfn: {lfn!r} is not the name of a file in a folder", field_name="lfn")
    if deterministic:
        digest = hashlib.md5(f"{scope}:{lfn}".encode(), usedforsecurity=False).hexdigest()
        return "/".join([*_parts(scope.replace(".", "/"), "scope"), digest[0:2], digest[2:4], lfn])
    return "/".join([*_parts(dataset, "dataset"), lfn])


def checked_folder(text: str, field_name: str) -> str:
    """Answer a dataset or a scope that is safe as a folder of a storage.

    Raises:
        ContractError: it could lead out of the storage's root.
    """
    _parts(text, field_name)
    return text


def _parts(text: str, field_name: str) -> list[str]:
    parts = [part for part in text.split("/") if part]
    if any(part in (".", "..") or not part.isprintable() for part in parts):
        raise ContractError(f"{field_name}: {text!r} cannot be a folder of a storage", field_name=field_name)
    return parts


def workdir(job_id: int, attempt: Optional[int] = None) -> str:
    """Name a job's directory below the pilot's; PanDA's pattern, with the attempt so that two never meet."""
    return f"PanDA_Pilot-{job_id}" + ("" if attempt is None else f"-{attempt}")


def is_address(transformation: str) -> bool:
    """Say whether a transformation has to be fetched from the web; else it is a program of the node."""
    return transformation[:8].lower().startswith(("http://", "https://"))


def transformation_file(address: str) -> str:
    """Name the file that a transformation is fetched to; ``""`` when its address ends in no plain name."""
    name = unquote(urlsplit(address).path.rpartition("/")[2])
    return name if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+=-]{0,254}", name) else ""
