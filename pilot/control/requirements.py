"""What a job asks for, held against what there is; each objection names the field, its value and what helps. Pure."""

from __future__ import annotations

from typing import Optional

from pilot.contract import naming
from pilot.contract.codec import ContractError, shown
from pilot.contract.codes import ErrorCode
from pilot.contract.job import PANDA_MB, JobSpec
from pilot.contract.named import NamedTuple
from pilot.contract.queue import QueueData
from pilot.job import Problem

#: Where the repositories of CVMFS are mounted.
_CVMFS = "/cvmfs/"


class Room(NamedTuple):
    """What the slot has: bytes of memory (0: nobody knows) and of free disk, cores."""

    memory: int = 0
    cores: int = 0
    free_disk: int = 0


def commands(spec: JobSpec) -> tuple[str, ...]:
    """Answer every program that a job names: its transformation, and those that go with it."""
    return (spec.transformation, *(program.command for program in spec.programs.values()))


def complete(spec: JobSpec) -> Optional[Problem]:
    """Object to a definition that nothing can be made of, before hours of work show it."""
    words = _wrong_with_programs(spec) or _wrong_with_files(spec)
    return Problem(ErrorCode.BAD_JOB_DEFINITION, words) if words else None


def _wrong_with_programs(spec: JobSpec) -> str:
    fetched: dict[str, str] = {}
    for command in commands(spec):
        if not command.strip() or not command.isprintable():
            return f"transformation: {shown(command)} is not the name or the address of a program"
        if naming.is_address(command) and fetched.setdefault(naming.transformation_file(command), command) != command:
            return f"transformation: {shown(command)} and another address end in the same file name"
    for at, argument in enumerate(spec.arguments, start=1):
        if "\0" in argument:
            return f"jobPars: argument {at} holds a NUL character, which no program can be given"
    return ""


def _wrong_with_files(spec: JobSpec) -> str:
    fetched = [naming.transformation_file(command) for command in commands(spec) if naming.is_address(command)]
    for file in spec.files:
        if file.lfn in fetched:
            return f"{file.role.value} {file.lfn}: the transformation is fetched under the same name; give another"
        try:
            naming.storage_path(file.lfn, scope=file.scope, dataset=file.dataset, deterministic=False)
            naming.checked_folder(file.scope, "scope")
        except ContractError as wrong:
            return f"{file.role.value} {file.lfn}: {wrong}"
    return ""


def fits(spec: JobSpec, room: Room) -> Optional[Problem]:
    """Object to a job that asks for more memory or cores than the slot has."""
    if room.memory and spec.memory > room.memory:
        words = f"minRamCount: the job asks for {_mb(spec.memory)} of memory, the slot has {_mb(room.memory)}"
        return Problem(ErrorCode.NODE_TOO_SMALL, f"{words}; lower maxrss of the queue, or ask for larger slots")
    if room.cores and spec.cores > room.cores:
        words = f"coreCount: the job asks for {spec.cores} cores, the slot has {room.cores}"
        return Problem(ErrorCode.NODE_TOO_SMALL, f"{words}; lower corecount of the queue, or ask for larger slots")
    return None


def has_disk(spec: JobSpec, room: Room) -> Optional[Problem]:
    """Object to a job that asks for more disk than is free."""
    if spec.disk <= room.free_disk:
        return None
    words = f"maxDiskCount: the job asks for {_mb(spec.disk)} of disk, {_mb(room.free_disk)} are free"
    return Problem(ErrorCode.NO_LOCAL_SPACE, words)


def _mb(size: int) -> str:
    return f"{size // PANDA_MB} MB"


def software_folder(queue: QueueData) -> str:
    """Answer the folder in which a queue's software lies, or ``""``.

    PanDA's ``appdir`` may list folders by release: ``/sw|nightlies^/sw/nightlies``; the first is the usual one.
    """
    folder = queue.appdir.partition("|")[0].strip()
    return folder if folder.startswith("/") else ""


def software(queue: QueueData, folder: str, is_there: bool, cvmfs_is_there: bool) -> Optional[Problem]:
    """Object to a node without the queue's software; where that lies on CVMFS, the repository may not be mounted."""
    if not folder or is_there:
        return None
    words = f"appdir of queue {queue.name}: {folder} is not on this node"
    if folder.startswith(_CVMFS) and not cvmfs_is_there:
        repository = "/".join(folder.split("/")[:3])
        return Problem(ErrorCode.CVMFS_NOT_ALIVE, f"{words}: {repository} is not mounted, or does not answer")
    return Problem(ErrorCode.NO_SOFTWARE_DIR, words)
