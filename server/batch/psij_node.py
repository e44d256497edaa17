"""Runs on a node: makes sure that its job may start, and holds it as a local one is held.

The script that psij writes becomes this program: ``python -I -S psij_node.py HOME VARIABLE NUMBER``, with the folder of
the submission, which variable has the id that the batch system gives, and the number of the job. It needs the standard
library, and ``node.pyz`` beside it.
"""

# pathlib would double the time that each start takes.
# ruff: noqa: PTH103, PTH110, PTH119, PTH123
from __future__ import annotations

import json
import os
import signal
import sys
import time

TYPE_CHECKING = False  # typing would cost each start some milliseconds
if TYPE_CHECKING:
    from typing import Any

#: What is written for a part of a submission whose job does not know its id.
UNNAMED = "started"
#: Variables of the batch system that a job gets, by how they begin.
_OF_SYSTEM = ("PBS_", "LSB_", "LSF_", "COBALT_", "PSIJ_")


def main(home: str, variable: str, number: str) -> int:
    """Run one job, and answer its exit status."""
    from server.batch import runner, slurm_node

    job = f"{os.path.basename(home)}/{number}"
    native = os.environ.get(variable, "") or UNNAMED
    if slurm_node.settle(f"{home}/part-{number}", native) == "closed":
        return _refuse(f"{job} does not start: it was given up before")
    folder = f"{home}/{number}"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if not runner.claim(folder, {"job": native, "node": os.uname().nodename, "at": time.time()}):
        return _refuse(f"{job} does not start a second time")
    if os.path.exists(f"{folder}/{slurm_node.STOP}"):
        runner.finish(folder, None, "cancelled before it started")
        return 1
    with open(f"{home}/{slurm_node.ORDER}") as file:
        order: dict[str, Any] = json.load(file)
    of_system = {name: value for name, value in os.environ.items() if name.startswith(_OF_SYSTEM)}
    own = {"COMPASS_BATCH_ID": job, "PANDA_JSID": job, "COMPASS_BATCH_DIRECTORY": folder}
    order["environment"] = {**slurm_node.given(dict(os.environ)), **of_system, **order["environment"], **own}
    hear_other_orders()
    return runner.hold(folder, order)


def hear_other_orders() -> None:
    """Take the other signals by which batch systems order an end for those that the holder of jobs knows.

    LSF sends SIGINT before SIGTERM, and SIGUSR2 when the time of a job is over.
    """
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.signal(signal.SIGUSR2, lambda *_: os.kill(os.getpid(), signal.SIGUSR1))


def _refuse(words: str) -> int:
    sys.stderr.write(f"{words}\n")
    return 1


if __name__ == "__main__":
    sys.path.insert(0, f"{sys.argv[1]}/node.pyz")
    sys.exit(main(*sys.argv[1:4]))
