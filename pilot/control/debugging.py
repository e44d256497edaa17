"""Shows people a running job's directory and processes, as ``tail``, ``ls``, ``du`` and ``ps`` would.

No program is started for it. What lies outside of the job's directory is not shown, wherever a link may lead.
"""

from __future__ import annotations

import fnmatch
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from pilot.contract.messages import LOOKS
from pilot.control.tails import last_lines, open_file, read_end

if TYPE_CHECKING:
    from pilot.contract.job import FileSpec
    from pilot.runtime.processes import Process

#: Entries that are looked at for one command; a job may have made millions.
MOST_ENTRIES = 100_000
LINES = 10


class NotShown(Exception):
    """What was asked for cannot be shown, and why."""


def show(argv: Sequence[str], root: Path) -> str:
    """Answer what a debug command shows of the job in directory ``root``, or why it shows nothing."""
    program, *words = argv
    try:
        return _PROGRAMS[program](words, root.resolve(strict=True)) or f"{' '.join(argv)}: nothing"
    except KeyError:
        return f"{program}: not done here; there are {', '.join(LOOKS)}"
    except NotShown as why:
        return f"{program}: {why}"
    except OSError as wrong:
        return f"{program}: {wrong.strerror}"


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


def _tail(words: Sequence[str], root: Path) -> str:
    lines, names = _lines_wanted(words)
    if len(names) != 1:
        raise NotShown("one file is expected, such as payload.stdout")
    path, *others = _found(names, root)
    if others:
        raise NotShown(f"{names[0]}: {len(others) + 1} files have such a name; one is expected")
    with open_file(path) as file:
        # A folder on the way may have become a link since it was looked at; the kernel knows what was opened.
        _inside(Path(f"/proc/self/fd/{file.fileno()}").resolve(), root, names[0])
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
        if not number.isdigit():
            raise NotShown(f"{word}: a number of lines is expected, such as -n 20")
        lines = min(int(number), 10_000)
    return lines, names


def _ls(words: Sequence[str], root: Path) -> str:
    names = [word for word in words if not word.startswith("-")] or ["."]
    lines: list[str] = []
    for path in _found(names, root):
        entries = sorted(os.scandir(path), key=lambda entry: entry.name) if path.is_dir() else [path]
        lines += [_line(entry.name, os.lstat(entry)) for entry in entries[:MOST_ENTRIES]]
    return "\n".join(lines)


def _line(name: str, found: os.stat_result) -> str:
    changed = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(found.st_mtime))
    return f"{stat.filemode(found.st_mode)} {found.st_size:>12} {changed} {name}"


def _du(words: Sequence[str], root: Path) -> str:
    names = [word for word in words if not word.startswith("-")] or ["."]
    return "\n".join(f"{_size(path):>14} {path.relative_to(root)}" for path in _found(names, root))


def _size(path: Path) -> int:
    """Answer the bytes that files take on the disk."""
    left = MOST_ENTRIES
    total = path.lstat().st_blocks * 512
    folders = [path] if path.is_dir() else []
    while folders and left > 0:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                left -= 1
                total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
    return total


def _found(names: Sequence[str], root: Path) -> list[Path]:
    """Answer the places that names and patterns (``*.log``) mean, all of them inside."""
    return [_inside(place.resolve(strict=True), root, name) for name in names for place in _matches(name, root)]


def _matches(name: str, root: Path) -> list[Path]:
    if Path(name).is_absolute() or not any(letter in name for letter in "*?["):
        return [root / name]
    folder = _inside((root / Path(name).parent).resolve(strict=True), root, name)
    inside = sorted(entry for entry in folder.iterdir() if fnmatch.fnmatchcase(entry.name, Path(name).name))
    if not inside:
        raise NotShown(f"{name}: nothing has such a name")
    return [entry for entry in inside[:MOST_ENTRIES] if not entry.is_symlink()]


def _inside(place: Path, root: Path, name: str) -> Path:
    if place != root and root not in place.parents:
        raise NotShown(f"{name}: not in the job's directory")
    return place


def _ps(words: Sequence[str], root: Path) -> str:
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
        place = Path(f"/proc/{pid}/cwd").resolve()
    except OSError:
        return False
    return place == root or root in place.parents


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()[:200]
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode("utf-8", "replace").strip()


_PROGRAMS: dict[str, Callable[[Sequence[str], Path], str]] = {"tail": _tail, "ls": _ls, "du": _du, "ps": _ps}
