"""Files that this machine sees: copied with their checksum in one pass, linked, or moved."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import IO, Optional

from pilot.copytool import checksum
from pilot.copytool.base import Cancel, CopyFailed, CopyTool, Deadline, FailureKind, FileFacts, Transfer
from pilot.copytool.system_errors import told

_FICLONE = 0x40049409  # ioctl: make this file share that file's blocks (btrfs, xfs, bcachefs)

#: Where Linux names each disk of this machine. File systems of networks have none; some (Lustre) give themselves the
#: number of a device, which is no disk's.
DISKS = "/sys/dev/block"

#: What says "not by a link", so that the file is copied instead.
_CANNOT_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


class Local(CopyTool):
    """Copies. Blocks are shared where the file system can; the checksum is computed while they are read."""

    name = "local"
    schemes = ("file",)

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        source, target = path_of(transfer.source), path_of(transfer.target)
        with told(source, "read"), _open_source(source) as reading, told(target, "written"):
            _make_folder(target.parent, transfer.root)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
            with os.fdopen(descriptor, "wb", 0) as writing:
                facts = _copy_blocks(reading, writing, deadline, cancel)
                return facts._replace(sure=not self._reads_back(os.fstat(descriptor).st_dev))

    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        path = path_of(url)
        with told(path, "looked at"):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        if not stat.S_ISREG(found.st_mode):
            raise CopyFailed(FailureKind.EXISTS, f"{path} is there, but is not a file")
        return FileFacts(found.st_size)

    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        path = path_of(url)
        with told(path, "read"):
            if self._reads_back(path.stat().st_dev):
                _forget(path)
            return checksum.of_file(path, algorithm, deadline)

    def _reads_back(self, device: int) -> bool:
        """Say whether what was stored is read once more, from where it lies: what memory has of it is what was written.

        Of a disk of this machine that tells nothing which forcing the file there, and its size, do not tell.
        """
        wanted = self.settings.copy.read_back
        return wanted == "always" or (wanted == "auto" and not _is_a_disk(device))

    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        """Give a file its name for good: what is told as stored survives a power failure."""
        old, new = path_of(source), path_of(target)
        with told(new, "named"):
            _sync(old)
            try:
                os.link(old, new, follow_symlinks=False)  # unlike rename, refuses a target that exists
            except OSError as wrong:
                if wrong.errno not in _CANNOT_LINK:
                    raise
                if os.path.lexists(new):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from wrong
                old.rename(new)
            else:
                old.unlink()
            _sync(new.parent)

    def remove(self, url: str, deadline: Deadline) -> None:
        path = path_of(url)
        with told(path, "removed"):
            path.unlink(missing_ok=True)


class Copy(Local):
    """The same under the name of the program that people know."""

    name = "cp"


class Link(Local):
    """Gives a file a second name; where that cannot be (another file system), copies it."""

    name = "link"
    takes_space = False

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        source, target = path_of(transfer.source), path_of(transfer.target)
        with told(source, "linked"):
            checksum.go_on(deadline, cancel)
            _open_source(source).close()
            _make_folder(target.parent, transfer.root)
            target.unlink(missing_ok=True)
            try:
                os.link(source.resolve(), target)
            except OSError as wrong:
                if wrong.errno not in _CANNOT_LINK:
                    raise
                return super().copy(transfer, deadline, cancel)
            return FileFacts(target.stat().st_size, sure=True)


class SymbolicLink(Local):
    """Points to a file where it lies. For inputs: an output's directory goes away."""

    name = "symlink"
    takes_space = False

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        source, target = path_of(transfer.source), path_of(transfer.target)
        with told(source, "linked"), _open_source(source) as reading:
            checksum.go_on(deadline, cancel)
            _make_folder(target.parent, transfer.root)
            target.unlink(missing_ok=True)
            target.symlink_to(source)
            return FileFacts(os.fstat(reading.fileno()).st_size)


class Move(Link):
    """PanDA's ``mv``: inputs are symbolic links, and outputs move without their bytes being copied.

    The old name goes with the job's directory, so that a move that fails half-way loses nothing.
    """

    name = "mv"
    reads_with = "symlink"


def path_of(url: str) -> Path:
    """Answer the path of a ``file:`` URL; nothing in it is decoded."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if scheme != "file" or host not in ("", "localhost") or not slash:
        raise CopyFailed(None, f"{url} is not a file of this machine; file:///path is expected")
    return Path(slash + path)


def _make_folder(folder: Path, root: str) -> None:
    """Make a folder of a storage; a storage that is not mounted is not made up on the disk below its mount point."""
    if root and not path_of(root + "/").is_dir():
        raise CopyFailed(FailureKind.UNREACHABLE, f"{path_of(root + '/')}: the storage's folder is not there; mounted?")
    folder.mkdir(parents=True, exist_ok=True)


def _open_source(path: Path) -> IO[bytes]:
    # Without waiting for a writer, should it be a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CopyFailed(FailureKind.NO_SUCH_FILE, f"{path} is not a file")
    checksum.read_ahead(descriptor)
    return os.fdopen(descriptor, "rb", 0)


def _copy_blocks(reading: IO[bytes], writing: IO[bytes], deadline: Deadline, cancel: Cancel) -> FileFacts:
    shared = _share_blocks(reading, writing)
    adler, size = checksum.Adler32(), 0
    buffer = memoryview(bytearray(checksum.BLOCK))
    checksum.go_on(deadline, cancel)
    while got := reading.readinto(buffer):  # type: ignore[attr-defined]  # unbuffered files have it
        block = buffer[:got]
        adler.update(block)
        size += got
        while block and not shared:
            block = block[writing.write(block) :]
        checksum.go_on(deadline, cancel)
    return FileFacts(size, f"{checksum.ADLER32}:{adler.hexdigest()}")


def _share_blocks(reading: IO[bytes], writing: IO[bytes]) -> bool:
    try:
        fcntl.ioctl(writing, _FICLONE, reading.fileno())
    except OSError:
        return False  # this file system cannot, or these are two
    return True


def _is_a_disk(device: int) -> bool:
    return os.path.lexists(f"{DISKS}/{os.major(device)}:{os.minor(device)}")


def _forget(path: Path) -> None:
    """Have a file where it lies, and no longer in memory, so that reading it is reading what is there."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
