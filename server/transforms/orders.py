"""How a job of ours is handed to a pilot of PanDA's makers: a program to fetch, and the job as its argument."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from pilot.contract import naming
from pilot.contract.codec import OBJECT, TEXT, ContractError, no_such_field, read
from pilot.contract.job import FileSpec, Role
from pilot.contract.job_wire import NULL, from_panda, to_panda
from pilot.contract.queue import QueueData
from server.transforms.compass_job import LOG
from server.transforms.served import BUNDLE, transform

#: The key of a queue's ``params`` that has stock pilots run its jobs, and what may stand there.
KEY = "stock_pilots"
KNOWN = ("transform", "bundle", "sha256")
_HASH, _PLAIN = re.compile("[0-9a-f]{64}"), re.compile(r"[A-Za-z0-9_.:/@%+=~-]+")
#: What of a queue's description a job is run by, beside its storages.
_OF_QUEUE = ("environ", "appdir", "catchall", "container_type", "container_options")


@dataclass(frozen=True)
class StockOrder:
    """What a queue says of stock pilots: the addresses of program and bundle, and the bundle's hash."""

    transform: str
    bundle: str
    sha256: str
    queue: Mapping[str, Any] = field(default_factory=dict)

    def wrapped(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a handed-out job as a stock pilot can run it; one that names an address it runs as it is."""
        if naming.is_address(str(job["transformation"])) or job.get("eventService"):
            return dict(job)
        order = {"job": _inner(job), "queue": self.queue}
        text = quote(json.dumps(order, separators=(",", ":")), safe="/:,-_.~")
        outer = {
            **job,
            "transformation": self.transform,
            "jobPars": f"--bundle {self.bundle} --sha256 {self.sha256} --job {text}",
        }
        for name in _NOT_ABOVE:
            outer.pop(name, None)
        return outer


#: Jobs' secrets are given to the pilot above alone, and never stand in arguments.
_ABOVE = ("useSecrets",)
#: What our own pilot does for the job, and the pilot above it therefore must not.
_NOT_ABOVE = ("container_name", "containerOptions", "preprocess", "postprocess", "coprocess", "isHPO")


def _inner(job: Mapping[str, Any]) -> dict[str, Any]:
    """Write the job for our own pilot: its files lie in one folder, and its log is a file beside its outputs."""
    spec = from_panda(job)
    inner = replace(
        spec,
        inputs=tuple(_plain(file) for file in spec.inputs),
        outputs=tuple(_plain(file) for file in spec.outputs),
        log=FileSpec(LOG, Role.LOG),
        signature="",
        direct=False,
    )
    return {name: value for name, value in to_panda(inner).items() if value not in (NULL, "") and name not in _ABOVE}


def _plain(file: FileSpec) -> FileSpec:
    return FileSpec(file.lfn, file.role, size=file.size, checksum=file.checksum)


def order_of(queue: QueueData) -> StockOrder | None:
    """Answer what a queue says of stock pilots; ``None`` when it says nothing.

    Raises:
        ContractError: what it says cannot be meant, or no bundle is known.
    """
    if KEY not in queue.params:
        return None
    where = f"queue {queue.name}: params.{KEY}"
    said = read(queue.params[KEY], OBJECT, where)
    for key in said:
        if key not in KNOWN:
            raise no_such_field(key, KNOWN, where)
    texts = {key: read(value, TEXT, f"{where}.{key}") for key, value in said.items()}
    address = texts.get("transform", "")
    if not naming.is_address(address) or not naming.transformation_file(address) or not _PLAIN.fullmatch(address):
        raise ContractError(f"{where}.transform: {address!r} is not an address like https://server/trf/compass-job")
    served = transform(BUNDLE)
    sha256 = texts.get("sha256") or (served.sha256 if served else "")
    if not sha256:
        raise ContractError(f"{where}.sha256: missing, and this server has no bundle; set COMPASS_SERVER_BUNDLE")
    if not _HASH.fullmatch(sha256):
        raise ContractError(f"{where}.sha256: {sha256!r} is not a SHA-256 of 64 hex digits")
    bundle = texts.get("bundle") or f"{address.rpartition('/')[0]}/{BUNDLE}"
    if not _PLAIN.fullmatch(bundle):
        raise ContractError(f"{where}.bundle: {bundle!r} is not an address or path without blanks and quotes")
    return StockOrder(address, bundle, sha256, {"nickname": queue.name, **_of_queue(queue)})


def _of_queue(queue: QueueData) -> dict[str, Any]:
    found = {name: value for name in _OF_QUEUE if (value := getattr(queue, name))}
    params = {name: value for name, value in queue.params.items() if name != KEY}
    return {**found, **({"params": params} if params else {})}
