"""A server as one archive, and back: its database, and the keys, tokens and other small files of its home."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from pilot.contract.version import PRODUCT
from server.manage import archive, dumps, schema
from server.manage.archive import FORM, ArchiveRefused, Manifest

DATABASE, SETTINGS = "database", "settings.json"
#: The folder of the home with the files that users send along.
UPLOADS = "cache"
#: Of the home, what is made anew while a server runs, or is the database itself.
_TRANSIENT = (".new", ".wake", ".pid", ".lock", ".sock", ".log")


def kept_files(home: Path) -> list[Path]:
    """Answer the files of a home that cannot be made anew: keys, tokens, the first password."""
    files = sorted(path for path in home.iterdir() if path.is_file() and not path.is_symlink())
    own = [path for path in files if not path.name.startswith((".", "db.sqlite3"))]
    return [path for path in own if path.suffix not in _TRANSIENT]


def files_elsewhere(home: Path) -> list[str]:
    """Answer the files that settings name and that do not lie in the home: they are not in an archive."""
    said = settings.ENVIRONMENT
    names = [spec.name for spec in fields(said) if spec.name.endswith(("_file", "_key", "_certificate"))]
    paths = [str(getattr(said, name)) for name in names if getattr(said, name)]
    return [path for path in paths if Path(path).expanduser().absolute().parent != home]


def back_up(path: Path, *, secrets: bool) -> Manifest:
    """Write an archive while the server runs, and verify it. ``secrets``: with the files of the home, too.

    Raises:
        ArchiveRefused: there is a file of that name, or what was written cannot be read.
        DumpFailed: the database cannot be written to a file.
        OSError: there is no room, or no right to write there.
    """
    if path.exists():
        raise ArchiveRefused(f"{path} exists; remove it, or name another")
    # Beside the archive, where there has to be room anyway; nobody else may enter it.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as folder:
        files = {DATABASE: Path(folder) / DATABASE, SETTINGS: Path(folder) / SETTINGS}
        dumps.dump(files[DATABASE])
        files[SETTINGS].write_text(json.dumps(_settings(), indent=1))
        files[SETTINGS].chmod(0o600)
        if secrets:
            # Copied, so that one that is changed meanwhile is what the manifest says.
            for file in kept_files(settings.HOME):
                files[f"home/{file.name}"] = copy = Path(folder) / f"home-{file.name}"
                copy.touch(0o600)
                copy.write_bytes(file.read_bytes())
        files |= _uploads(Path(folder))
        sums = {}
        for name, file in files.items():
            with file.open("rb") as content:
                sums[name] = archive.digest(content)
        now = timezone.now().isoformat(timespec="seconds")
        manifest = Manifest(FORM, PRODUCT, now, dumps.kind(), secrets, _applied(), sums)
        archive.write(path, manifest, files)
    return manifest


def _uploads(folder: Path) -> dict[str, Path]:
    """Hold the files that users have sent: linked, since none of them changes, and one may be removed meanwhile."""
    found: dict[str, Path] = {}
    for file in sorted((settings.HOME / UPLOADS).glob("*")):
        own = folder / f"upload-{len(found)}"
        with suppress(FileNotFoundError):
            if file.is_file() and not file.name.startswith("."):
                _hold(file, own)
                found[f"home/{UPLOADS}/{file.name}"] = own
    return found


def _hold(file: Path, own: Path) -> None:
    try:
        os.link(file, own)
    except FileNotFoundError:
        raise
    except OSError:  # another disk
        own.touch(0o600)
        shutil.copyfile(file, own)


def _settings() -> dict[str, object]:
    """Answer the settings, without those that may hold a password."""
    said = settings.ENVIRONMENT
    hidden = {spec.name for spec in fields(said) if not spec.repr}
    return {name: value for name, value in asdict(said).items() if name not in hidden}


def _applied() -> list[str]:
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


def restore(path: Path, *, replace: bool) -> Manifest:
    """Bring a server back into this home and this database, after all of the archive was verified.

    Args:
        path: The archive.
        replace: Put it in the place of a server that is there; files of the home that it does not have stay.

    Raises:
        ArchiveRefused: it cannot be brought back here; nothing was changed.
        DumpFailed: the database cannot be read from it.
    """
    home: Path = settings.HOME
    # One look before anything is made; the unpacked files are compared once more.
    _refuse_unfit(archive.verify(path), home, replace=replace)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    with tempfile.TemporaryDirectory(dir=home, prefix=".restore-") as folder:
        manifest = archive.verify(path, Path(folder))
        dumps.load(Path(folder) / DATABASE)
        for name in manifest.files:
            if name.startswith("home/"):
                target = home / name.removeprefix("home/")
                target.parent.mkdir(mode=0o700, exist_ok=True)
                (Path(folder) / name).replace(target)
    return manifest


def _refuse_unfit(manifest: Manifest, home: Path, *, replace: bool) -> None:
    if manifest.database != dumps.kind():
        words = f"its database is {manifest.database}, and this server's is {dumps.kind()}"
        raise ArchiveRefused(f"{words}; name one of that kind by COMPASS_SERVER_DATABASE")
    if strange := sorted(set(manifest.migrations) - schema.known()):
        words = f"it was made by {manifest.version}, and has tables that this program does not know ({strange[-1]})"
        raise ArchiveRefused(f"{words}; install that version, or a newer one")
    if replace:
        return
    if not dumps.empty():
        raise ArchiveRefused("the database has tables already; name an empty one, or say --replace")
    mine = {file.name for file in kept_files(home)} if home.is_dir() else set()
    if both := sorted(mine & {name.removeprefix("home/") for name in manifest.files}):
        raise ArchiveRefused(f"{home} has {', '.join(both)} already; name an empty home, or say --replace")
