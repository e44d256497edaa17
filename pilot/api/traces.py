"""Traces of copies, as PanDA's pilots send them to Rucio, which learns from them what is read and how well."""

from __future__ import annotations

import hashlib
import os
import socket
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.contract.version import PRODUCT
from pilot.copytool.routes import ANALYSIS_LABELS
from pilot.copytool.trace import Trace

if TYPE_CHECKING:
    import requests

    from pilot.settings import Server

#: Who sends them.
VERSION = f"compass-pilot {PRODUCT}"
#: Characters of a failure's words.
WORDS = 500


class NotTaken(Exception):
    """Rucio did not take a trace; the words say why."""


def trace_of(spec: JobSpec, queue: QueueData, trace: Trace) -> Mapping[str, Any]:
    """Write one try to copy a file as a trace of Rucio's.

    Args:
        spec: The job whose file it is.
        queue: Where it runs.
        trace: How the try went.

    Returns:
        All but what is known of the node alone (``hostname``, ``ip``). Times are seconds since 1970, sizes bytes.
    """
    copied = trace.began + trace.copying
    reason = f"{trace.kind}: {trace.error}" if trace.kind and trace.error else trace.kind or trace.error or "OK"
    return {
        "eventType": _event(spec, trace),
        "eventVersion": VERSION,
        "protocol": trace.protocol or trace.tool,
        "clientState": _state(trace),
        "stateReason": reason[:WORDS],
        "localSite": queue.site or queue.name,
        "remoteSite": trace.endpoint,
        "timeStart": trace.began,
        "catStart": trace.began,
        "relativeStart": trace.began,
        "transferStart": trace.began,
        "validateStart": copied,
        "timeEnd": copied + trace.verifying,
        "scope": trace.scope,
        "dataset": trace.dataset,
        "version": None,
        "duid": None,
        "filename": trace.lfn,
        "guid": trace.guid.replace("-", ""),
        "filesize": trace.size,
        "url": trace.source if trace.direction == "in" else trace.target,
        "usr": hashlib.md5(spec.user.encode(), usedforsecurity=False).hexdigest(),
        "usrdn": spec.user,
        "appid": str(spec.id),
        "taskid": str(spec.task_id or ""),
        "pq": queue.name,
        "suspicious": "0",
        # The same for all traces of one attempt.
        "uuid": uuid.uuid5(uuid.NAMESPACE_OID, f"{queue.name}/{spec.name}/{spec.id}.{spec.attempt}").hex,
    }


class TraceSender:
    """Posts traces, one at a time and over a connection that is kept; for one thread.

    ``address`` is Rucio's for traces, ``timeout`` the seconds that it has to take one.
    """

    def __init__(self, address: str, timeout: float, server: Server) -> None:
        self._address, self._timeout, self._server = address, timeout, server
        self._session: Optional[requests.Session] = None
        self._node: Mapping[str, str] = {}

    def send(self, trace: Mapping[str, Any]) -> None:
        """Send one.

        Raises:
            NotTaken: no answer in time, or another one than that it is taken.
        """
        import requests

        self._node = self._node or _name_node()
        until = time.monotonic() + self._timeout
        try:
            with self._opened().post(
                self._address,
                json={**trace, **self._node},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as answer:
                if answer.status_code not in (200, 201):
                    raise NotTaken(f"HTTP {answer.status_code}")
                for _ in answer.iter_content(1024):  # or the connection would not be kept
                    if time.monotonic() > until:
                        break
        except (requests.RequestException, OSError) as wrong:  # OSError: a file of certificates that is not there
            self.close()
            raise NotTaken(f"{type(wrong).__name__}: {wrong}") from wrong

    def close(self) -> None:
        """Let the connection go."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _opened(self) -> requests.Session:
        if self._session is None:
            from pilot.runtime import web

            self._session = web.session(self._server)
        return self._session


def _event(spec: JobSpec, trace: Trace) -> str:
    way = "get_sm" if trace.direction == "in" else "put_sm"
    return f"{way}_a" if spec.label in ANALYSIS_LABELS else way


def _state(trace: Trace) -> str:
    if not trace.well:
        return "FAILED"
    return "FOUND_ROOT" if trace.direct else "DONE"  # Rucio's word for a file that is read where it lies


def _name_node() -> Mapping[str, str]:
    name = os.uname().nodename
    try:
        return {"hostname": name, "ip": socket.gethostbyname(name)}
    except OSError:
        return {"hostname": name, "ip": ""}
