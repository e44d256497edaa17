"""A queue that runs on this machine, with a folder of it as storage."""

from __future__ import annotations

from pathlib import Path

from pilot.contract.queue import QueueData, local_storage
from server.pandaconfig import logic

_ACTIVITIES = ("read_lan", "write_lan", "pr", "pw", "pl")


def define_local_queue(name: str, folder: Path, *, cores: int, memory: int) -> QueueData:
    """Define the queue and its storage; ``memory`` is in MB.

    Raises:
        ContractError: the name is too long, or a number makes no sense.
    """
    endpoint = f"{name}_STORAGE"
    folder.mkdir(parents=True, exist_ok=True)
    logic.define_storage(endpoint, local_storage(endpoint, str(folder)))
    return logic.define_queue(
        {
            "nickname": name,
            "gstat": name,
            "status": "online",
            "corecount": cores,
            "maxrss": memory,
            "maxtime": 86400,
            "maxwdir": 20000,
            "resource_type": "local",
            "comment_": "runs on the server's own machine",
            "copytools": {"cp": {"setup": ""}},
            "acopytools": {activity: ["cp"] for activity in (*_ACTIVITIES, "default")},
            "astorages": {activity: [endpoint] for activity in _ACTIVITIES},
            "params": {},
        }
    )
