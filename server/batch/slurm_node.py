"""Runs on a node of Slurm: makes sure that its job may start, and holds it as a local one is held.

Started by the batch script as ``python -I -S node.pyz HOME FIRST NAMED``: the folder of the submission, the number of
the first job in this array, and ``1`` when clusters are named in ids. It needs the standard library alone.
"""

# pathlib would double the time that each start takes.
# ruff: noqa: PTH103, PTH110, PTH123
from __future__ import annotations

import json
import os
import sys
import time

from server.batch import runner

TYPE_CHECKING = False  # typing would cost each start some milliseconds
if TYPE_CHECKING:
    from typing import Any

#: Beside what the local batch system has in a job's directory: its claim, how it ended, its output.
STOP = "stop"
ORDER = "order.json"
#: What a job gets of its node's environment; all else is said by the order.
_GIVEN = (
    "TMPDIR",
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK",
    "GPU_DEVICE_ORDINAL",
    "KRB5CCNAME",
)


def main(home: str, first: str, named: str) -> int:
    """Run one job, and answer its exit status."""
    of_node = dict(os.environ)
    cluster = f"@{of_node['SLURM_CLUSTER_NAME']}" if named == "1" else ""
    array = f"{of_node['SLURM_ARRAY_JOB_ID']}{cluster}"
    index = int(of_node["SLURM_ARRAY_TASK_ID"])
    job = f"{of_node['SLURM_ARRAY_JOB_ID']}_{index}{cluster}"
    if other := settle(f"{home}/part-{first}", array):
        return _refuse(f"{job} does not start: its part of the submission is {other}")
    folder = f"{home}/{int(first) + index}"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    node = of_node.get("SLURMD_NODENAME", "")
    if not runner.claim(folder, {"job": job, "node": node, "at": time.time()}):
        return _refuse(f"{job} does not start a second time")
    if os.path.exists(f"{folder}/{STOP}"):
        runner.finish(folder, None, "cancelled before it started")
        return 1
    with open(f"{home}/{ORDER}") as file:
        order: dict[str, Any] = json.load(file)
    own = {"COMPASS_BATCH_ID": job, "PANDA_JSID": job, "COMPASS_BATCH_DIRECTORY": folder}
    order["environment"] = {**given(of_node), **order["environment"], **own}
    return runner.hold(folder, order)


def settle(path: str, array: str) -> str:
    """Say once for ever which array a part of a submission is; answer which other one it is already, if it is."""
    draft = f"{path}.{os.getpid()}-{time.monotonic_ns()}"
    with open(draft, "w") as file:
        file.write(array)
    try:
        os.link(draft, path)
    except FileExistsError:
        with open(path) as file:
            settled = file.read()
        return "" if settled == array else settled or "closed"
    finally:
        os.unlink(draft)  # noqa: PTH108
    return ""


def given(of_node: dict[str, str]) -> dict[str, str]:
    """Answer what a job gets of its node's environment: what Slurm says of it, and what it may use there."""
    kept = {name: value for name, value in of_node.items() if name.startswith("SLURM") or name in _GIVEN}
    if not os.path.exists(kept.get("SLURM_CONF", "/")):
        del kept["SLURM_CONF"]  # it is where the server has it; nodes may have it elsewhere
    return kept


def _refuse(words: str) -> int:
    sys.stderr.write(f"{words}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
