"""From a command and a container to the argument list that runs the one in the other. Pure.

Values of variables never stand on a command line, where every user of the node could read them, and no shell ever
looks at them: Apptainer takes them from variables of its own environment with a beginning of their own, podman from
those that ``--env NAME`` names. The few whose names would disturb podman itself are paths, and are written out: a job,
too, may name variables, and podman, and what it starts outside of the container, are not to be led by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container.podman import LABEL, OWNER
from pilot.runtime.container.values import Bind, Container, Runtime

if TYPE_CHECKING:
    from pilot.job import PayloadCommand

#: What an image knows better than the node: taken along only when somebody set it for the payload.
OF_THE_NODE = frozenset(
    [
        *("PATH", "LD_LIBRARY_PATH", "MANPATH", "SHELL", "HOSTNAME", "TERM", "LANG", "LANGUAGE"),
        *("MODULEPATH", "MODULESHOME", "LMOD_CMD", "LMOD_DIR", "LMOD_PKG"),
    ]
)
#: Said by the runtime itself.
_OF_THE_RUNTIME = frozenset(["PWD", "HOME"])
#: With these podman itself, or what it starts (conmon, runc, netavark, iptables, gpg), would look for its programs,
#: libraries, storage or configuration elsewhere, or be given other options.
_DISTURBING = frozenset(
    [
        *("PATH", "TMPDIR", "GODEBUG", "NOTIFY_SOCKET", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_CONFIG", "DOCKER_HOST"),
        *("CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINER_SSHKEY", "REGISTRY_AUTH_FILE"),
        *("GCONV_PATH", "LOCPATH", "NLSPATH", "GLIBC_TUNABLES", "GETCONF_DIR", "HOSTALIASES", "RES_OPTIONS", "ENV"),
        *("GNUPGHOME", "IFS", "STORAGE_DRIVER", "STORAGE_OPTS", "PODMAN_USERNS", "PODMAN_CONNECTIONS_CONF"),
    ]
)
_DISTURBING_BEGINNINGS = (
    *("LD_", "XDG_", "CONTAINERS_", "_CONTAINERS_", "_LIBCONTAINER_", "_PODMAN_", "_OCI_", "BUILDAH_", "NETAVARK_"),
    *("CNI_", "XTABLES_", "OPENSSL_", "SSL_CERT_", "GNUTLS_", "GIO_", "LISTEN_", "MALLOC_", "BASH_", "PYTHON", "PERL"),
)
_GPU = {
    "apptainer": {"none": (), "nvidia": ("--nv",), "amd": ("--rocm",)},
    "podman": {
        "none": (),
        "nvidia": ("--device=nvidia.com/gpu=all",),
        "amd": ("--device=/dev/kfd", "--device=/dev/dri"),
    },
}


@dataclass(frozen=True)
class Found:
    """What is known of the node: the runtime's program and the environment that it is to have itself."""

    program: str
    environment: Mapping[str, str]
    image_is_folder: bool = False
    cvmfs: bool = False  # whether the node has the container's ``cvmfs``
    root: bool = False
    init: bool = False  # whether podman has a program that is process 1
    unshare: str = ""  # the program of that name
    owner: str = ""  # this process, for podman's books


def wrap(command: PayloadCommand, container: Container, found: Found, temporary: Path) -> PayloadCommand:
    """Answer the command that runs a command in a container.

    The working directory is seen at its own path and is the home; ``temporary`` holds what is written to ``/tmp``.

    Raises:
        JobFailed: a path cannot be named to the runtime (APPTAINER_BIND).
    """
    command = replace(command, environment={**command.environment, **dict(container.environment)})
    if container.runtime is Runtime.PODMAN:
        return _podman(command, container, found, temporary)
    return _apptainer(command, container, found, temporary)


