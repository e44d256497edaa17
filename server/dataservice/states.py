"""What datasets, files, replicas and transfers are, and every move between these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import TextChoices


class DatasetKind(TextChoices):
    """PanDA's words of its table of datasets."""

    INPUT = "input", "input"
    OUTPUT = "output", "output"
    LOG = "log", "log"


class DatasetState(TextChoices):
    OPEN = "open", "open"
    CLOSED = "closed", "closed"  # nobody is known to write into it any more
    FROZEN = "frozen", "frozen"  # and nobody may


class FileState(TextChoices):
    EXPECTED = "expected", "expected"  # named by a job that is to write it, or by one that waits for it
    AVAILABLE = "available", "available"  # on a disk or a tape, somewhere
    ABSENT = "absent", "absent"  # its job has ended without it
    LOST = "lost", "lost"  # it was there, and no storage has it any more
    DELETED = "deleted", "deleted"  # somebody asked for it
    REPLACED = "replaced", "replaced"  # the log of a try that another one followed


class ReplicaState(TextChoices):
    COPYING = "copying", "being copied"
    AVAILABLE = "available", "available"  # can be read at once
    ON_TAPE = "on_tape", "on tape"  # and has to be asked for
    LOST = "lost", "lost"
    REMOVING = "removing", "being removed"
    DELETED = "deleted", "deleted"


class TransferKind(TextChoices):
    """What a storage is asked to do with a file."""

    PRESTAGE = "prestage", "prestage"  # bring it from tape to disk, and keep it there for a time
    ARCHIVE = "archive", "archive"  # have it on tape
    REPLICATE = "replicate", "replicate"
    DELETE = "delete", "delete"


class TransferState(TextChoices):
    REQUESTED = "requested", "requested"
    QUEUED = "queued", "queued"  # the storage has taken the request
    ACTIVE = "active", "active"
    ON_DISK = "on_disk", "on disk"  # as the storage says; nobody has looked yet
    PINNED = "pinned", "pinned"  # looked at, right, and kept
    EXPIRED = "expired", "expired"  # its time on disk is over, or it was released
    ON_TAPE = "on_tape", "on tape"  # as the storage says; its checksum has not been compared yet
    VERIFIED = "verified", "verified"
    FAILED = "failed", "failed"  # after as many tries as it had


class RequestState(TextChoices):
    OPEN = "open", "open"
    DONE = "done", "done"
    FAILED = "failed", "failed"  # it is over, and some of its files failed


class Act(TextChoices):
    """What people do about a request as a whole."""

    RELEASE = "release", "released"
    TRY_AGAIN = "try_again", "tried again"
    GIVE_UP = "give_up", "given up"

    @property
    def order(self) -> str:
        """What a button says that does it."""
        return self.value.replace("_", " ").capitalize()

    @property
    def address(self) -> str:
        """The end of the address of its page."""
        return self.value.replace("_", "-")


class SubmissionState(TextChoices):
    """What one bulk call to a storage is."""

    BEGUN = "begun", "begun"  # written down; whether the storage has heard of it is not known
    TAKEN = "taken", "taken"
    OVER = "over", "over"


class Answer(TextChoices):
    """What a look at a storage said of one file, against what should lie there."""

    RIGHT = "right", "right"
    ABSENT = "absent", "absent"
    DELETED = "deleted", "deleted"  # it was there before
    EMPTY = "empty", "size 0"
    SIZE = "size", "size differs"
    CHECKSUM = "checksum", "checksum differs"
    NO_CHECKSUM = "no_checksum", "no checksum"
    NO_BYTES = "no_bytes", "a name without bytes"
    OFFLINE = "offline", "not on disk"
    NOT_ON_TAPE = "not_on_tape", "not on tape yet"
    REFUSED = "refused", "refused"


D, F, R, K, S, Q, B = DatasetState, FileState, ReplicaState, TransferKind, TransferState, RequestState, SubmissionState

DATASET_MOVES = frozenset(
    {
        (D.OPEN, D.CLOSED),
        (D.CLOSED, D.OPEN),
        (D.CLOSED, D.FROZEN),
        # A job that was ordered before has written into it after all: what exists is not denied.
        (D.FROZEN, D.OPEN),
    }
)

