"""What a pilot says of itself as a worker of a Harvester, and of the node that it is on. Field names are PanDA's."""

from __future__ import annotations

from typing import Optional

from pilot.contract.codec import INTEGER, NUMBER, TEXT, text, wire
from pilot.contract.frozen import Frozen

#: The two words of `WorkerStatus.status`.
STARTED, FINISHED = "started", "finished"


class WorkerStatus(Frozen):
    """A worker's pilot begins, or ends."""

    worker_id: int = wire(INTEGER, "workerID", "worker_id", required=True)
    harvester_id: str = wire(TEXT, "harvesterID", "harvester_id", required=True)
    status: str = wire(TEXT, "status", required=True)
    node: str = wire(text(128), "node_id", default="")
    # Only the legacy dialect has this.
    queue: str = wire(TEXT, "site", "", default="")
    # Ours: the id in the batch system, by which the server finds the pilot that its own factory has submitted.
    batch_id: str = wire(TEXT, "batchID", "batch_id", default="")


class WorkerNode(Frozen):
    """A node: memory in PanDA's MB (2**20 bytes), local disk in its GB (2**30 bytes), the clock in MHz."""

    site: str = wire(TEXT, "site", required=True)
    host: str = wire(TEXT, "host_name", required=True)
    cpu_model: str = wire(TEXT, "cpu_model", required=True)
    queue: str = wire(TEXT, "panda_queue", default="")
    logical: Optional[int] = wire(INTEGER, "n_logical_cpus")
    sockets: Optional[int] = wire(INTEGER, "n_sockets")
    cores_per_socket: Optional[int] = wire(INTEGER, "cores_per_socket")
    threads_per_core: Optional[int] = wire(INTEGER, "threads_per_core")
    architecture: Optional[str] = wire(TEXT, "cpu_architecture")
    level: Optional[str] = wire(TEXT, "cpu_architecture_level")
    clock: Optional[float] = wire(NUMBER, "clock_speed")
    memory: Optional[int] = wire(INTEGER, "total_memory")
    disk: Optional[int] = wire(INTEGER, "total_local_disk")


class WorkerGpus(Frozen):
    """The GPUs of one model in a node; ``memory`` of one in PanDA's MB."""

    site: str = wire(TEXT, "site", required=True)
    host: str = wire(TEXT, "host_name", required=True)
    vendor: str = wire(TEXT, "vendor", required=True)
    model: str = wire(TEXT, "model", required=True)
    count: int = wire(INTEGER, "count", required=True)
    memory: Optional[int] = wire(INTEGER, "vram")
    architecture: Optional[str] = wire(TEXT, "architecture")
    framework: Optional[str] = wire(TEXT, "framework")
    framework_version: Optional[str] = wire(TEXT, "framework_version")
    driver: Optional[str] = wire(TEXT, "driver_version")
