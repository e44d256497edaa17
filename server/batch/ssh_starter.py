"""What a login node's Python runs first: it makes our folder, takes our modules if it has not got them, and serves.

It is sent as text, before there is anything of ours, and is read by any Python 3: one that is too old is told in words.
"""

# It has to be read by a Python 3.6, to tell that it is too old.
# ruff: noqa: UP006, UP017
import base64
import datetime
import importlib
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import typing
import zipfile

#: What an answer of ours begins with: a shell may have greeted before.
MARK = "compass-agent "
OLDEST = (3, 9)
#: Seconds for which modules that no server has asked for stay.
_KEPT = 30 * 86400.0


def main(given: typing.Dict[str, typing.Any]) -> None:
    """Serve the server that has sent this; ``given`` are the folder, the system's name and the modules' hash."""
    if sys.version_info < OLDEST:
        version = ".".join(map(str, sys.version_info[:2]))
        _say({"failed": f"Python {version} is too old: name one from 3.9 on by options.python"})
        return
    mask = os.umask(0o077)
    try:
        modules = _install(pathlib.Path.home() / given["folder"], given["name"], given["hash"])
    except OSError as wrong:
        _say({"failed": str(wrong)})
        return
    os.umask(mask)  # jobs may get it, and what they write is for whom the account wants
    sys.path.insert(0, str(modules))
    _complete()
    apart = importlib.import_module("server.lib.apart")
    _say({"ready": True})
    apart.main("server.batch.ssh_agent")


def _say(what: typing.Dict[str, typing.Any]) -> None:
    sys.stdout.write(MARK + json.dumps(what) + "\n")
    sys.stdout.flush()


def _install(root: pathlib.Path, name: str, digest: str) -> pathlib.Path:
    """Answer the folder with the server's modules, after they were sent if they had to be."""
    (root / name / "modules").mkdir(parents=True, exist_ok=True)
    for folder in (root, root / name):
        found = folder.stat()
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError(f"{folder}: others may write there; give a folder of this account's own")
    target = root / name / "modules" / digest
    if not target.is_dir():
        _say({"wanted": digest})
        _unpack(base64.b64decode(json.loads(sys.stdin.readline())["modules"]), target)
    os.utime(str(target))
    for other in target.parent.iterdir():
        if other.stat().st_mtime < time.time() - _KEPT:
            shutil.rmtree(str(other), ignore_errors=True)
    return target


def _unpack(sent: bytes, target: pathlib.Path) -> None:
    draft = pathlib.Path(tempfile.mkdtemp(prefix=".draft-", dir=str(target.parent)))
    try:
        with zipfile.ZipFile(io.BytesIO(sent)) as bundle:
            bundle.extractall(str(draft))
        draft.rename(target)
    except OSError:
        shutil.rmtree(str(draft), ignore_errors=True)
        if not target.is_dir():  # else somebody else was first
            raise


def _complete() -> None:
    """Give Pythons before 3.11 the names that our modules have from it."""
    later: typing.List[typing.Tuple[typing.Any, str, typing.Any]] = [
        (datetime, "UTC", datetime.timezone.utc),
        (typing, "Self", typing.Any),
        (pathlib.Path, "hardlink_to", lambda path, target: os.link(str(target), str(path))),
    ]
    for where, name, value in later:
        if not hasattr(where, name):
            setattr(where, name, value)
