"""What a check has found: good, doubtful or bad, of what, and what helps. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.exit_codes import exit_code


class Level(str, Enum):
    """How good it is; the capitals are meant to be seen."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """``advice`` is the limit that was looked at, or the remedy. A bad one has the code a job would end with."""

    level: Level
    what: str
    value: str
    advice: str = ""
    code: Optional[ErrorCode] = None

    def line(self, wide: int) -> str:
        """Write it as a line, with so many characters for what it is about."""
        words = f"{self.level.value:4}  {self.what:{wide}}  {self.value}"
        return f"{words}; {self.advice}" if self.advice else words

    def as_dict(self) -> Mapping[str, Any]:
        """Answer plain values that JSON can hold."""
        code = None if self.code is None else int(self.code)
        return {
            "level": self.level.value,
            "what": self.what,
            "value": self.value,
            "advice": self.advice,
            "code": code,
            "error": self.code.name if self.code else None,
        }


def good(what: str, value: object, advice: str = "") -> Finding:
    """Say that something is as it should be."""
    return Finding(Level.OK, what, str(value), advice)


def doubtful(what: str, value: object, advice: str) -> Finding:
    """Say that something may do harm to some jobs."""
    return Finding(Level.WARN, what, str(value), advice)


def bad(what: str, value: object, code: ErrorCode, advice: str = "") -> Finding:
    """Say that jobs will fail with this code."""
    return Finding(Level.FAIL, what, str(value), advice or code.advice, code)


def lines(findings: Sequence[Finding]) -> Iterable[str]:
    """Write findings, one a line, in columns."""
    wide = max((len(finding.what) for finding in findings), default=0)
    for finding in findings:
        yield finding.line(wide)


def status_of(findings: Iterable[Finding]) -> int:
    """Answer the shell status: 0 when nothing is bad, else what a pilot that met the first bad thing would answer."""
    return exit_code(finding.code for finding in findings if finding.code is not None and finding.level is Level.FAIL)