def carried(environment: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Answer those variables of a payload that go into its container.

    Args:
        environment: The payload's whole environment.
        own: The pilot's, of which a part was inherited: that part describes the node, not the image.
    """
    return {
        name: value
        for name, value in environment.items()
        if name not in _OF_THE_RUNTIME and not (name in OF_THE_NODE and own.get(name, value) == value)
    }


def _apptainer(command: PayloadCommand, container: Container, found: Found, temporary: Path) -> PayloadCommand:
    argv = [found.program, "--silent", "exec", "--cleanenv", "--no-eval"]
    argv += [] if container.is_instance else _surroundings(command.workdir, container, found, temporary)
    argv += [*container.options, container.image, *command.argv]
    beginning = "SINGULARITYENV_" if Path(found.program).name == "singularity" else "APPTAINERENV_"
    inside = {beginning + name: value for name, value in command.environment.items()}
    return replace(command, argv=tuple(argv), environment={**found.environment, "TMPDIR": str(temporary), **inside})


def _surroundings(workdir: Path, container: Container, found: Found, temporary: Path) -> list[str]:
    """List what an instance had from its beginning, and another container gets now."""
    argv = {"all": ["--containall"], "contain": ["--contain"], "none": []}[container.isolation]
    argv += ["--userns"] if container.userns else []
    argv += _GPU["apptainer"][container.gpu]
    argv += [f"--home={workdir}", f"--pwd={workdir}", f"--workdir={temporary}"]
    return argv + [f"--bind={bound(bind)}" for bind in _binds(workdir, container, found)]


def _podman(command: PayloadCommand, container: Container, found: Found, temporary: Path) -> PayloadCommand:
    here = str(command.workdir)
    # Root's mounts would outlive a podman that is killed; those of a mount namespace end with it.
    argv = [found.unshare, "--mount", "--propagation=slave"] if found.root and found.unshare else []
    argv += [
        found.program,
        "run",
        "--rm",
        f"--label={LABEL}={temporary}",
        f"--label={OWNER}={found.owner}",
        "--http-proxy=false",
        "--log-driver=passthrough",
    ]
    argv += [] if _names(container.options, "--network") else ["--network=host"]
    argv += [] if container.isolation == "all" else ["--pid=host", "--ipc=host"]
    argv += ["--init"] if found.init and container.isolation == "all" else []
    argv += ["--userns=keep-id"] if container.userns and not found.root else []
    argv += _GPU["podman"][container.gpu]
    binds = [Bind(str(temporary), "/tmp"), *_binds(command.workdir, container, found)]  # noqa: S108  # inside
    argv += [f"--volume={bound(bind)}" for bind in binds]
    argv += [f"--workdir={here}", f"--env=HOME={here}"]
    passed = {}
    for name, value in command.environment.items():
        if name in _DISTURBING or name.startswith(_DISTURBING_BEGINNINGS):
            argv.append(f"--env={name}={value}")
        else:
            argv.append(f"--env={name}")
            passed[name] = value
    argv += [*container.options, *_podman_image(container, found), *command.argv]
    return replace(command, argv=tuple(argv), environment={**found.environment, **passed, "TMPDIR": str(temporary)})


def _podman_image(container: Container, found: Found) -> list[str]:
    # An overlay takes what podman writes below /, such as places to mount at: the folder itself stays as it is.
    return ["--rootfs", f"{container.image}:O"] if found.image_is_folder else [container.image]


def _names(options: Iterable[str], name: str) -> bool:
    return any(option.partition("=")[0] == name for option in options)


def _binds(workdir: Path, container: Container, found: Found) -> list[Bind]:
    """List what is seen in the container; the job's directory last, so that nothing hides it."""
    binds = list(container.binds)
    if container.cvmfs and found.cvmfs and not any(bind.target == "/cvmfs" for bind in binds):
        binds.append(Bind(container.cvmfs, "/cvmfs", read_only=True))
    binds.append(Bind(str(workdir), str(workdir)))
    if container.also_at:
        binds.append(Bind(str(workdir), container.also_at))
    return binds


def bound(bind: Bind) -> str:
    """Write a bind as the runtimes want it.

    Raises:
        JobFailed: a path cannot be named to them (APPTAINER_BIND).
    """
    for path in (bind.source, bind.target):
        if ":" in path or "," in path:
            words = f"{path}: a path with a colon or a comma cannot be bound into a container"
            raise JobFailed(ErrorCode.APPTAINER_BIND, words)
    return f"{bind.source}:{bind.target}" + (":ro" if bind.read_only else "")
