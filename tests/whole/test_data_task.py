"""A production of data and a filtering of the same raw files, by real pilots, with events lost on the way."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from pilot.contract import naming
from tests.whole.local_system import PATIENCE, ROOT, LocalSystem

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.campaign,  # half a minute of programs: the rules of the chain have quick tests of their own
    pytest.mark.skipif(
        importlib.util.find_spec("pythia8mc") is None,
        reason="not tested: the programs of examples/mc are not installed",
    ),
]

MENDED, ACCEPTED = 278473, 278474
EVENTS = 20
CHUNKS = (1, 2, 3)
#: Name of a task: its type.
TASKS = {"data": "test_production", "filtered": "ddd_filtering"}
#: The example's program, which the first time loses the last event of a run's first file while it merges mDSTs.
LOSING = """#!{python}
import sys
from dataclasses import replace
from pathlib import Path

from compass_mc import cli, layouts, provenance
from compass_mc.root_file import TableWriter, joined, origin_of, reading, tables_in

words = sys.argv[1:]
output = words[words.index("--output") + 1] if words[0] == "merge" else ""
mark = Path("{marks}", output)
if output.startswith("mDST-") and not mark.exists():
    mark.touch()
    first = Path(next(word for word in words if word.startswith("mDST-") and word != output))
    with reading(first) as file:
        origin = provenance.reconstructed_from(origin_of(file, first), str(first))
        events = joined(list(tables_in(file, layouts.MDST, 1000)))
    writer = TableWriter(first, layouts.MDST)
    writer.append(events.select(events.scalars["event"] != events.scalars["event"][-1]))
    writer.close(provenance.to_text(replace(origin, events=origin.events - 1)))
sys.exit(cli.main(words))
"""


def losing_program(folder: Path) -> Path:
    (folder / "marks").mkdir()
    program = folder / "losing-mc"
    program.write_text(LOSING.format(python=sys.executable, marks=folder / "marks"))
    program.chmod(0o755)
    return program


def write_raw_files(folder: Path) -> None:
    """Make the files of the detector with the example's generator."""
    from compass_mc.generate import Order, generate

    folder.mkdir(parents=True)
    for run in (MENDED, ACCEPTED):
        for chunk in CHUNKS:
            generate(Order(run, chunk, run + chunk, EVENTS), folder / naming.raw(run, chunk))


def define_tasks(system: LocalSystem, program: Path) -> None:
    """Order both tasks: one by its files, the other by runs that the catalogue has learnt."""
    files = [f"raw/2016/{naming.raw(run, chunk)}" for run in (MENDED, ACCEPTED) for chunk in CHUNKS]
    runs = system.home / "runs.txt"
    runs.write_text("\n".join(f"{file}, {EVENTS}" for file in files))
    environment = {**system.environment, "COMPASS_SERVER_HOME": str(system.home / "server")}
    words = [sys.executable, "-m", "server.manage", "load_runs", str(runs)]
    subprocess.run(words, env=environment, cwd=ROOT, check=True, timeout=60)
    sources = {"data": {"files": "\n".join(files)}, "filtered": {"runs": f"{MENDED}-{ACCEPTED}"}}
    for name, kind in TASKS.items():
        frame = {"production": name, "year": 2016, "period": "P07", "soft": "compass-mc", "slot": 1, "queue": "LOCAL"}
        path = system.home / f"{name}.json"
        path.write_text(json.dumps({"name": name, "type": kind, **frame, "program": str(program), **sources[name]}))
        status, _, said = system.call("task", "create", str(path), "--start")
        assert status == 0, said


def task(system: LocalSystem, name: str) -> dict[str, Any]:
    with urlopen(f"{system.url()}/tasks/{name}?json", timeout=PATIENCE) as answer:
        found: dict[str, Any] = json.load(answer)["data"]
    return found


def checks(found: dict[str, Any], kind: str) -> dict[int, dict[str, Any]]:
    return {check["run"]: check for check in found["checks"] if check["kind"] == kind}


def test_data_is_reconstructed_merged_and_checked_and_what_was_lost_is_accepted_or_mended(local_system, tmp_path):
    system = local_system().with_tables()
    write_raw_files(system.home / "storage" / "raw" / "2016")
    status, _, said = system.up()
    assert status == 0, said
    define_tasks(system, losing_program(tmp_path))

    def both_wait() -> bool:
        verdicts = {run: check["verdict"] for run, check in checks(task(system, "data"), "mdst").items()}
        return verdicts == dict.fromkeys((MENDED, ACCEPTED), "manual_check")

    system.wait_for(both_wait, "both runs wait for a person")
    lost = checks(task(system, "data"), "mdst")[ACCEPTED]
    assert lost["found"] == lost["expected"] - 1
    assert lost["words"].endswith(f"1 are missing; merge 0: {lost['expected']} in, {lost['found']} out")

    why = ("--why", "one event is known to be broken")
    status, _, said = system.call("task", "accept", "data", str(ACCEPTED), "mdst", *why)
    assert status == 0, said
    status, _, said = system.call("task", "move", "data", "resend_manual_check")
    assert status == 0, said
    for name in TASKS:
        system.wait_for(lambda name=name: task(system, name)["status"] == "done", f"{name} is done")

    found = task(system, "data")
    assert {run: check["verdict"] for run, check in checks(found, "mdst").items()} == {
        MENDED: "yes",
        ACCEPTED: "accepted",
    }
    assert {check["verdict"] for check in checks(found, "dump").values()} == {"yes"}
    assert {step["state"] for step in found["steps"]} == {"done"}
    merged = {output["lfn"] for output in found["outputs"] if output["kind"].startswith("merged_")}
    assert {naming.merged_mdst(run, 1, 7) for run in (MENDED, ACCEPTED)} < merged
    # Filtering keeps the same events of the same raw files as the reconstruction has dumped.
    dumps = {
        name: {
            output["lfn"]: output["checksum"] for output in task(system, name)["outputs"] if output["kind"] == "dump"
        }
        for name in TASKS
    }
    assert len(dumps["data"]) == 6
    assert dumps["data"] == dumps["filtered"]
