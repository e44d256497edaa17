"""What the batch system says of the slot: machine and job features, a folder or an address with one value per key.

Source: HEP Software Foundation, technical note HSF-TN-2016-02, "Machine/Job Features Specification".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Optional

log = logging.getLogger(__name__)

MACHINE_VARIABLE, JOB_VARIABLE = "MACHINEFEATURES", "JOBFEATURES"
#: Seconds that a value from a web server may take.
PATIENCE = 5.0
_LONGEST = 4096


class Features(NamedTuple):
    """The slot. Times are seconds since 1970, limits seconds and bytes; ``None``: nobody said."""

    shutdown: Optional[float] = None
    started: Optional[float] = None
    wall_limit: Optional[float] = None
    cpu_limit: Optional[float] = None
    memory: Optional[int] = None

    @property
    def end(self) -> Optional[float]:
        """Answer when the slot is taken away, whatever the reason."""
        ends = [] if self.shutdown is None else [self.shutdown]
        if self.started is not None and self.wall_limit is not None:
            ends.append(self.started + self.wall_limit)
        return min(ends) if ends else None


class FeatureSource:
    """Reads the features. What may change (the time of a shutdown) is read each time, the rest once."""

    def __init__(self, environment: Mapping[str, str], fetch: Optional[Callable[[str], str]] = None) -> None:
        self._machine = environment.get(MACHINE_VARIABLE, "")
        self._job = environment.get(JOB_VARIABLE, "")
        self._fetch = fetch or _fetch
        self._fixed: Optional[Features] = None

    @property
    def there(self) -> bool:
        """Say whether the batch system tells anything at all."""
        return bool(self._machine or self._job)

    def read(self) -> Features:
        """Read them; what cannot be read counts as not said."""
        if not self.there:
            return Features()
        if self._fixed is None:
            memory = self._number(self._job, "max_rss_bytes")
            self._fixed = Features(
                started=self._number(self._job, "jobstart_secs"),
                wall_limit=self._number(self._job, "wall_limit_secs"),
                cpu_limit=self._number(self._job, "cpu_limit_secs"),
                memory=None if memory is None else int(memory),
            )
        fixed = self._fixed
        told = (self._number(self._machine, "shutdowntime"), self._number(self._job, "shutdowntime_job"))
        times = [moment for moment in told if moment is not None]
        return Features(min(times) if times else None, fixed.started, fixed.wall_limit, fixed.cpu_limit, fixed.memory)

    def _number(self, place: str, key: str) -> Optional[float]:
        if not place:
            return None
        try:
            said = float(self._fetch(f"{place.rstrip('/')}/{key}").strip())
        except OSError:  # every error of requests is one; most keys are not there
            return None
        except ValueError as wrong:
            log.warning("%s/%s is no number: %s", place, key, wrong)
            return None
        return said if 0 < said < float("inf") else None  # nothing, and nan: a time without a meaning must end no job


def _fetch(where: str) -> str:
    if not where.startswith(("http://", "https://")):
        with Path(where).open(encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST)
    import requests

    with requests.get(where, timeout=PATIENCE, stream=True) as answer:
        answer.raise_for_status()
        return next(answer.iter_content(_LONGEST), b"").decode("utf-8", "replace")
