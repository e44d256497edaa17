"""The storages that copying is measured with and that need no server: a folder, a site's programs, an object store."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pilot.copytool import checksum
from pilot.copytool.base import Deadline
from pilot.settings import Settings
from pilot.settings.lsm import Lsm
from pilot.settings.s3 import S3

#: The dataset of all files, which is a folder on most storages.
DATASET = "bench"
#: A site's own programs, as short as they can be.
LSM_GET = '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift 2; done\nexec cp "${1#site://}" "$2"\n'
LSM_PUT = (
    '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift 2; done\n'
    'mkdir -p "$(dirname "${2#site://}")" && exec cp "$1" "${2#site://}"\n'
)
Bare = Callable[[str, str], object]


@dataclass(frozen=True)
class Storage:
    """One storage and the tool for it.

    ``endpoint`` and ``path`` are its protocol; ``bare`` copies by the bare program alone, from and to paths of this
    machine and what ``there`` makes of a file's name; ``sum_up`` then has the storage, or whoever can, compute the
    checksum of what was stored there. ``put``, which is given a file and all names for it, and ``remove`` are not
    measured.
    """

    tool: str
    endpoint: str
    path: str
    settings: Settings
    bare: Bare
    sum_up: Callable[[str], object]
    there: Callable[[str], str]
    put: Callable[[Path, Sequence[str]], object]
    remove: Callable[[str], object]
    what_is_bare: str
    way: str = ""
    steps: int = 1  # a small file is this many times as slow as one that needs no process: fewer are copied
    name: str = "S"
    scope: str = DATASET
    deterministic: bool = False

    @property
    def title(self) -> str:
        """Its tool, and by which way that works when it has several."""
        return f"{self.tool} {self.way}".rstrip()


def execute(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a program that has to end well."""
    try:
        subprocess.run(argv, check=True, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except subprocess.CalledProcessError as wrong:
        raise SystemExit(f"{' '.join(argv[:3])} ...: {' '.join(wrong.stderr.split())[-500:]}") from wrong


def sum_of(path: str | Path) -> str:
    """Compute the adler32 of a file of this machine."""
    return checksum.of_file(Path(path), checksum.ADLER32, Deadline(3600))


def put_in(folder: Path) -> Callable[[Path, Sequence[str]], None]:
    """Answer what puts files in a folder of this machine."""

    def put(source: Path, names: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).unlink(missing_ok=True)
            shutil.copyfile(source, folder / name)

    return put


def remove_from(folder: Path) -> Callable[[str], None]:
    """Answer what removes a file from a folder of this machine."""
    return lambda name: (folder / name).unlink(missing_ok=True)


def local(_: ExitStack, folder: Path) -> Storage:
    """A folder."""
    files = folder / DATASET

    def bare(source: str, target: str) -> None:
        execute(["cp", source, target])
        if Path(target).is_relative_to(files):
            execute(["sync", target])  # an output is on the disk when it is told as stored

    return Storage(
        "local",
        "file://",
        str(folder),
        Settings(),
        bare,
        sum_of,
        lambda name: str(files / name),
        put_in(files),
        remove_from(files),
        "cp; of outputs, sync, too; then adler32 of the copy",
        steps=0,
    )


def lsm(_: ExitStack, folder: Path) -> Storage:
    """A site's programs around ``cp``."""
    programs, files = {}, folder / DATASET
    for name, text in (("get", LSM_GET), ("put", LSM_PUT)):
        path = folder / f"lsm-{name}"
        path.write_text(text)
        path.chmod(0o755)
        programs[name] = str(path)

    def bare(source: str, target: str) -> None:
        execute([programs["put" if target.startswith("site:") else "get"], source, target])

    def fetch_back(url: str) -> None:
        with tempfile.NamedTemporaryFile() as back:
            bare(url, back.name)
            sum_of(back.name)

    return Storage(
        "lsm",
        "site://",
        str(folder),
        Settings(lsm=Lsm(get=(programs["get"],), put=(programs["put"],))),
        bare,
        fetch_back,
        lambda name: f"site://{files / name}",
        put_in(files),
        remove_from(files),
        "its get or put, a script around cp; then adler32 of what came, or of what was fetched back",
    )


def s3(stack: ExitStack, _: Path) -> Storage:
    """A stand-in for an object storage."""
    from tests.services import object_storage

    server = stack.enter_context(object_storage.running())
    client, bucket = server.client, object_storage.BUCKET

    def bare(source: str, target: str) -> None:
        if source.startswith("s3:"):
            client.download_file(bucket, source[3:], target)
        else:
            client.upload_file(source, bucket, target[3:])

    return Storage(
        "s3",
        f"s3://{server.host}",
        f"/{bucket}",
        Settings(s3=S3(credentials_file=str(server.keys), secure=False)),
        bare,
        lambda url: client.head_object(Bucket=bucket, Key=url[3:]),
        lambda name: f"s3:{DATASET}/{name}",
        lambda source, names: [client.upload_file(str(source), bucket, f"{DATASET}/{name}") for name in names],
        lambda name: client.delete_object(Bucket=bucket, Key=f"{DATASET}/{name}"),
        "boto3's own copying, which verifies what it stores; then adler32 of what came (the server is only moto)",
        steps=0,
    )
