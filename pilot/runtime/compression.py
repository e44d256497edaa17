"""The compressors of log archives: gzip, and zstd where the node has it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import IO, Any

from pilot.errors import ConfigError

GZIP, ZSTD = "gzip", "zstd"
#: Of Python 3.14, and of the package for older ones; the first one that is there is taken.
_MODULES = ("compression.zstd", "zstandard")


def require(name: str) -> None:
    """Refuse a compressor that this node lacks, at the start and not at the end of a job.

    Raises:
        ConfigError: it is not installed.
    """
    if name == ZSTD and not _found():
        wanted = "install zstandard (the extra log) for the pilot's Python, or run it under Python 3.14"
        raise ConfigError(f"log.compression: zstd is not installed; {wanted}, or set gzip")


@contextlib.contextmanager
def compressed(file: IO[bytes], name: str) -> Iterator[Any]:
    """Compress what is written into ``file``. No name and no time in the header: the same content, the same bytes."""
    if name == ZSTD:
        module: Any = importlib.import_module(_found())
        writer: Any = (
            module.ZstdFile(file, "wb")
            if hasattr(module, "ZstdFile")
            else module.ZstdCompressor().stream_writer(file, closefd=False)
        )
    else:
        import gzip

        writer = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
    with writer:
        yield writer


@contextlib.contextmanager
def decompressed(file: IO[bytes]) -> Iterator[Any]:
    """Read a log archive again, whichever compressor made it.

    Raises:
        ConfigError: it was made by one that this node lacks.
        OSError: it is none, or broken; also while it is read.
    """
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        import gzip
        import zlib

        reader: Any = gzip.GzipFile("", "rb", fileobj=file)
        broken: Any = zlib.error
    elif start != b"\x28\xb5\x2f\xfd":
        raise OSError("it is compressed neither by gzip nor by zstd")
    else:
        require(ZSTD)
        module: Any = importlib.import_module(_found())
        reader = (
            module.ZstdFile(file, "rb")
            if hasattr(module, "ZstdFile")
            else module.ZstdDecompressor().stream_reader(file, closefd=False)
        )
        broken = module.ZstdError
    with reader:
        try:
            yield reader
        except broken as wrong:
            raise OSError(f"what is compressed is broken: {wrong}") from wrong


def _found() -> str:
    import importlib.util

    for name in _MODULES:
        with contextlib.suppress(ImportError):  # of the package that it would lie in
            if importlib.util.find_spec(name) is not None:
                return name
    return ""
