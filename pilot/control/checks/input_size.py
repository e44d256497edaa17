"""Whether a job's inputs are larger than the queue takes; asked once, before the first of them is fetched."""

from __future__ import annotations

from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.control.checks.base import MB
from pilot.job import Problem


def check(spec: JobSpec, queue: QueueData, most: int) -> Optional[Problem]:
    """Object when the inputs whose size is known are larger than the queue's maxinputsize, or else than ``most``."""
    limit = queue.max_input_size or most
    total = sum(file.size or 0 for file in spec.inputs)
    if not limit or total <= limit:
        return None
    words = f"the inputs have {total // MB} MB, they may have {limit // MB} MB (maxinputsize of the queue)"
    return Problem(ErrorCode.SIZE_TOO_LARGE, words)
