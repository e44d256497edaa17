"""Lists of inputs that a job that merges wants as files: ``writeToFile``, as PanDA writes it.

``name:lfn,lfn^name:lfn`` names two lists; an argument of the job asks for each by ``--option=@name``.
"""

from __future__ import annotations

from pilot.contract.codec import ContractError, shown
from pilot.contract.named import NamedTuple


class InputList(NamedTuple):
    """One list: ``name`` is what an argument asks for, ``files`` are names of files in the job's directory."""

    name: str
    files: tuple[str, ...]


def read_lists(text: str) -> tuple[InputList, ...]:
    """Read the lists.

    Raises:
        ContractError: it is no such text, or a name could lead out of the job's directory.
    """
    lists = tuple(_read(part) for part in text.split("^") if part)
    if len({one.name for one in lists}) < len(lists):
        raise ContractError("writeToFile: a list is named twice", field_name="writeToFile")
    return lists


def _read(part: str) -> InputList:
    name, colon, files = part.partition(":")
    found = InputList(name, tuple(file for file in files.split(",") if file))
    if not colon or not found.files or any("/" in word or not word.isprintable() for word in (name, *found.files)):
        wanted = "<name>:<file>,<file> with plain names, and ^ between lists"
        raise ContractError(f"writeToFile: {shown(part)} is not {wanted}", field_name="writeToFile")
    if name in ("", ".", ".."):
        raise ContractError(f"writeToFile: {shown(name)} is not the name of a file", field_name="writeToFile")
    return found


def write_lists(lists: tuple[InputList, ...]) -> str:
    """Write the lists."""
    return "^".join(f"{one.name}:{','.join(one.files)}" for one in lists)
