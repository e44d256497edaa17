"""Copies by Rucio's own clients: files are known by scope and name, storages by their name (RSE).

Rucio moves the bytes. What lies on a storage is looked at, named and removed by the tool that knows its scheme: Rucio
has no words for files that its catalogue does not have.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from pilot.copytool import apart
from pilot.copytool.base import (
    ANY_SCHEME,
    Cancel,
    CopyCancelled,
    CopyFailed,
    CopyTool,
    Deadline,
    FailureKind,
    FileFacts,
    Transfer,
)
from pilot.copytool.local import path_of
from pilot.copytool.system_errors import told

#: Which tools look at storages, by their scheme; `OTHERWISE` for all others.
BESIDE: Mapping[str, str] = {"file": "local", "root": "xrdcp", "roots": "xrdcp", "xroot": "xrdcp"}
OTHERWISE = "gfal"
#: Seconds for removing what Rucio has left.
CLEARING = 30.0
#: What Rucio writes after a file's name while it stores it.
HALF = ".rucio.upload"


class Rucio(CopyTool):
    """Whatever Rucio reaches. Inputs that no storage of the queue has are taken from where its catalogue has them."""

    name = "rucio"
    schemes = (ANY_SCHEME,)
    whole = True  # under another name until it is whole and verified
    catalogue = True

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        if not transfer.scope:
            raise CopyFailed(None, f"{transfer.lfn} has no scope, by which Rucio would know it")
        if _is_stored(transfer):
            return self._store(transfer, deadline, cancel)
        return self._fetch(transfer, deadline, cancel)

    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        return self._beside(url).stat(url, deadline)

    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        return self._beside(url).checksum(url, algorithm, deadline)

    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        self._beside(source).rename(source, target, deadline)

    def remove(self, url: str, deadline: Deadline) -> None:
        self._beside(url).remove(url, deadline)

    def _fetch(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        target = path_of(transfer.target)
        # Rucio gives a file its own name, and leaves what was there. The name of the target may be as long as can be.
        folder = target.with_name(f"{hashlib.md5(os.fsencode(target.name), usedforsecurity=False).hexdigest()}.rucio")
        by_name = transfer.source.startswith(f"{self.name}:")
        try:
            found = self._ask(
                "fetch",
                {
                    **self._both(transfer, deadline),
                    "url": "" if by_name else transfer.source,
                    "folder": str(folder),
                    "checksum": transfer.checksum or "",
                },
                deadline,
                cancel,
            )
            with told(target, "named"):
                Path(found["path"]).replace(target)
                size = target.stat().st_size
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        known = found["checksum"].lower() or None
        if transfer.endpoint and not by_name:
            return FileFacts(size, known)
        return FileFacts(size, known, found["url"], found["endpoint"])  # Rucio has chosen

    def _store(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        source, register = path_of(transfer.source), self.settings.rucio.register
        if not source.is_file():
            raise CopyFailed(FailureKind.NO_SUCH_FILE, f"{source} is not there")
        if not source.stat().st_size:
            # Its clients want a checksum that they cannot compute, and go on trying for minutes.
            raise CopyFailed(FailureKind.SIZE, f"{source} is empty; Rucio stores no such file")
        asked = {
            **self._both(transfer, deadline),
            "path": str(source),
            "url": transfer.target,
            "dataset": _dataset(transfer),
            "guid": transfer.guid,
            "register": register,
        }
        try:
            found = self._ask("store", asked, deadline, cancel)
        except (CopyFailed, CopyCancelled) as failed:
            if isinstance(failed, CopyCancelled) or failed.kind is FailureKind.TIMEOUT:  # killed in the midst of it
                with contextlib.suppress(CopyFailed):
                    self.remove(f"{transfer.target}{HALF}", Deadline(CLEARING))
            raise
        if "unregistered" in found:
            # Left there, it would count as stored the next time.
            self.remove(transfer.target, Deadline(CLEARING))
            raise CopyFailed(None, f"{transfer.scope}:{transfer.lfn} was not registered: {found['unregistered']}")
        return FileFacts(source.stat().st_size, found["checksum"])

    def _both(self, transfer: Transfer, deadline: Deadline) -> Mapping[str, Any]:
        own = self.settings.rucio
        timeout = min(own.transfer_timeout or deadline.left(), deadline.left())
        return {
            "file": {"scope": transfer.scope, "name": transfer.lfn, "endpoint": transfer.endpoint},
            "timeout": timeout,
        }

    def _ask(self, function: str, arguments: Mapping[str, Any], deadline: Deadline, cancel: Cancel) -> Any:
        own = self.settings.rucio
        chosen = {"RUCIO_HOME": own.home, "RUCIO_ACCOUNT": own.account}
        variables = tuple((name, value) for name, value in chosen.items() if value)
        process = apart.shared("pilot.copytool.rucio_apart", own.python, variables, self.setup)
        # Tokens are kept there. The process makes it, and takes it away when the pilot is killed. It is named here, so
        # that it goes with the call when the process is.
        client = {"host": own.host, "folder": f"{tempfile.gettempdir()}/rucio-{os.urandom(8).hex()}"}
        try:
            return process.call(function, {**arguments, "client": client}, deadline, cancel)
        finally:
            shutil.rmtree(client["folder"], ignore_errors=True)

    def _beside(self, url: str) -> CopyTool:
        """Make the tool that knows the scheme of an address."""
        from pilot.copytool.known import Known

        scheme = url.partition(":")[0]
        says = {"setup": self.setup} if self.setup else {}
        return Known({})[BESIDE.get(scheme, OTHERWISE)](self.settings, says)


def _is_stored(transfer: Transfer) -> bool:
    """Say whether a file leaves the node; a storage may be a folder of this machine."""
    if transfer.target.startswith("file:"):
        return bool(transfer.root) and transfer.target.startswith(f"{transfer.root}/")
    return True


def _dataset(transfer: Transfer) -> tuple[str, ...]:
    """Answer scope and name of a file's dataset; PanDA writes it with or without its scope."""
    scope, colon, name = transfer.dataset.partition(":")
    return ((scope, name) if colon else (transfer.scope, scope)) if transfer.dataset else ()
