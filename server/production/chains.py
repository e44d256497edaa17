"""Which steps each type of task has, one row each: what its jobs make, what is merged, when, and what is checked.

A table, and nothing else: the steps, the pages and the order of jobs read it. Source: the public production system of
the experiment and the paper of NEC'2017 on it (read as facts).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pilot.contract.processing import ProcessingType
from server.production.states import CheckKind, MergeKind, OutputKind, TaskType

#: Outputs that a job may write or not, by its options.
MAY_BE_MISSING = frozenset({OutputKind.RICH})


@dataclass(frozen=True)
class Merge:
    """The files of one kind of a run become few.

    ``after`` is the check of the run that must have passed first; ``None``: all jobs of the run have finished, which
    every merge waits for. ``check`` is what its files are held against afterwards. ``optional``: a task may go without.
    """

    kind: MergeKind
    after: CheckKind | None = None
    check: CheckKind | None = None
    optional: bool = False


@dataclass(frozen=True)
class Chain:
    """The steps of one type of task.

    ``step`` is the word for its jobs. ``work`` is what they are to pilots; ``None``: their owner says. ``exact``: a job
    has to make as many events as it was ordered. ``from_parent``: what a chunk reads is what its parent chunk has made;
    ``raw``: it is a file of the detector. ``archived``: what goes to tape, where the task or its site names one.
    """

    step: str
    work: ProcessingType | None
    outputs: tuple[OutputKind, ...]
    merges: tuple[Merge, ...] = ()
    exact: bool = False
    from_parent: bool = False
    raw: bool = False
    archived: tuple[OutputKind, ...] = ()

    @property
    def on_tape(self) -> tuple[OutputKind, ...]:
        """Everything that goes to tape: what is archived, and in the end the logs."""
        return (*self.archived, OutputKind.PACKED_LOGS) if self.archived else ()

    def steps(self, *, merge_dumps: bool) -> tuple[str, ...]:
        """Name the steps in order, for pages."""
        return (self.step, *(step for merge in self.merges for step in _steps_of(merge, wanted=merge_dumps)))


def _steps_of(merge: Merge, *, wanted: bool) -> Iterator[str]:
    if wanted or not merge.optional:
        yield f"merge_{merge.kind.value}"
        if merge.check is not None:
            yield "crosscheck" if merge.check is CheckKind.MDST else f"check_{merge.check.value}"


_MDST = Merge(MergeKind.MDST, check=CheckKind.MDST)
_HISTOGRAMS = Merge(MergeKind.HISTOGRAMS, after=CheckKind.MDST)
_DUMPS = Merge(MergeKind.DUMP, after=CheckKind.MDST, check=CheckKind.DUMP, optional=True)
_MERGED = (OutputKind.MERGED_MDST, OutputKind.MERGED_HISTOGRAMS, OutputKind.MERGED_DUMP)
_RECONSTRUCTED = (OutputKind.MDST, OutputKind.HISTOGRAMS, OutputKind.DUMP)


def _production(work: ProcessingType) -> Chain:
    return Chain(
        "reconstruction",
        work,
        (*_RECONSTRUCTED, OutputKind.RICH),
        (_MDST, _HISTOGRAMS, _DUMPS),
        raw=True,
        archived=_MERGED,
    )


CHAINS: Mapping[TaskType, Chain] = {
    TaskType.TEST: _production(ProcessingType.TEST),
    TaskType.MASS: _production(ProcessingType.MASS),
    TaskType.TECHNICAL: _production(ProcessingType.TECHNICAL),
    TaskType.DDD_FILTERING: Chain(
        "filtering",
        ProcessingType.FILTERING,
        (OutputKind.DUMP,),
        # There is nothing else to wait for, and without it there would be no result.
        (Merge(MergeKind.DUMP, check=CheckKind.DUMP),),
        raw=True,
        archived=(OutputKind.MERGED_DUMP,),
    ),
    TaskType.MC_GENERATION: Chain(
        "generation",
        ProcessingType.GENERATION,
        (OutputKind.GENERATED,),
        exact=True,
        archived=(OutputKind.GENERATED,),
    ),
    TaskType.MC_RECONSTRUCTION: Chain(
        "reconstruction",
        ProcessingType.RECONSTRUCTION,
        _RECONSTRUCTED,
        (_MDST, _HISTOGRAMS, _DUMPS),
        from_parent=True,
        archived=_MERGED,
    ),
    # What its jobs write is their owner's, and is not looked after here.
    TaskType.USER_ANALYSIS: Chain("analysis", None, ()),
}


def chain_of(type_word: str) -> Chain:
    """Answer the chain of a type of task, by its stored word."""
    return CHAINS[TaskType(type_word)]


def merges_of(kind: MergeKind) -> Iterator[tuple[Merge, list[str]]]:
    """Answer each way in which files of a kind are merged, with the types of task, as stored, that do it so."""
    for merge in dict.fromkeys(merge for chain in CHAINS.values() for merge in chain.merges if merge.kind is kind):
        yield merge, [kind.value for kind, chain in CHAINS.items() if merge in chain.merges]


def every_merge() -> Iterator[tuple[Merge, list[str]]]:
    """Answer each merge of any kind with the types that do it."""
    for kind in MergeKind:
        yield from merges_of(kind)
