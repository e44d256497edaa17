"""Paths below a storage's root: which are none, decided before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterable

from server.storage.base import Fault, FaultKind


def refusal(path: str) -> Fault | None:
    """Say why no file can be meant by a path; a storage never leaves its root."""
    parts = path.split("/")
    if not path or path.endswith("/") or any(part in ("", ".", "..") for part in parts):
        return Fault(FaultKind.FORBIDDEN, f"{path!r} is no path below the root, such as folder/file")
    if any(ord(letter) < 32 or letter in "?\x7f" or "\ud800" <= letter <= "\udfff" for letter in path):
        return Fault(FaultKind.FORBIDDEN, f"{path!r} has a letter that no name of a file may have")
    return None


def sort_out(paths: Iterable[str]) -> tuple[list[str], dict[str, Fault]]:
    """Part paths that can be asked for, each once, from those that cannot."""
    good: list[str] = []
    refused: dict[str, Fault] = {}
    for path in dict.fromkeys(paths):
        fault = refusal(path)
        if fault is None:
            good.append(path)
        else:
            refused[path] = fault
    return good, refused


def folder_of(folder: str) -> str | None:
    """Write the name of a folder as paths have it, the root as nothing; ``None`` for what is no folder below it."""
    plain = folder.strip("/")
    return None if plain and refusal(plain) else plain
