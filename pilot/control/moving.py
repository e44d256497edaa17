"""Moves a job, its directory and its record, from one pilot's folder to another's: never in both, never in none.

On one file system the record travels inside the directory, by three renames. Between two, the directory is copied
first. The source has the job until its record is removed there; a note beside it says where the job went, so that
whoever finds the source puts an end to a move that was cut short. Both folders are locked by whoever calls this.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from pilot.contract import naming
from pilot.control.journal import JOURNAL, Journal, JournalUnusable, force, record_name, write_whole
from pilot.errors import JobFailed
from pilot.runtime import workdir
from pilot.runtime.workdir import KEPT_FILE

log = logging.getLogger(__name__)

#: The record, while it travels inside its job's directory.
INSIDE = ".compass-record.json"
#: In the target: a record that has not arrived yet. In the source: where it goes.
ARRIVING, MOVING = ".arriving", ".moving"
#: How a directory begins, in the target, that is being copied.
PART = ".part-"
#: How the directory of a job begins.
PLACE = naming.workdir(0)[:-1]
#: The log of the pilot, in its folder.
PILOT_LOG = "pilotlog.txt"


def places(folder: Path) -> Iterator[Path]:
    """Answer the directories of jobs in a pilot's folder, but those that are kept for people."""
    return (place for place in folder.glob(f"{PLACE}*") if not (place / KEPT_FILE).exists())


def move_job(source: Path, target: Path, key: tuple[int, int]) -> None:
    """Move one job. The log of the pilot that had it goes along, in the job's directory.

    Raises:
        JournalUnusable: it cannot be moved; it stays where it is.
    """
    place, name = naming.workdir(*key), record_name(*key)
    try:
        (source / place).mkdir(mode=0o700, exist_ok=True)
        _add_log(source, source / place)
        try:
            _rename(source, target, place, name)
        except OSError as wrong:
            if wrong.errno != errno.EXDEV:
                raise
            _copy(source, target, place, name)
    except (OSError, shutil.Error, RecursionError) as wrong:
        raise JournalUnusable(f"job {key[0]}.{key[1]} cannot be moved to {target}: {wrong}") from wrong


def move_all(source: Path, base: Path) -> int:
    """Move every job of a pilot that ends to a new folder below ``base``; answer how many there were.

    Raises:
        JournalUnusable: one cannot be moved; the others are.
        JobFailed: no lock can be had there.
    """
    keys = [record.key for record in Journal(source / JOURNAL).records()]
    if keys:
        try:
            base.mkdir(parents=True, exist_ok=True)
            with workdir.claimed(base) as target:
                (target / JOURNAL).mkdir(mode=0o700)
                _move_each(source, target, keys)
        except OSError as wrong:
            raise JournalUnusable(f"recovery.folder: {base}: {wrong.strerror}") from wrong
    return len(keys)


def _move_each(source: Path, target: Path, keys: Sequence[tuple[int, int]]) -> None:
    failures = []
    for key in keys:
        place = workdir.Workdir(source / naming.workdir(*key))
        try:
            if not workdir.is_allocated(place):  # no payload runs there any more
                workdir.forget_secrets(place)
            move_job(source, target, key)
        except JournalUnusable as wrong:  # most often there is no room for its outputs
            failures.append(wrong)
    if len(failures) == len(keys):
        shutil.rmtree(target, ignore_errors=True)
    if failures:
        raise failures[0]


def complete(folder: Path) -> bool:
    """Put an end to moves that a pilot's death has cut short; False when that needs a folder that is not there now.

    Raises:
        JournalUnusable: it cannot be done.
    """
    try:
        for place in places(folder):
            record = folder / JOURNAL / _record_of(place.name)
            # A record travels alone: where there is one, a payload has made the other.
            if _is_file(place / INSIDE) and not record.exists():
                (place / INSIDE).replace(record)
        ended = [_settle(folder, note) for note in (folder / JOURNAL).glob(f"*{MOVING}")]
        # What arrives here is completed from where it left.
        return all(ended) and not any((folder / JOURNAL).glob(f"*{ARRIVING}"))
    except (OSError, ValueError) as wrong:  # the latter for a name that no pilot has given
        raise JournalUnusable(f"{folder}: {wrong}") from wrong


