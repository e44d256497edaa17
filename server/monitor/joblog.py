"""The text of a job's log: from the archive that its pilot stored, where the storage is a folder that we can read."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pilot.contract.naming import storage_path
from pilot.contract.queue import StorageEndpoint
from server.pandaconfig import queries as pandaconfig
from server.taskbuffer import queries as taskbuffer

if TYPE_CHECKING:
    from server.taskbuffer.models import JobFile

#: Most bytes of a text that are answered: its end.
MOST = 200_000
#: An archive that unpacks to more bytes, or has more files, is not read here.
MOST_UNPACKED = 500_000_000
MOST_NAMES = 10_000


@dataclass(frozen=True)
class JobLog:
    """Where a job's log lies, the names in it, and the end of one text; ``words`` say why there is no text."""

    job: int
    attempt: int
    lfn: str
    endpoint: str
    url: str
    path: str = ""
    names: tuple[str, ...] = ()
    name: str = ""
    text: str = ""
    words: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def job_log(job_id: int, *, name: str, tail: int) -> JobLog | None:
    """Answer the end of a text in a job's last log, at most ``tail`` bytes; ``None`` for an unknown job.

    While the job runs, that is what its pilot has shown of it last.
    """
    job = taskbuffer.job(job_id)
    if job is None:
        return None
    logs = [file for file in taskbuffer.files_of([job_id]) if file.role == "log"]
    if not logs or not logs[-1].attempt:
        words = "no log is stored yet; this is what its pilot has shown last"
        return JobLog(job_id, job.attempt, "", "", "", text=taskbuffer.live_tail(job_id), words=words)
    file = logs[-1]
    base = JobLog(job_id, file.attempt or 0, file.lfn, file.endpoint, file.url)
    path = local_path(file, pandaconfig.storages_json())
    if path is None:
        return replace(
            base, words=f"storage {file.endpoint} is not a folder of this machine: fetch the log from its URL"
        )
    return _read(base, path, name, min(tail, MOST))


def local_path(file: JobFile, storages: Mapping[str, Any]) -> Path | None:
    """Say where a stored file lies if its storage is a folder; a URL that leads out of that folder is not believed."""
    if file.endpoint not in storages:
        return None
    storage = StorageEndpoint.from_wire(file.endpoint, storages[file.endpoint])
    roots = [
        Path(protocol.path)
        for protocols in storage.protocols.values()
        for protocol in protocols
        if protocol.scheme == "file"
    ]
    if not roots:
        return None
    below = storage_path(file.lfn, scope=file.scope, dataset=file.dataset, deterministic=storage.deterministic)
    try:
        told = urlsplit(file.url)
        found = Path(unquote(told.path)).resolve() if told.scheme == "file" else (roots[0] / below).resolve()
    except ValueError:  # a pilot may report anything
        return None
    return found if any(found.is_relative_to(root.resolve()) for root in roots) else None


def _read(base: JobLog, path: Path, name: str, tail: int) -> JobLog:
    """Read one text out of the archive; wrong archives are told in words."""
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError(f"{path} is no plain file")
        with tarfile.open(path, "r:gz") as archive:
            members = [member for member in _entries(archive) if member.isfile()]
            names = tuple(member.name for member in members)
            chosen = next((member for member in members if name in (member.name, Path(member.name).name)), None)
            text = _end_of(archive, chosen, tail) if chosen else ""
    except (OSError, EOFError, tarfile.TarError, zlib.error) as bad:
        return replace(base, path=str(path), words=f"the log cannot be read: {bad}")
    words = "" if chosen else f"{name} is not in the log; there are {', '.join(names[:20])}"
    return replace(base, path=str(path), names=names, name=chosen.name if chosen else "", text=text, words=words)


def _entries(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """List an archive; what lies behind `MOST_UNPACKED` bytes of it is not looked for, since that takes too long."""
    for number, member in enumerate(archive):
        if member.offset_data + member.size > MOST_UNPACKED or number >= MOST_NAMES:
            raise tarfile.ReadError(f"it has more than {MOST_UNPACKED} bytes or {MOST_NAMES} files; fetch it instead")
        yield member


def _end_of(archive: tarfile.TarFile, member: tarfile.TarInfo, tail: int) -> str:
    stream = archive.extractfile(member)
    if stream is None:
        return ""
    stream.seek(max(0, member.size - tail))
    return stream.read(tail).decode(errors="replace")
