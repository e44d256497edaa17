"""Third-party copies by the xroot protocol: the target's server pulls from the source's. Run apart.

They are begun by XRootD's own client, as ``xrdcp --tpc only`` would begin them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from server.storage.base import FaultKind, StorageUnavailable
from server.storage.movers.steps import CopyRefused, Tool, carry_out, clean
from server.storage.xrootd_apart import bindings, fault_of, text_of, words_of

#: The error of a server: it has answered, and said no.
_SAID_NO = 400
_IS_FOLDER = 2


class XrootdTool(Tool):
    """By the bindings. ``patience``: the longest that a question may take, in seconds."""

    def __init__(self, patience: int) -> None:
        self._client, self._patience = bindings(), patience

    def size(self, url: str) -> int | None:
        system, path = self._at(url)
        status, found = system.stat(path, timeout=self._patience)
        if not status.ok:
            self._nothing(status)
            return None
        if found.flags & _IS_FOLDER:
            raise CopyRefused(f"{url} is a folder")
        return int(found.size)

    def checksum(self, url: str) -> str | None:
        system, path = self._at(url)
        code = self._client.flags.QueryCode.CHECKSUM
        status, found = system.query(code, f"{path}?cks.type=adler32", timeout=3600)  # the server reads the file
        words = text_of(found).split() if status.ok else []
        return f"adler32:{words[1].rjust(8, '0')}" if words[:1] == ["adler32"] and len(words) == 2 else None

    def copy(self, source: str, target: str) -> Iterator[int]:
        process = self._client.CopyProcess()
        process.add_job(source, target, force=True, mkdir=True, thirdparty="only", inittimeout=self._patience)
        status = process.prepare()
        if not status.ok:
            raise CopyRefused(words_of(status))
        news: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        ended: list[Any] = []

        def run() -> None:
            try:
                ended.extend(process.run(_progress(self._client, news)))
            finally:
                news.put(None)

        threading.Thread(target=run, daemon=True).start()
        while (moved := news.get()) is not None:
            yield moved
        if not ended or not ended[0].ok:
            raise CopyRefused(words_of(ended[0]) if ended else "the copy broke")

    def rename(self, before: str, after: str) -> None:
        system, path = self._at(before)
        status, _ = system.mv(path, self._at(after)[1], timeout=self._patience)
        if not status.ok:
            raise CopyRefused(words_of(status))

    def remove(self, url: str) -> None:
        system, path = self._at(url)
        status, _ = system.rm(path, timeout=self._patience)
        if not status.ok:
            self._nothing(status)

    def _at(self, url: str) -> tuple[Any, str]:
        scheme, _, rest = url.partition("://")  # of these addresses, # and % are letters like others
        host, _, path = rest.partition("/")
        return self._client.FileSystem(f"{scheme}://{host}"), "/" + path.lstrip("/")

    def _nothing(self, status: Any) -> None:
        """Take a refusal for the absence of a file, where it is that."""
        fault = fault_of(status)
        if status.code != _SAID_NO:
            raise StorageUnavailable(fault["words"])
        if fault["kind"] != FaultKind.ABSENT.value:
            raise CopyRefused(fault["words"])


def _progress(client: Any, news: queue.SimpleQueue[int | None]) -> Any:
    from XRootD.client.utils import CopyProgressHandler

    class Progress(CopyProgressHandler):
        def update(self, jobId: int, processed: int, total: int) -> None:  # noqa: N803 theirs
            news.put(int(processed))

    return Progress()


def copy(order: dict[str, Any], patience: int) -> Iterator[Any]:
    """Carry out one copy."""
    yield from carry_out(XrootdTool(patience), **order)


def clear(aside: str, patience: int) -> Iterator[Any]:
    """Remove what a copy that was given up has left."""
    clean(XrootdTool(patience), aside)
    yield {}
