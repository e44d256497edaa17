"""Speaks with one HTCondor by its Python bindings, as a process apart.

They cannot be interrupted, and have one configuration in each process. Called by `server.lib.apart`; values of JSON
only.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from server.batch.base import BatchFailed, BatchMisconfigured
from server.batch.htcondor_ads import SPOOLING
from server.batch.htcondor_words import DOLLAR, reason

#: Names in the folder of a submission. Whoever holds the lock of the first decides what becomes of the key.
LOCK, RECORD = "lock", "submission.json"
#: Lines of a description that are expressions of an admin's.
EXPRESSIONS = ("requirements", "rank")
#: What a job requires for itself. The schedd removes those that lost their nodes only now and then, and might start
#: them again before.
_NOT_STARTED_YET = "(MY.NumJobStarts ?: 0) == 0"
#: Jobs in one piece of an answer.
_PIECE = 500
MISSING = "HTCondor's Python bindings are not installed: pip install 'compass-pilot[htcondor]'"


def submit(
    where: Mapping[str, str], lines: Mapping[str, str], count: int, home: str, found: str, spool: bool
) -> Iterator[Mapping[str, int]]:
    """Submit jobs as one cluster, in one transaction; yield its number.

    ``found`` is the constraint by which the key is looked for first. The lock is held until this process is gone: who
    gets it knows that nothing more is sent, and the schedd answers nobody between our first word and our last.
    """
    htcondor, schedd = _reach(where)
    folder, description = Path(home), _description(htcondor, lines)
    with _alone(folder):
        with _words(htcondor):
            if schedd.query(found, ["ClusterId"], limit=1):
                raise BatchFailed(f"{folder.name}: a submission of that key exists")
            taken = schedd.submit(description, count=count, spool=spool)
            cluster = int(taken.cluster())
        if spool:
            _spool(htcondor, schedd, taken, cluster)
        _record(folder, cluster, count)
        yield {"cluster": cluster}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the one who decides about a key, unless it was given up meanwhile."""
    try:
        with (folder / LOCK).open("r") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            if not (folder / LOCK).exists():
                raise FileNotFoundError
            yield
    except FileNotFoundError:
        raise BatchFailed(f"{folder.name}: this submission was given up before it began") from None


def _description(htcondor: Any, lines: Mapping[str, str]) -> Any:
    check_expressions({name: lines[name] for name in EXPRESSIONS if name in lines})
    if lines.get("universe") != "grid":
        lines = {**lines, "requirements": f"({lines.get('requirements', 'true')}) && {_NOT_STARTED_YET}"}
    try:
        return htcondor.Submit("".join(f"{name} = {value}\n" for name, value in lines.items()))
    except htcondor.HTCondorException as wrong:
        raise BatchMisconfigured(f"batch system htcondor: {wrong}") from wrong


def check_expressions(said: Mapping[str, str]) -> None:
    """Refuse what is not one whole expression, and would be read together with what HTCondor puts around it.

    Raises:
        BatchMisconfigured: naming the option.
    """
    import classad2

    for name, text in said.items():
        try:
            classad2.ExprTree(text.replace(DOLLAR, "$"))
        except (classad2.ClassAdException, ValueError, SyntaxError) as wrong:
            words = f"job options.{name}: {text!r} is no expression of ClassAds"
            raise BatchMisconfigured(f"batch system htcondor: {words}") from wrong


def _spool(htcondor: Any, schedd: Any, taken: Any, cluster: int) -> None:
    try:
        with _words(htcondor):
            schedd.spool(taken)
    except BatchFailed as wrong:
        with _words(htcondor):  # none of them can ever start
            constraint = f"ClusterId == {cluster} && HoldReasonCode == {SPOOLING}"
            schedd.act(htcondor.JobAction.Remove, constraint, reason=("files were not spooled", 0))
        raise BatchFailed(f"the schedd did not take the jobs' files: {wrong}") from wrong


def _record(folder: Path, cluster: int, count: int) -> None:
    draft = folder / f".{RECORD}"
    draft.write_text(json.dumps({"cluster": cluster, "count": count}))
    draft.rename(folder / RECORD)


def queued(where: Mapping[str, str], constraint: str, projection: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Yield what the queue has, in pieces."""
    htcondor, schedd = _reach(where)
    with _words(htcondor):
        found = schedd.query(constraint, list(projection))
    yield from _pieces(found, projection)


def recorded(
    where: Mapping[str, str], constraint: str, projection: Sequence[str], most: int
) -> Iterator[list[dict[str, Any]]]:
    """Yield what the records of ended jobs have, in pieces; the schedd stops looking when it has found ``most``."""
    htcondor, schedd = _reach(where)
    with _words(htcondor):
        found = schedd.history(constraint, list(projection), most)
    yield from _pieces(found, projection)


def act(where: Mapping[str, str], action: str, jobs: Sequence[str], reason: str) -> Iterator[int]:
    """Have the schedd do something to jobs of its queue, which it calls ``cluster.number``."""
    htcondor, schedd = _reach(where)
    with _words(htcondor):
        schedd.act(getattr(htcondor.JobAction, action), list(jobs), reason=(reason, 0))
    yield len(jobs)


def retrieve(where: Mapping[str, str], jobs: Sequence[str]) -> Iterator[int]:
    """Bring the files of spooled jobs that have ended to their folders, and let the schedd forget them."""
    htcondor, schedd = _reach(where)
    with _words(htcondor):
        schedd.retrieve(list(jobs))
        schedd.edit(list(jobs), "LeaveJobInQueue", "false")
    yield len(jobs)


def _reach(where: Mapping[str, str]) -> tuple[Any, Any]:
    """Answer the bindings, and the schedd."""
    htcondor = _bindings()
    with _words(htcondor):
        if not where["schedd"]:
            return htcondor, htcondor.Schedd()
        found = htcondor.Collector(where["pool"] or None).locate(htcondor.DaemonType.Schedd, where["schedd"])
    if found is None:
        raise BatchFailed(f"the collector {where['pool'] or 'of this machine'} knows no schedd {where['schedd']}")
    return htcondor, htcondor.Schedd(found)


@functools.cache
def _bindings() -> Any:
    try:
        import htcondor2
    except ImportError as missing:
        raise BatchMisconfigured(MISSING) from missing
    os.umask(0o077)
    htcondor2.enable_debug()  # its errors say what failed, but only this says why
    return htcondor2


@contextmanager
def _words(htcondor: Any) -> Iterator[None]:
    """Raise what the bindings raise as a failure, with the reason that they write to stderr."""
    with tempfile.TemporaryFile() as heard, _hearing(heard.fileno()):
        try:
            yield
        except (htcondor.HTCondorException, OSError, RuntimeError, TypeError, ValueError) as wrong:
            heard.seek(0)
            raise BatchFailed(reason(str(wrong), heard.read().decode(errors="replace"))) from wrong


@contextmanager
def _hearing(file: int) -> Iterator[None]:
    before = os.dup(2)
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def _pieces(ads: Sequence[Any], projection: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(ads), _PIECE):
        yield [_values(ad, projection) for ad in ads[first : first + _PIECE]]


def _values(ad: Any, projection: Sequence[str]) -> dict[str, Any]:
    values = ((name, ad.get(name)) for name in projection)
    # ClassAds' "undefined" and "error" are numbers to Python, too.
    return {
        name: value for name, value in values if isinstance(value, (str, int, float)) and not isinstance(value, Enum)
    }
