"""The words of the production system and every move between them, as COMPASS names them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import TextChoices


class TaskType(TextChoices):
    """What a task makes."""

    MC_GENERATION = "mc_generation", "MC generation"
    MC_RECONSTRUCTION = "mc_reconstruction", "MC reconstruction"
    TEST = "test_production", "test production"
    MASS = "mass_production", "mass production"
    TECHNICAL = "technical_production", "technical production"
    DDD_FILTERING = "ddd_filtering", "DDD filtering"
    #: What users submit themselves: see `server.production.user_tasks`.
    USER_ANALYSIS = "user_analysis", "user analysis"


#: Productions of the detector's data: their chunks are its raw files.
ON_DATA = (TaskType.TEST, TaskType.MASS, TaskType.TECHNICAL, TaskType.DDD_FILTERING)

#: The types that a production manager defines.
RUNNABLE = (TaskType.MC_GENERATION, TaskType.MC_RECONSTRUCTION, *ON_DATA)


class TaskState(TextChoices):
    DRAFT = "draft", "draft"
    READY = "ready", "ready"
    JOBS_READY = "jobs_ready", "jobs ready"
    SEND = "send", "send"
    RESEND_FAILED = "resend_failed", "resend failed"
    RESEND_STAGING = "resend_staging", "resend staging"
    RESEND_MANUAL_CHECK = "resend_manual_check", "resend manual check"
    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    FINISHING = "finishing", "finishing"
    CANCELLED = "cancelled", "cancelled"
    #: Ended with a part of its work done, as PanDA has it.
    FINISHED = "finished", "finished"
    DONE = "done", "done"
    ARCHIVE = "archive", "archive"
    ARCHIVING = "archiving", "archiving"
    ARCHIVED = "archived", "archived"


class ChunkState(TextChoices):
    DEFINED = "defined", "defined"
    #: Its input is being brought from tape.
    STAGING = "staging", "staging"
    STAGED = "staged", "staged"
    SENT = "sent", "sent"
    RUNNING = "running", "running"
    FINISHED = "finished", "finished"
    FAILED = "failed", "failed"
    PAUSED = "paused", "paused"
    CANCELLED = "cancelled", "cancelled"
    MANUAL_CHECK = "manual_check", "manual check is needed"


class GroupState(TextChoices):
    READY = "ready", "ready"
    SENT = "sent", "sent"
    FINISHED = "finished", "finished"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"
    MANUAL_CHECK = "manual_check", "manual check is needed"


class MergeKind(TextChoices):
    MDST = "mdst", "mDST"
    HISTOGRAMS = "hist", "histograms"
    DUMP = "dump", "event dump"
    #: The logs of a run's jobs, when its task is archived.
    LOGS = "logs", "logs"


class CheckKind(TextChoices):
    MDST = "mdst", "events in mDSTs"
    DUMP = "dump", "bytes in event dumps"


class Verdict(TextChoices):
    NO = "no", "no"
    YES = "yes", "yes"
    MANUAL_CHECK = "manual_check", "manual check is needed"
    #: A person took a difference as it is, and said why.
    ACCEPTED = "accepted", "accepted"


#: What follows a check begins after one of these.
PASSED = (Verdict.YES, Verdict.ACCEPTED)


class OutputKind(TextChoices):
    GENERATED = "generated", "generated events"
    MDST = "mdst", "mDST"
    HISTOGRAMS = "histograms", "histograms"
    DUMP = "dump", "event dump"
    RICH = "rich", "RICH file"
    LOG = "log", "log"
    MERGED_MDST = "merged_mdst", "merged mDST"
    MERGED_HISTOGRAMS = "merged_histograms", "merged histograms"
    MERGED_DUMP = "merged_dump", "merged event dump"
    PACKED_LOGS = "packed_logs", "packed logs"


class TapeState(TextChoices):
    """How far a file is on its way to tape; empty: nobody wants it there."""

    NONE = "", "none"
    READY = "ready", "ready"
    SENT = "sent", "sent"
    FINISHED = "finished", "finished"
    FAILED = "failed", "failed"


T, C, G, A = TaskState, ChunkState, GroupState, TapeState

#: ``finished`` means that the storage says that it is on tape, with its size and checksum.
TAPE_MOVES = frozenset(
    {
        (A.NONE, A.READY),
        (A.READY, A.SENT),
        (A.SENT, A.FINISHED),
        (A.SENT, A.FAILED),
        # It could not even be asked for.
        (A.READY, A.FAILED),
        # The request that failed was tried again by somebody.
        (A.READY, A.FINISHED),
        (A.FAILED, A.FINISHED),
        # Another request, or the file was made again.
        (A.FAILED, A.READY),
        (A.SENT, A.READY),
        (A.FINISHED, A.READY),
        # It is made again, and what it then is comes later.
        *((state, A.NONE) for state in A if state is not A.NONE),
    }
)

#: A task in one of these may have jobs; its steps look at it.
ACTIVE = (T.SEND, T.RUNNING)

#: In these the logs of a task are packed.
PACKING = (T.ARCHIVE, T.ARCHIVING)

_STOPPABLE = (T.DRAFT, T.READY, T.JOBS_READY, T.SEND, T.RUNNING, T.PAUSED, T.FINISHING)

TASK_MOVES = frozenset(
    {
        (T.DRAFT, T.READY),
        # Back to the desk: nothing of it exists yet.
        (T.READY, T.DRAFT),
        (T.READY, T.JOBS_READY),
        (T.JOBS_READY, T.SEND),
        (T.SEND, T.RUNNING),
        # A new round for what failed or had to be looked at. The reset itself brings the task back to send.
        (T.RUNNING, T.RESEND_FAILED),
        (T.RESEND_FAILED, T.SEND),
        (T.RUNNING, T.RESEND_MANUAL_CHECK),
        (T.RESEND_MANUAL_CHECK, T.SEND),
        (T.RUNNING, T.RESEND_STAGING),
        (T.RESEND_STAGING, T.SEND),
        (T.SEND, T.PAUSED),
        (T.RUNNING, T.PAUSED),
        (T.PAUSED, T.RUNNING),
        (T.RUNNING, T.DONE),
        # A user's task of which some jobs have used up their attempts.
        (T.RUNNING, T.FINISHED),
        # Nothing new starts; what runs still ends.
        *((state, T.FINISHING) for state in (T.SEND, T.RUNNING, T.PAUSED)),
        (T.FINISHING, T.FINISHED),
        (T.FINISHING, T.DONE),
        (T.FINISHED, T.RESEND_FAILED),
        # A part of it is made again.
        (T.DONE, T.SEND),
        (T.FINISHED, T.SEND),
        # Its logs are packed and go to tape, and with them it is over.
        (T.DONE, T.ARCHIVE),
        (T.FINISHED, T.ARCHIVE),
        (T.ARCHIVE, T.ARCHIVING),
        (T.ARCHIVING, T.ARCHIVED),
        *((state, T.CANCELLED) for state in _STOPPABLE),
    }
)

#: In these no priority, queue or limit is changed: a job that was taken back for it would be sent by nobody.
NOT_CHANGED = (
    *(TaskState.FINISHING, TaskState.CANCELLED, TaskState.DONE),
    *(TaskState.ARCHIVE, TaskState.ARCHIVING, TaskState.ARCHIVED),
)

#: Those of them that a production manager may ask for; the others are the services'.
BY_PEOPLE = TASK_MOVES - {
    (T.SEND, T.RUNNING),
    (T.RUNNING, T.DONE),
    (T.RUNNING, T.FINISHED),
    (T.FINISHING, T.FINISHED),
    (T.FINISHING, T.DONE),
    (T.RESEND_FAILED, T.SEND),
    (T.RESEND_MANUAL_CHECK, T.SEND),
    (T.RESEND_STAGING, T.SEND),
    (T.DONE, T.SEND),
    (T.FINISHED, T.SEND),
    (T.ARCHIVE, T.ARCHIVING),
}

_BEGUN = (C.STAGED, C.SENT, C.RUNNING, C.FINISHED, C.FAILED, C.MANUAL_CHECK)

CHUNK_MOVES = frozenset(
    {
        (C.DEFINED, C.STAGED),
        # Its input is asked for on tape; it comes, or it does not.
        (C.DEFINED, C.STAGING),
        (C.STAGING, C.STAGED),
        (C.STAGING, C.DEFINED),
        (C.STAGING, C.MANUAL_CHECK),
        # It cannot be asked for, or was asked for in vain too often.
        (C.DEFINED, C.MANUAL_CHECK),
        (C.STAGED, C.MANUAL_CHECK),
        (C.STAGING, C.PAUSED),
        (C.STAGED, C.SENT),
        (C.SENT, C.RUNNING),
        *((before, after) for before in (C.SENT, C.RUNNING) for after in (C.FINISHED, C.FAILED, C.MANUAL_CHECK)),
        # Its pilot was lost, and the task buffer gave the job back to the queue.
        (C.RUNNING, C.SENT),
        # Another attempt of the same job: by the retry step, or by a person who looked.
        (C.FAILED, C.SENT),
        (C.MANUAL_CHECK, C.SENT),
        # A new job, because the old one cannot have another attempt.
        (C.FAILED, C.STAGED),
        (C.MANUAL_CHECK, C.STAGED),
        (C.DEFINED, C.PAUSED),
        (C.STAGED, C.PAUSED),
        (C.PAUSED, C.DEFINED),
        # Its job was taken out of the queue: a user's task is held back whole.
        (C.SENT, C.PAUSED),
        # A task that was ended early goes on.
        (C.CANCELLED, C.DEFINED),
        # What it made has vanished before it was merged: it is made again, or a person looks.
        (C.FINISHED, C.STAGED),
        (C.FINISHED, C.MANUAL_CHECK),
        # Sent again, whatever became of it; after its input where that is made again, too.
        *((state, C.STAGED) for state in (C.SENT, C.RUNNING)),
        *((state, C.DEFINED) for state in _BEGUN),
        *((state, C.CANCELLED) for state in C if state not in (C.FINISHED, C.CANCELLED)),
    }
)

GROUP_MOVES = frozenset(
    {
        (G.READY, G.SENT),
        # Its inputs are more than the merging program takes.
        (G.READY, G.MANUAL_CHECK),
        *((G.SENT, after) for after in (G.FINISHED, G.FAILED, G.MANUAL_CHECK)),
        (G.FAILED, G.SENT),
        (G.MANUAL_CHECK, G.SENT),
        # The same group in a new job.
        (G.FAILED, G.READY),
        (G.MANUAL_CHECK, G.READY),
        # Its task was ended early and goes on.
        (G.CANCELLED, G.READY),
        # A cross-check found less, or more, in it than went in; a person accepts that, or it is checked again.
        (G.FINISHED, G.MANUAL_CHECK),
        (G.MANUAL_CHECK, G.FINISHED),
        # Merged again, whatever became of it.
        (G.FINISHED, G.READY),
        (G.SENT, G.READY),
        *((state, G.CANCELLED) for state in G if state not in (G.FINISHED, G.CANCELLED)),
    }
)


def choices_of(state: TaskState) -> list[TaskState]:
    """Answer where a person may move a task that is in ``state``, in the order of the enum."""
    return [target for target in TaskState if (state, target) in BY_PEOPLE]


def values(states: Iterable[TextChoices]) -> list[str]:
    """Answer the stored words of states, for a query."""
    return [state.value for state in states]
