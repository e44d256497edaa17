"""The files of one chunk, and the programs run on them as a job would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compass_mc import cli

RUN, SLOT, PHAST = 277000, 1, 7


@dataclass(frozen=True)
class ChunkFiles:
    """The files of one chunk and how many events they hold."""

    chunk: int
    generated: Path
    mdst: Path
    histograms: Path
    event_dump: Path

    @classmethod
    def under(cls, folder: Path, chunk: int, run: int = RUN) -> ChunkFiles:
        return cls(
            chunk,
            folder / f"mcr{chunk:05d}-{run}_run000.tgeant",
            folder / f"mDST-{run}-{chunk}-{SLOT}-{PHAST}.root",
            folder / f"{run}-{chunk}-{SLOT}.root",
            folder / f"evtdump{SLOT}-{chunk}-{run}.raw",
        )


def run_generate(files: ChunkFiles, *more: str, events: int = 200, seed: int | None = None) -> int:
    words = ["--run", str(RUN), "--chunk", str(files.chunk), "--seed", str(seed or 1000 + files.chunk)]
    return cli.main(["generate", *words, "--events", str(events), "--output", str(files.generated), *more])


def run_reconstruct(files: ChunkFiles, *more: str) -> int:
    words = ["--run", str(RUN), "--chunk", str(files.chunk), "--slot", str(SLOT), "--phast", str(PHAST)]
    paths = ["--input", files.generated, "--mdst", files.mdst, "--histograms", files.histograms]
    return cli.main(["reconstruct", *words, *map(str, paths), "--event-dump", str(files.event_dump), *more])
