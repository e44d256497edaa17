"""Brings one file to the node: under another name, verified, and only then under its own."""

from __future__ import annotations

from pathlib import Path

from pilot.contract.job import FileSpec
from pilot.contract.messages import StoredFile
from pilot.copytool import checksum
from pilot.copytool.attempts import Try
from pilot.copytool.base import CopyFailed, FailureKind, FileFacts, Transfer
from pilot.copytool.room import part_of
from pilot.copytool.system_errors import told


def fetch(file: FileSpec, target: Path, one: Try) -> StoredFile:
    """Try to bring a file, and say what arrived.

    Raises:
        CopyFailed: it did not come, or is not what was registered; nothing of it stays.
        CopyCancelled: it was given up; the same.
    """
    part, route = part_of(target), one.route
    try:
        transfer = Transfer(
            file.lfn,
            route.url,
            f"file://{part}",
            file.size,
            file.checksum,
            scope=file.scope,
            dataset=file.dataset,
            guid=file.guid,
            endpoint=route.endpoint,
        )
        facts = route.tool.copy(transfer, one.deadline, one.cancel)
        one.watch.copied(facts.size)
        arrived = _verify(file, part, facts, one)
        with told(target, "named"):
            part.replace(target)
    finally:
        with told(part, "removed"):
            part.unlink(missing_ok=True)
    url, endpoint = facts.url or route.url, facts.endpoint or route.endpoint
    return StoredFile(file.lfn, arrived.size, arrived.checksum, file.guid, url, endpoint)


def _verify(file: FileSpec, part: Path, facts: FileFacts, one: Try) -> FileFacts:
    size = part.stat().st_size if part.is_file() else 0
    wanted = facts.size if file.size is None else file.size
    if size != wanted:
        raise CopyFailed(FailureKind.SIZE, f"{size} bytes arrived, {wanted} are registered")
    if not file.checksum:
        return FileFacts(size, facts.checksum)
    algorithm = file.checksum.partition(":")[0]
    free = facts.checksum if facts.checksum and facts.checksum.startswith(f"{algorithm}:") else None
    found = free
    if found is None:
        with told(part, "read"):
            found = checksum.of_file(part, algorithm, one.deadline, one.cancel)
    if found != file.checksum.lower():
        raise CopyFailed(FailureKind.CHECKSUM, f"{found} arrived, {file.checksum} is registered")
    return FileFacts(size, found)
