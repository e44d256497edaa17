"""What of a pilot's final report is written into rows, and how it fits them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from pilot.contract.codec import Dialect, encode
from pilot.contract.messages import JobUpdate
from server.taskbuffer.hot.rows import cut

#: Codes are kept in 32 bits; one beyond them is kept as the nearest.
_LARGEST_CODE = 2**31 - 1


def outcome_of(update: JobUpdate) -> dict[str, Any]:
    """Answer the columns that a job and its attempt have in common."""
    return {
        "pilot_error": _code(update.pilot_error),
        "pilot_error_words": cut(update.pilot_error_words, 500),
        "payload_error": _code(update.payload_error),
        "payload_error_words": cut(update.payload_error_words, 500),
        "exit_status": None if update.exit_status is None else _code(update.exit_status),
    }


def _code(number: int) -> int:
    return max(-_LARGEST_CODE, min(_LARGEST_CODE, number))


def report_of(update: JobUpdate) -> str:
    """Write a report in full, without the metadata, which have a column of their own."""
    return orjson.dumps(encode(replace(update, metadata=None), Dialect.V1)).decode()
