"""Takes the readings, each in its own time, and has them judged by `check.node` and `check.service`."""

from __future__ import annotations

import contextlib
import os
import queue
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional, TypeVar

from pilot.check import node, service
from pilot.check.finding import Finding, bad, doubtful, good
from pilot.check.service import Contact
from pilot.contract.codes import ErrorCode
from pilot.contract.signature import LENGTH, LEVELS
from pilot.control.credentials import CredentialReader, objection
from pilot.control.requirements import software_folder
from pilot.control.verification import level_of
from pilot.errors import JobFailed, PilotError
from pilot.runtime import limits
from pilot.runtime.container import middleware
from pilot.runtime.container.choice import image_base, runtime_of
from pilot.runtime.container.containers import Containers
from pilot.runtime.probe import answers
from pilot.runtime.signing import PROGRAM, is_signed

if TYPE_CHECKING:
    from pilot.api.communicator import Communicator
    from pilot.api.environment import Environment
    from pilot.contract.queue import QueueData
    from pilot.settings import Settings

#: Seconds that one thing may take to look at. Whoever waits for this has a screen before them.
PATIENCE = 5.0
_LIMITS = {
    "open files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "file size": resource.RLIMIT_FSIZE,
    "CPU time": resource.RLIMIT_CPU,
    "address space": resource.RLIMIT_AS,
}
_CVMFS = "/cvmfs/"


@dataclass(frozen=True)
class Subject:
    """What is checked: this node, for a pilot with these settings that works below ``base``."""

    settings: Settings
    base: Path
    environment: Environment
    contact: Contact
    tools: Mapping[str, Sequence[str]]  # copy tools, and the programs that each runs
    variables: dict[str, str]

    @property
    def queue(self) -> Optional[QueueData]:
        """The queue, when the server described one."""
        return self.contact.queue


T = TypeVar("T")
#: (name, how it is found out).
Probe = tuple[str, Callable[[T], Iterable[Finding]]]


def run(subject: T, probes: Sequence[Probe[T]], within: float = PATIENCE) -> list[Finding]:
    """Look at everything at the same time; answer in the order of the probes.

    What does not end in time is told so, after what it has found until then.
    """
    inboxes: list[queue.Queue[Optional[Finding]]] = []
    for name, look in probes:
        inbox: queue.Queue[Optional[Finding]] = queue.Queue()
        inboxes.append(inbox)
        threading.Thread(target=_answer, args=(inbox, name, look, subject), name=name, daemon=True).start()
    until, found = time.monotonic() + within, []
    for (name, _), inbox in zip(probes, inboxes):
        try:
            while (one := inbox.get(timeout=max(0.0, until - time.monotonic()))) is not None:
                found.append(one)
        except queue.Empty:
            advice = "a disk, a mount or a server that it needs hangs"
            found.append(bad(name, f"no answer in {within:g} s", ErrorCode.COMMAND_TIMED_OUT, advice))
    return found


def _answer(
    inbox: queue.Queue[Optional[Finding]], name: str, look: Callable[[T], Iterable[Finding]], subject: T
) -> None:
    try:
        for found in look(subject):
            inbox.put(found)
    except PilotError as wrong:
        inbox.put(bad(name, wrong.detail, ErrorCode(wrong.code)))
    except OSError as wrong:
        inbox.put(bad(name, str(wrong), ErrorCode.FILE_HANDLING))
    finally:
        inbox.put(None)


def _absent(paths: Iterable[str], question: str = "-e") -> Mapping[str, str]:
    """Answer for each path in words why it is none to be used, "" for nothing; a dead file system is named, too."""
    heard = answers(sorted(set(paths)), PATIENCE / 2, ("test", question))
    return {path: "is not there" if words.startswith("status") else words for path, words in heard.items()}


def meet(server: Communicator, settings: Settings) -> Contact:
    """Speak with the server, and have it describe the queue and the storages."""
    from pilot.api.replies import ServerError
    from pilot.control.lanes import problem_of

    begun, problem = time.monotonic(), None
    try:
        server.greet()
    except ServerError as wrong:
        problem = problem_of(wrong)
    dialect = server.dialect.value if server.dialect else "unknown"
    found = Contact(server.name, time.monotonic() - begun, dialect, server.clock_skew, problem)
    if problem is not None and problem.code is ErrorCode.COMMUNICATION_FAILURE and not settings.queue.data_url:
        return found  # asking for more would only take more time
    try:
        found = replace(found, queue=server.queue_data(settings.queue.name, settings.queue.data_url))
    except ServerError as wrong:
        found = replace(found, queue_problem=problem_of(wrong))
    try:
        return replace(found, storages=server.storages(settings.queue.storage_url))
    except ServerError as wrong:
        return replace(found, storages_problem=problem_of(wrong))


