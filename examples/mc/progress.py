"""The lines a payload program writes for the pilot: each one reaches the log at once."""

from __future__ import annotations

import sys

END_OF_JOB = "End of Job"
#: The last words of a program that filters.
END_OF_DECODING = "End of the decoding!"


def say(line: str) -> None:
    """Write one line to standard output without waiting for the buffer to fill."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say_progress(things: str, done: int, total: int) -> None:
    """Tell how far the work is, for example ``Events processed : 500 of 2000``."""
    say(f"{things} processed : {done} of {total}")
