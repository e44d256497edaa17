"""Reads small files of the kernel below a root that a test may choose; what is not there says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

#: No file of the kernel that is read here is longer, in bytes.
MOST = 2**22


@dataclass(frozen=True)
class Mount:
    """One line of ``mountinfo``: what is mounted where. ``root`` is the part of the file system that is seen."""

    point: str
    kind: str
    source: str
    options: tuple[str, ...]
    root: str = "/"


@dataclass(frozen=True)
class Tree:
    """The root of what is read: ``/`` on a real node."""

    root: Path = Path("/")

    def path(self, name: str) -> Path:
        """Answer where an absolute path lies below the root."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str:
        """Answer what stands in a file; "" when it cannot be read."""
        try:
            with self.path(name).open("rb") as file:
                return file.read(MOST).decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def whole(self, name: str) -> Optional[int]:
        """Answer the number in a file; ``None`` when it holds none, ``max`` for instance."""
        try:
            return int(self.text(name))
        except ValueError:
            return None

    def names(self, name: str) -> tuple[str, ...]:
        """Answer what a folder holds, in order; nothing when it cannot be listed."""
        try:
            return tuple(sorted(entry.name for entry in self.path(name).iterdir()))
        except OSError:
            return ()

    def pairs(self, name: str, separator: str = ":") -> Mapping[str, str]:
        """Read ``name: value`` lines; of a name that comes back, the first."""
        return pairs_of(self.text(name), separator)

    def mounts(self) -> tuple[Mount, ...]:
        """Answer what is mounted, in the order of mounting: of two at one point the later one is seen."""
        return tuple(
            mount for line in self.text("proc/self/mountinfo").splitlines() if (mount := _mount(line)) is not None
        )


def pairs_of(text: str, separator: str = ":") -> dict[str, str]:
    """Read ``name: value`` lines; of a name that comes back, the first."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, mark, value = line.partition(separator)
        if mark:
            found.setdefault(name.strip(), value.strip())
    return found


def _mount(line: str) -> Optional[Mount]:
    before, _, after = line.partition(" - ")
    left, right = before.split(" "), after.split(" ")
    if len(left) < 6 or len(right) < 2:
        return None
    options = tuple(dict.fromkeys([*left[5].split(","), *(right[2].split(",") if len(right) > 2 else ())]))
    return Mount(_plain(left[4]), right[0], _plain(right[1]), options, _plain(left[3]))


def _plain(text: str) -> str:
    """Read the blanks and backslashes that the kernel writes as octal numbers."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
