"""A queue that runs on this machine, with a folder of it as storage and pilots of the factory."""

from __future__ import annotations

import shlex
from pathlib import Path

from django.conf import settings

from pilot.contract.queue import QueueData, local_storage
from server.factory import logic as factory
from server.pandaconfig import logic

_ACTIVITIES = ("read_lan", "write_lan", "pr", "pw", "pl")
_PATH = "/usr/local/bin:/usr/bin:/bin"

#: A pilot takes jobs for so many minutes and ends as soon as there is none: the next one starts in no time. It takes
#: jobs of productions and of users alike.
_TIME_FLOOR = 30
_PILOT_OPTIONS = ("--pilot-user", "compass", "--joblabel", "unified", "--getjobrequests", "1")
#: Reports in the time after which the server takes a silent pilot for lost.
_HEARTBEATS = 6


def define_local_queue(
    name: str, folder: Path, *, cores: int, memory: int, slots: int, programs: Path | None = None
) -> QueueData:
    """Define the queue and its storage, and let the factory keep pilots for it.

    Args:
        name: The queue's name.
        folder: Where its files lie; made when it is not there.
        cores: Cores of one slot.
        memory: Memory of one slot in MB.
        slots: Pilots at the same time; 0 leaves the factory out of it.
        programs: A folder of programs that payloads find before those of the system.

    Raises:
        ContractError: the name is too long, or a number makes no sense.
    """
    endpoint = f"{name}_STORAGE"
    folder.mkdir(parents=True, exist_ok=True)
    logic.define_storage(endpoint, local_storage(endpoint, str(folder)))
    if slots:
        heartbeat = settings.ENVIRONMENT.heartbeat_timeout / _HEARTBEATS
        factory.define_queue(name, slots=slots, pilot_options=(*_PILOT_OPTIONS, "--heartbeat", f"{heartbeat:.1f}"))
    return logic.define_queue(
        {
            "nickname": name,
            "gstat": name,
            "status": "online",
            "corecount": cores,
            "maxrss": memory,
            "maxtime": 86400,
            "maxwdir": 20000,
            "timefloor": _TIME_FLOOR,
            "environ": shlex.quote(f"PATH={programs}:{_PATH}") if programs else "",
            "resource_type": "local",
            "comment_": "runs on the server's own machine",
            "copytools": {"cp": {"setup": ""}},
            "acopytools": {activity: ["cp"] for activity in (*_ACTIVITIES, "default")},
            "astorages": {activity: [endpoint] for activity in _ACTIVITIES},
            "params": {},
        }
    )
