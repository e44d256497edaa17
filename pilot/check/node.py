"""Judges what a node is, held against a queue and the settings. Pure: what was read comes as arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Optional

from pilot.check.finding import Finding, bad, doubtful, good
from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.contract.signature import LEVELS

if TYPE_CHECKING:
    from pilot.runtime.limits import Held
    from pilot.settings import Settings
    from pilot.site.batch import Batch
    from pilot.site.confinement import Cgroup
    from pilot.site.cpu import Cpu
    from pilot.site.cvmfs import Repository
    from pilot.site.disks import Disk
    from pilot.site.gpus import Gpu
    from pilot.site.memory import Memory
    from pilot.site.network import Network
    from pilot.site.system import System

OLDEST_PYTHON = (3, 9)
#: Files that are needed for a job and its payload's tree; below that, file systems say "no space".
FEWEST_INODES = 10_000
#: Bytes that programs find for temporary files.
LEAST_TEMPORARY = 100 * 10**6
FEWEST_FILES, FEWEST_PROCESSES = 1024, 256


def size(count: float) -> str:
    """Write bytes as people read them."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"


def system(found: System) -> Finding:
    """Name the node."""
    return good("system", f"{found.words or found.name}, kernel {found.kernel}, {found.libc}, {found.architecture}")


def python(version: tuple[int, ...], path: str) -> Finding:
    """Judge the Python that runs this."""
    words = f"{'.'.join(map(str, version[:3]))} ({path})"
    if version[:2] < OLDEST_PYTHON:
        return bad("python", words, ErrorCode.MIDDLEWARE_IMPORT, "3.9 or newer is needed")
    return good("python", words)


def memory(found: Memory, group: Cgroup, queue: Optional[QueueData]) -> Finding:
    """Judge the memory of the slot: the node's, or the limit of its control group."""
    has = min(found.total, group.memory or found.total)
    words = f"{size(has)} of {size(found.total)}" if has < found.total else size(has)
    if queue is None or not queue.memory:
        return good("memory", words)
    if queue.memory > has:
        advice = f"maxrss of queue {queue.name} is {size(queue.memory)}; lower it, or ask for larger slots"
        return bad("memory", words, ErrorCode.NODE_TOO_SMALL, advice)
    return good("memory", words, f"{size(queue.memory)} are needed (maxrss)")


def cores(found: Cpu, group: Cgroup, queue: Optional[QueueData], declared: int) -> Finding:
    """Judge the cores that the slot may use; ``declared`` is what the settings say of it, 0: nothing."""
    has = declared or (min(found.usable, group.cores) if group.cores else found.usable)
    words = f"{has:g} of {found.logical}, {found.model}{f' ({found.level})' if found.level else ''}"
    if queue is None or queue.cores <= has:
        return good("cores", words, "" if queue is None else f"{queue.cores} are needed (corecount)")
    advice = f"corecount of queue {queue.name} is {queue.cores}; lower it, or ask for larger slots"
    return bad("cores", words, ErrorCode.NODE_TOO_SMALL, advice)


def disk(found: Disk, queue: Optional[QueueData], at_start: int) -> Iterator[Finding]:
    """Judge the disk that the pilot works on."""
    words = f"{size(found.free)} of {size(found.size)} are free at {found.folder} ({found.kind})"
    if found.free < at_start:
        advice = f"{size(at_start)} are needed to begin (monitor.free_disk_at_start)"
        yield bad("disk", words, ErrorCode.NO_LOCAL_SPACE, advice)
    elif queue is not None and found.free < queue.max_workdir:
        yield doubtful("disk", words, f"maxwdir of queue {queue.name} is {size(queue.max_workdir)}")
    else:
        yield good("disk", words)
    # A file system without a fixed number of files says 0 of 0.
    if found.inodes and found.inodes_free < FEWEST_INODES:
        yield bad("inodes", f"{found.inodes_free} are free at {found.folder}", ErrorCode.NO_LOCAL_SPACE)


def temporary(folder: str, found: Optional[Disk], writable: bool) -> Finding:
    """Judge the folder for temporary files; payloads have one of their own, some programs do not ask."""
    if found is None or not writable:
        return doubtful("temporary files", f"{folder} cannot be written to", "some programs need it")
    words = f"{size(found.free)} are free at {folder}"
    if found.free < LEAST_TEMPORARY:
        return doubtful("temporary files", words, f"some programs need {size(LEAST_TEMPORARY)}")
    return good("temporary files", words)


def folder(path: str, problem: str, runs: bool) -> Finding:
    """Judge the work folder: ``problem`` is why it cannot be written to, ``runs`` says whether a program in it can."""
    if problem:
        return bad("work folder", f"{path}: {problem}", ErrorCode.MKDIR, "give another by -a (job.workdir)")
    if not runs:
        advice = "it is mounted noexec, perhaps; transformations that are fetched cannot be run there"
        return doubtful("work folder", f"{path}: a program in it cannot be started", advice)
    return good("work folder", path)


