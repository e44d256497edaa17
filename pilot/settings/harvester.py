"""Settings of a pilot that works for Harvester."""

from __future__ import annotations

from pilot.settings.declaring import Section, choice, key


class Harvester(Section):
    """Working for Harvester: as one of its workers, or through files in a folder that both see."""

    id: str = key("", help="Which Harvester this pilot is a worker of; HARVESTER_ID says it too.")
    worker: int = key(0, low=0, help="Which of its workers; HARVESTER_WORKER_ID says it too.")
    submit_mode: str = choice("PULL", "PUSH", help="PUSH: Harvester brings the jobs as files.")
    workdir: str = key("", help="The access point, a folder in which files are exchanged; see also HARVESTER_WORKDIR.")
    datadir: str = key("", help="A further folder in which Harvester's job files are looked for.")
    worker_attributes: str = key("", help="Name of the file with what is reported; worker_attributes.json if left out.")
    event_status_dump: str = key("", help="Name of the file with what was stored; event_status.dump.json if left out.")
    requests: int = key(60, "requests", low=1, help="Looks for a job file after which the pilot ends without a job.")
    ask_wait: float = key(10.0, "s", low=0.01, help="Wait between two looks for a job file, give or take a half.")
    beat: float = key(60.0, "s", low=0.05, help="Time between two signs of life, and two looks whether to end.")
    status: bool = key(True, help="Tell the server when a worker's pilot begins and ends.")
    node: bool = key(False, help="Tell the server what the worker's node is: processors, memory, disk, GPUs.")

    @property
    def files(self) -> bool:
        """Whether a name of anything was given that is exchanged by files."""
        return bool(self.workdir or self.datadir or self.worker_attributes or self.event_status_dump)
