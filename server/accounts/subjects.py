"""The subject of a certificate: one spelling of it, the name of an account from it, and whether it is let in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

#: Characters of a subject, and of an account's name, at most.
LONGEST, LONGEST_NAME = 250, 150

#: Accounts of the same name that are told apart by a number behind it.
MOST_ALIKE = 50

_PROXY = re.compile(r"/CN=(?:proxy|\d+)\Z")
_LIMITED = re.compile(r"/CN=limited proxy(?:/CN=(?:proxy|\d+))*\Z")
_PARTS = re.compile(r"(?:\\.|[^,\\])+", re.DOTALL)
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)
_COMMON_NAME = re.compile(r"/CN=((?:(?!/\w+=).)+)")
_NUMBER = re.compile(r"[\W_]*\d+\Z")


class BadFront(ValueError):
    """What came as a front's word is not believed, or says what nobody can be taken for; the text says why."""


def subject_of(name: str) -> str:
    """Write a subject as ``/DC=org/CN=Somebody``, whichever of two spellings it comes in, without its proxies' parts.

    Raises:
        BadFront: it is no subject, or that of a limited proxy.
    """
    text = name if name.startswith("/") else "".join(f"/{_plain(part)}" for part in reversed(_PARTS.findall(name)))
    if _LIMITED.search(text):
        raise BadFront("a limited proxy may copy files, and do nothing here; make a full one")
    while (shorter := _PROXY.sub("", text)) != text:
        text = shorter
    if "=" not in text or len(text) > LONGEST or not text.isprintable():
        raise BadFront(f"the front names no subject of a certificate of at most {LONGEST} printable characters")
    return text


def _plain(part: str) -> str:
    """Take out the escapes of RFC 2253: a sign after a backslash, or bytes of UTF-8 in hexadecimal digits."""

    def plain(found: re.Match[str]) -> str:
        return bytes.fromhex(found[1].replace("\\", "")).decode("utf-8", "replace") if found[1] else found[2]

    return _ESCAPED.sub(plain, part.strip())


def name_of(subject: str) -> str:
    """Answer a readable name for the account of a certificate, by its last Common Name that is no number.

    A number behind the name, such as authorities put there to tell people apart, is left out.

    Raises:
        BadFront: the subject has no Common Name with a letter.
    """
    for said in reversed(_COMMON_NAME.findall(subject)):
        words = _NUMBER.sub("", unicodedata.normalize("NFKC", said).strip())
        name = re.sub(r"[^\w@.+-]+", ".", words.casefold()).strip(".-_+@")
        if any(sign.isalpha() for sign in name):
            return name[:LONGEST_NAME].rstrip(".-_+@")
    raise BadFront(f"{subject} has no Common Name (CN) with a letter, by which an account could be named")


def alike(name: str) -> Iterator[str]:
    """Answer a name and those to take when somebody else has it: with a number behind it."""
    yield name
    for number in range(2, MOST_ALIKE + 1):
        end = f".{number}"
        yield name[: LONGEST_NAME - len(end)] + end


def may_log_in(subject: str, expression: str, listed: frozenset[str]) -> bool:
    """Say whether a certificate may log in: when nothing is said of who may, or when either names it.

    Args:
        subject: In our spelling.
        expression: A regular expression for whole subjects; "" when there is none.
        listed: Subjects, in our spelling.
    """
    if not expression and not listed:
        return True
    return subject in listed or bool(expression and re.fullmatch(expression, subject))


@lru_cache(maxsize=4)
def _listed(path: str, changed: int) -> frozenset[str]:
    lines = (line.strip() for line in Path(path).read_text().splitlines())
    named = [line for line in lines if line and not line.startswith("#")]
    try:
        return frozenset(map(subject_of, named))
    except BadFront as bad:
        wrong = next(line for line in named if not _is_subject(line))
        raise ValueError(f"{path}: {wrong!r} is no subject of a certificate; one stands in each line") from bad


def listed_in(path: str) -> frozenset[str]:
    """Read the subjects of a file: one a line, in either spelling; lines with # are for people.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no subject, or the file names none: that would let in everybody.
    """
    if not path:
        return frozenset()
    file = Path(path).expanduser()
    found = _listed(str(file), file.stat().st_mtime_ns)
    if not found:
        raise ValueError(f"{file} names nobody; leave the setting out to let everybody log in")
    return found


def _is_subject(line: str) -> bool:
    try:
        return bool(subject_of(line))
    except BadFront:
        return False