def drop_arriving(folder: Path, before: float) -> None:
    """Remove what has been about to arrive since before this time, in seconds since 1970: its source is gone."""
    for path in (folder / JOURNAL).glob(f"*{ARRIVING}"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()


def _record_of(place: str) -> str:
    job_id, attempt = place.split("-")[-2:]
    return record_name(int(job_id), int(attempt))


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _rename(source: Path, target: Path, place: str, name: str) -> None:
    workdir.clear(source / place / INSIDE)
    (source / JOURNAL / name).replace(source / place / INSIDE)
    try:
        (source / place).rename(target / place)
    except OSError:
        (source / place / INSIDE).replace(source / JOURNAL / name)
        raise
    (target / place / INSIDE).replace(target / JOURNAL / name)


def _copy(source: Path, target: Path, place: str, name: str) -> None:
    part, arriving = target / f"{PART}{place}", target / JOURNAL / (name + ARRIVING)
    record, note = source / JOURNAL / name, source / JOURNAL / (name + MOVING)
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(source / place, part, symlinks=True, ignore=_no_files, copy_function=_copy_file)
        part.rename(target / place)
        write_whole(arriving, json.loads(record.read_bytes()), durable=True)
        write_whole(note, {"target": str(target)}, durable=True)
    except (OSError, shutil.Error, RecursionError):  # the source has it still; what came would only fill the disk
        for copied in (part, target / place):
            shutil.rmtree(copied, ignore_errors=True)
        for path in (arriving, note):
            for left in (path, path.with_suffix(".new")):
                with contextlib.suppress(OSError):
                    left.unlink()
        raise
    record.unlink()  # from here on the target has it
    force(record.parent)
    _settle(source, note)


def _settle(source: Path, note: Path) -> bool:
    """End one move between file systems, as far as its note says that it came."""
    name = note.name[: -len(MOVING)]
    if not (source / JOURNAL / name).exists():
        try:
            target = Path(json.loads(note.read_bytes())["target"])
        except (ValueError, KeyError, TypeError):
            target = source  # notes are written whole; this one is not ours
        if not target.parent.is_dir():
            return False
        with contextlib.suppress(FileNotFoundError):  # it has arrived, and has gone on perhaps
            (target / JOURNAL / (name + ARRIVING)).replace(target / JOURNAL / name)
        with contextlib.suppress(JobFailed):  # what is left of it belongs to no job, and is removed with the folder
            workdir.remove(workdir.Workdir(source / naming.workdir(*map(int, name[: -len(".json")].split("-")))))
    note.unlink()
    return True


def _add_log(folder: Path, place: Path) -> None:
    """Add the log of the pilot that had a job; its folder's name makes the name its own. A full disk goes without."""
    if _is_file(folder / PILOT_LOG):
        name = f"pilotlog-{folder.name[len(workdir.FOLDER) :]}.txt"
        try:
            with (folder / PILOT_LOG).open("rb") as log_file, workdir.write_new(place / name) as copy:
                shutil.copyfileobj(log_file, copy)
        except OSError as wrong:
            log.warning("%s goes on without the log of the pilot that had it: %s", place.name, wrong)


def _no_files(folder: str, names: list[str]) -> list[str]:
    """Name what is neither file, folder nor link: a pipe would be read for ever."""
    kinds = {name: Path(folder, name).lstat().st_mode for name in names}
    return [
        name for name, mode in kinds.items() if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
    ]


def _copy_file(source: str, target: str) -> str:
    shutil.copy2(source, target)
    with Path(target).open("rb") as file:
        os.fsync(file.fileno())
    return target
