"""The jobs of a user's task as the task buffer takes them: the template filled in for each. Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pilot.contract.codec import ContractError
from pilot.contract.job import JobOrder
from pilot.contract.order import order_from_wire
from server.production.files import SCOPE, refuse_area
from server.production.user_definition import PLACEHOLDER, Template, UserDefinition

#: A client's mark between its own arguments and the program's; it stands for nothing.
_DELIMITER = "__delimiter__"


@dataclass(frozen=True)
class UserFrame:
    """What all jobs of a user's task have in common beside its definition; the storages are "" where nobody chose."""

    task_id: int
    user: str
    label: str
    priority: int
    endpoint: str = ""
    log_endpoint: str = ""


@dataclass(frozen=True)
class InputFile:
    """A file that a task reads; ``size`` in bytes."""

    lfn: str
    scope: str
    size: int | None
    checksum: str
    guid: str
    endpoint: str


def files_of(task: UserDefinition, number: int, files: Sequence[InputFile]) -> Sequence[InputFile]:
    """Answer the input files of the job ``number``, of 1 to n."""
    per_job = task.files_per_job or 1
    return files[(number - 1) * per_job : number * per_job] if task.source else ()


def order_of(task: UserDefinition, frame: UserFrame, number: int, inputs: Sequence[InputFile] = ()) -> JobOrder:
    """Order the job ``number``, of 1 to n, with its input files.

    Raises:
        ContractError: what the template makes cannot be a job; the parameter is named.
    """
    fill = _Filling(task, frame.task_id, number, tuple(file.lfn for file in inputs))
    outputs = [_file(fill, template, "output", template.endpoint or frame.endpoint) for template in task.outputs]
    logs = [_file(fill, task.log, "log", task.log.endpoint or frame.log_endpoint)] if task.log else []
    order = order_from_wire(
        {
            "transformation": task.transformation,
            "jobName": f"{task.name}.{number:06d}",
            "jediTaskID": frame.task_id,
            "processingType": task.processing_type,
            "workingGroup": task.working_group,
            "AtlasRelease": task.release,
            "homepackage": task.home_package,
            "cmtConfig": task.platform,
            "container_name": task.container,
            "coreCount": task.cores,
            "currentPriority": frame.priority,
            "maxWalltime": task.max_walltime,
            "minRamCount": task.memory,
            "loopingCheck": task.looping_check,
            "debug": task.debug,
            "computingSite": task.queue,
            "maxAttempt": task.max_attempts,
            "jobParameters": _arguments(fill),
            "files": [*(_input(file, task) for file in inputs), *outputs, *logs],
            "allowNoOutput": [
                file["lfn"] for file, wanted in zip(outputs, task.outputs, strict=True) if wanted.may_be_missing
            ],
        }
    )
    return order._replace(spec=replace(order.spec, user=frame.user, label=frame.label))


@dataclass(frozen=True)
class _Filling:
    """What stands for the placeholders of one job."""

    task: UserDefinition
    task_id: int
    number: int
    lfns: tuple[str, ...]

    def text(self, text: str, offset: int | None = None) -> str:
        filled = PLACEHOLDER.sub(lambda found: self._value(found[1], _first(found[2], offset)), text)
        return filled.replace("$JEDITASKID", str(self.task_id))

    def _value(self, name: str, first: int | None) -> str:
        before = (self.number - 1) * self.task.events_per_job
        left = (self.task.events or 0) - before
        values: Mapping[str, str] = {
            "SN": f"{self.number:06d}",
            "SN/P": f"{self.number:06d}",
            "SEQNUMBER": str((1 if first is None else first) + self.number - 1),
            "RNDM": str((1 if first is None else first) + self.number - 1),
            "FIRSTEVENT": str((1 if first is None else first) + before),
            "SKIPEVENTS": str(before),
            "MAXEVENTS": str(min(self.task.events_per_job or left, left)),
            "IN": ",".join(self.lfns),
            "IN/L": ",".join(self.lfns),
            "IN/T": str(list(self.lfns)),
            "SURL": self.task.source_url,
        }
        return values[name]


def _first(said: str | None, offset: int | None) -> int | None:
    return offset if said is None else int(said)


def _arguments(fill: _Filling) -> list[str]:
    """Join the parts as PanDA does, with a blank after each that is not said to have none, and split as a shell."""
    text = ""
    for part in fill.task.parts:
        if part.text != _DELIMITER:
            text += fill.text(part.text, part.offset) + (" " if part.padding else "")
    try:
        return shlex.split(text)
    except ValueError as wrong:
        words = f"jobParameters: {text[:80]!r} cannot be split into arguments: {wrong}"
        raise ContractError(words, field_name="jobParameters") from wrong


def _file(fill: _Filling, template: Template, role: str, endpoint: str) -> dict[str, object]:
    lfn, dataset = fill.text(template.lfn), fill.text(template.dataset)
    refuse_area(dataset, "dataset")
    return {"lfn": lfn, "type": role, "scope": SCOPE, "dataset": dataset, "endpoint": endpoint}


def _input(file: InputFile, task: UserDefinition) -> dict[str, object]:
    dataset = task.source.dataset if task.source else ""
    plain = {"lfn": file.lfn, "type": "input", "scope": file.scope, "dataset": dataset, "fsize": file.size}
    return {**plain, "checksum": file.checksum, "GUID": file.guid, "endpoint": file.endpoint}
