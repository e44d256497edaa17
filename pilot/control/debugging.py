"""Shows people a running job's directory and processes, as ``tail``, ``ls``, ``du`` and ``ps`` would.

No program is started for it. What lies outside of the job's directory is not shown, wherever a link may lead.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from pilot.contract.messages import LOOKS
from pilot.contract.naming import SECRETS_FILE
from pilot.control.tails import READ, last_lines, open_file, read_end

if TYPE_CHECKING:
    from pilot.contract.job import FileSpec
    from pilot.runtime.processes import Process

#: Entries that are looked at for one command, and seconds that it takes; a job may have made millions.
MOST_ENTRIES = 100_000
MOST_SECONDS = 5.0
CUT = "(cut short: there is more than is looked at for one command)"
LINES = 10


class NotShown(Exception):
    """What was asked for cannot be shown, and why."""


class Patience:
    """So many entries, and so much time, are spent on one command; ``over`` says that it was not enough."""

    def __init__(self, entries: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._left, self._until, self._clock = entries, clock() + seconds, clock
        self.over = False

    def of(self, entries: Iterable[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        """Go through entries as long as it lasts."""
        for entry in entries:
            self.over = self.over or self._left <= 0 or self._clock() > self._until
            if self.over:
                return
            self._left -= 1
            yield entry


def show(argv: Sequence[str], root: Path, patience: Optional[Patience] = None) -> str:
    """Answer what a debug command shows of the job in directory ``root``, or why it shows nothing."""
    program, *words = argv
    patience = patience or Patience(MOST_ENTRIES, MOST_SECONDS)
    try:
        text = _PROGRAMS[program](words, root.resolve(strict=True), patience) or f"{' '.join(argv)}: nothing"
    except KeyError:
        return f"{program}: not done here; there are {', '.join(LOOKS)}"
    except NotShown as why:
        return f"{program}: {why}"
    except OSError as wrong:
        return f"{program}: {wrong.strerror}"
    except (ValueError, RuntimeError) as wrong:  # no file can have such a name; links in a circle, before Python 3.13
        return f"{program}: {wrong}"
    return f"{text[-READ:]}\n{CUT}" if patience.over else text[-READ:]


def fetched(root: Path, inputs: Sequence[FileSpec]) -> tuple[int, int]:
    """Answer how many of a job's inputs have arrived in its directory, and the bytes of all that is there of them."""
    whole, size = 0, 0
    for file in inputs:
        for name in (file.lfn, f"{file.lfn}.part"):
            try:
                size += (root / name).stat().st_size
            except OSError:
                continue
            whole += name == file.lfn
    return whole, size


def _tail(words: Sequence[str], root: Path, patience: Patience) -> str:
    lines, names = _lines_wanted(words)
    if len(names) != 1:
        raise NotShown("one file is expected, such as payload.stdout")
    path, *others = _found(names, root, patience)
    if others:
        raise NotShown(f"{names[0]}: {len(others) + 1} files have such a name; one is expected")
    if path.name == SECRETS_FILE:
        raise NotShown(f"{names[0]}: it is for the payload alone")
    with open_file(path) as file:
        _opened_inside(file.fileno(), root)
        text = read_end(file)
    return last_lines(text, lines, most=len(text)) if lines else ""


def _lines_wanted(words: Sequence[str]) -> tuple[int, list[str]]:
    """Read ``-n 5``, ``-n5`` and ``-5``; the rest are names."""
    lines, names, rest = LINES, [], list(words)
    while rest:
        word = rest.pop(0)
        if word == "-n" and rest:
            word += rest.pop(0)
        if not word.startswith("-"):
            names.append(word)
            continue
        number = word[2:] if word.startswith("-n") else word[1:]
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise NotShown(f"{word}: a number of lines is expected, such as -n 20")
        lines = min(int(number), 10_000)
    return lines, names


def _ls(words: Sequence[str], root: Path, patience: Patience) -> str:
    names = [word for word in words if not word.startswith("-")] or ["."]
    lines: list[str] = []
    for path in _found(names, root, patience):
        lines += _listed(path, root, patience) if path.is_dir() else _lines([(path.name, path.lstat)])
    return "\n".join(lines)


