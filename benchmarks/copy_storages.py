"""The storages that copying is measured with: a folder, and real servers where the tests' services have them here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pilot.copytool import checksum
from pilot.copytool.base import Deadline
from pilot.settings import Settings
from pilot.settings.lsm import Lsm
from pilot.settings.s3 import S3
from pilot.settings.scp import Scp
from pilot.settings.xrdcp import Xrdcp
from tests.services import sshd, xrootd

#: A site's own programs, as short as they can be.
LSM_GET = '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift 2; done\nexec cp "${1#site://}" "$2"\n'
LSM_PUT = (
    '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift 2; done\n'
    'mkdir -p "$(dirname "${2#site://}")" && exec cp "$1" "${2#site://}"\n'
)
#: Those that there are storages for here.
TOOLS = ("local", "lsm", "scp", "xrdcp", "xrdcp by its module", "s3")
Bare = Callable[[str, str], None]


@dataclass(frozen=True)
class Storage:
    """One storage and the tool for it.

    ``endpoint`` and ``path`` are its protocol; ``bare`` copies by the bare program alone, from and to paths of this
    machine and names of the storage as ``there`` writes them. ``put`` and ``remove`` are not measured.
    """

    tool: str
    endpoint: str
    path: str
    settings: Settings
    bare: Bare
    there: Callable[[str], str]
    put: Callable[[Path, str], None]
    remove: Callable[[str], None]
    processes: bool = True
    what_is_bare: str = ""
    way: str = ""

    @property
    def title(self) -> str:
        """Its tool, and by which way that works when it has several."""
        return f"{self.tool} {self.way}".rstrip()


@dataclass
class Found:
    """What there is to measure with, and what is not here, with the reason."""

    storages: list[Storage] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def _run(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    subprocess.run(argv, check=True, env=environment, stdin=subprocess.DEVNULL, capture_output=True)


def _put_in(folder: Path) -> Callable[[Path, str], None]:
    def put(source: Path, name: str) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)

    return put


def _remove_from(folder: Path) -> Callable[[str], None]:
    def remove(name: str) -> None:
        (folder / name).unlink(missing_ok=True)

    return remove


def _local(folder: Path) -> Storage:
    def bare(source: str, target: str) -> None:
        _run(["cp", source, target])
        checksum.of_file(Path(target), checksum.ADLER32, Deadline(3600))

    return Storage(
        "local",
        "file://",
        str(folder),
        Settings(),
        bare,
        lambda name: str(folder / name),
        _put_in(folder),
        _remove_from(folder),
        processes=False,
        what_is_bare="cp, then adler32 of the copy",
    )


def _lsm(folder: Path) -> Storage:
    programs = {}
    for name, text in (("get", LSM_GET), ("put", LSM_PUT)):
        path = folder / f"lsm-{name}"
        path.write_text(text)
        path.chmod(0o755)
        programs[name] = str(path)

    def bare(source: str, target: str) -> None:
        _run([programs["put" if target.startswith("site:") else "get"], source, target])

    settings = Settings(lsm=Lsm(get=(programs["get"],), put=(programs["put"],)))
    put, remove = _put_in(folder), _remove_from(folder)
    what = "its get, a script around cp"
    return Storage(
        "lsm",
        "site://",
        str(folder),
        settings,
        bare,
        lambda name: f"site://{folder / name}",
        put,
        remove,
        what_is_bare=what,
    )


def _scp(stack: ExitStack, folder: Path) -> Storage:
    server = stack.enter_context(sshd.running())
    ways = Scp(identity_file=str(server.identity), known_hosts=str(server.known_hosts), config="none")
    options = ["-F", "none", "-P", str(server.port), "-i", str(server.identity)]
    options += ["-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "BatchMode=yes"]

    def bare(source: str, target: str) -> None:
        _run(["scp", *options, source, target])

    return Storage(
        "scp",
        f"scp://127.0.0.1:{server.port}",
        str(folder),
        Settings(scp=ways),
        bare,
        lambda name: f"127.0.0.1:{folder / name}",
        _put_in(folder),
        _remove_from(folder),
        what_is_bare="scp",
    )


def _xrdcp(stack: ExitStack, *, module: bool) -> Storage:
    os.environ.update(xrootd.client())
    server = stack.enter_context(xrootd.running())

    def put(source: Path, name: str) -> None:
        server.put(name, b"")
        shutil.copyfile(source, server.data / name)

    def bare(source: str, target: str) -> None:
        _run(["xrdcp", "--nopbar", "--silent", "--force", source, target])

    def remove(name: str) -> None:
        (server.data / name).unlink(missing_ok=True)

    return Storage(
        "xrdcp",
        f"root://127.0.0.1:{server.ports[0]}",
        "/",
        Settings(xrdcp=Xrdcp(way="bindings" if module else "programs")),
        bare,
        lambda name: f"{server.root}/{name}",
        put,
        remove,
        processes=not module,
        what_is_bare="xrdcp",
        way="by its module" if module else "",
    )


def _s3(stack: ExitStack) -> Storage:
    from tests.services import object_storage

    server = stack.enter_context(object_storage.running())
    client, bucket = server.client, object_storage.BUCKET

    def bare(source: str, target: str) -> None:
        if source.startswith("s3:"):
            client.download_file(bucket, source[3:], target)
        else:
            client.upload_file(source, bucket, target[3:])

    def remove(name: str) -> None:
        client.delete_object(Bucket=bucket, Key=name)

    return Storage(
        "s3",
        f"s3://{server.host}",
        f"/{bucket}",
        Settings(s3=S3(credentials_file=str(server.keys), secure=False)),
        bare,
        lambda name: f"s3:{name}",
        lambda source, name: client.upload_file(str(source), bucket, name),
        remove,
        processes=False,
        what_is_bare="boto3's own copying; the server is moto, a stand-in",
    )


@contextmanager
def storages(folder: Path, wanted: Sequence[str]) -> Iterator[Found]:
    """Start what there is for a while.

    Args:
        folder: An empty folder for files.
        wanted: Tools, by name.
    """
    makes: dict[str, Callable[[ExitStack, Path], Storage]] = {
        "local": lambda _, place: _local(place),
        "lsm": lambda _, place: _lsm(place),
        "scp": _scp,
        "xrdcp": lambda stack, _: _xrdcp(stack, module=False),
        "xrdcp by its module": lambda stack, _: _xrdcp(stack, module=True),
        "s3": lambda stack, _: _s3(stack),
    }
    found = Found()
    with ExitStack() as stack:
        for name in wanted:
            place = folder / name
            place.mkdir(parents=True)
            try:
                found.storages.append(makes[name](stack, place))
            except _not_here() as wrong:
                found.missing[name] = " ".join(str(wrong).split())
        yield found


def _not_here() -> tuple[type[BaseException], ...]:
    import pytest

    return (pytest.skip.Exception, OSError, ImportError, subprocess.CalledProcessError)
