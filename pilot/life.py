"""One pilot: from its settings to an agent, and from its ending to an exit status and one line in words."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Optional

from pilot import command_line, options, settings
from pilot.contract.exit_codes import ExitCode, exit_code
from pilot.contract.version import PRODUCT
from pilot.errors import ConfigError, PilotError
from pilot.runtime import streams

if TYPE_CHECKING:
    from pilot.api.communicator import Communicator
    from pilot.api.worker import Worker
    from pilot.control.agent import Ending, Parts
    from pilot.control.journal import Record
    from pilot.settings import Loaded, Settings
    from pilot.site.node import Node

log = logging.getLogger("pilot")

PILOT_LOG = "pilotlog.txt"
#: Seconds that a pilot which ends before it has begun waits for what it imports.
IMPORT_PATIENCE = 10.0
#: A pilot that ends with one of these has nothing to tell that its log would be kept for.
UNEVENTFUL = (ExitCode.OK, ExitCode.NO_JOBS)


def read_settings(argv: Sequence[str]) -> tuple[Loaded, Sequence[str]]:
    """Answer the settings from every layer, and a line for each option that no longer does anything."""
    found = command_line.parse(argv)
    loaded = settings.load(settings.layers(found.config, [options.as_layer(found)]))
    return loaded, found.obsolete


def run(argv: Sequence[str]) -> NoReturn:
    """Be a pilot, until the process ends."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # Its import takes longer than everything else that comes before the first request.
    importing = threading.Thread(target=__import__, args=("requests",), daemon=True)
    importing.start()
    # Held to the very end: as long as a thread may still report, the next pilot on this disk must not.
    with contextlib.ExitStack() as held:
        # An interpreter that ends by itself, as after --version, may crash on what is still importing.
        held.callback(importing.join, IMPORT_PATIENCE)
        with uncollected():
            loaded, obsolete = read_settings(argv)
            for line in obsolete:
                streams.tell(f"pilot: {line}")
            parts = prepare(loaded, told, held)
        ending = live(parts, told)
        status = exit_code((problem.code for problem in ending.problems), signal=ending.signal)
        log.info("the end: status %d", status)
        hand_over(parts.own, loaded.settings.recovery.folder, told, loaded.settings.stop.within_again)
        leave(parts.own, status, loaded.settings.job.keep_workdir)
        streams.say(summary(ending), status)
        # A thread that hangs in a copy or in the network would keep the process from ending, and what the interpreter
        # does at its end takes as long as two reports.
        with contextlib.suppress(OSError):
            streams.deliver()
        os._exit(status)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage while modules are imported, and never at what they have made: that stays to the end.

    Looking takes a tenth of the start, and the first look at everything as long as two reports.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def prepare(loaded: Loaded, told: queue.SimpleQueue[Any], held: contextlib.ExitStack) -> Parts:
    """Collect what an agent is made from, and make its folder, which is locked until ``held`` is closed.

    From here on signals are put to ``told``.
    """
    from pilot import plugins
    from pilot.control.agent import Parts
    from pilot.control.reports import facts_of
    from pilot.runtime import signals
    from pilot.site import node

    chosen = without_server(loaded.settings) if loaded.settings.job.file else for_harvester(loaded.settings)
    require(chosen)
    signals.hear(signals.meanings(chosen.stop.preemption), told)
    base = base_of(chosen)
    inherited: Sequence[Record] = ()
    if chosen.gathers:
        from pilot.control import resuming

        chosen, own, inherited = resuming.prepared(chosen, base, held, make_folder)
    else:
        own = make_folder(base, held)
    start_log(own / PILOT_LOG, debug=chosen.log.debug)
    log.info("COMPASS Pilot %s in %s", PRODUCT, own)
    for line in loaded.lines() if chosen.log.debug else ():
        log.debug("%s", line)
    here, environment, token = node.describe(), settings.environment(), settings.Token(chosen.server)
    log.info("%s", about(chosen.queue.name, here))
    token.read()  # one that cannot be read is better known now
    server = speak(chosen, token, base)
    return Parts(
        settings=chosen,
        plugins=plugins.load(chosen.plugins.user, chosen.plugins.also),
        server=server,
        node=here,
        facts=facts_of(environment, here.host, here.cpu_model),
        base=base,
        own=own,
        environment=environment,
        secrets=token.seen,
        token=token.read,
        workers=workers_of(chosen, token, server, base, here.host),
        inherited=inherited,
    )


def about(queue: str, here: Node) -> str:
    """Say for what and where this pilot is, for whoever reads its log."""
    python = ".".join(map(str, sys.version_info[:3]))
    node = f"{here.host}, {here.cores} cores, {here.memory // 10**6} MB, {here.cpu_model}"
    return f"for queue {queue or '-'} on {node}; Python {python}; the times here are UTC"


def for_harvester(chosen: Settings) -> Settings:
    """Answer the settings as they are for a pilot that finds its jobs in Harvester's files."""
    if settings.mode_of(chosen) is settings.Mode.SERVER:
        return chosen
    from pilot.api import harvester

    return harvester.adjusted(chosen)


def workers_of(
    chosen: Settings, token: settings.Token, server: Communicator, base: Path, host: str
) -> Sequence[Worker]:
    """Answer to whom this pilot is a worker."""
    if settings.mode_of(chosen) is settings.Mode.SERVER and (chosen.job.file or settings.worker_of(chosen)[1] is None):
        return ()
    from pilot.api import harvester

    return harvester.workers_for(chosen, token.read, server, base, host)


