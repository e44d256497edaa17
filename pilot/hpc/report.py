"""The report of a rank: how one payload of an allocation ended. Alone it is enough to bring the job to its end.

It is written by the rank as a whole and forced to the disk, and read by whichever pilot has the job then.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.job import PayloadOutcome, Problem
from pilot.runtime.workdir import STDERR, STDOUT, read_own, write_new

#: No report is longer, in bytes.
LARGEST = 2**20
#: No figure is larger.
_ENDLESS = 2**63


@dataclass(frozen=True)
class RankReport:
    """How one payload ended. Times are seconds, ``started`` and ``ended`` since 1970; sizes are bytes.

    ``code`` and ``detail`` say what went wrong besides the payload itself; 0: nothing did. The rest is as in
    `pilot.job.PayloadOutcome`; neither status nor signal: no payload was started.
    """

    job: int
    attempt: int
    line: int
    rank: int = -1
    host: str = ""
    started: float = 0.0
    ended: float = 0.0
    status: Optional[int] = None
    signal: Optional[int] = None
    wall_time: float = 0.0
    cpu_time: float = 0.0
    max_rss: int = 0
    pid: int = 0
    dumped: bool = False
    late: bool = False
    memory_peak: int = 0
    memory_kills: int = 0
    memory_limit: int = 0
    cpu_limit: int = 0
    words: str = ""
    code: int = 0
    detail: str = ""

    @property
    def problem(self) -> Optional[Problem]:
        """What went wrong besides the payload itself."""
        if not self.code:
            return None
        known = self.code in {int(code) for code in ErrorCode}
        return Problem(ErrorCode(self.code) if known else ErrorCode.GENERAL_ERROR, self.detail)

    def outcome(self, workdir: Path) -> Optional[PayloadOutcome]:
        """Answer how the payload ended, in its directory; ``None`` when there was none."""
        if self.status is None and self.signal is None:
            return None
        names = {spec.name for spec in fields(PayloadOutcome)} - {"workdir", "stdout", "stderr"}
        figures = {name: value for name, value in asdict(self).items() if name in names}
        return PayloadOutcome(workdir=workdir, stdout=workdir / STDOUT, stderr=workdir / STDERR, **figures)


_FIGURES = PayloadOutcome.__dataclass_fields__


def ended(outcome: PayloadOutcome) -> dict[str, Any]:
    """Answer the figures of a payload's end, as they stand in a report."""
    names = {spec.name for spec in fields(RankReport)}
    return {name: getattr(outcome, name) for name in _FIGURES if name in names}


def write(path: Path, report: RankReport) -> None:
    """Write a report in one step, such that it survives the node too.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with write_new(new) as file:
        file.write(json.dumps(asdict(report)).encode())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read(path: Path, key: tuple[int, int]) -> Optional[RankReport]:
    """Read a report on an attempt; ``None`` when there is none, or it is no such report."""
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        found = json.loads(read_own(path, LARGEST))
        if isinstance(found, dict):
            known = [spec for spec in fields(RankReport) if spec.name in found]
            report = RankReport(**{spec.name: found[spec.name] for spec in known})
            if (report.job, report.attempt) == key and all(_is_sound(found[spec.name], spec.default) for spec in known):
                return report
    return None


def _is_sound(value: Any, default: Any) -> bool:
    """Say whether a value is of its field's kind; ``None`` where that is the default. A payload could write it."""
    if isinstance(default, (str, bool)):
        return type(value) is type(default)
    if isinstance(default, float):
        return type(value) in (int, float) and abs(value) < _ENDLESS  # not so of what is no number
    return (value is None and default is None) or (type(value) is int and abs(value) < _ENDLESS)