def _machine(subject: Subject) -> Iterator[Finding]:
    here = subject.environment
    yield node.system(here.system)
    yield node.python(tuple(sys.version_info[:3]), sys.executable)
    yield node.memory(here.memory, here.cgroup, subject.queue)
    yield node.cores(here.cpu, here.cgroup, subject.queue, subject.settings.job.cores)
    yield node.groups(here.cgroup)
    yield node.network(here.network)
    yield node.batch(here.batch, subject.queue, time.time())
    yield from node.limits({name: resource.getrlimit(number)[0] for name, number in _LIMITS.items()})


def _gpus(subject: Subject) -> Iterator[Finding]:
    yield node.gpus(subject.environment.gpus, subject.settings.container.gpu)


def _disks(subject: Subject) -> Iterator[Finding]:
    found = {disk.folder: disk for disk in subject.environment.disks}
    here = found.get(str(subject.base))
    if here is not None:
        yield from node.disk(here, subject.queue, subject.settings.monitor.free_disk_at_start)
    temporary = subject.variables.get("TMPDIR") or tempfile.gettempdir()
    yield node.temporary(temporary, found.get(temporary), os.access(temporary, os.W_OK | os.X_OK))


def _work_folder(subject: Subject) -> Iterator[Finding]:
    """Write a program to the folder, or to the nearest one above it that is there, and start it."""
    place = next(folder for folder in (subject.base, *subject.base.parents) if folder.exists())
    try:
        with tempfile.TemporaryDirectory(prefix="compass-pilot-check-", dir=place) as folder:
            program = Path(folder) / "program"
            program.write_text("#!/bin/sh\nexit 0\n")
            program.chmod(stat.S_IRWXU)
            runs = _starts([str(program)])
    except OSError as wrong:
        yield node.folder(str(subject.base), wrong.strerror or str(wrong), runs=False)
    else:
        yield node.folder(str(subject.base), "", runs)


def _starts(argv: Sequence[str]) -> bool:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(argv, check=False, timeout=PATIENCE, stdin=subprocess.DEVNULL).returncode == 0
    return False


def _containers(subject: Subject) -> Iterator[Finding]:
    """Look for the runtime and for images that settings and queue name; nothing is started."""
    site, found = subject.settings.container, subject.queue
    if found is None:
        return
    runtime = runtime_of(found, site)
    yield node.user_namespaces(subject.environment.user_namespaces, needed=runtime is not None)
    if runtime is None:
        if site.required:
            words = f"container.required is set, and container_type of queue {found.name} names none for the pilot"
            yield bad("containers", words, ErrorCode.QUEUE_WITHOUT_CONTAINERS)
        else:
            yield good("containers", "none: payloads run on the node (container_type)")
        return
    without_image = Containers(replace(site, image=""), subject.variables)
    yield good("containers", without_image.runtime(found))
    base = image_base(found) or site.image_base
    for name in filter(None, (base, str(Path(base, site.image)) if "://" not in site.image and site.image else "")):
        if words := _absent([name])[name]:
            yield bad("images", f"{name} {words}", ErrorCode.IMAGE_NOT_FOUND)
        else:
            yield good("images", name)


def _copy_container(subject: Subject) -> Iterator[Finding]:
    """Look for the image that copy tools' programs run in, where they do, and for its runtime; nothing is started."""
    if subject.queue is not None and (chosen := middleware.choose(subject.queue, subject.settings)) is not None:
        program, *_ = middleware.enter(chosen, subject.variables, ())
        yield good("copy tools' container", f"{chosen.image}, by {program}")


def _in_container(subject: Subject, queue: QueueData) -> bool:
    """Say whether copy tools' programs are those of an image, also where that cannot be used, as others tell."""
    with contextlib.suppress(JobFailed):
        return middleware.choose(queue, subject.settings) is not None
    return True


def _software(subject: Subject) -> Iterator[Finding]:
    if subject.queue is not None and (folder := software_folder(subject.queue)):
        contained = runtime_of(subject.queue, subject.settings.container) is not None
        yield node.software(subject.queue, folder, _absent([folder], "-d")[folder], contained)


