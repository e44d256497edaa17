"""What a job asks of its container's runtime (``execArgs``), held against what the site lets jobs choose. Pure.

The options of a queue and of the settings are an admin's words. These are anybody's: each must be on the site's list,
and none can open the node, whatever that list says.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container.options import BINDING, names, pairs, read_bind
from pilot.runtime.container.values import Bind, Runtime

if TYPE_CHECKING:
    from pilot.settings import sections

WHERE = "containerOptions.execArgs"
ENVIRONMENT = "--env"
#: Said by the pilot: a job's directory is both.
_OF_THE_PILOT = ("HOME", "PWD")
#: Not for jobs, even where an admin has listed them: rights, devices, other programs, the node's files by another name.
NEVER = frozenset(
    [
        *("--security", "--security-opt", "--device", "--annotation", "--overlay", "--fakeroot", "--ulimit"),
        *("--root", "--runroot", "--runtime", "--storage-driver", "--storage-opt", "--log-driver"),
        *("--cgroup-manager", "--cgroup-parent", "--cgroups"),
    ]
)
#: Of these the last one counts: where queue or site have said one, a job has that.
_ONCE = ("--userns", "--ipc", "--pid", "--uts", "--network", "--memory", "--pids-limit", "--shm-size")
#: What these may be: never the node's, nor another container's.
_VALUES = {
    "--userns": ("", "keep-id", "nomap", "auto"),
    "--ipc": ("", "private", "none"),
    "--pid": ("", "private"),
    "--uts": ("", "private"),
    "--network": ("none", "private", "slirp4netns", "pasta"),
}


@dataclass(frozen=True)
class Asked:
    """What a job asks for and may have."""

    binds: tuple[Bind, ...] = ()
    words: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


#: A job that asks for nothing.
NOTHING = Asked()


def read_asked(words: Sequence[str], runtime: Runtime, site: sections.Container) -> Asked:
    """Read the options of a job.

    Raises:
        JobFailed: it asks for what the site does not permit, or for what is no option (CONTAINER_NOT_PERMITTED); or
            the site's own list cannot be meant (BAD_CONFIGURATION).
    """
    if not words:
        return NOTHING
    check_lists(site)
    environment, rest = _take_environment(words)
    binds: list[Bind] = []
    passed: list[str] = []
    for name, value in _read(rest, runtime):
        if name in BINDING:
            binds.extend(_bind(text, site) for text in value.split(","))
            continue
        if name not in site.job_options:
            raise _refused(f"{name} is not an option that jobs may choose here ({_list(site.job_options)})")
        if value not in _VALUES.get(name, (value,)):
            raise _refused(f"{name}={value} is not one of {_list(_VALUES[name])}")
        passed.append(f"{name}={value}" if value else name)
    return Asked(tuple(binds), tuple(passed), environment)


def check_said(said: Sequence[str], asked: Asked) -> None:
    """Hold what a job asks for against the words that queue and site have said.

    Raises:
        JobFailed: it would undo one of them (CONTAINER_NOT_PERMITTED).
    """
    settled = {name: word for word in said if (name := word.partition("=")[0]) in _ONCE}
    for word in asked.words:
        there = settled.get(word.partition("=")[0], word)
        if there != word:
            raise _refused(f"{word} is not for jobs here: queue or site say {there}")


def check_lists(site: sections.Container) -> None:
    """Hold what a site lets jobs choose against what can be meant.

    Raises:
        JobFailed: an option that is not for jobs, or not known; a folder that is none (BAD_CONFIGURATION).
    """
    for name in site.job_options:
        if name in NEVER:
            raise _misset(f"container.job_options: {name} is not for jobs; set it in container.options")
        if name not in names():
            raise _misset(f"container.job_options: {name} is not the long name of an option that is known here")
    for entry in site.job_binds:
        folder, _, way = entry.partition(":")
        if not folder.startswith("/") or posixpath.normpath(folder) in ("/", "//") or way not in ("", "ro", "rw"):
            raise _misset(f"container.job_binds: {entry!r} is not folder[:rw], with the path of a folder below /")


def _read(words: Sequence[str], runtime: Runtime) -> list[tuple[str, str]]:
    try:
        return list(pairs(words, runtime, WHERE))
    except JobFailed as wrong:
        raise JobFailed(ErrorCode.CONTAINER_NOT_PERMITTED, wrong.detail) from wrong


def _take_environment(words: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """Take ``--env NAME=value`` out of the words: the pilot itself hands variables to the container."""
    found: list[tuple[str, str]] = []
    rest: list[str] = []
    left = iter(words)
    for word in left:
        option, equals, text = word.partition("=")
        if option != ENVIRONMENT:
            rest.append(word)
            continue
        name, equals, value = (text if equals else next(left, "")).partition("=")
        if not equals or not name.isidentifier() or not name.isascii() or name in _OF_THE_PILOT:
            raise _refused(f"{ENVIRONMENT} {name!r} is not NAME=value, of a variable other than {_list(_OF_THE_PILOT)}")
        found.append((name, value))
    return tuple(found), rest


def _bind(text: str, site: sections.Container) -> Bind:
    """Read a bind: of what lies below one of the site's folders; written to only where the site says so."""
    try:
        bind = read_bind(text, WHERE)
    except JobFailed as wrong:
        raise JobFailed(ErrorCode.CONTAINER_NOT_PERMITTED, wrong.detail) from wrong
    source = posixpath.normpath(bind.source)
    for entry in site.job_binds:
        folder, _, way = entry.partition(":")
        if f"{source}/".startswith(f"{posixpath.normpath(folder)}/"):
            return Bind(source, bind.target, way != "rw" or bind.read_only, within=folder)
    raise _refused(f"{source} is not below what jobs may bind here ({_list(site.job_binds)})")


def _list(words: Sequence[str]) -> str:
    return ", ".join(word for word in words if word) or "nothing"


def _refused(words: str) -> JobFailed:
    return JobFailed(ErrorCode.CONTAINER_NOT_PERMITTED, f"{WHERE}: {words}")


def _misset(words: str) -> JobFailed:
    return JobFailed(ErrorCode.BAD_CONFIGURATION, words)
