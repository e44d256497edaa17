"""Why an experiment's program failed, in COMPASS's numbers; they travel in ``exeErrorCode``.

The numbers overlap PanDA's pilot codes and mean something else there, so they are a type of their own and are never
put into a pilot error field.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class PayloadCode(IntEnum):
    """Numbers of the COMPASS production system and its pilot (public code of both, read for facts)."""

    FATAL_ERROR = 1235
    CORE_DUMP = 1236
    NO_EVENTS = 1237
    ABNORMAL_END = 1238
    ABORTED = 1239
    NO_END_OF_JOB = 1240
    CANNOT_ALLOCATE = 1241
    MERGE_REFUSED = 1242
    EMPTY_CALIBRATION = 1243
    NO_CALIBRATION_DB = 1244
    BAD_CALIBRATION_LINE = 1245
    KILLED = 1246
    CORAL_EXIT_3 = 1247
    MANUAL_CHECK_1251 = 1251
    MANUAL_CHECK_1253 = 1253
    TAPE_FILE_UNREADABLE = 1255


class PayloadMeaning(NamedTuple):
    """What a payload code says, what to do, and whether a person must look before another try."""

    words: str
    advice: str
    manual_check: bool


_P = PayloadCode
MEANINGS: dict[PayloadCode, PayloadMeaning] = {
    _P.FATAL_ERROR: PayloadMeaning(
        "the program met a fatal error", "read the lines before it in payload.stdout; compare the options file", True
    ),
    _P.CORE_DUMP: PayloadMeaning("the program crashed", "run the failure bundle under a debugger", True),
    _P.NO_EVENTS: PayloadMeaning(
        "the program found no event in its input", "check the raw file's event count; an empty file is left out", True
    ),
    _P.ABNORMAL_END: PayloadMeaning(
        "the program caught an exception and ended", "read its output; where it fails again, report the release", False
    ),
    _P.ABORTED: PayloadMeaning(
        "the program aborted", "read the last lines of payload.stderr for the assertion that failed", False
    ),
    _P.NO_END_OF_JOB: PayloadMeaning(
        "the end-of-job marker is missing", "read where the output stops; its files may be cut off", False
    ),
    _P.CANNOT_ALLOCATE: PayloadMeaning(
        "the program could not get memory", "ask for more memory (minRamCount), or use a queue with more", False
    ),
    _P.MERGE_REFUSED: PayloadMeaning(
        "the merge was refused", "compare the sizes of the group's files with PHAST_mDST_MAX_SIZE", True
    ),
    _P.EMPTY_CALIBRATION: PayloadMeaning(
        "a calibration file gave an empty string", "have the run's LED calibrations checked, then send it again", True
    ),
    _P.NO_CALIBRATION_DB: PayloadMeaning(
        "the calibration database did not answer",
        "check its servers and params.compass.calibration of the queue",
        False,
    ),
    _P.BAD_CALIBRATION_LINE: PayloadMeaning(
        "a calibration line cannot be read", "have the calibration that the line names corrected", True
    ),
    _P.KILLED: PayloadMeaning(
        "the program was killed", "look for memory or batch limits on the node; ask for more memory", False
    ),
    _P.CORAL_EXIT_3: PayloadMeaning("CORAL ended with -3", "check the options file and the input", True),
    _P.MANUAL_CHECK_1251: PayloadMeaning("a failure known only by its number 1251", "look at the log", True),
    _P.MANUAL_CHECK_1253: PayloadMeaning("a failure known only by its number 1253", "look at the log", True),
    _P.TAPE_FILE_UNREADABLE: PayloadMeaning(
        "the input cannot be read from tape", "stage the file again; see the tape system for its state", False
    ),
}
