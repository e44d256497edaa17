"""What a job that merges finds in its directory: outputs out of archives, and files that list them, as PanDA has it.

An archive's members are laid beside it under their own names. ``writeToFile`` of a job names lists: one that an
argument ``--option=@name`` asks for becomes a file ``name.txt``, with the option in its first line, and the argument
``@name.txt``.
"""

from __future__ import annotations

import contextlib
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.eventservice.outputs import NOT_OUTPUTS, drop
from pilot.runtime.workdir import write_new

if TYPE_CHECKING:
    from pilot.contract.job import JobSpec
    from pilot.job import PayloadCommand

#: How archives of outputs end.
_ENDING = ".tar"
_PIECE = 2**20


@contextlib.contextmanager
def prepared(spec: JobSpec, folder: Path, command: PayloadCommand) -> Iterator[PayloadCommand]:
    """Answer a merging job's command, in a directory in which everything is laid out; at the end the outputs are gone.

    Raises:
        JobFailed: as `unpack` and `write_lists`.
    """
    members: list[str] = []
    try:
        members = unpack(folder, [file.lfn for file in spec.inputs])
        lists = {one.name: one.files for one in spec.input_lists}
        yield replace(command, argv=write_lists(folder, lists, command.argv))
    finally:
        drop([str(folder / name) for name in members], folder)


def unpack(folder: Path, names: Sequence[str]) -> list[str]:
    """Lay the members of archives beside them; answer their names. Other files are left alone.

    Raises:
        JobFailed: an archive cannot be read, or holds what is no plain file or would lie elsewhere or over another one
            (FILE_HANDLING).
    """
    found: list[str] = []
    for name in names:
        if name.endswith(_ENDING):
            try:
                with tarfile.open(folder / name) as archive:
                    for member in archive:
                        found.append(_lay(archive, member, folder))
            except (OSError, tarfile.TarError) as wrong:
                raise JobFailed(ErrorCode.FILE_HANDLING, f"{name}: cannot be unpacked: {wrong}", lfn=name) from wrong
    return found


def _lay(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> str:
    name = member.name[2:] if member.name.startswith("./") else member.name
    target = folder / name
    if "/" in name or name in ("", ".", ".."):
        raise OSError(f"{member.name!r} would lie in another folder")
    if name in NOT_OUTPUTS or target.exists() or target.is_symlink():
        raise OSError(f"{name} is there already")
    source = archive.extractfile(member) if member.isfile() else None
    if source is None:
        raise OSError(f"{member.name!r} is no plain file")
    with source, write_new(target) as copy:
        while piece := source.read(_PIECE):
            copy.write(piece)
    target.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return name


def write_lists(folder: Path, lists: Mapping[str, Sequence[str]], argv: Sequence[str]) -> tuple[str, ...]:
    """Write the lists that a job names, and answer its command with the files in their places.

    Raises:
        JobFailed: no argument asks for a list (BAD_JOB_DEFINITION), or it cannot be written (FILE_HANDLING).
    """
    words = list(argv)
    for name, files in lists.items():
        asked = [at for at, word in enumerate(words) if word == f"@{name}" or word.endswith(f"=@{name}")]
        if not asked:
            text = f"writeToFile: no argument of the job asks for the list {name} by --option=@{name}"
            raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, text)
        option = words[asked[0]].rpartition("=@")[0]
        _write(folder / f"{name}.txt", [*([option] if option else []), *files])
        for at in asked:
            words[at] = f"@{name}.txt"
    return tuple(words)


def _write(path: Path, lines: Sequence[str]) -> None:
    try:
        with write_new(path) as file:
            file.write("".join(f"{line}\n" for line in lines).encode())
    except OSError as wrong:
        raise JobFailed(ErrorCode.FILE_HANDLING, f"{path}: {wrong.strerror}") from wrong