def repositories(subject: Subject) -> Sequence[str]:
    """Name the CVMFS repositories that queue and settings need."""
    site = subject.settings.container
    paths = [*subject.settings.monitor.mounts, site.image, site.image_base, subject.settings.copy.image]
    if subject.queue is not None:
        paths += [software_folder(subject.queue), image_base(subject.queue)]
    return sorted({path[len(_CVMFS) :].partition("/")[0] for path in paths if path.startswith(_CVMFS)})


def _cvmfs(subject: Subject) -> Iterator[Finding]:
    for name in repositories(subject):
        yield node.repository(subject.environment.repository(name))


def _storages(subject: Subject) -> Iterator[Finding]:
    if subject.queue is not None:
        yield from service.copy_tools(subject.queue, _lacking(subject, subject.queue))
    there = list(service.folders(subject.contact))
    absent = _absent((path for *_, path in there), "-d")
    wrong = {(use, path): absent[path] or _folder_problem(path, writes) for use, _, writes, path in there}
    yield from service.storages(subject.contact, wrong)


def _lacking(subject: Subject, queue: QueueData) -> Mapping[str, Sequence[str]]:
    """Look for the programs of copy tools, or for the queue's script that is to bring them."""
    if _in_container(subject, queue):
        return dict.fromkeys(subject.tools, ())
    path = subject.variables.get("PATH")
    lacking: dict[str, Sequence[str]] = {}
    for tool, programs in subject.tools.items():
        script = str((queue.copytools.get(tool) or {}).get("setup") or "")
        if programs and script:
            lacking[tool] = [] if Path(script).is_file() else [script]
        else:
            lacking[tool] = [program for program in programs if not shutil.which(program, path=path)]
    return lacking


def _folder_problem(path: str, writes: bool) -> str:
    return "" if os.access(path, os.R_OK | os.X_OK | (os.W_OK if writes else 0)) else "may not be used by this user"


def _signatures(subject: Subject) -> Iterator[Finding]:
    import importlib.util

    level = subject.settings.verify.signatures
    if subject.queue is not None:
        level = level_of(subject.queue, subject.settings.verify)
    keys = subject.settings.verify.keys if level != LEVELS[0] else ()
    problems = [words for words in (_wrong_with_key(key, words) for key, words in _absent(keys, "-r").items()) if words]
    library = "cryptography" if importlib.util.find_spec("cryptography") else ""
    yield node.signatures(subject.settings, level, problems, library or shutil.which(PROGRAM) or "")


def _wrong_with_key(key: str, absent: str) -> str:
    """Have a signature verified by it that cannot be good: what hinders that would hinder a good one."""
    if absent:
        return f"{key} {absent}"
    try:
        is_signed(b"any text", bytes(LENGTH), [key])
    except JobFailed as wrong:
        return wrong.detail
    return ""


def credentials(settings: Settings, token: Callable[[], str], server: Communicator) -> Iterator[Finding]:
    """Look at how long proxy and token live."""
    now = time.time()
    found = CredentialReader(settings, token, server).read()
    if (problem := objection(found, now, settings.credentials.at_start)) is not None:
        yield bad("credentials", problem.detail, problem.code)
        return
    for name, end in (("proxy", found.certificate_end), ("token", found.token_end)):
        if end is not None and end - now < settings.credentials.left:
            yield doubtful(name, f"lives {end - now:.0f} s", "renew it")
        elif end is not None:
            yield good(name, f"lives {end - now:.0f} s")
    if token() and service.in_clear(server.name):
        yield doubtful("token", f"is sent to {server.name} in clear", "have server.url begin with https://")
    if not settings.server.certificate and not token():
        yield doubtful("credentials", "neither token nor proxy", "name one: server.token_file or server.certificate")


def of_server(contact: Contact) -> Iterator[Finding]:
    """Judge what came of speaking with the server."""
    yield from service.server(contact)
    yield service.clock(contact.skew)
    yield from service.queue(contact)


def _payload_limits(subject: Subject) -> Iterator[Finding]:
    for found in limits.describe():
        yield node.held(found)


NODE: Sequence[Probe[Subject]] = (
    ("machine", _machine),
    ("payload limits", _payload_limits),
    ("disk", _disks),
    ("work folder", _work_folder),
    ("containers", _containers),
    ("copy tools' container", _copy_container),
    ("software", _software),
    ("CVMFS", _cvmfs),
    ("storages", _storages),
    ("signatures", _signatures),
    ("GPUs", _gpus),
)
