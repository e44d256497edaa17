"""Why an experiment's program failed, in COMPASS's numbers; they travel in ``exeErrorCode``.

The numbers overlap PanDA's pilot codes and mean something else there, so they are a type of their own and are never
put into a pilot error field.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class PayloadCode(IntEnum):
    """Numbers of the COMPASS production system and its pilot (public code of both, read for facts).

    The meanings of 1242 and of 1248 to 1253 are inferred: from the order in which the pilots ask for texts, and from
    the numbers for which the production system wants a person to look.
    """

    FATAL_ERROR = 1235
    CORE_DUMP = 1236
    NO_EVENTS = 1237
    ABNORMAL_END = 1238
    ABORTED = 1239
    NO_END_OF_JOB = 1240
    CANNOT_ALLOCATE = 1241
    EVENTS_SKIPPED = 1242
    EMPTY_CALIBRATION = 1243
    NO_CALIBRATION_DB = 1244
    BAD_CALIBRATION_LINE = 1245
    KILLED = 1246
    CORAL_EXIT_3 = 1247
    LIBRARY_MISSING = 1248
    CALIBRATION_DB_LOST = 1249
    INPUT_NOT_OPENED = 1250
    ZERO_EVENTS = 1251
    INPUT_NOT_READ = 1252
    BAD_MAPS = 1253
    TAPE_FILE_UNREADABLE = 1255


class PayloadMeaning(NamedTuple):
    """What a payload code says, and what to do."""

    words: str
    advice: str


_P = PayloadCode
MEANINGS: dict[PayloadCode, PayloadMeaning] = {
    _P.FATAL_ERROR: PayloadMeaning(
        "the program met a fatal error",
        "read the lines before it in payload.stdout; compare the options file",
    ),
    _P.CORE_DUMP: PayloadMeaning("the program crashed", "run the failure bundle under a debugger"),
    _P.NO_EVENTS: PayloadMeaning(
        "the program found no event in its input",
        "check the raw file's event count; an empty file is left out",
    ),
    _P.ABNORMAL_END: PayloadMeaning(
        "the program caught an exception and ended",
        "read its output; where it fails again, report the release",
    ),
    _P.ABORTED: PayloadMeaning(
        "the program aborted",
        "read the last lines of payload.stderr for the assertion that failed",
    ),
    _P.NO_END_OF_JOB: PayloadMeaning(
        "the end-of-job marker is missing",
        "read where the output stops; its files may be cut off",
    ),
    _P.CANNOT_ALLOCATE: PayloadMeaning(
        "the program could not get memory",
        "ask for more memory (minRamCount), or use a queue with more",
    ),
    _P.EVENTS_SKIPPED: PayloadMeaning(
        "events were skipped, because they could not be decoded",
        "check the raw file and the detectors' maps",
    ),
    _P.EMPTY_CALIBRATION: PayloadMeaning(
        "a calibration file gave an empty string",
        "have the run's LED calibrations checked, then send it again",
    ),
    _P.NO_CALIBRATION_DB: PayloadMeaning(
        "the calibration database did not answer",
        "check its servers and params.compass.calibration of the queue",
    ),
    _P.BAD_CALIBRATION_LINE: PayloadMeaning(
        "a calibration line cannot be read",
        "have the calibration that the line names corrected",
    ),
    _P.KILLED: PayloadMeaning(
        "the program was killed",
        "look for memory or batch limits on the node; ask for more memory",
    ),
    _P.CORAL_EXIT_3: PayloadMeaning("CORAL ended with -3", "check the options file and the input"),
    _P.LIBRARY_MISSING: PayloadMeaning(
        "a library that the program needs is not there",
        "check the release's set-up and the node's packages",
    ),
    _P.CALIBRATION_DB_LOST: PayloadMeaning(
        "the calibration database hung up",
        "see the load of its servers; spread jobs over several",
    ),
    _P.INPUT_NOT_OPENED: PayloadMeaning(
        "the program could not open its input",
        "check that the options name the file that was fetched",
    ),
    _P.ZERO_EVENTS: PayloadMeaning(
        "the program ended well and wrote no event",
        "check the raw file's event count and the options' selection",
    ),
    _P.INPUT_NOT_READ: PayloadMeaning(
        "the program could not read all of its input",
        "fetch the file again; check its checksum in the catalogue",
    ),
    _P.BAD_MAPS: PayloadMeaning(
        "the detectors' maps cannot be read",
        "have the maps of the run checked, then send it again",
    ),
    _P.TAPE_FILE_UNREADABLE: PayloadMeaning(
        "the input cannot be read from tape",
        "stage the file again; see the tape system for its state",
    ),
}
