"""Whether a job may and can be run here, looked at before anything is fetched for it. The first objection counts.

What is asked of job and node is decided in `control.requirements`, by the containers' own check, and by plugins
(`verify_job`); here the readings are taken, and signatures and addresses looked at.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.contract import naming
from pilot.contract.codec import ContractError
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.named import NamedTuple
from pilot.contract.queue import QueueData
from pilot.control import requirements
from pilot.control.journal import JOURNAL, LARGEST, record_name
from pilot.control.ledger import UNCOUNTED, Amount
from pilot.control.requirements import Room
from pilot.errors import JobFailed
from pilot.job import Problem
from pilot.plugins import call
from pilot.runtime import workdir
from pilot.site.node import free_disk

if TYPE_CHECKING:
    import pluggy

    from pilot.runtime.container.containers import Containers
    from pilot.runtime.transformation import Fetching
    from pilot.settings import Settings, Verify
    from pilot.site.node import Node

#: A queue's own word on signatures: a key of its ``params``, or ``verify_signatures=always`` in its ``catchall``.
QUEUE_WORD = "verify_signatures"
#: Seconds in which a file system answers that is alive.
_LONGEST_LOOK = 30.0


class Place(NamedTuple):
    """What jobs are held against.

    ``room`` is asked each time, for a job and its folder; ``elsewhere`` tells which other pilot of this disk has an
    (id, attempt).
    """

    room: Callable[[JobSpec, Path], Room]
    elsewhere: Callable[[tuple[int, int]], str]
    containers: Containers
    addresses: Addresses


class Addresses(NamedTuple):
    """From where transformations may come: as the settings say, else the folder ``/trf/`` of the pilot's server.

    What fetches them is imported for jobs that need it: most do not, and every start would pay for it.
    """

    settings: Settings
    server: str

    def fetching(self) -> Fetching:
        """Answer what fetches transformations.

        Raises:
            ConfigError: the settings name what is no address.
        """
        from pilot.runtime.transformation import Allowed, Fetching

        rules = self.settings.verify
        default = (f"{self.server}/trf/",) if naming.is_address(self.server) else ()
        allowed = Allowed.below(rules.transformation_urls or default)
        return Fetching(allowed, self.settings.server, rules.transformation_size)

    def objection(self, transformation: str) -> Optional[Problem]:
        """Say why a transformation may not be fetched; ``None`` when it may, or is a program of the node."""
        return self.fetching().allowed.objection(transformation) if naming.is_address(transformation) else None


class Verification:
    """Looks at each job once. Thread-safe: stage-in has several lanes."""

    def __init__(self, rules: Verify, place: Place, plugins: pluggy.PluginManager) -> None:
        self._rules, self._place, self._plugins = rules, place, plugins
        self._begun: set[tuple[int, int]] = set()
        self._lock = threading.Lock()

    def check(self, spec: JobSpec, queue: QueueData, folder: Path) -> None:
        """Look at a job whose directory is to be made in ``folder``.

        Raises:
            JobFailed: it is not to be run; the words name the field, its value and what helps.
        """
        for objection in self._objections(spec, queue, folder):
            if objection is not None:
                raise JobFailed(objection.code, objection.detail)

    def check_outputs(self, spec: JobSpec, queue: QueueData, folder: Path) -> None:
        """Look at what lies in a job's directory and is to be stored; raises as `Containers.check_outputs` does."""
        self._place.containers.check_outputs(spec, queue, folder)

    def _objections(self, spec: JobSpec, queue: QueueData, folder: Path) -> Iterator[Optional[Problem]]:
        yield requirements.complete(spec)
        yield self._fresh(spec)
        yield verify_signature(spec, queue, self._rules)
        yield from map(self._place.addresses.objection, requirements.commands(spec))
        room = self._place.room(spec, folder)
        yield requirements.fits(spec, room)
        yield requirements.has_disk(spec, room)
        yield self._place.containers.check(spec, queue)
        if self._place.containers.choose(spec, queue) is None:  # an image may have its software with it
            yield _software(queue)
        yield from self._plugins_say(spec, queue)

    def _fresh(self, spec: JobSpec) -> Optional[Problem]:
        """Object to an attempt that was begun here before: its files, and its report, may be there already."""
        with self._lock:
            again = spec.key in self._begun
            self._begun.add(spec.key)
        if again:
            words = "this pilot has begun the same attempt before"
        elif not (words := self._place.elsewhere(spec.key)):
            return None
        return Problem(ErrorCode.JOB_ALREADY_RUNNING, f"attemptNr: {spec.attempt} of job {spec.id}: {words}")

    def _plugins_say(self, spec: JobSpec, queue: QueueData) -> Iterator[Optional[Problem]]:
        said: Sequence[Any] = call(self._plugins, "verify_job", spec=spec, queue=queue)
        for answer in said:
            if answer:
                yield answer if isinstance(answer, Problem) else Problem(ErrorCode.BAD_JOB_DEFINITION, str(answer))


