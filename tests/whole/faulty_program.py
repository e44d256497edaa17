"""The example's program with faults on order: each is done once, to the job that writes a certain file, and noted.

``plan.json`` in a folder says by the name of a file what happens to the job that writes it: the name of a failure of
`examples.mc.failures`, or `LOSES` for a merge that loses the last event of its first input. The folder gets a file of
the same name when that was done; what is tried again then works. A fault whose job was killed in its middle counts.
A merge loses its event again and again, until somebody mends that: see `mend`.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.mc.failures import PATTERNS
from pilot.contract import naming
from pilot.contract.naming import FileKind

#: A merge writes one event less than went in, and says so.
LOSES = "loses-an-event"
PLAN = "plan.json"
#: What a file beside a fault's is called when its cause was mended.
MENDED = ".mended"

PROGRAM = """#!{python}
import json, os, sys
from dataclasses import replace
from pathlib import Path

from compass_mc import cli

FOLDER, LOSES, MENDED = Path({folder!r}), {loses!r}, {mended!r}
words = sys.argv[1:]


def fault():
    plan = json.loads((FOLDER / "plan.json").read_text())
    name = next((word for word in words if word in plan and is_output(word)), "")
    if not name:
        return ""
    if plan[name] == LOSES and not (FOLDER / (name + MENDED)).exists():
        (FOLDER / name).touch()
        return LOSES
    try:
        os.close(os.open(FOLDER / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return ""
    return plan[name]


def is_output(word):
    return words[words.index(word) - 1] in ("--output", "--mdst", "--event-dump")


def lose_one():
    from compass_mc import layouts, provenance
    from compass_mc.root_file import TableWriter, joined, origin_of, reading, tables_in

    output = words[words.index("--output") + 1]
    first = Path(next(word for word in words if word.startswith("mDST-") and word != output))
    with reading(first) as file:
        origin = provenance.reconstructed_from(origin_of(file, first), str(first))
        events = joined(list(tables_in(file, layouts.MDST, 1000)))
    writer = TableWriter(first, layouts.MDST)
    writer.append(events.select(events.scalars["event"] != events.scalars["event"][-1]))
    writer.close(provenance.to_text(replace(origin, events=origin.events - 1)))


wanted = fault()
if wanted == LOSES:
    lose_one()
elif wanted:
    words += ["--fail", wanted]
sys.exit(cli.main(words))
"""


def write_program(folder: Path, plan: Mapping[str, str]) -> Path:
    """Write the program and its plan into a folder; answer the program, which takes the arguments of compass-mc."""
    unknown = sorted(set(plan.values()) - {*PATTERNS, LOSES})
    if unknown:
        raise ValueError(f"plan: {unknown[0]!r} is no fault; known are {', '.join((*PATTERNS, LOSES))}")
    folder.mkdir(parents=True)
    (folder / PLAN).write_text(json.dumps(dict(plan)))
    program = folder / "faulty-mc"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder), loses=LOSES, mended=MENDED))
    program.chmod(0o755)
    return program


def planned(files: Sequence[str], *, seed: int, each: int = 1) -> dict[str, str]:
    """Give every known failure to ``each`` of these files' jobs, chosen by chance that the seed repeats."""
    wanted = [pattern for pattern in PATTERNS for _ in range(each)]
    if len(files) < len(wanted):
        raise ValueError(f"{len(files)} jobs are too few for {len(wanted)} failures; order more chunks")
    return dict(zip(random.Random(seed).sample(list(files), len(wanted)), wanted, strict=True))


def everything(files: Sequence[str], *, seed: int) -> dict[str, str]:
    """Plan every known failure once, and that two merges of mDSTs lose an event: of the first run and of the last."""
    merges = [name for name in files if (found := naming.parse(name)) and found.kind is FileKind.MERGED_MDST]
    losing = dict.fromkeys((merges[0], merges[-1]), LOSES)
    return {**planned([name for name in files if name not in losing], seed=seed), **losing}


def mend(folder: Path, run: int) -> None:
    """Let the merges of a run lose nothing any more."""
    for name, fault in json.loads((folder / PLAN).read_text()).items():
        if fault == LOSES and f"-{run}-" in name:
            (folder / f"{name}{MENDED}").touch()


def done(folder: Path) -> dict[str, str]:
    """Answer which of the planned faults have been done, by the file of their job."""
    plan: dict[str, str] = json.loads((folder / PLAN).read_text())
    return {name: fault for name, fault in plan.items() if (folder / name).exists()}
