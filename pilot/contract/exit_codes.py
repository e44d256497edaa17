"""The shell exit status of a pilot, from what happened; one table for pilot, wrapper and factory."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Optional

from pilot.contract.codes import ErrorCode


class ExitCode(IntEnum):
    """PanDA's numbers where it has one; 128 + n means that signal n ended the pilot."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    SITE_OFFLINE = 64
    GENERAL = 65
    MKDIR = 66
    NO_SUCH_FILE = 67
    PROXY = 68
    NO_SPACE = 69
    EXCEPTION = 70
    QUEUEDATA = 71
    QUEUEDATA_NOT_OK = 72
    SOFTWARE_DIR = 73
    JSON_TIMEOUT = 74
    BLACK_HOLE = 75
    MIDDLEWARE = 76
    MISSING_INPUT = 77
    QUEUE_NOT_ACTIVE = 78
    COMMUNICATION = 79
    PROXY_TOO_SHORT = 80
    MAX_TIME = 81
    NO_JOBS = 82
    OFFLINE = 83
    # Ours: a job failed for its own reasons, the pilot and the node are well.
    JOB_FAILED = 90
    JOB_KILLED = 91
    REPORT_NOT_TAKEN = 92
    BAD_CONFIGURATION = 93
    BAD_BUNDLE = 94
    # The wrapper's: the pilot gave no sign of life and was ended.
    SILENT = 95


#: What speaks against the node, whatever pilot comes next: a batch system had better hold such a job than start more.
NODE_FAULTS = frozenset(
    [
        *(ExitCode.SITE_OFFLINE, ExitCode.MKDIR, ExitCode.NO_SPACE, ExitCode.SOFTWARE_DIR, ExitCode.BLACK_HOLE),
        *(ExitCode.MIDDLEWARE, ExitCode.SILENT),
    ]
)

_E, _X = ErrorCode, ExitCode
EXIT_OF: dict[ErrorCode, ExitCode] = {
    _E.GENERAL_ERROR: _X.GENERAL,
    _E.JOURNAL_UNUSABLE: _X.GENERAL,
    _E.CVMFS_NOT_ALIVE: _X.SITE_OFFLINE,
    _E.MKDIR: _X.MKDIR,
    _E.NO_SUCH_FILE: _X.NO_SUCH_FILE,
    _E.NO_PROXY: _X.PROXY,
    _E.NO_VOMS_PROXY: _X.PROXY,
    _E.CERTIFICATE_EXPIRED: _X.PROXY,
    _E.IDENTITY_REFUSED: _X.PROXY,
    _E.PROXY_TOO_SHORT: _X.PROXY_TOO_SHORT,
    _E.NO_LOCAL_SPACE: _X.NO_SPACE,
    _E.UNKNOWN_EXCEPTION: _X.EXCEPTION,
    _E.INTERNAL_ERROR: _X.EXCEPTION,
    _E.QUEUEDATA: _X.QUEUEDATA,
    _E.QUEUEDATA_NOT_OK: _X.QUEUEDATA_NOT_OK,
    _E.NO_SOFTWARE_DIR: _X.SOFTWARE_DIR,
    _E.BLACK_HOLE: _X.BLACK_HOLE,
    _E.MIDDLEWARE_IMPORT: _X.MIDDLEWARE,
    _E.MISSING_INPUT: _X.MISSING_INPUT,
    _E.QUEUE_NOT_ACTIVE: _X.QUEUE_NOT_ACTIVE,
    _E.QUEUE_NOT_ONLINE: _X.OFFLINE,
    _E.COMMUNICATION_FAILURE: _X.COMMUNICATION,
    _E.BAD_ANSWER: _X.COMMUNICATION,
    _E.SERVER_REFUSED: _X.REPORT_NOT_TAKEN,
    _E.REACHED_MAX_TIME: _X.MAX_TIME,
    _E.LEASE_TIME: _X.MAX_TIME,
    _E.NO_JOBS: _X.NO_JOBS,
    _E.KILLED_BY_SERVER: _X.JOB_KILLED,
    _E.USER_KILL: _X.JOB_KILLED,
    _E.LEASE_LOST: _X.JOB_KILLED,
    _E.BAD_CONFIGURATION: _X.BAD_CONFIGURATION,
    _E.UNKNOWN_COPY_TOOL: _X.BAD_CONFIGURATION,
    _E.BAD_BUNDLE: _X.BAD_BUNDLE,
}


def exit_code(errors: Iterable[ErrorCode], *, signal: Optional[int] = None) -> int:
    """Answer the shell status of a pilot that met ``errors``, first one first.

    A signal wins, because the batch system looks for 128 + n. An error without a row of its own is a failed job.
    """
    if signal is not None:
        return 128 + signal
    for error in errors:
        return int(EXIT_OF.get(error, ExitCode.JOB_FAILED))
    return int(ExitCode.OK)
