"""Step: datasets that nobody writes into any more are closed, and later frozen."""

from __future__ import annotations

from datetime import datetime

from server.dataservice import door
from server.dataservice.limits import limits
from server.dataservice.models import Dataset
from server.dataservice.states import DatasetKind, DatasetState
from server.dataservice.steps.tries import seconds

SERVICE = "dataservice.close"
#: Datasets of one run.
MOST = 500


def close(*, now: datetime) -> tuple[int, int]:
    """Answer how many datasets were closed, and how many frozen."""
    bounds = limits()
    quiet = Dataset.objects.filter(changed__lte=now - seconds(bounds.close_after), state=DatasetState.OPEN)
    complete = quiet.filter(expected=0, files__gt=0).exclude(kind=DatasetKind.INPUT)
    old = Dataset.objects.filter(changed__lte=now - seconds(bounds.freeze_after), state=DatasetState.CLOSED)
    frozen = _move(list(old.order_by("changed")[:MOST]), DatasetState.FROZEN, now, "nothing has changed since")
    closed = _move(list(complete.order_by("changed")[:MOST]), DatasetState.CLOSED, now, "all its jobs are done")
    return closed, frozen


def _move(datasets: list[Dataset], after: DatasetState, now: datetime, words: str) -> int:
    return sum(door.move_dataset(dataset, after, by=SERVICE, now=now, words=words) for dataset in datasets)
