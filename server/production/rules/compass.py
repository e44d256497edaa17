"""The rules that come with the product: what COMPASS's production system does with the codes of its programs.

They are written into the table once, by a migration; from then on the rows are people's.
"""

from __future__ import annotations

from pilot.contract.payload_codes import PayloadCode
from server.production.rules.actions import About, Action

_P = PayloadCode

#: Name, which jobs, code, action: in this order.
COMPASS: tuple[tuple[str, About, PayloadCode, Action], ...] = (
    ("fatal error", About.CHUNKS, _P.FATAL_ERROR, Action.MANUAL_CHECK),
    ("core dump", About.CHUNKS, _P.CORE_DUMP, Action.MANUAL_CHECK),
    ("no events", About.CHUNKS, _P.NO_EVENTS, Action.MANUAL_CHECK),
    ("calibration string", About.CHUNKS, _P.EMPTY_CALIBRATION, Action.MANUAL_CHECK),
    ("calibration line", About.CHUNKS, _P.BAD_CALIBRATION_LINE, Action.MANUAL_CHECK),
    ("CORAL ended with -3", About.CHUNKS, _P.CORAL_EXIT_3, Action.MANUAL_CHECK),
    ("zero events", About.CHUNKS, _P.ZERO_EVENTS, Action.MANUAL_CHECK),
    ("detectors' maps", About.CHUNKS, _P.BAD_MAPS, Action.MANUAL_CHECK),
    ("raw file on tape", About.CHUNKS, _P.TAPE_FILE_UNREADABLE, Action.STAGING),
    ("fatal error in a merge", About.MERGES, _P.FATAL_ERROR, Action.MANUAL_CHECK),
    ("no events in a merge", About.MERGES, _P.NO_EVENTS, Action.MANUAL_CHECK),
    ("events skipped in a merge", About.MERGES, _P.EVENTS_SKIPPED, Action.MANUAL_CHECK),
)

#: Between the places of two rules there is room for a person's.
STEP = 10


def first_rows() -> list[dict[str, object]]:
    """Answer the columns of these rules; all others have their defaults."""
    return [
        {
            "place": STEP * (number + 1),
            "name": name,
            "about": about.value,
            "payload_error": code.value,
            "action": action.value,
        }
        for number, (name, about, code, action) in enumerate(COMPASS)
    ]


def does_with(code: PayloadCode) -> str:
    """Tell what these do with a code: for chunks, and for merges where that is something else."""
    told = dict.fromkeys((About.CHUNKS, About.MERGES), "tried again")
    words = {Action.MANUAL_CHECK: "a person looks", Action.STAGING: "its input is staged again"}
    told |= {about: words[action] for _, about, number, action in COMPASS if number is code}
    chunk, merge = told[About.CHUNKS], told[About.MERGES]
    return chunk if chunk == merge else f"{chunk}; in a merge: {merge}"
