"""Everything that writes queues and storages; each description is read by the contract before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from pilot.contract.codec import ContractError
from pilot.contract.queue import QueueData
from pilot.contract.queue import StorageEndpoint as StorageData
from server.pandaconfig.merge import merge, split
from server.pandaconfig.models import Schedconfig, SchedconfigJson, StorageEndpoint


@transaction.atomic
def define_queue(data: Mapping[str, Any]) -> QueueData:
    """Make or replace a queue from one flat description (PanDA's and CRIC's keys).

    Raises:
        ContractError: the name is missing, or a value is of the wrong kind, too long or out of range.
    """
    name, columns, beside = split(data)
    read = check_queue(name, columns, beside)
    row = Schedconfig(nickname=name, **columns)
    try:
        row.full_clean(validate_unique=False)
    except ValidationError as wrong:
        key, texts = next(iter(wrong.message_dict.items()))
        raise ContractError(f"{key}: {columns.get(key, name)!r}: {' '.join(texts)}", field_name=key) from wrong
    row.save()
    SchedconfigJson.objects.update_or_create(panda_queue=row, defaults={"data": beside})
    return read


def check_queue(name: str, columns: Mapping[str, Any], beside: Any) -> QueueData:
    """Read a queue as pilots will, so that what they cannot read is refused here.

    Raises:
        ContractError: they could not.
    """
    if not isinstance(beside, Mapping):
        raise ContractError("data: a JSON object is expected", field_name="data")
    doubled = sorted(set(beside) & {"nickname", "panda_resource"})
    if doubled:
        raise ContractError(f"data: {doubled[0]} is the queue's name and has its own field", field_name="data")
    return QueueData.from_wire(merge(name, columns, beside) if name else {})


def define_storage(name: str, data: Mapping[str, Any]) -> StorageData:
    """Make or replace a storage endpoint from its entry of ``ddmendpoints.json``.

    Raises:
        ContractError: the name is missing or too long, or pilots could not read the entry.
    """
    at_most = StorageEndpoint._meta.get_field("name").max_length or 0
    if not name or len(name) > at_most:
        raise ContractError(f"name: {name!r} is not a name of 1 to {at_most} characters", field_name="name")
    read = check_storage(name, data)
    StorageEndpoint.objects.update_or_create(name=name, defaults={"data": dict(data)})
    return read


def check_storage(name: str, data: Any) -> StorageData:
    """Read a storage as pilots will.

    Raises:
        ContractError: they could not.
    """
    if not isinstance(data, Mapping):
        raise ContractError("data: a JSON object is expected", field_name="data")
    return StorageData.from_wire(name, data)
