"""What failing programs print, whatever the experiment: patterns in the end of the error output, and what they mean."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.named import NamedTuple
from pilot.job import Problem
from pilot.user.output import open_file, tail

#: So much of the end of the error output is looked at, in bytes.
LOOKED_AT = 16384
#: In this file of its directory a payload may say itself what went wrong (PanDA's name).
REPORT = "payload_error_report.json"
#: A code that a payload gives itself is no larger: servers keep it in four bytes.
LARGEST_NUMBER = 2**31 - 1


class Sign(NamedTuple):
    """A pattern, the code it stands for, and what it means; the text it matched is told with it."""

    pattern: str
    code: ErrorCode
    words: str


#: The first that is found counts: causes stand before what they lead to.
SIGNS = (
    Sign(
        r"(?:No space left on device|Disk quota exceeded)", ErrorCode.NO_LOCAL_SPACE, "the payload found the disk full"
    ),
    Sign(
        r"(?:std::bad_alloc|\bMemoryError\b|Cannot allocate memory)",
        ErrorCode.BAD_ALLOC,
        "the payload could not allocate memory",
    ),
    Sign(
        r"[^\s:]+: cannot open shared object file",
        ErrorCode.SETUP_FAILURE,
        "a library was not found; the payload's environment is not complete",
    ),
    Sign(
        r"version [`'](?:GLIBC|GLIBCXX|CXXABI)_[\d.]+' not found",
        ErrorCode.SETUP_FAILURE,
        "the payload was built for a newer system than this node has",
    ),
)

#: The last line of a Python traceback: what was raised, and with which words.
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(?P<raised>\S.*)$", re.MULTILINE)


def problem_in(stderr: Path) -> Optional[Problem]:
    """Answer what the end of an error output says about why a payload failed."""
    text = tail(stderr, LOOKED_AT).decode("utf-8", "replace")
    for sign in SIGNS:
        if found := re.search(sign.pattern, text):
            return Problem(sign.code, f"{sign.words}: {found.group()}")
    return None


def raised_in(stderr: Path) -> str:
    """Answer what the last Python traceback of an error output raised; "" without one."""
    text = tail(stderr, LOOKED_AT).decode("utf-8", "replace")
    every = list(_TRACEBACK.finditer(text))
    return every[-1]["raised"].strip()[:300] if every else ""


def own_report(workdir: Path) -> Optional[Problem]:
    """Answer what a payload says of itself in its error report; ``None`` without one, or when that says nothing.

    A number that is one of the pilot's codes is reported as that, any other as the payload's own.
    """
    try:
        with open_file(workdir / REPORT) as file:
            said = json.loads(file.read(65536))
        number, words = int(said.get("error_code") or 0), str(said.get("error_diag") or "")
    except (OSError, ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        return None
    if not 0 < abs(number) <= LARGEST_NUMBER:
        return None
    words = "".join(letter if letter.isprintable() else " " for letter in words).strip()
    detail = f"the payload reports error {number}: {words or 'without words'}"
    if number in set(ErrorCode):
        return Problem(ErrorCode(number), detail)
    return Problem(ErrorCode.PAYLOAD_FAILED, detail, number)
