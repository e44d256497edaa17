"""What a queue says about COMPASS's software: ``params.compass`` of its description, read strictly."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed


@dataclass(frozen=True)
class SiteChoice:
    """How a site wants COMPASS's software set up. Times are seconds.

    ``setup``: the release's file to set up from, below the release or absolute; empty: the usual ones are looked for.
    ``strict``: a script that ends with another status than 0 has failed.
    ``calibration``: where calibrations may come from, in order; ``spread``: each job begins with another of them.
    ``database``: a MySQL server's folder of data, of which each node of an allocation gets a copy and a server of its
    own (``database_program``), for jobs that name no calibrations themselves; ``database_time`` is given for that.
    """

    setup: str = ""
    setup_time: float = 300.0
    strict: bool = True
    calibration: tuple[str, ...] = ()
    calibration_time: float = 30.0
    spread: bool = False
    database: str = ""
    database_program: str = "mysqld"
    database_time: float = 300.0


def read(queue: QueueData) -> SiteChoice:
    """Read ``params.compass``; what is left out keeps its default.

    Raises:
        JobFailed: a key is unknown or a value is of the wrong kind (BAD_QUEUE_CONFIGURATION).
    """
    given = queue.params.get("compass", {})
    if not isinstance(given, Mapping):
        raise _wrong(queue, "compass", given, "keys and values")
    known = {field.name: field.default for field in fields(SiteChoice)}
    return SiteChoice(**{key: _checked(queue, key, value, known) for key, value in given.items()})


def _checked(queue: QueueData, key: str, value: Any, known: Mapping[str, Any]) -> Any:
    if key not in known:
        near = difflib.get_close_matches(str(key), known, 1)
        there = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        words = f"queue {queue.name}: params.compass.{key} is not known; {there}"
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words)
    default = known[key]
    if isinstance(default, tuple) and isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if isinstance(default, bool):
        fits, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, float):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits, wanted = is_number and 0 < value <= 86400, "a number of seconds, up to a day"
    else:
        fits, wanted = isinstance(value, type(default)), "a list of texts" if isinstance(default, tuple) else "a text"
    if not fits:
        raise _wrong(queue, f"compass.{key}", value, wanted)
    return value


def _wrong(queue: QueueData, key: str, value: object, wanted: str) -> JobFailed:
    words = f"queue {queue.name}: params.{key} is {value!r}; {wanted} expected"
    return JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words)
