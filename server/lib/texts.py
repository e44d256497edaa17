"""Text that others have said, as every database can hold it."""

from __future__ import annotations

import re

#: PostgreSQL holds no NUL, and none holds half of a surrogate pair.
_ODD = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """Put U+FFFD in the place of what no database holds."""
    return _ODD.sub("\ufffd", text)


def plain_cell(value: object) -> object:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
