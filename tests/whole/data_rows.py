"""Writes tasks on data into a server's tables, as its own code has them: ``data_rows.py PROGRAM RUN...``.

Run in an environment that names the server's home. Each task has three chunks of each run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

CHUNKS = (1, 2, 3)
#: Name of a task: its type.
TASKS = {"data": "test_production", "filtered": "ddd_filtering"}


def main(program: str, runs: Sequence[int]) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "server.settings"
    import django

    django.setup()
    from django.db import transaction

    from pilot.contract import naming
    from server.production.models import Chunk, RawFile, Run, Task

    with transaction.atomic():
        for name, kind in TASKS.items():
            task = Task.objects.create(
                name=name, type=kind, production=name, year=2016, period="P07", soft="compass-mc", slot=1,
                queue="LOCAL", program=program, priority=2000, merging_priority=5000, max_attempts=5, state="send",
                owner="manager",
            )  # fmt: skip
            for run in [Run.objects.create(task=task, number=number) for number in runs]:
                for number in CHUNKS:
                    chunk = Chunk.objects.create(task=task, run=run, number=number)
                    lfn = naming.raw(run.number, number)
                    RawFile.objects.create(chunk=chunk, lfn=lfn, dataset="raw/2016", endpoint="LOCAL_STORAGE")


if __name__ == "__main__":
    main(sys.argv[1], [int(word) for word in sys.argv[2:]])
