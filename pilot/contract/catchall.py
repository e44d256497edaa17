"""The words of a queue's ``catchall``: ``IMAGE_BASE=/cvmfs/images,nopenfiles=4096,apptainer_options='-C -B /data'``."""

from __future__ import annotations

import shlex


def words(text: str) -> dict[str, str]:
    """Answer the words of a catchall, and what each says; "" for one that says only that it is there.

    Words are parted by commas or blanks, but not within quotes. Where a quotation does not end, quotes are letters.
    """
    return {name: value for name, _, value in (word.partition("=") for word in _split(text))}


def _split(text: str) -> list[str]:
    splitter = shlex.shlex(text, posix=True)
    splitter.whitespace, splitter.whitespace_split, splitter.commenters = ", \t\r\n", True, ""
    splitter.escape = ""
    try:
        return list(splitter)
    except ValueError:
        return text.replace(",", " ").split()
