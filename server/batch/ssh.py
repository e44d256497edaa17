"""Any other kind of batch system, on a login node that is reached by OpenSSH.

The system's own class runs there (`server.batch.ssh_agent`); here are the names of its jobs' directories, and the logs
that were brought. A submission whose answer was lost is found by its key, as with every other system.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from server.batch.base import BatchFailed, BatchJob, BatchMisconfigured, BatchSystem, Template, Window
from server.batch.place import Place, read_job_options
from server.batch.registry import registry
from server.batch.ssh_agent import MOST
from server.batch.ssh_connection import Agents
from server.batch.ssh_options import SshOptions, check_inner, read_system
from server.batch.ssh_values import job_of, written

_KEY = re.compile(r"[A-Za-z0-9][\w.-]{0,60}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9]\S{0,119}", re.ASCII)
#: Bytes of a file that are sent at a time.
_BLOCK = 2**20
#: Seconds that a login node waits longer than we keep a connection: it ends those that nobody has ended.
_MARGIN = 60


class SshBatch(BatchSystem):
    """One batch system behind one login node."""

    name = "ssh"

    def __init__(self, place: Place, options: SshOptions, inner: type[BatchSystem]) -> None:
        self._name, self._folder, self._inner = place.name, place.folder.absolute(), inner
        self._agents, self._patience = Agents(place.name, options), options.patience
        self._where = {
            "folder": options.folder,
            "name": place.name,
            "module": inner.__module__,
            "class": inner.__qualname__,
            "options": options.options,
            "idle": int(options.idle) + _MARGIN,
        }

    @classmethod
    def open(cls, place: Place) -> SshBatch:
        options = read_system(place)
        inner = registry().kind(options.kind)
        check_inner(place, options, inner)
        return cls(place, options, inner)

    @classmethod
    def behind(cls, options: Mapping[str, Any]) -> type[BatchSystem]:
        return registry().kind(str(options.get("kind", "")))

    def submit(self, template: Template, count: int) -> tuple[str, ...]:
        if not _KEY.fullmatch(template.key):
            raise BatchFailed(f"{template.key!r} cannot be the key of a submission: letters, digits, . _ and - only")
        read_job_options(self._name, self._inner, template.options)
        asked = written(template, self._send(template.files))
        with _understood(self._name):
            return _ids(self._one("submit", template=asked, count=count), count)

    def _send(self, files: Mapping[str, Path]) -> dict[str, str]:
        """Have files on the login node; answer their names there, which are the hashes of their content."""
        names, paths = dict[str, str](), dict[str, Path]()
        with _understood(self._name):
            for name, path in files.items():
                with path.open("rb") as file:
                    names[name] = hashlib.file_digest(file, "sha256").hexdigest() + ("-x" * os.access(path, os.X_OK))
                paths[names[name]] = path
            for wanted in self._one("missing", names=[*paths]):
                self._send_one(wanted, paths[wanted])
        return names

    def _send_one(self, name: str, path: Path) -> None:
        draft = secrets.token_hex(8)  # its parts may go by several connections
        with path.open("rb") as file:
            block = file.read(_BLOCK)
            while True:
                after = file.read(_BLOCK)
                text = base64.b64encode(block).decode()
                self._one("put", name=name, draft=draft, text=text, last=not after)
                if not after:
                    return
                block = after

    def find(self, key: str) -> Mapping[int, str]:
        if not _KEY.fullmatch(key):
            return {}
        with _understood(self._name):
            return {int(number): str(job) for number, job in self._one("find", key=key)}

    def status(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        return self._jobs("status", ids)

    def history(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        return self._jobs("history", ids)

    def _jobs(self, function: str, ids: Collection[str]) -> Mapping[str, BatchJob]:
        if not ids:
            return {}
        with _understood(self._name):
            found = {job: job_of(said) for piece in self._ask(function, jobs=[*ids]) for job, said in piece}
            return {job: found[job] for job in ids if function == "status" or job in found}

    def cancel(self, ids: Collection[str]) -> None:
        if ids:
            self._one("cancel", jobs=[*ids])

    def cancel_waiting(self, ids: Collection[str]) -> tuple[str, ...]:
        if not ids:
            return ()
        with _understood(self._name):
            told = {*self._one("cancel_waiting", jobs=[*ids])}
        return tuple(job for job in ids if job in told)

    def directory(self, job: str) -> Path:
        if not _ID.fullmatch(job):
            raise BatchFailed(f"{job!r} is not an id of a job of {self._name}")
        return self._folder / "jobs" / quote(job, safe="@")

    def forget(self, ids: Collection[str]) -> None:
        if ids:
            self._one("forget", jobs=[*ids])
        for job in ids:
            shutil.rmtree(self.directory(job), ignore_errors=True)

    def collect(self, ids: Collection[str]) -> int:
        wanted = [job for job in ids if not self.directory(job).is_dir()]
        if not wanted:
            return 0
        with _understood(self._name), _Coming(self._folder / "coming", wanted) as coming:
            for job, name, text in self._ask("logs", jobs=wanted):
                if name:
                    coming.write(job, name, base64.b64decode(text))
                else:
                    coming.arrived(job, self.directory(job))
            return coming.brought

    def window(self, options: Mapping[str, Any]) -> Window | None:
        read_job_options(self._name, self._inner, options)
        with _understood(self._name):
            found = self._one("window", options=dict(options))
            return None if found is None else Window(**found)

    def _one(self, function: str, **asked: Any) -> Any:
        with _understood(self._name):
            (answer,) = self._ask(function, **asked)
            return answer

    def _ask(self, function: str, **asked: Any) -> Iterator[Any]:
        return self._agents.ask(function, {"where": self._where, **asked}, patience=self._patience)


def _ids(said: Any, count: int) -> tuple[str, ...]:
    """Read the ids of new jobs; what else a login node may say is no word on them, and their key finds them."""
    if not isinstance(said, list) or len(said) > count:
        raise ValueError(said)
    for job in said:
        if not isinstance(job, str) or not _ID.fullmatch(job):
            raise ValueError(job)
    return tuple(said)


class _Coming:
    """Logs that are being brought: what is whole gets its place, and what is not goes away."""

    def __init__(self, folder: Path, wanted: Collection[str]) -> None:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        self._folder, self._wanted, self.brought = Path(tempfile.mkdtemp(dir=folder)), set(wanted), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, job: str, name: str, block: bytes) -> None:
        if name not in ("stdout", "stderr"):
            raise ValueError(name)
        with (self._draft(job) / name).open("ab") as file:
            if file.tell() + len(block) > MOST:
                raise ValueError(f"more than {MOST} bytes of {name}")
            file.write(block)

    def arrived(self, job: str, place: Path) -> None:
        draft = self._draft(job)
        place.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        if not place.exists():  # else somebody else has brought it meanwhile
            draft.rename(place)
            self.brought += 1

    def _draft(self, job: str) -> Path:
        if job not in self._wanted:
            raise ValueError(job)
        draft = self._folder / quote(job, safe="@")
        draft.mkdir(mode=0o700, exist_ok=True)
        return draft


@contextmanager
def _understood(name: str) -> Iterator[None]:
    """Make an answer that cannot be one, and a disk that refuses, a failure of the system."""
    try:
        yield
    except BatchMisconfigured:
        raise
    except (KeyError, TypeError, ValueError) as wrong:
        raise BatchFailed(f"{name}: the login node's answer is not understood: {str(wrong)[:100]}") from wrong
    except OSError as wrong:
        raise BatchFailed(f"{name}: {wrong}") from wrong
