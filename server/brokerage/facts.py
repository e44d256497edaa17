"""Reads what brokerage decides from out of PanDA's words: a queue's description, and a job as it is ordered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pilot.contract.codec import INTEGER, NUMBER, TEXT, TRUTH, Kind, read, says_something
from pilot.contract.job import PANDA_MB, JobOrder, JobSpec
from pilot.contract.queue import QueueData
from server.brokerage.snapshot import Input, JobNeeds, QueueFacts


def queue_facts(data: Mapping[str, Any]) -> QueueFacts:
    """Read a queue's description, as pilots are sent it.

    Raises:
        ContractError: a value is of the wrong kind.
    """
    queue = QueueData.from_wire(data)
    outputs = queue.storages_for("pw", "write_lan")
    logs = queue.storages_for("pl", "pw", "write_lan")
    return QueueFacts(
        name=queue.name,
        status=queue.status,
        type=queue.type,
        cores=queue.cores,
        memory=queue.memory,
        min_memory=_value(data, "minrss", INTEGER, 0) * PANDA_MB,
        disk=queue.max_workdir,
        max_walltime=queue.max_time,
        min_walltime=_value(data, "mintime", INTEGER, 0),
        max_input=queue.max_input_size,
        platforms=_names(data, "cmtconfig", r"[\s,]+"),  # regular expressions, which may hold bars
        releases=_names(data, "releases"),
        containers=bool(queue.container_type),
        countries=_names(data, "countrygroup"),
        other_countries=_value(data, "allowothercountry", TRUTH, True),
        groups=_names(data, "allowedgroups"),
        processing=_processing(queue.catchall),
        without_pilots="allow_no_pilot" in _tags(queue.catchall),
        pledged=int(_value(data, "pledgedcpu", NUMBER, 0)),
        transferring_limit=_value(data, "transferringlimit", INTEGER, 0),
        storages=tuple(dict.fromkeys([*queue.storages_for("pr", "read_lan"), *queue.far_storages])),
        output_storage=outputs[0] if outputs else "",
        log_storage=logs[0] if logs else "",
    )


def needs_of(spec: JobSpec) -> JobNeeds:
    """Answer what a job asks of its queue."""
    return JobNeeds(
        label=spec.label,
        cores=spec.cores,
        memory=spec.memory,
        disk=spec.disk,
        walltime=spec.max_walltime,
        platform=spec.platform,
        release=spec.release,
        container=spec.container,
        processing_type=spec.processing_type,
        group=spec.working_group,
        user=spec.user,
        priority=spec.priority,
        inputs=tuple(Input(file.dataset, file.lfn, file.size, file.endpoint) for file in spec.inputs),
    )


def at_queue(order: JobOrder, queue: QueueFacts) -> JobOrder:
    """Answer an order that is sent to a queue; files that name no storage go to the queue's own."""
    spec = order.spec
    outputs = tuple(file.evolve(endpoint=file.endpoint or queue.output_storage) for file in spec.outputs)
    log = spec.log and spec.log.evolve(endpoint=spec.log.endpoint or queue.log_storage)
    return order._replace(queue=queue.name, spec=replace(spec, outputs=outputs, log=log))


def _tags(catchall: str) -> list[str]:
    return [tag for tag in re.split(r"[\s,]+", catchall) if tag]


def _processing(catchall: str) -> tuple[str, ...]:
    """Read which processing types a queue takes, and with a ``!`` before them those that it does not take."""
    found: list[str] = []
    for key, sign in (("allowed_processing=", ""), ("excluded_processing=", "!")):
        for tag in _tags(catchall):
            if tag.startswith(key):
                found += [sign + name for name in tag.removeprefix(key).split("|") if name]
    return tuple(found)


def _value(data: Mapping[str, Any], key: str, kind: Kind, default: Any) -> Any:
    return read(data[key], kind, key) if says_something(data.get(key)) else default


def _names(data: Mapping[str, Any], key: str, between: str = r"[\s,|]+") -> tuple[str, ...]:
    """Read a list, or PanDA's text of names with commas, blanks or bars between them."""
    raw = data.get(key)
    if isinstance(raw, (list, tuple)):
        return tuple(read(name, TEXT, key) for name in raw)
    text = read(raw, TEXT, key) if says_something(raw) else ""
    return tuple(name for name in re.split(between, text) if name)
