"""Whether an output file is larger than storages take."""

from __future__ import annotations

from typing import Any

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, MB, Situation, Verdict
from pilot.job import Problem


def look(situation: Situation, before: Any) -> Verdict:
    """Object to the first output larger than ``monitor.output_size``."""
    most, sizes = situation.settings.output_size, situation.readings.sizes
    for file in situation.job.spec.outputs:
        if most and sizes.get(file.lfn, 0) > most:
            words = (
                f"{file.lfn} has {sizes[file.lfn] // MB} MB, an output may have {most // MB} MB (monitor.output_size)"
            )
            return Verdict(Problem(ErrorCode.OUTPUT_TOO_LARGE, words))
    return GOOD