def speak(chosen: Settings, token: settings.Token, base: Path) -> Communicator:
    """Answer whom this pilot asks and tells: a server, or files."""
    if settings.mode_of(chosen) is not settings.Mode.SERVER:
        from pilot.api import harvester

        return harvester.server_for(chosen, token.read, base)
    if chosen.server.updates and not chosen.job.file:
        from pilot.api.communicator import Communicator

        return Communicator(chosen.server, token.read)
    from pilot.api import offline

    return offline.server_for(chosen, token.read, base)


def without_server(chosen: Settings) -> Settings:
    """Answer the settings of a pilot that runs a file of jobs."""
    from pilot.api import offline

    return offline.adjusted(chosen)


def live(parts: Parts, told: queue.SimpleQueue[Any]) -> Ending:
    """Let an agent live; answer how it ended."""
    from pilot.control.agent import Agent

    ending = Agent(parts, told).run()
    if ending.gathers is not None and ending.signal is None:
        from pilot.control.resuming import gathering

        log.info("%s is a supercomputer's queue: jobs are gathered", ending.gathers.name)
        with contextlib.ExitStack() as held:
            ending = Agent(gathering(parts, ending.gathers, held), told).run()
    return ending


def require(chosen: Settings) -> None:
    """Refuse to begin without what only the admin can know.

    Raises:
        ConfigError: it is missing, or names a file that is not there.
    """
    for value, name, option in ((chosen.server.url, "server.url", "--url"), (chosen.queue.name, "queue.name", "-q")):
        needless = chosen.job.file or (name == "server.url" and settings.mode_of(chosen) is settings.Mode.FILES)
        if not value and not needless:
            raise ConfigError(f"{name} is not set; give {option}, or set it in a configuration file")
    if chosen.log.compression != "gzip":
        from pilot.runtime import compression

        compression.require(chosen.log.compression)
    for value, name in ((chosen.server.certificate, "certificate"), (chosen.server.authorities, "authorities")):
        if value and not Path(value).exists():
            raise ConfigError(f"server.{name}: {value} does not exist")


def base_of(chosen: Settings) -> Path:
    """Answer the folder in which pilots have theirs.

    Raises:
        ConfigError: it is the one that the pilot was started in, and that is gone.
    """
    try:
        return Path(chosen.job.workdir or ".").absolute()
    except FileNotFoundError as wrong:
        raise ConfigError("job.workdir: the folder this was started in is gone; give another by -a") from wrong


def make_folder(base: Path, held: contextlib.ExitStack) -> Path:
    """Make this pilot's folder, and lock it.

    Raises:
        ConfigError: it cannot be made.
    """
    from pilot.runtime import workdir

    try:
        base.mkdir(parents=True, exist_ok=True)
        return held.enter_context(workdir.claimed(base))
    except OSError as wrong:
        raise ConfigError(f"job.workdir: no folder can be made in {base}: {wrong.strerror}") from wrong


def start_log(path: Path, *, debug: bool) -> None:
    """Write the log to a file; with ``debug`` more of it, and to stderr as well."""
    form = logging.Formatter("%(asctime)s %(levelname)-7s %(threadName)-10s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
    form.converter = time.gmtime
    logging.raiseExceptions = False  # a full disk is told once, by what needs it more
    outputs: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    if debug:
        outputs.append(logging.StreamHandler())
    for output in outputs:
        output.setFormatter(form)
        logging.getLogger().addHandler(output)
    log.setLevel(logging.DEBUG if debug else logging.INFO)


def hand_over(own: Path, folder: str, told: queue.SimpleQueue[Any], seconds: float) -> None:
    """Move jobs that this pilot could not bring to their end to where the site's other pilots find them.

    A signal leaves so many seconds for it: the folder may be on a disk that does not answer.
    """
    if folder and any(own.glob("journal/*-*.json")) and Path(folder).absolute() != own.parent:
        from pilot.control.moving import move_all

        def move() -> None:
            try:
                log.info("%d jobs are left to other pilots, in %s", move_all(own, Path(folder).absolute()), folder)
            except PilotError as wrong:
                log.error("they stay on this disk: %s", wrong)

        if not in_time(move, told, seconds):
            log.error("a signal has cut the way to %s short; what has not arrived waits on this disk", folder)


def in_time(work: Callable[[], None], told: queue.SimpleQueue[Any], seconds: float) -> bool:
    """Do something to its end, or until so many seconds after the next signal; say whether it came to its end."""
    done = object()

    def do() -> None:
        try:
            work()
        finally:
            told.put(done)

    threading.Thread(target=do, name="hand-over", daemon=True).start()
    until: Optional[float] = None
    while True:
        try:
            word = told.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        except queue.Empty:
            return False
        if word is done:
            return True
        if isinstance(word, int):
            until = until or time.monotonic() + seconds


def leave(own: Path, status: int, keep: bool) -> None:
    """Remove this pilot's folder, but not what the next pilot on this disk, or a reader of the log, will want."""
    from pilot.control.moving import INSIDE
    from pilot.runtime.workdir import KEPT_FILE

    if keep or any(any(own.glob(names)) for names in ("journal/*", f"*/{INSIDE}", f"*/{KEPT_FILE}")):
        return
    if status in UNEVENTFUL:
        shutil.rmtree(own, ignore_errors=True)
    else:
        shutil.rmtree(own / "journal", ignore_errors=True)


def summary(ending: Ending) -> str:
    """Say in words how it ended."""
    done = "1 job finished" if ending.finished == 1 else f"{ending.finished} jobs finished"
    first = ending.problems[0] if ending.problems else None
    parts = [f"ended by {signal.Signals(ending.signal).name}"] if ending.signal else []
    parts.append(done)
    if first is not None:
        parts.append(f"{first.code.name} ({int(first.code)}): {first.detail}; {first.code.advice}")
    return ", ".join(parts)
