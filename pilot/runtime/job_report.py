"""What a payload tells of itself in ``jobReport.json`` (PanDA's name): passed on to the server as it is."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from pilot.contract.naming import JOB_REPORT as NAME
from pilot.runtime.workdir import read_own

log = logging.getLogger(__name__)

#: Bytes; a longer one stays in the job's log.
LARGEST = 2**20


def read(folder: Path) -> str:
    """Answer a payload's report as JSON text; "" when it has written none, or none that can be passed on."""
    path = folder / NAME
    if not path.exists():
        return ""
    try:
        found = json.loads(read_own(path, LARGEST))
        if not isinstance(found, dict):
            raise TypeError("it holds no JSON object")
        return json.dumps(found)
    except (OSError, ValueError, TypeError, RecursionError) as wrong:
        log.warning("%s is not passed on: %s", NAME, wrong)
        return ""
