"""Which of the files that a plan would write are there already: rows of tasks, and files of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from server.dataservice.models import Dataset, DatasetFile
from server.production.files import SCOPE, Names
from server.production.models import Output

#: Chunks whose files are looked up, and names of one statement.
MOST, BATCH = 5000, 500
#: Names that are shown.
SHOWN = 20


@dataclass
class There:
    """``files``: those that are there, of ``looked`` chunks; ``all``: whether these were all; ``names``: the first."""

    files: int = 0
    looked: int = 0
    all: bool = True
    names: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"files": self.files, "looked": self.looked, "all": self.all, "names": self.names}


def look(names: Names, chunks: Iterable[tuple[int, int]]) -> There:
    """Look up the files of chunks, given as run and number, where their folders hold anything at all.

    Folders are of a software and period: a new one costs a few statements, whatever the plan.
    """
    kinds = list(names.chunk_files(1, 1))
    folders = {names.dataset(kind): kind for kind in kinds}
    ours = {name for name in folders if Output.objects.filter(dataset=name).exists()}
    known = Dataset.objects.filter(name__in=folders, scope=SCOPE, files__gt=0)
    catalogued = dict(known.values_list("name", "pk"))
    found, rest = There(), iter(chunks)
    used = {folders[name] for name in (*ours, *catalogued)}
    if not used:
        return found
    while (part := list(islice(rest, BATCH))) and found.looked < MOST:
        found.looked += len(part)
        files = [(kind, lfn) for run, chunk in part for kind, lfn in names.chunk_files(run, chunk).items()]
        for kind in used:
            _count(found, names.dataset(kind), [lfn for of, lfn in files if of is kind], ours, catalogued)
    found.all = not part
    found.names.sort()
    return found


def _count(found: There, folder: str, lfns: list[str], ours: set[str], catalogued: dict[str, int]) -> None:
    there: set[str] = set()
    if folder in ours:
        there |= set(Output.objects.filter(dataset=folder, lfn__in=lfns).values_list("lfn", flat=True))
    if folder in catalogued:
        rows = DatasetFile.objects.filter(dataset=catalogued[folder], lfn__in=lfns)
        there |= set(rows.values_list("lfn", flat=True))
    found.files += len(there)
    found.names += [f"{folder}/{lfn}" for lfn in sorted(there)[: max(0, SHOWN - len(found.names))]]
