"""The copy tools that there are, by the names that queues give them; a tool's module is imported when it is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilot.copytool.base import CopyTool

#: Our own: module beside this one, and class.
OWN: Mapping[str, tuple[str, str]] = {
    "local": ("local", "Local"),
    "cp": ("local", "Copy"),
    "link": ("local", "Link"),
    "symlink": ("local", "SymbolicLink"),
    "mv": ("local", "Move"),
    "xrdcp": ("xrdcp", "Xrdcp"),
    "lsm": ("lsm", "Lsm"),
    "scp": ("scp", "Scp"),
    "gfal": ("gfal", "Gfal"),
    "gfalcopy": ("gfal", "Gfalcopy"),
    "gridftp": ("gridftp", "Gridftp"),
    "s3": ("s3", "S3"),
    "rucio": ("rucio", "Rucio"),
}


class Known(Mapping[str, "type[CopyTool]"]):
    """Classes of tools by name; what plugins offer goes before our own."""

    def __init__(self, offered: Mapping[str, type[CopyTool]]) -> None:
        self._offered = offered

    def __getitem__(self, name: str) -> type[CopyTool]:
        if name in self._offered:
            return self._offered[name]
        module, kind = OWN[name]
        found: type[CopyTool] = getattr(import_module(f"{__package__}.{module}"), kind)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._offered or name in OWN

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*OWN, *self._offered])

    def __len__(self) -> int:
        return len({*OWN, *self._offered})
