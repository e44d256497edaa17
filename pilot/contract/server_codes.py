"""Why the server ended or moved a job by itself: PanDA's numbers, one enum per component field."""

from __future__ import annotations

from enum import IntEnum


class DispatcherCode(IntEnum):
    """``jobDispatcherErrorCode``: the watchdog's findings."""

    LOST_HEARTBEAT = 100
    RECOVERY_FAILED = 101
    NO_REPLY_TO_SENT = 102
    HOLDING_TIMEOUT = 103
    TRANSFER_TIMEOUT = 104
    OTHER_TIMEOUT = 105


class TaskBufferCode(IntEnum):
    """``taskBufferErrorCode``: somebody, or a rule, ended the job."""

    KILLED = 100
    TRANSFER_TIMEOUT = 101
    EXPIRED = 102
    ABORTED = 103
    REASSIGNED_BY_BROKERAGE = 105
    RETRIED_BY_SERVER = 106
    RETRIED_BY_PILOT = 107
    FAST_REBROKERAGE = 130
    CLONE_LOST = 200
    WORKER_DONE_BEFORE_JOB = 300
    IMPOSSIBLE = 500  # ours: PanDA's brokerage says so in its log only


class DataServiceCode(IntEnum):
    """``ddmErrorCode``: files and datasets."""

    SETUP = 100
    GUID = 101
    FILE_REPORT = 200
    SUBSCRIPTION = 201
    LOCATION = 203
    MISSING_EVENT_COUNT = 204
    INCONSISTENT_GUID = 205
    WRONG_ENDPOINT = 206


class SupervisorCode(IntEnum):
    """``supErrorCode``: the worker (batch job) around the pilot."""

    INVALID_BATCH_ID = 1
    WORKER_ALREADY_DONE = 2


#: What each number says, by component: the numbers of the components overlap, and equal numbers are equal keys.
WORDS: dict[type[IntEnum], dict[IntEnum, str]] = {
    DispatcherCode: {
        DispatcherCode.LOST_HEARTBEAT: "no heartbeat of the pilot for too long",
        DispatcherCode.RECOVERY_FAILED: "a lost job could not be recovered",
        DispatcherCode.NO_REPLY_TO_SENT: "the job was sent and its pilot never answered",
        DispatcherCode.HOLDING_TIMEOUT: "the job was held for too long",
        DispatcherCode.TRANSFER_TIMEOUT: "the outputs were not moved in time",
        DispatcherCode.OTHER_TIMEOUT: "the job stood in one state for too long",
    },
    TaskBufferCode: {
        TaskBufferCode.KILLED: "the job was killed by command",
        TaskBufferCode.TRANSFER_TIMEOUT: "a transfer took too long",
        TaskBufferCode.EXPIRED: "the job waited for too long",
        TaskBufferCode.ABORTED: "the job was aborted",
        TaskBufferCode.REASSIGNED_BY_BROKERAGE: "brokerage moved the job to another queue",
        TaskBufferCode.RETRIED_BY_SERVER: "the server tries the job again",
        TaskBufferCode.RETRIED_BY_PILOT: "the pilot asked for another attempt",
        TaskBufferCode.FAST_REBROKERAGE: "the queue was overloaded and the job was moved away",
        TaskBufferCode.CLONE_LOST: "another copy of the job was faster",
        TaskBufferCode.WORKER_DONE_BEFORE_JOB: "the batch job ended before its job did",
        TaskBufferCode.IMPOSSIBLE: "no pilot of its queue can ever run the job",
    },
    DataServiceCode: {
        DataServiceCode.SETUP: "the job's datasets could not be set up",
        DataServiceCode.GUID: "a file has no valid GUID",
        DataServiceCode.FILE_REPORT: "the pilot's file report does not fit the job",
        DataServiceCode.SUBSCRIPTION: "a transfer could not be ordered",
        DataServiceCode.LOCATION: "a replica could not be registered",
        DataServiceCode.MISSING_EVENT_COUNT: "the number of events is missing",
        DataServiceCode.INCONSISTENT_GUID: "a file was reported with two GUIDs",
        DataServiceCode.WRONG_ENDPOINT: "a file was stored at another endpoint than ordered",
    },
    SupervisorCode: {
        SupervisorCode.INVALID_BATCH_ID: "the report came from another batch job than the one that has the job",
        SupervisorCode.WORKER_ALREADY_DONE: "the batch job has ended, the job has not",
    },
}


def words_of(code: IntEnum) -> str:
    """Say what one of these codes means."""
    return WORDS[type(code)][code]
