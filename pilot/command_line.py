"""Reads the command line of a pilot: the usual ways to write one at once, all others, and what is wrong, by argparse.

Most pilots are started by a factory with a dozen plain options. To declare all that there are to argparse would take as
long as everything else that a pilot does before it makes its folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Callable, Optional

from pilot.contract.named import NamedTuple
from pilot.options import FLAGS, OBSOLETE, SETTING_OPTIONS, Given, without_effect


class _Option(NamedTuple):
    """How an option is read: its text if it needs, or may have, one; what it sets, or why it sets nothing."""

    needs_text: bool
    may_have_text: bool
    read: Callable[[str], Any] = str
    sets: Optional[tuple[str, str]] = None
    why: str = ""


_CONFIG = ("", "config")


def _options() -> dict[str, _Option]:
    found = {"--config": _Option(True, True, sets=_CONFIG)}
    for names, section, key, kind in SETTING_OPTIONS:
        option = _Option(kind not in FLAGS, True, kind, (section, key))
        found.update(dict.fromkeys(names, option))
    for names, valued, why in OBSOLETE:
        found.update(dict.fromkeys(names, _Option(valued, valued, why=why)))
    return found


def parse(argv: Sequence[str]) -> Given:
    """Read a command line. A wrong one is explained in one line on stderr, and ends the program with status 2."""
    try:
        return plain(argv)
    except (KeyError, ValueError):
        from pilot import usage

        return usage.parse(argv)


def plain(argv: Sequence[str]) -> Given:
    """Read a command line of which every option is written out, as a word of its own or before ``=``.

    Raises:
        KeyError, ValueError: it has something else, or something wrong, in it.
    """
    known, values, obsolete = _options(), dict[tuple[str, str], Any](), list[str]()
    for name, text in _pairs(argv, known):
        option = known[name]
        if option.sets is None:
            obsolete.append(without_effect(name, option.why))
        else:
            values[option.sets] = option.read("true" if text is None else text)
    return Given(values, values.pop(_CONFIG, None), tuple(obsolete))


def _pairs(argv: Sequence[str], known: dict[str, _Option]) -> Iterator[tuple[str, Optional[str]]]:
    """Answer each option with its text, ``None`` for one that has none."""
    words = list(reversed(argv))
    while words:
        name, joined, text = words.pop().partition("=")
        option = known[name]
        if joined:
            if not option.may_have_text or not name.startswith("--"):
                raise ValueError(name)
            yield name, text
        elif option.needs_text or (option.may_have_text and words and not words[-1].startswith("-")):
            if not words or words[-1].startswith("-"):
                raise ValueError(name)
            yield name, words.pop()
        else:
            yield name, None
