"""Shell exit statuses and pilot error codes turned into each other, as Harvester imports it."""

from __future__ import annotations

import signal

from pilot.contract.codes import ErrorCode
from pilot.contract.exit_codes import EXIT_OF, ExitCode

#: PanDA: what is no error of the pilot, such as a site that is offline, or a status that nobody knows.
NO_CODE = -1
_SIGNALS = {
    ErrorCode.SIGTERM: signal.SIGTERM,
    ErrorCode.SIGQUIT: signal.SIGQUIT,
    ErrorCode.SIGSEGV: signal.SIGSEGV,
    ErrorCode.SIGXCPU: signal.SIGXCPU,
    ErrorCode.SIGBUS: signal.SIGBUS,
    ErrorCode.SIGUSR1: signal.SIGUSR1,
    ErrorCode.SIGINT: signal.SIGINT,
    ErrorCode.KILL_SIGNAL: signal.SIGKILL,
}


def get_error_code_translation_dictionary() -> dict[int, list[object]]:
    """Answer, for each error code with an exit status of its own, that status and what it means."""
    found: dict[int, list[object]] = {NO_CODE: [int(ExitCode.SITE_OFFLINE), "the site is offline"]}
    for code, status in EXIT_OF.items():
        found[int(code)] = [int(status), code.words]
    for code, number in _SIGNALS.items():
        found[int(code)] = [128 + int(number), code.words]
    return found


def convert_to_pilot_error_code(exit_code: int) -> int:
    """Answer the first error code that a pilot ends with this status for; -1 when there is none."""
    statuses = get_error_code_translation_dictionary().items()
    return next((code for code, (status, _) in statuses if status == exit_code), NO_CODE)
