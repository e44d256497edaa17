"""What every worker counts: calls, how long they took, and what was refused; added up over the workers when asked.

Workers write into files of a folder that PROMETHEUS_MULTIPROC_DIR names (``compass-server serve`` makes one); without
it a process counts for itself. The library is imported with the first call, when that variable has been set.
"""

from __future__ import annotations

import os
import shutil
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from server.lib.processes import is_dead, own_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter, Histogram

FOLDER = "PROMETHEUS_MULTIPROC_DIR"

#: Upper ends of the classes of times, in seconds.
CLASSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0)


@cache
def _calls() -> Counter:
    from prometheus_client import Counter

    return Counter("compass_calls", "Calls that were answered.", ["address", "status"])


@cache
def _seconds() -> Histogram:
    from prometheus_client import Histogram

    return Histogram("compass_call_seconds", "Time from a call to its answer.", ["address"], buckets=CLASSES)


@cache
def _refused() -> Counter:
    from prometheus_client import Counter

    return Counter("compass_refused", "Calls, or parts of them, that were refused.", ["reason"])


@cache
def _repeated() -> Counter:
    from prometheus_client import Counter

    return Counter(
        "compass_repeated_transactions", "Transactions undone for others, or cut off, that were repeated.", ["reason"]
    )


@cache
def _handed_out() -> Counter:
    from prometheus_client import Counter

    return Counter("compass_handed_out", "Credentials and secrets that were handed out.", ["kind"])


@lru_cache(maxsize=4096)
def _of(address: str, status: int) -> tuple[Callable[[], None], Callable[[float], None]]:
    return _calls().labels(address, str(status)).inc, _seconds().labels(address).observe


def answered(address: str, status: int, seconds: float) -> None:
    """Count a call.

    Args:
        address: The pattern of its address, of which there are few; never what a caller can make up.
        status: Of HTTP.
        seconds: What it took.
    """
    count, observe = _of(address, status)
    count()
    observe(seconds)


def refused(reason: str) -> None:
    """Count something that was refused, by one of few reasons."""
    _refused().labels(reason).inc()


def repeated(reason: str) -> None:
    """Count a transaction that the database undid for another one's sake, or that a broken connection cut off."""
    _repeated().labels(reason).inc()


def handed_out(kind: str) -> None:
    """Count a credential that was handed out, by its kind."""
    _handed_out().labels(kind).inc()


def exposed() -> bytes:
    """Answer what all workers of this server have counted, in the text format of Prometheus."""
    from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    _refused(), _repeated(), _handed_out(), _calls(), _seconds()
    if FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def share_among_workers(home: Path) -> None:
    """Let the workers that this process starts count into one folder; those of servers that have died are removed."""
    parent = home / "metrics"
    parent.mkdir(mode=0o700, exist_ok=True)
    for old in parent.iterdir():
        if is_dead(old.name):
            shutil.rmtree(old, ignore_errors=True)
    folder = parent / str(own_name())
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[FOLDER] = str(folder)
