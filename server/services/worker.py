"""The process that runs the services: a Celery worker of threads, with beat and the wake-up listener in it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

from celery import Celery, beat, signals
from celery.exceptions import SecurityWarning

from server.services.listener import Listener

log = logging.getLogger(__name__)

#: Services that run at the same time in one worker. Six of them ask storages (submit, poll, look, pins,
#: remove, cancel): should one storage hang for minutes, so many wait for it, and the others go on.
THREADS = 10
#: Seconds after the order to stop; a service that gives no sign of life until then is left, its lease is taken over.
STOP_WITHIN = 8.0


class EssentialThread(threading.Thread):
    """A thread without which the worker is of no use: when it fails, the worker stops, so that it is started anew."""

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = target
        self.failed = False

    def run(self) -> None:
        self.failed = True
        try:
            self._work()
            self.failed = False
        finally:
            if self.failed:
                os.kill(os.getpid(), signal.SIGTERM)


def run_worker(app: Celery, home: Path) -> int:
    """Run services until SIGTERM or SIGINT; answer the exit status, 1 when a thread of our own failed."""
    (home / "messages").mkdir(mode=0o700, parents=True, exist_ok=True)
    schedule = beat.Service(app, scheduler_cls=app.conf.beat_scheduler)
    listener = Listener()
    threads = [EssentialThread("beat", schedule.start), EssentialThread("listener", listener.run)]

    def leave() -> None:
        log.warning("a service did not stop within %.0f s; its lease will be taken over", STOP_WITHIN)
        os._exit(1)

    def stopping(**_: object) -> None:
        deadline = threading.Timer(STOP_WITHIN, leave)
        deadline.daemon = True
        deadline.start()
        schedule.stop()
        listener.stop()

    def ready(**_: object) -> None:
        for thread in threads:
            thread.start()

    # Celery warns of root because messages in Python's own format could run anything; ours are JSON.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    signals.worker_shutting_down.connect(stopping)
    signals.worker_ready.connect(ready)
    worker = app.Worker(
        pool="threads",
        concurrency=THREADS,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    for thread in threads:
        thread.join(STOP_WITHIN)
    return 1 if any(thread.failed for thread in threads) else (worker.exitcode or 0)


def main(app: Celery, home: Path) -> None:
    """Run the worker and leave the process with its status."""
    sys.exit(run_worker(app, home))
