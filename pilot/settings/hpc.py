"""Settings of a pilot that runs many payloads in one batch allocation."""

from __future__ import annotations

from pilot.settings.declaring import Section, choice, key


class Hpc(Section):
    """Many payloads in one batch allocation, on a supercomputer; what ``params.hpc`` of the queue says wins."""

    mode: str = choice(
        "auto", "always", "never", help="Gather jobs for allocations; auto: where the queue's catchall says HPC_HPC."
    )
    jobs: int = key(512, "jobs", low=1, high=10000, help="Jobs that are asked for, and gathered for one allocation.")
    gather: float = key(600.0, "s", low=0, help="Longest wait for further jobs once the first one is ready.")
    quiet: float = key(5.0, "s", low=0, help="Wait for a further job when all that were accepted are ready.")
    cores_per_node: int = key(32, "cores", low=1, high=4096, help="Cores of each node.")
    ranks_per_node: int = key(0, "ranks", low=0, high=4096, help="Payloads on each node; 0: as its cores allow.")
    most_nodes: int = key(300, "nodes", low=1, high=100000, help="Most nodes of an allocation.")
    wall_time: float = key(64800.0, "s", low=60, help="Longest wall time of an allocation.")
    reserve: float = key(120.0, "s", low=0, help="Part of the wall time kept for ending payloads and their reports.")
    turns: bool = key(False, help="A rank may run several payloads in turn, when there are more than nodes hold.")
    launcher: str = choice(
        "local", "srun", "mpiexec", "mpirun", "aprun", "jsrun", help="What starts the ranks in an allocation."
    )
    launcher_options: tuple[str, ...] = key((), help="Further words for the launcher.")
    resource: str = key("", help="A supercomputer of its own kind, known to a plugin (hook hpc_resource).")
    batch: str = choice(
        "none",
        "slurm",
        "pbs",
        "torque",
        help="Batch system that allocations are submitted to; none: the pilot is inside one already.",
    )
    batch_options: tuple[str, ...] = key((), help="Further words for the batch system.")
    project: str = key("", help="Project, or account, that allocations are charged to.")
    queue: str = key("", help="Queue, or partition, of the batch system.")
    allocations: int = key(1, "allocations", low=1, high=100, help="Allocations at the same time.")
    poll: float = key(30.0, "s", low=0.1, help="Time between two questions to the batch system.")
    held: float = key(3600.0, "s", low=0, help="An allocation that is held so long is given up.")
    look: float = key(5.0, "s", low=0.05, help="Time between two looks for reports of ranks on other nodes.")
    late: float = key(
        120.0, "s", low=0, help="Wait for reports of an allocation that is over: shared disks show files late."
    )
    stop_look: float = key(10.0, "s", low=0.1, help="Time between two looks of a rank whether to end its payload.")
    node_folder: str = key("", help="Where each node has files of its own; its TMPDIR when left out.")
