"""What the copy tools' programs are started by where they run in a container: what is seen there, and what is set."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from pilot.copytool import grid
from pilot.copytool.base import CHILDREN, Inside
from pilot.runtime.container import middleware
from pilot.runtime.container.values import Bind
from pilot.settings import environment

if TYPE_CHECKING:
    from pilot.contract.queue import QueueData, StorageEndpoint
    from pilot.settings import Settings

#: This `pilot`: a folder, or the bundle.
_ROOT = str(Path(__file__).resolve().parents[2])
#: The settings, by section, that name files and folders for the tools to read.
_FILES = {
    "gfal": ("token_file",),
    "s3": ("credentials_file", "authorities"),
    "scp": ("identity_file", "known_hosts", "config"),
    "rucio": ("home",),
}
#: Variables of the pilot's that tools look at; none holds a secret.
_VARIABLES = ("TMPDIR", "X509_VOMS_DIR", "KRB5CCNAME", "RUCIO_HOME", "RUCIO_CONFIG", "RUCIO_ACCOUNT")


def inside_of(
    settings: Settings, queue: QueueData, storages: Mapping[str, StorageEndpoint], folders: Iterable[Path] = ()
) -> Optional[Inside]:
    """Answer how the programs of a queue's copy tools get into their container; ``None`` when they need none.

    ``folders`` are seen there besides the work folder, the temporary one and the storages' own.

    Raises:
        JobFailed: there is to be one, and it cannot be; see `middleware.choose` and `middleware.enter`.
    """
    chosen = middleware.choose(queue, settings)
    if chosen is None:
        return None
    here, paths = environment(), grid.credentials(settings)
    variables = {**{name: here[name] for name in _VARIABLES if here.get(name)}, **paths}
    seen = [*_folders(settings, storages, folders), *_files(settings, paths)]
    return Inside(middleware.enter(chosen, here, seen), tuple(variables.items()), settings.copy.python)


def _folders(settings: Settings, storages: Mapping[str, StorageEndpoint], folders: Iterable[Path]) -> Iterator[Bind]:
    """List where files are copied from and to, those above the others, which a later bind would hide."""
    found = {tempfile.gettempdir(), str(Path(settings.job.workdir or ".").absolute())}
    found.update(str(folder.absolute()) for folder in folders)
    for storage in storages.values():
        every = (protocol for protocols in storage.protocols.values() for protocol in protocols)
        found.update(protocol.path.rstrip("/") for protocol in every if protocol.scheme == "file")
    for path in sorted(found - {""}):
        yield Bind(path, path)


def _files(settings: Settings, paths: Mapping[str, str]) -> Iterator[Bind]:
    named = [getattr(getattr(settings, name), key) for name, keys in _FILES.items() for key in keys]
    for path in filter(None, [*paths.values(), *named]):
        yield Bind(str(Path(path).absolute()), str(Path(path).absolute()), read_only=True)
    yield Bind(_ROOT, CHILDREN, read_only=True)
