"""Options for a container's runtime, as a queue's ``container_options`` or the settings name them: read and checked.

Only what is listed here is passed on; whatever the pilot decides itself (environment, home, working directory) is not
listed, and so is whatever would give a payload more rights than the pilot has.
"""

from __future__ import annotations

import difflib
import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container.values import Bind, Runtime

#: Long name -> whether it takes a value.
_APPTAINER = {
    **dict.fromkeys(
        ("--contain", "--containall", "--cleanenv", "--compat", "--disable-cache", "--ipc", "--pid"), False
    ),
    **dict.fromkeys(("--fakeroot", "--no-home", "--no-https", "--no-init", "--no-pid", "--no-privs"), False),
    **dict.fromkeys(("--no-umask", "--nv", "--nvccli", "--rocm", "--underlay", "--unsquash", "--userns"), False),
    **dict.fromkeys(("--uts", "--writable-tmpfs"), False),
    **dict.fromkeys(("--bind", "--dns", "--drop-caps", "--no-mount", "--overlay", "--pids-limit", "--scratch"), True),
    "--security": True,
}
_APPTAINER_SHORT = {
    **{"-B": "--bind", "-C": "--containall", "-c": "--contain", "-e": "--cleanenv", "-f": "--fakeroot", "-i": "--ipc"},
    **{"-o": "--overlay", "-p": "--pid", "-S": "--scratch", "-u": "--userns"},
}
_PODMAN = {
    **dict.fromkeys(("--init", "--read-only", "--no-hosts"), False),
    **dict.fromkeys(
        ("--annotation", "--cap-drop", "--cgroup-manager", "--cgroup-parent", "--cgroups", "--device"), True
    ),
    **dict.fromkeys(
        ("--dns", "--ipc", "--log-driver", "--memory", "--network", "--pid", "--pids-limit", "--pull"), True
    ),
    **dict.fromkeys(("--root", "--runroot", "--runtime", "--security-opt", "--shm-size", "--storage-driver"), True),
    **dict.fromkeys(("--storage-opt", "--tmpfs", "--tz", "--ulimit", "--userns", "--uts", "--volume"), True),
}
_PODMAN_SHORT = {"-v": "--volume", "-m": "--memory"}
BINDING = ("--bind", "--volume")
_WAYS = {"ro": True, "rw": False}


@dataclass(frozen=True)
class Options:
    """What options mean: binds, and words that are passed on as they are."""

    binds: tuple[Bind, ...] = ()
    words: tuple[str, ...] = ()


def names() -> frozenset[str]:
    """Answer the long names of all options that any runtime is given."""
    return frozenset([*_APPTAINER, *_PODMAN])


def read_text(text: str, runtime: Runtime, where: str) -> Options:
    """Read options written in one line, as shells quote.

    Args:
        text: Such as ``--contain -B /scratch:/scratch:ro``.
        runtime: Whose options they are.
        where: What a message calls them, such as ``container_options of queue X``.

    Raises:
        JobFailed: an option that is not allowed, lacks its value, or is no option (BAD_QUEUE_CONFIGURATION).
    """
    try:
        words = shlex.split(text)
    except ValueError as wrong:
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, f"{where}: {text!r}: {wrong}") from wrong
    return read_words(words, runtime, where)


def read_words(words: Sequence[str], runtime: Runtime, where: str) -> Options:
    """Read options that are already words of an argument list. Raises as `read_text` does."""
    binds: list[Bind] = []
    passed: list[str] = []
    for name, value in pairs(words, runtime, where):
        if name in BINDING:
            binds.extend(read_bind(one, where) for one in value.split(","))
        else:
            passed.append(f"{name}={value}" if value else name)
    return Options(tuple(binds), tuple(passed))


def pairs(words: Sequence[str], runtime: Runtime, where: str) -> Iterator[tuple[str, str]]:
    """Answer the long name of each option, and its value or "". Raises as `read_text` does."""
    known, short = (_PODMAN, _PODMAN_SHORT) if runtime is Runtime.PODMAN else (_APPTAINER, _APPTAINER_SHORT)
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        name = short.get(name, name)
        if name not in known:
            raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, f"{where}: {_unknown(name, known, runtime)}")
        if equals and not known[name]:
            raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, f"{where}: {word!r}: {name} takes no value")
        if known[name] and not equals:
            value = next(rest, "")
        if known[name] and (not value or value.startswith("-")):
            raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, f"{where}: {name} lacks its value")
        yield name, value


def _unknown(name: str, known: Mapping[str, bool], runtime: Runtime) -> str:
    if not name.startswith("-"):
        return f"{name!r} is not an option; quote a value that has blanks"
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(sorted(known))}"
    return f"{name} is not an option that this pilot passes on to {runtime.value}; {hint}"


def read_bind(text: str, where: str) -> Bind:
    """Read ``source[:target[:ro]]``.

    Raises:
        JobFailed: a path is not absolute, or the third word is neither ro nor rw (BAD_QUEUE_CONFIGURATION).
    """
    source, _, rest = text.partition(":")
    target, _, way = rest.partition(":")
    target = target or source
    if not (source.startswith("/") and target.startswith("/")) or (way and way not in _WAYS):
        words = f"{where}: {text!r} is not source[:target[:ro]] with absolute paths"
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words)
    return Bind(source, posixpath.normpath(target), _WAYS.get(way, False))
