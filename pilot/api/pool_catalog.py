"""``PoolFileCatalog_H.xml``: where Harvester has put the inputs of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.parsers import expat

NAME = "PoolFileCatalog_H.xml"


def read(text: str) -> dict[str, str]:
    """Answer the physical names of the files by their logical ones; a file without either is passed over.

    Raises:
        ValueError: it is no such catalogue. One that defines entities is refused: they can make a text without end.
    """
    found: dict[str, str] = {}
    names: dict[str, str] = {}

    def begin(tag: str, attributes: Mapping[str, str]) -> None:
        if tag in ("pfn", "lfn") and attributes.get("name"):
            names.setdefault(tag, attributes["name"])

    def end(tag: str) -> None:
        if tag == "File":
            if len(names) == 2:
                found[names["lfn"]] = names["pfn"]
            names.clear()

    def refuse(*_: Any) -> None:
        raise ValueError("it defines entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.EntityDeclHandler = begin, end, refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as wrong:
        raise ValueError(str(wrong)) from wrong
    return found


def path_of(name: str) -> Path:
    """Answer a physical name as a path; it may be a ``file://`` address.

    Raises:
        ValueError: it does not lie on this node.
    """
    parts = urlsplit(name)
    if parts.scheme not in ("", "file") or not parts.path.startswith("/"):
        raise ValueError(f"{name!r} is no file of this node")
    return Path(unquote(parts.path) if parts.scheme else name)
