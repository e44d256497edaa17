"""The small language of options templates: placeholders ``@{name}``, strictly filled. No I/O.

A line with ``@{input}`` is written once per input. A line with ``@{name?}`` is left out when the value is not given.
``@@{`` stands for ``@{``. Everything else stays as it is, so that a program's own ``$NAME`` and ``${NAME}`` do too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: The longest value; file names have at most 255 bytes, a path has room for a release and its template.
LONGEST = 1024
#: What fits into CORAL's options and into XML without quotes: no blank, no comment, nothing of a markup.
_VALUE = re.compile(r"[A-Za-z0-9_.+:@%=,/-]+", re.ASCII)
_PLACEHOLDER = re.compile(r"@@\{|@\{([^}\n]*)(\}?)")
_ESCAPE = "@@{"
_NAME = re.compile(r"([a-z][a-z0-9_]*)(\??)", re.ASCII)


class BadTemplate(ValueError):
    """A template or the values for it do not fit; the message names the line, the placeholder and the remedy."""


@dataclass(frozen=True)
class Must:
    """A value that a template must not pass over: placeholders that show it, and variables by which it may be read."""

    placeholders: tuple[str, ...]
    variables: tuple[str, ...] = ()


def fill(text: str, values: Mapping[str, str], inputs: Sequence[str], musts: Sequence[Must] = ()) -> str:
    """Write a template's text with the values in their places.

    Args:
        text: The template.
        values: By placeholder; all that may be asked for and are known. ``input`` is not among them.
        inputs: Names of the input files, in order.
        musts: Values of which one sign has to be there.

    Raises:
        BadTemplate: a placeholder is unknown, badly written or has no value; a value cannot stand in an options file;
            or a value that counts is nowhere used.
    """
    for name, value in (*values.items(), *(("input", one) for one in inputs)):
        _check(name, value)
    asked: set[str] = set()
    lines = [
        written
        for number, line in enumerate(text.split("\n"), start=1)
        for written in _lines(line, number, values, inputs, asked)
    ]
    for must in musts:
        if not asked.intersection(must.placeholders) and not any(_reads(text, one) for one in must.variables):
            ways = " or ".join([*(f"@{{{one}}}" for one in must.placeholders), *(f"${one}" for one in must.variables)])
            raise BadTemplate(f"{ways} is nowhere in it, and the job gives a value for that; use it")
    return "\n".join(lines)


def _reads(text: str, variable: str) -> bool:
    return re.search(rf"\$\{{?{variable}\b", text) is not None


def names(text: str) -> set[str]:
    """Answer the placeholders of a template.

    Raises:
        BadTemplate: one is badly written.
    """
    return {
        _placeholder(found, number)[0]
        for number, line in enumerate(text.split("\n"), start=1)
        for found in _PLACEHOLDER.finditer(line)
        if found[0] != _ESCAPE
    }


def _check(name: str, value: str) -> None:
    if not _VALUE.fullmatch(value) or "//" in value or len(value) > LONGEST:
        raise BadTemplate(f"{name}: {value!r} cannot stand in an options file; letters, digits and _.+:@%=,/- can")


def _lines(line: str, number: int, values: Mapping[str, str], inputs: Sequence[str], asked: set[str]) -> Sequence[str]:
    """Answer what becomes of a line: nothing, itself filled in, or one line per input."""
    names = [_placeholder(found, number) for found in _PLACEHOLDER.finditer(line) if found[0] != _ESCAPE]
    asked.update(name for name, _ in names)
    for name, optional in names:
        if name not in values and name != "input":
            if optional:
                return ()
            raise BadTemplate(f"line {number}: @{{{name}}} has no value; known are {', '.join(sorted(values))}, input")
    each = inputs if any(name == "input" for name, _ in names) else ("",)
    return [_PLACEHOLDER.sub(lambda found, one=one: _text(found, {**values, "input": one}), line) for one in each]  # type: ignore[misc]


def _placeholder(found: re.Match[str], number: int) -> tuple[str, bool]:
    read = _NAME.fullmatch(found[1])
    if read is None or not found[2]:
        raise BadTemplate(f"line {number}: {found[0]!r} is not a placeholder like @{{run}}; write @@{{ for @{{ itself")
    return read[1], bool(read[2])


def _text(found: re.Match[str], values: Mapping[str, str]) -> str:
    return "@{" if found[0] == _ESCAPE else values[found[1].rstrip("?")]