def groups(found: Cgroup) -> Finding:
    """Judge the control groups, by which payloads are tracked, limited and ended."""
    if not found.version:
        return doubtful("control groups", "none", "payloads are found by their session, and memory is sampled")
    limit = f", memory limited to {size(found.memory)}" if found.memory else ""
    words = f"version {found.version}{limit}, {'delegated' if found.delegated else 'not delegated'}"
    if not found.delegated:
        return doubtful("control groups", words, "have the batch system delegate them (Delegate=yes in systemd)")
    return good("control groups", words)


def held(found: Held) -> Finding:
    """Judge what holds payloads to their limits, as it was tried."""
    return doubtful(found.what, found.how, found.why) if found.why else good(found.what, found.how)


def user_namespaces(there: bool, needed: bool) -> Finding:
    """Judge user namespaces, which a container runtime needs that is not installed setuid."""
    if there:
        return good("user namespaces", "permitted")
    if needed:
        return doubtful("user namespaces", "not permitted", "containers start only if their runtime is setuid")
    return good("user namespaces", "not permitted", "no containers are started here")


def network(found: Network) -> Finding:
    """Judge the network."""
    words = f"{found.host}, {' '.join(found.up) or 'no interface'}"
    if not found.default_route:
        return doubtful("network", words, "no route leads out of the node")
    return good("network", words)


def batch(found: Batch, queue: Optional[QueueData], now: float) -> Finding:
    """Judge the batch job that this is a part of."""
    if not found.system:
        return good("batch system", "none seen")
    words = f"{found.system} {found.job_id}".strip()
    if found.ends_at is None:
        return good("batch system", words)
    left = found.ends_at - now
    words += f", ends in {left:.0f} s"
    if queue is not None and queue.max_time and left < queue.max_time:
        return doubtful("batch system", words, f"maxtime of queue {queue.name} is {queue.max_time} s")
    return good("batch system", words)


def gpus(found: Sequence[Gpu], wanted: str) -> Finding:
    """Judge the GPUs; ``wanted`` is the setting ``container.gpu``."""
    if found:
        return good("GPUs", ", ".join(f"{gpu.model or gpu.vendor}" for gpu in found))
    if wanted != "none":
        return doubtful("GPUs", "none", f"container.gpu is {wanted}")
    return good("GPUs", "none")


def limits(found: Mapping[str, int]) -> Iterator[Finding]:
    """Judge the limits of a process by their names, such as ``open files``; -1: there is none."""
    for name, least in (("open files", FEWEST_FILES), ("processes", FEWEST_PROCESSES)):
        if 0 <= found.get(name, -1) < least:
            yield doubtful(
                "limits", f"{name}: {found[name]}", f"payloads may need {least}; raise it in the batch system"
            )
    for name in ("file size", "CPU time", "address space"):
        if found.get(name, -1) >= 0:
            yield doubtful("limits", f"{name}: {found[name]}", "payloads that pass it are ended by the kernel")
    shown = ", ".join(f"{name} {value if value >= 0 else 'unlimited'}" for name, value in found.items())
    yield good("limits", shown)


def repository(found: Repository) -> Finding:
    """Judge one CVMFS repository that the queue needs."""
    if not found.mounted:
        return bad("CVMFS", f"{found.name} is not there", ErrorCode.CVMFS_NOT_ALIVE)
    return good("CVMFS", found.name, "" if found.revision is None else f"revision {found.revision}")


def software(queue: QueueData, path: str, problem: str, contained: bool) -> Finding:
    """Judge the software area, ``appdir`` of the queue.

    ``problem`` is why it is none; ``contained``: payloads may run in images that have it.
    """
    words = f"appdir of queue {queue.name}: {path} {problem}"
    if problem and contained:
        return doubtful("software", words, "images have to have it; payloads on the node itself fail")
    if problem:
        return bad("software", words, ErrorCode.NO_SOFTWARE_DIR)
    return good("software", path)


def signatures(settings: Settings, level: str, problems: Sequence[str], verifier: str) -> Finding:
    """Judge whether signatures of jobs can be verified.

    ``problems`` tells of each key that cannot be used why; ``verifier`` is what there is to verify with, if any.
    """
    if level == LEVELS[0]:
        return good("signatures", "not verified (verify.signatures)")
    if not settings.verify.keys:
        return bad("signatures", f"{level}, and verify.keys names no key", ErrorCode.SIGNATURE_UNVERIFIABLE)
    if not verifier:
        words = f"{level}, and neither the cryptography library nor openssl is there"
        return bad("signatures", words, ErrorCode.SIGNATURE_UNVERIFIABLE)
    if len(problems) == len(settings.verify.keys):
        return bad("signatures", f"{level}; {problems[0]}", ErrorCode.SIGNATURE_UNVERIFIABLE)
    if problems:
        return doubtful("signatures", f"{level}; {problems[0]}", "what was signed by that key is refused")
    return good("signatures", f"{level}, verified by {verifier} with {len(settings.verify.keys)} keys")