FILE_MOVES = frozenset(
    {
        *((F.EXPECTED, after) for after in (F.AVAILABLE, F.ABSENT)),
        # Another attempt, or another job, is to write it.
        *((before, F.EXPECTED) for before in (F.ABSENT, F.LOST, F.DELETED, F.REPLACED)),
        *((before, F.AVAILABLE) for before in (F.ABSENT, F.LOST, F.DELETED, F.REPLACED)),
        *((F.AVAILABLE, after) for after in (F.LOST, F.DELETED, F.REPLACED)),
    }
)

_THERE = (R.AVAILABLE, R.ON_TAPE)
REPLICA_MOVES = frozenset(
    {
        *((R.COPYING, after) for after in (*_THERE, R.LOST)),
        (R.AVAILABLE, R.ON_TAPE),
        (R.ON_TAPE, R.AVAILABLE),
        *((before, after) for before in _THERE for after in (R.LOST, R.REMOVING)),
        # It could not be removed, and is what it was before.
        *((R.REMOVING, after) for after in (*_THERE, R.LOST, R.DELETED)),
        # What is lost stays so until it is known to be gone.
        (R.LOST, R.DELETED),
        *((before, after) for before in (R.LOST, R.DELETED) for after in (*_THERE, R.COPYING)),
    }
)

#: Each try begins at `requested`; a person may ask for what failed once more.
_TRIES = {(S.REQUESTED, S.FAILED), (S.FAILED, S.REQUESTED)}
_AT_WORK = (S.QUEUED, S.ACTIVE)
_ENDS_OF_A_TRY = {(before, after) for before in _AT_WORK for after in (S.ON_DISK, S.REQUESTED, S.FAILED)}
_SUBMITTED = {(S.REQUESTED, S.QUEUED), (S.QUEUED, S.ACTIVE), *_ENDS_OF_A_TRY}
#: A copy whose target lies there already is not made again.
_COPIES = {(S.REQUESTED, S.ON_DISK), (S.ON_DISK, S.REQUESTED), (S.ON_DISK, S.FAILED)}

TRANSFER_MOVES: Mapping[TransferKind, frozenset[tuple[TransferState, TransferState]]] = {
    K.PRESTAGE: frozenset(
        {
            *_TRIES,
            *_SUBMITTED,
            (S.ON_DISK, S.PINNED),
            (S.ON_DISK, S.REQUESTED),
            (S.ON_DISK, S.FAILED),
            *((state, S.EXPIRED) for state in (S.REQUESTED, *_AT_WORK, S.ON_DISK, S.PINNED)),
            # The pin was lost before its time.
            (S.EXPIRED, S.REQUESTED),
        }
    ),
    K.ARCHIVE: frozenset(
        {
            *_TRIES,
            *_SUBMITTED,
            *_COPIES,
            (S.ON_DISK, S.ON_TAPE),
            *((S.ON_TAPE, after) for after in (S.VERIFIED, S.REQUESTED, S.FAILED)),
        }
    ),
    K.REPLICATE: frozenset({*_TRIES, *_SUBMITTED, *_COPIES, (S.ON_DISK, S.VERIFIED)}),
    K.DELETE: frozenset(
        {
            *_TRIES,
            (S.REQUESTED, S.ACTIVE),
            *((S.ACTIVE, after) for after in (S.VERIFIED, S.REQUESTED, S.FAILED)),
        }
    ),
}

REQUEST_MOVES = frozenset({(Q.OPEN, Q.DONE), (Q.OPEN, Q.FAILED), (Q.FAILED, Q.OPEN)})
SUBMISSION_MOVES = frozenset({(B.BEGUN, B.TAKEN), (B.BEGUN, B.OVER), (B.TAKEN, B.OVER)})

#: Something is still to be done for them.
LIVING = (S.REQUESTED, S.QUEUED, S.ACTIVE, S.ON_DISK, S.PINNED, S.ON_TAPE)
#: The storage works on them.
AT_WORK = _AT_WORK
#: They have to be looked at.
TO_BE_LOOKED_AT = (S.ON_DISK, S.ON_TAPE)
#: A replica in one of these exists.
THERE = _THERE


def values(states: Iterable[TextChoices]) -> list[str]:
    """Answer the stored words of states, for a query."""
    return [state.value for state in states]
