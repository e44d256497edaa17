"""The one exception that ends a payload program with a line for a person to read."""

from __future__ import annotations


class PayloadFailed(Exception):
    """What went wrong and what to do about it; the programs print it as one line and end with status 1."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what = what
        self.remedy = remedy
