"""What the batch system says of the slot: machine and job features, a folder or an address with one value per key.

Source: HEP Software Foundation, technical note HSF-TN-2016-02, "Machine/Job Features Specification".
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Optional

from pilot.contract.named import NamedTuple

log = logging.getLogger(__name__)

MACHINE_VARIABLE, JOB_VARIABLE = "MACHINEFEATURES", "JOBFEATURES"
#: Seconds that a value from a web server may take.
PATIENCE = 5.0
#: Seconds after which what hardly ever changes is read again: a batch system may make a slot longer, or shorter.
REFRESH = 600.0
_SELDOM = ("jobstart_secs", "wall_limit_secs", "cpu_limit_secs", "max_rss_bytes")
_LONGEST = 4096
#: How a web server says that there is no such key.
GONE = 404


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
    """Reads the features. The times of a shutdown are read each time, the rest every ``REFRESH`` seconds.

    What cannot be read just now, because a server is away, is taken to be as it was.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        fetch: Optional[Callable[[str], str]] = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = environment.get(MACHINE_VARIABLE, "")
        self._job = environment.get(JOB_VARIABLE, "")
        self._fetch, self._clock = fetch or _fetch, clock
        self._known: dict[str, Optional[float]] = {}
        self._refresh_at = 0.0

    @property
    def there(self) -> bool:
        """Say whether the batch system tells anything at all."""
        return bool(self._machine or self._job)

    def read(self) -> Features:
        """Read them; what cannot be read counts as not said."""
        if not self.there:
            return Features()
        told = (self._number(self._machine, "shutdowntime"), self._number(self._job, "shutdowntime_job"))
        times = [moment for moment in told if moment is not None]
        if not self._refresh_at or self._clock() >= self._refresh_at:
            for key in _SELDOM:
                self._number(self._job, key)
            self._refresh_at = self._clock() + REFRESH
        started, wall_limit, cpu_limit, memory = (self._known[key] for key in _SELDOM)
        size = None if memory is None else int(memory)
        return Features(min(times) if times else None, started, wall_limit, cpu_limit, size)

    def _number(self, place: str, key: str) -> Optional[float]:
        """Read a number anew, and keep it."""
        try:
            said = float(self._fetch(f"{place.rstrip('/')}/{key}").strip()) if place else None
        except (FileNotFoundError, NotADirectoryError):  # most keys are not there
            said = None
        except OSError as wrong:  # every error of requests is one
            said = self._known.get(key)
            log.info("%s/%s cannot be read, it is taken to be %s: %s", place, key, said, wrong)
        except ValueError as wrong:
            log.warning("%s/%s is no number: %s", place, key, wrong)
            said = None
        # Nothing, and nan: a time without a meaning must end no job.
        self._known[key] = said if said is not None and 0 < said < float("inf") else None
        return self._known[key]


def _fetch(where: str) -> str:
    if not where.startswith(("http://", "https://")):
        with Path(where).open(encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST)
    import requests

    with requests.Session() as session:
        session.trust_env = False  # a web proxy of the environment does not know the node's own addresses
        answer = session.get(where, timeout=PATIENCE, stream=True)
        if answer.status_code == GONE:
            raise FileNotFoundError(where)
        answer.raise_for_status()
        return next(answer.iter_content(_LONGEST), b"").decode("utf-8", "replace")
