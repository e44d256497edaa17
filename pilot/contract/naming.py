"""Every file name and path, once: COMPASS's names, logs, and where a file lies on a storage.

Source of the COMPASS patterns: the experiment's public production system (names read as facts).
"""

from __future__ import annotations

import hashlib
import re
from typing import Optional

from pilot.contract.codec import ContractError

#: What a merged event dump of nothing holds: a marker of this many bytes stands for "no event passed".
EMPTY_DUMP_SIZE = 33

MDST_FOLDER = "mDST.chunks"
HISTOGRAM_FOLDER = "TRAFDIC"
LOG_FOLDER = "logFiles"
MERGED_MDST_FOLDER = "mDST"
MERGED_HISTOGRAM_FOLDER = "histos"


def raw(run: int, chunk: int) -> str:
    """Name the raw file of a chunk."""
    return f"cdr{chunk}-{run}.raw"


def generated(run: int, chunk: int) -> str:
    """Name the events of one Monte Carlo chunk."""
    return f"mcr{chunk:05d}-{run}_run000.tgeant"


def mdst(run: int, chunk: int, slot: int, phast: int) -> str:
    """Name the mDST of one chunk."""
    return f"mDST-{run}-{chunk}-{slot}-{phast}.root"


def histograms(run: int, chunk: int, slot: int) -> str:
    """Name the histograms of one chunk."""
    return f"{run}-{chunk}-{slot}.root"


def rich(run: int, chunk: int) -> str:
    """Name the RICH file of one chunk."""
    return f"gfile_{run}-{chunk}.gfile"


def event_dump(run: int, chunk: int, slot: int) -> str:
    """Name the event dump of one chunk."""
    return f"evtdump{slot}-{chunk}-{run}.raw"


def log(production: str, run: int, chunk: int, slot: int, phast: int) -> str:
    """Name the log archive of one processing job."""
    return f"{production}-{run}-{chunk}-{slot}-{phast}.job.log.tgz"


def _group(number: int) -> str:
    """The first merged file of a run has no suffix; the next ones are .001, .002 ..."""
    return f".{number:03d}" if number else ""


def merged_mdst(run: int, slot: int, phast: int, group: int = 0) -> str:
    """Name a run's merged mDST; ``group`` counts from 0."""
    return f"mDST-{run}-{slot}-{phast}.root{_group(group)}"


def merged_histograms(run: int, slot: int, phast: int, group: int = 0) -> str:
    """Name a run's merged histograms; ``group`` counts from 0."""
    return f"histsum-{run}-{slot}-{phast}.root{_group(group)}"


def merged_dump(run: int, slot: int, group: int = 0) -> str:
    """Name a run's merged event dump; ``group`` counts from 0."""
    return f"evtdump{slot}-{run}.raw{_group(group)}"


def dump_folder(slot: int) -> str:
    """Name the folder of a slot's event dumps."""
    return f"evtdump/slot{slot}"


def merged_dump_folder(slot: int) -> str:
    """Name the folder of a slot's merged event dumps."""
    return f"mergedDump/slot{slot}"


def mc_area(year: int, period: str, soft: str, kind: str) -> str:
    """Name the folder of a Monte Carlo production; ``kind`` is mcgen or mcreco."""
    return f"mc_prod/CERN/{year}/{period}/{soft}/{kind}"


def processing_job(production: str, year: int, run: int, chunk: int, slot: int, phast: int) -> str:
    """Name a processing job. The task buffer keeps id and attempt; they are not part of the name."""
    return f"{production}-{year}--{run}-{chunk}-{slot}-{phast}"


def merging_job(production: str, kind: str, run: int, slot: int, phast: int, group: int) -> str:
    """Name a merging job; ``kind`` is mdst, hist or dump."""
    return f"{production}-merge-{kind}-{run}-{slot}-{phast}-ch{group:03d}"


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
