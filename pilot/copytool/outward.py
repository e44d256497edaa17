"""Stores one file: under another name, verified there, and only then under its own."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.messages import StoredFile
from pilot.contract.named import NamedTuple
from pilot.copytool import checksum
from pilot.copytool.attempts import Try
from pilot.copytool.base import CopyCancelled, CopyFailed, Deadline, FailureKind, FileFacts, Transfer
from pilot.copytool.routes import Route
from pilot.copytool.system_errors import told
from pilot.errors import JobFailed

#: Seconds for removing what is half there, whatever the time.
CLEARING = 60.0


class Output(NamedTuple):
    """A file to be stored: where it lies, and its bytes."""

    file: FileSpec
    path: Path
    size: int


def found(spec: JobSpec, file: FileSpec, folder: Path) -> Optional[Output]:
    """Look for an output; ``None`` when it is not there and need not be.

    Raises:
        JobFailed: it should be there and is not (OUTPUT_MISSING), or is empty (ZERO_FILE_SIZE).
    """
    path = folder / file.lfn
    size = path.stat().st_size if path.is_file() else 0
    if size:
        return Output(file, path, size)
    if file.lfn in spec.allow_no_output or (spec.events and file.role is Role.OUTPUT):
        return None  # what event ranges make is stored on its way, and merged by another job
    if path.is_file():
        raise JobFailed(ErrorCode.ZERO_FILE_SIZE, f"{file.lfn} is empty", lfn=file.lfn)
    what = "is a folder, not a file" if path.is_dir() else "was not written"
    raise JobFailed(ErrorCode.OUTPUT_MISSING, f"{file.lfn} {what}", lfn=file.lfn)


def part_at(spec: JobSpec, route: Route) -> str:
    """Answer the address of an output that is on its way."""
    return route.url if route.tool.whole else f"{route.url}.{spec.id}-{spec.attempt}.part"


def store(spec: JobSpec, output: Output, guid: str, one: Try) -> StoredFile:
    """Try to store a file, and say what lies where.

    Raises:
        CopyFailed: it is not stored; nothing half stays behind.
        CopyCancelled: it was given up; the same.
    """
    route = one.route
    part = part_at(spec, route)
    there = route.tool.stat(route.url, one.deadline)
    if there is not None:
        if same := _same_content(output, there, one):
            one.watch.copied(0)
            if part != route.url:
                with contextlib.suppress(CopyFailed):  # of a pilot that died when it had given the file its name
                    route.tool.remove(part, one.deadline)
            return StoredFile(output.file.lfn, output.size, same, guid, route.url, route.endpoint)
        # A later attempt finds what an earlier one's pilot stored before it died: two runs of one program rarely write
        # the same bytes. A log's name is its attempt's own. Whatever a first attempt finds is somebody else's.
        if output.file.role is not Role.LOG and spec.attempt <= 1:
            words = f"{route.url} is there with another content ({there.size} bytes)"
            raise CopyFailed(FailureKind.EXISTS, words)
    put = _put_whole if route.tool.whole else _put_by_part
    sum_, facts = put(output, part, guid, one, there=there is not None)
    url, endpoint = facts.url or route.url, facts.endpoint or route.endpoint
    return StoredFile(output.file.lfn, output.size, sum_, guid, url, endpoint)


def _put_by_part(output: Output, part: str, guid: str, one: Try, *, there: bool) -> tuple[str, FileFacts]:
    """Store a file under another name first, and answer its checksum."""
    tool, url = one.route.tool, one.route.url
    try:
        facts = tool.copy(_transfer(output, part, guid, one), one.deadline, one.cancel)
        one.watch.copied(facts.size)
        sum_ = _verify(output, part, facts, one)
        if there:
            tool.remove(url, one.deadline)
        tool.rename(part, url, one.deadline)
    except (CopyFailed, CopyCancelled):
        # Time may be up, and yet no half file stays behind.
        with contextlib.suppress(CopyFailed):
            tool.remove(part, Deadline(CLEARING))
        raise
    return sum_, facts


def _put_whole(output: Output, url: str, guid: str, one: Try, *, there: bool) -> tuple[str, FileFacts]:
    """Store a file by a tool that gives it its name when it is whole; one that is wrong all the same is removed."""
    tool = one.route.tool
    if there:
        tool.remove(url, one.deadline)
    try:
        facts = tool.copy(_transfer(output, url, guid, one), one.deadline, one.cancel)
    except (CopyFailed, CopyCancelled) as failed:
        # What was killed could not clear up: a half file would count as somebody else's the next time. Where a
        # catalogue may know it already, the tool sees to that.
        killed = isinstance(failed, CopyCancelled) or failed.kind is FailureKind.TIMEOUT
        if killed and not tool.catalogue:
            with contextlib.suppress(CopyFailed):
                tool.remove(url, Deadline(CLEARING))
        raise
    one.watch.copied(facts.size)
    try:
        return _verify(output, facts.url or url, facts, one), facts
    except (CopyFailed, CopyCancelled):
        with contextlib.suppress(CopyFailed):
            tool.remove(facts.url or url, Deadline(CLEARING))
        raise


def _transfer(output: Output, target: str, guid: str, one: Try) -> Transfer:
    file = output.file
    return Transfer(
        file.lfn,
        f"file://{output.path}",
        target,
        output.size,
        root=one.route.root,
        scope=file.scope,
        dataset=file.dataset,
        guid=guid,
        endpoint=one.route.endpoint,
    )


def _verify(output: Output, url: str, facts: FileFacts, one: Try) -> str:
    """Compare what lies on the storage with what was to be stored, and answer the checksum of both."""
    stored = facts if facts.seen else one.route.tool.stat(url, one.deadline)
    if stored is None or stored.size != output.size:
        words = f"{stored.size if stored else 0} of {output.size} bytes lie at {url}"
        raise CopyFailed(FailureKind.SIZE, words)
    read = facts.checksum if facts.checksum and facts.checksum.startswith(f"{checksum.ADLER32}:") else None
    read = read or _sum_of(output.path, one)
    if facts.sure:
        return read
    written = one.route.tool.checksum(url, checksum.ADLER32, one.deadline)
    if read != written:
        raise CopyFailed(FailureKind.CHECKSUM, f"{read} was written, {written} lies at {url}")
    return read


def _same_content(output: Output, there: FileFacts, one: Try) -> Optional[str]:
    """Answer the checksum of a file that is stored already; ``None`` when something else is."""
    if there.size != output.size:
        return None
    ours = _sum_of(output.path, one)
    return ours if one.route.tool.checksum(one.route.url, checksum.ADLER32, one.deadline) == ours else None


def _sum_of(path: Path, one: Try) -> str:
    with told(path, "read"):
        return checksum.of_file(path, checksum.ADLER32, one.deadline, one.cancel)


def new_guid() -> str:
    """Make a number for a file that has none."""
    import uuid

    return str(uuid.uuid4()).upper()
