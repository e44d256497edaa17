"""What a container needs of the node: its runtime's program, its image, and what is bound. Looks, and runs nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container.command import Found
from pilot.runtime.container.podman import Owner
from pilot.runtime.container.values import Bind, Container, Runtime
from pilot.runtime.workdir import FOLDER

#: What a runtime gets of the pilot's environment for itself; its payload gets none of it.
_FOR_THE_RUNTIME = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
    *("APPTAINER_CACHEDIR", "APPTAINER_CONFIGDIR", "SINGULARITY_CACHEDIR", "REGISTRY_AUTH_FILE"),
    *("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
#: A pilot's folder; see `workdir.claimed`.
_OF_A_PILOT = re.compile(rf"\.?{FOLDER}[0-9]+-")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
#: Apptainer took over from Singularity, and both install both names.
_PROGRAMS = {
    Runtime.APPTAINER: ("apptainer", "singularity"),
    Runtime.SINGULARITY: ("singularity", "apptainer"),
    Runtime.PODMAN: ("podman",),
}
#: What podman --init starts as process 1.
_INITS = ("/usr/libexec/podman/catatonit", "/usr/bin/catatonit")
#: Where the kernel says how many user namespaces there may be, and whether Debian's switch is on.
_NAMESPACE_LIMITS = ("/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/unprivileged_userns_clone")


def look(container: Container, own: Mapping[str, str], hidden: Sequence[str] = ()) -> Found:
    """Find what a container needs.

    Args:
        container: As it was chosen.
        own: The pilot's own environment.
        hidden: Files and folders that no image, and no bind of a job's choice, may show, such as the pilot's token.

    Raises:
        JobFailed: the runtime (APPTAINER_NOT_INSTALLED), the image (IMAGE_NOT_FOUND) or something that is to be bound
            (APPTAINER_BIND) is not there, the node gives no user namespaces (NO_USER_NAMESPACES), or a job would see
            what it may not (CONTAINER_NOT_PERMITTED).
    """
    program, environment = program_of(container, own)
    if wants := missing_namespaces(container):
        raise JobFailed(ErrorCode.NO_USER_NAMESPACES, wants)
    _check_image(container, hidden)
    for bind in container.binds:
        if not Path(bind.source).exists():
            words = f"{bind.source}, which is to be bound into the container at {bind.target}, is not on the node"
            raise JobFailed(ErrorCode.APPTAINER_BIND, words)
        if bind.within:
            _check_asked(bind, hidden)
    return Found(
        program=program,
        environment=environment,
        image_is_folder=not container.is_address and Path(container.image).is_dir(),
        cvmfs=bool(container.cvmfs) and Path(container.cvmfs).is_dir(),
        root=os.geteuid() == 0,
        init=any(Path(name).exists() for name in _INITS),
        unshare=shutil.which("unshare", path=environment["PATH"]) or "",
        owner=str(Owner.this()) if container.runtime is Runtime.PODMAN else "",
    )


def _check_asked(bind: Bind, hidden: Sequence[str]) -> None:
    """Follow the links of a bind that a job has asked for: it stays in its folder, and shows nothing of the pilot's."""
    source, folder = Path(bind.source).resolve(), Path(bind.within).resolve()
    if source != folder and folder not in source.parents:
        words = f"{bind.source}: it leads to {source}, out of what jobs may bind here ({bind.within})"
        raise JobFailed(ErrorCode.CONTAINER_NOT_PERMITTED, words)
    _check_hidden(source, hidden, bind.source)


def _check_hidden(source: Path, hidden: Sequence[str], name: str) -> None:
    """Refuse what holds files of a pilot's own, or lies among them."""
    for path in (Path(word).resolve() for word in hidden if word):
        if path == source or source in path.parents or path in source.parents:
            raise JobFailed(ErrorCode.CONTAINER_NOT_PERMITTED, f"{name}: files of the pilot's own lie there")
    if any(_OF_A_PILOT.match(part) for part in source.parts):
        raise JobFailed(ErrorCode.CONTAINER_NOT_PERMITTED, f"{name}: it is the folder of another pilot")


def program_of(container: Container, own: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Answer the runtime's program and the environment that it gets itself; raises as `find` does."""
    environment = {name: own[name] for name in _FOR_THE_RUNTIME if name in own}
    environment.setdefault("PATH", _DEFAULT_PATH)
    return find(container, environment["PATH"]), environment


def find(container: Container, path: str) -> str:
    """Answer the absolute path of the runtime's program.

    Raises:
        JobFailed: it is not there (APPTAINER_NOT_INSTALLED).
    """
    for name in (container.program,) if container.program else _PROGRAMS[container.runtime]:
        if program := shutil.which(name, path=path):
            return str(Path(program).absolute())
    where = container.program or f"{' or '.join(_PROGRAMS[container.runtime])} on PATH ({path})"
    words = f"container runtime: {where}: there is no such program; install it, or name it by container.program"
    raise JobFailed(ErrorCode.APPTAINER_NOT_INSTALLED, words)


def missing_namespaces(container: Container) -> Optional[str]:
    """Say why there can be no user namespace, for a container that is to have one of its own."""
    if not container.userns:
        return None
    for name in _NAMESPACE_LIMITS:
        try:
            if int(Path(name).read_text()) == 0:
                return f"container.userns is set, and the node permits no user namespaces ({name} is 0)"
        except (OSError, ValueError):
            continue  # a kernel that has no such limit
    return None


def _check_image(container: Container, hidden: Sequence[str]) -> None:
    if container.is_address:
        return
    image = Path(container.image)
    if not image.exists():
        raise JobFailed(ErrorCode.IMAGE_NOT_FOUND, f"image {container.image} is not on the node")
    if container.runtime is Runtime.PODMAN and not image.is_dir():
        words = f"image {container.image} is a file; podman runs unpacked images (folders) and addresses"
        raise JobFailed(ErrorCode.IMAGE_NOT_FOUND, words)
    if hidden and image.is_dir():  # a folder as the image shows all of it, / the whole node
        _check_hidden(image.resolve(), hidden, f"image {container.image}")
