"""What the exit code of a pilot means, in words."""

from __future__ import annotations

import signal

from pilot.contract.exit_codes import ExitCode

_WORDS: dict[ExitCode, str] = {
    ExitCode.OK: "ended well",
    ExitCode.NO_JOBS: "there was no work for it",
    ExitCode.JOB_FAILED: "a job failed; the pilot and its node are well",
    ExitCode.JOB_KILLED: "its job was killed by order",
    ExitCode.REPORT_NOT_TAKEN: "the server did not take its last report",
    ExitCode.BAD_CONFIGURATION: "its configuration is wrong",
    ExitCode.BAD_BUNDLE: "its bundle is missing, or is not the one that was ordered",
    ExitCode.SILENT: "it gave no sign of life, and its wrapper ended it",
}


def words_of_exit(code: int | None) -> str:
    """Say what an exit code means: the contract's words, a signal's name, or that it is unknown."""
    if code is None:
        return ""
    if code in ExitCode.__members__.values():
        known = ExitCode(code)
        return _WORDS.get(known, known.name.lower().replace("_", " "))
    if code > 128 and code - 128 in signal.valid_signals():
        return f"ended by {signal.Signals(code - 128).name}"
    return {126: "its program could not be started", 127: "its program was not found"}.get(code, "unknown exit code")