def _listed(folder: Path, root: Path, patience: Patience) -> list[str]:
    with _entries(folder, root) as entries:
        found = sorted(patience.of(entries), key=lambda entry: entry.name)
        return _lines((entry.name, functools.partial(entry.stat, follow_symlinks=False)) for entry in found)


def _lines(named: Iterable[tuple[str, Callable[[], os.stat_result]]]) -> list[str]:
    """Write a line for each that is still there."""
    lines = []
    for name, look in named:
        with contextlib.suppress(FileNotFoundError):
            found = look()
            changed = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(found.st_mtime))
            lines.append(f"{stat.filemode(found.st_mode)} {found.st_size:>12} {changed} {name}")
    return lines


def _du(words: Sequence[str], root: Path, patience: Patience) -> str:
    names = [word for word in words if not word.startswith("-")] or ["."]
    places = _found(names, root, patience)
    return "\n".join(f"{_size(path, root, patience):>14} {path.relative_to(root)}" for path in places)


def _size(path: Path, root: Path, patience: Patience) -> int:
    """Answer the bytes that files take on the disk. What vanishes meanwhile, or may not be read, takes none."""
    total, folders = 0, [path] if path.is_dir() else []
    with contextlib.suppress(OSError):
        total = path.lstat().st_blocks * 512
    while folders and not patience.over:
        folder = folders.pop()
        with contextlib.suppress(OSError), _entries(folder, root) as entries:
            for entry in patience.of(entries):
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(folder / entry.name)
    return total


def _found(names: Sequence[str], root: Path, patience: Patience) -> list[Path]:
    """Answer the places that names and patterns (``*.log``) mean, all of them inside."""
    return [place for name in names for place in _places(name, root, patience)]


def _places(name: str, root: Path, patience: Patience) -> list[Path]:
    if Path(name).is_absolute() or not any(letter in name for letter in "*?["):
        return [_inside((root / name).resolve(strict=True), root, name)]
    folder, pattern = _inside((root / Path(name).parent).resolve(strict=True), root, name), Path(name).name
    with _entries(folder, root) as entries:
        fitting = (entry for entry in patience.of(entries) if fnmatch.fnmatchcase(entry.name, pattern))
        inside = sorted(entry.name for entry in fitting if not entry.is_symlink())
    if not inside:
        raise NotShown(f"{name}: nothing has such a name")
    return [folder / one for one in inside]


@contextlib.contextmanager
def _entries(folder: Path, root: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Open a folder, and no link that has taken its place."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _opened_inside(descriptor, root)
        with os.scandir(descriptor) as entries:
            yield entries
    finally:
        os.close(descriptor)


def _opened_inside(descriptor: int, root: Path) -> None:
    """See to it that a folder on the way has not become a link meanwhile; the kernel knows what was opened."""
    place = Path(f"/proc/self/fd/{descriptor}").readlink()
    _inside(place, root, place.name)


def _inside(place: Path, root: Path, name: str) -> Path:
    if place != root and root not in place.parents:
        raise NotShown(f"{name}: not in the job's directory")
    return place


def _ps(words: Sequence[str], root: Path, patience: Patience) -> str:
    """Show the processes of the job: of the pilot's children and all below them, those that work in its directory."""
    from pilot.runtime.processes import Root, tree

    lines = ["    PID    PPID S        CPU        RSS COMMAND"]
    for keeper in tree(Root(os.getpid())).processes:
        if keeper.parent != os.getpid():
            continue
        below = tree(Root(keeper.pid)).processes
        if any(_works_in(one.pid, root) for one in below):
            lines += map(_process, sorted(below))
    return "\n".join(lines) if len(lines) > 1 else "no process of this job"


def _process(one: Process) -> str:
    cpu_time = one.user + one.system
    return f"{one.pid:>7} {one.parent:>7} {one.state} {cpu_time:>10.1f} {one.rss:>10} {_command(one.pid)}"


def _works_in(pid: int, root: Path) -> bool:
    try:
        place = Path(f"/proc/{pid}/cwd").readlink()  # read only: a mount that hangs is not asked
    except OSError:
        return False
    return place == root or root in place.parents


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()[:200]
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode("utf-8", "replace").strip()


_PROGRAMS: dict[str, Callable[[Sequence[str], Path, Patience], str]] = {"tail": _tail, "ls": _ls, "du": _du, "ps": _ps}
