"""Where a task's files go and what they are called, from the one naming module. Pure rules."""

from __future__ import annotations

from dataclasses import dataclass

from pilot.contract import naming
from pilot.contract.codec import ContractError, shown
from server.production.chains import chain_of
from server.production.states import MergeKind, OutputKind, TaskType

#: The scope under which a catalogue knows the experiment's files.
SCOPE = "compass"


def refuse_area(dataset: str, name: str) -> None:
    """Refuse to let users' jobs write where productions do: the newest file of a name is the one that counts.

    Raises:
        ContractError: the dataset is in a folder of the productions.
    """
    for folder in (naming.MC_FOLDER, naming.DATA_FOLDER):
        if folder in dataset.split("/"):
            words = f"{name}: {shown(dataset)}: productions write into {folder}; name a dataset of your own"
            raise ContractError(words, field_name=name)


#: Where each type of task writes, and the last folder of it.
_AREAS = {
    TaskType.MC_GENERATION: (naming.mc_area, "mcgen"),
    TaskType.MC_RECONSTRUCTION: (naming.mc_area, "mcreco"),
    TaskType.TEST: (naming.data_area, "test"),
    TaskType.MASS: (naming.data_area, "mass"),
    TaskType.TECHNICAL: (naming.data_area, "technical"),
    TaskType.DDD_FILTERING: (naming.data_area, "ddd"),
}


@dataclass(frozen=True)
class Names:
    """What the names of a task's files are made of."""

    type: str
    production: str
    year: int
    period: str
    soft: str
    slot: int
    phast: int
    #: Whether jobs write a RICH file, too.
    rich: bool = False

    @property
    def area(self) -> str:
        """The folder of everything the task writes."""
        area, kind = _AREAS[TaskType(self.type)]
        return area(self.year, self.period, self.soft, kind)

    def dataset(self, kind: str) -> str:
        """Name the folder, which is the dataset, of one kind of files."""
        folder = {
            OutputKind.GENERATED: "",
            OutputKind.MDST: naming.MDST_FOLDER,
            OutputKind.HISTOGRAMS: naming.HISTOGRAM_FOLDER,
            OutputKind.DUMP: naming.dump_folder(self.slot),
            OutputKind.RICH: naming.RICH_FOLDER,
            OutputKind.LOG: naming.LOG_FOLDER,
            OutputKind.MERGED_MDST: naming.MERGED_MDST_FOLDER,
            OutputKind.MERGED_HISTOGRAMS: naming.MERGED_HISTOGRAM_FOLDER,
            OutputKind.MERGED_DUMP: naming.merged_dump_folder(self.slot),
            OutputKind.PACKED_LOGS: naming.PACKED_LOG_FOLDER,
        }[OutputKind(kind)]
        return f"{self.area}/{folder}" if folder else self.area

    def chunk_files(self, run: int, chunk: int) -> dict[OutputKind, str]:
        """Name what the processing job of a chunk writes, besides its log: what the chain of its task's type has."""
        wanted = chain_of(self.type).outputs
        return {kind: self._chunk_file(kind, run, chunk) for kind in wanted if kind is not OutputKind.RICH or self.rich}

    def _chunk_file(self, kind: OutputKind, run: int, chunk: int) -> str:
        """Name one of them: a name costs more than all else that is asked about a chunk."""
        if kind is OutputKind.GENERATED:
            return naming.generated(run, chunk)
        if kind is OutputKind.MDST:
            return naming.mdst(run, chunk, self.slot, self.phast)
        if kind is OutputKind.RICH:
            return naming.rich(run, chunk)
        name = naming.histograms if kind is OutputKind.HISTOGRAMS else naming.event_dump
        return name(run, chunk, self.slot)

    def merged_file(self, kind: str, run: int, group: int) -> str:
        """Name the merged file of a group."""
        if kind == MergeKind.DUMP:
            return naming.merged_dump(run, self.slot, group)
        if kind == MergeKind.LOGS:
            return naming.packed_logs(self.production, run, self.slot, self.phast, group)
        name = naming.merged_mdst if kind == MergeKind.MDST else naming.merged_histograms
        return name(run, self.slot, self.phast, group)

    def chunk_job(self, run: int, chunk: int) -> str:
        return naming.processing_job(self.production, self.year, run, chunk, self.slot, self.phast)

    def merging_job(self, kind: str, run: int, group: int) -> str:
        return naming.merging_job(self.production, kind, run, self.slot, self.phast, group)

    def chunk_log(self, run: int, chunk: int) -> str:
        return naming.log(self.production, run, chunk, self.slot, self.phast)

    def merging_log(self, kind: str, run: int, group: int) -> str:
        return naming.merging_log(self.production, kind, run, self.slot, self.phast, group)


#: What is merged, into what.
SOURCE_OF = {
    MergeKind.MDST: OutputKind.MDST,
    MergeKind.HISTOGRAMS: OutputKind.HISTOGRAMS,
    MergeKind.DUMP: OutputKind.DUMP,
    MergeKind.LOGS: OutputKind.LOG,
}
RESULT_OF = {
    MergeKind.MDST: OutputKind.MERGED_MDST,
    MergeKind.HISTOGRAMS: OutputKind.MERGED_HISTOGRAMS,
    MergeKind.DUMP: OutputKind.MERGED_DUMP,
    MergeKind.LOGS: OutputKind.PACKED_LOGS,
}
