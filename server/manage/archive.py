"""An archive of a server: one tar file with a manifest that names every other file in it, with its size and SHA-256."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

MANIFEST = "manifest.json"
#: The form of what is written here; one that is higher is of a newer program.
FORM = 1
_LARGEST_MANIFEST = 2**20
_PIECE = 2**20


class ArchiveRefused(ValueError):
    """It is no archive of a server, is damaged, or cannot be brought back here; the words say which."""


@dataclass(frozen=True)
class Manifest:
    """What an archive says of itself: ``files`` has size and SHA-256 of each, ``migrations`` what the tables had."""

    form: int
    version: str
    made_at: str
    database: str
    secrets: bool
    migrations: list[str]
    files: dict[str, tuple[int, str]]


def digest(file: IO[bytes]) -> tuple[int, str]:
    """Answer size and SHA-256 of what is left of a file."""
    found, size = hashlib.sha256(), 0
    while piece := file.read(_PIECE):
        found.update(piece)
        size += len(piece)
    return size, found.hexdigest()


def write(path: Path, manifest: Manifest, files: Mapping[str, Path]) -> None:
    """Write an archive that only its owner may read, and look whether it can be read; it appears when it is whole.

    Raises:
        ArchiveRefused: there is a file of that name, or what was written is not what was meant.
        OSError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            with tarfile.open(fileobj=out, mode="w:gz", compresslevel=6) as tar:
                _add(tar, MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
                for name, file in files.items():
                    tar.add(file, arcname=name, recursive=False)
            out.flush()
            os.fsync(out.fileno())
        verify(new)
        try:
            os.link(new, path)  # unlike a rename it does not take the place of a file
        except FileExistsError:
            raise ArchiveRefused(f"{path} exists; remove it, or name another") from None
    finally:
        new.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    tar.addfile(entry, io.BytesIO(content))


def verify(path: Path, into: Path | None = None) -> Manifest:
    """Read all of an archive and compare it with its manifest; ``into``: unpack its files there on the way.

    Raises:
        ArchiveRefused: it is none, or damaged; what was unpacked until then is of no use.
    """
    try:
        with tarfile.open(path, "r:gz") as tar:
            manifest = _manifest(path, tar)
            left = dict(manifest.files)
            for entry in tar:
                _compare(path, tar, entry, left, into)
    except FileNotFoundError:
        raise ArchiveRefused(f"{path}: there is no such file") from None
    except (tarfile.TarError, EOFError, OSError) as wrong:
        raise ArchiveRefused(f"{path} is no archive of a server, or damaged: {wrong}; take another one") from wrong
    if left:
        raise ArchiveRefused(f"{path} is damaged: {', '.join(sorted(left))} is missing; take another one")
    return manifest


def _manifest(path: Path, tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    file = tar.extractfile(first) if first and first.isfile() and first.name == MANIFEST else None
    if file is None:
        raise ArchiveRefused(f"{path} is no archive of a server: it does not begin with {MANIFEST}")
    try:
        said = json.loads(file.read(_LARGEST_MANIFEST))
        if said["form"] > FORM:
            raise ArchiveRefused(f"{path} was made by {said['version']}, which is newer; upgrade this program first")
        files = {str(name): (int(size), str(sum_)) for name, (size, sum_) in said.pop("files").items()}
        return Manifest(files=files, **said)
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        if isinstance(wrong, ArchiveRefused):
            raise
        raise ArchiveRefused(f"{path}: its {MANIFEST} cannot be read; take another archive") from wrong


def _compare(
    path: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, left: dict[str, tuple[int, str]], into: Path | None
) -> None:
    if entry.name == MANIFEST:
        return
    file = tar.extractfile(entry) if entry.isfile() else None
    # A name never leads out of the folder that it is unpacked to.
    if file is None or entry.name not in left or not re.fullmatch(r"(home/(cache/)?)?[^/.\0][^/\0]*", entry.name):
        raise ArchiveRefused(f"{path} is damaged: its manifest does not know {entry.name!r}; take another one")
    if into is None:
        found = digest(file)
    else:
        target = into / entry.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as out:
            while piece := file.read(_PIECE):
                out.write(piece)
            out.seek(0)
            found = digest(out)
    if found != left.pop(entry.name):
        raise ArchiveRefused(f"{path} is damaged: {entry.name} is not what was written; take another one")
