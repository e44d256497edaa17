"""What is written to a terminal: text as it reads, whoever has written it, and no style but our own."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console

#: What moves a terminal's cursor, or worse; tabs and ends of lines do no harm.
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """Answer a text that does nothing to a terminal: anybody's program may have written it."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def all_harmless(found: Any) -> Any:
    """Answer what a server said with harmless texts, however deep they are in it."""
    if isinstance(found, str):
        return harmless(found)
    if isinstance(found, Mapping):
        return {all_harmless(name): all_harmless(value) for name, value in found.items()}
    return [all_harmless(one) for one in found] if isinstance(found, list) else found


def console() -> Console:
    """Open the terminal for what a server said: brackets in it are brackets, and no style."""
    return Console(markup=False, emoji=False)


def write_file(text: str) -> None:
    """Write a part of somebody's file: to a terminal so that it does no harm, anywhere else as it is."""
    sys.stdout.write(harmless(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()