def _software(queue: QueueData, seconds: float = _LONGEST_LOOK) -> Optional[Problem]:
    folder = requirements.software_folder(queue)
    if not folder:
        return None
    from pilot.site.cvmfs import in_time

    repository = Path(*Path(folder).parts[:3])
    # A dead CVMFS would hold this thread, and with it the job, until the pilot ends.
    is_there, is_mounted = in_time(lambda: (Path(folder).is_dir(), repository.is_dir()), seconds) or (False, False)
    return requirements.software(queue, folder, is_there, is_mounted)


def level_of(queue: QueueData, rules: Verify) -> str:
    """Answer whose signature is verified: what the settings say, or the queue when that is stricter.

    The queue cannot ask for less: whoever could alter a job on the server could alter the queue as well.

    Raises:
        JobFailed: the queue says what cannot be meant (BAD_QUEUE_CONFIGURATION).
    """
    asked = [queue.params[QUEUE_WORD]] if QUEUE_WORD in queue.params else []
    for word in queue.catchall.replace(",", " ").split():
        name, equals, value = word.partition("=")
        if name == QUEUE_WORD and equals:
            asked.append(value)
    if not asked:
        return rules.signatures
    from pilot.contract import signature

    for value in asked:
        if value not in signature.LEVELS:
            words = f"{QUEUE_WORD} of queue {queue.name}: {value!r} is not one of {', '.join(signature.LEVELS)}"
            raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words)
    return signature.stricter(rules.signatures, *asked)


def verify_signature(spec: JobSpec, queue: QueueData, rules: Verify) -> Optional[Problem]:
    """Object to a job that is unsigned where it must not be, or that is not what its signature says.

    Raises:
        JobFailed: nobody can tell (SIGNATURE_UNVERIFIABLE), or the queue says what cannot be meant.
    """
    level = level_of(queue, rules)
    if level == "never" or (level == "when_signed" and not spec.signature):
        return None
    if not spec.signature:
        words = f"compassSignature: missing; verify.signatures is always here, or the queue {queue.name} says so"
        return Problem(ErrorCode.PAYLOAD_UNSIGNED, words)
    from pilot.contract import signature

    try:
        signed = signature.read(spec.signature)
    except ContractError as wrong:
        return Problem(ErrorCode.PAYLOAD_ALTERED, str(wrong))
    from pilot.runtime.signing import is_signed

    if is_signed(signature.signed_text(spec), signed, rules.keys):
        return None
    words = f"compassSignature: none of the keys {', '.join(rules.keys)} has signed this job as it is"
    return Problem(ErrorCode.PAYLOAD_ALTERED, words)


def elsewhere_on(base: Path, own: Path, server: str) -> Callable[[tuple[int, int]], str]:
    """Answer how to ask whether another pilot whose folder is below ``base`` has an attempt of a server's job."""

    def ask(key: tuple[int, int]) -> str:
        with contextlib.suppress(OSError):  # folders come and go
            for record in base.glob(f"*/{JOURNAL}/{record_name(*key)}"):
                folder = record.parent.parent
                # Anybody may have made a folder where pilots share a disk with others.
                if folder != own and workdir.is_own(folder) and _server_of(record) == server:
                    return f"the pilot of {folder} has begun it"
        return ""

    return ask


def _server_of(record: Path) -> Optional[str]:
    try:
        found = json.loads(workdir.read_own(record, LARGEST))
        return str(found["server"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def room_of(settings: Settings, node: Node) -> Callable[[JobSpec, Path], Room]:
    """Answer how to ask for the room there is: as the admin says, else what node and cgroup give."""

    def ask(spec: JobSpec, folder: Path) -> Room:
        if settings.gathers:  # payloads run on other nodes
            return Room(0, settings.hpc.cores_per_node, free_disk(folder))
        memory = settings.job.memory or (memory_of(node) if spec.memory else node.memory)
        return Room(memory, max(node.cores, settings.job.cores), free_disk(folder))

    return ask


def shared(settings: Settings, node: Node, folder: Path) -> Amount:
    """Answer what the jobs share. One job has the whole slot, unless the settings say how large that is."""
    job = settings.job
    if settings.gathers:  # those of other nodes, which the allocation is shaped for
        return UNCOUNTED
    if job.at_once == 1:
        return Amount(job.cores, job.memory)
    return Amount(job.cores or max(node.cores, job.at_once), job.memory or memory_of(node), free_disk(folder))


def spare(settings: Settings, folder: Path) -> Callable[[], int]:
    """Answer how to ask for the bytes on a disk beyond those that a job needs to begin; -1 when nobody can tell."""

    def ask() -> int:
        with contextlib.suppress(OSError):
            return free_disk(folder) - settings.monitor.free_disk_at_start
        return -1

    return ask


def memory_of(node: Node) -> int:
    """Answer the memory that jobs may have here, in bytes: the node's, or that of the group that the pilot runs in."""
    return min((size for size in (node.memory, memory_limit()) if size), default=0)


def memory_limit() -> int:
    """Answer the limit of memory, in bytes, of the group that the pilot runs in; 0: none."""
    from pilot.site.confinement import cgroup
    from pilot.site.tree import Tree

    return cgroup(Tree(Path("/"))).memory or 0
