"""A storage under PanDA's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from pilot.contract.queue import StorageEndpoint


class StorageData:
    """One storage (DDM endpoint): ``name``, ``id``, ``state``, ``is_deterministic`` and ``arprotocols`` by activity."""

    def __init__(self, data: Union[StorageEndpoint, Mapping[str, Any]]) -> None:
        """Take a storage's JSON, or what the Data API has.

        Raises:
            ContractError: it is no storage's JSON.
        """
        self.contract: StorageEndpoint = (
            data if isinstance(data, StorageEndpoint) else StorageEndpoint.from_wire(str(data.get("name", "")), data)
        )
        self.name, self.id, self.state = self.contract.name, self.contract.id, self.contract.state
        self.is_deterministic = self.contract.deterministic
        self.arprotocols = {
            activity: [{"endpoint": one.endpoint, "path": one.path, "flavour": one.scheme.upper()} for one in protocols]
            for activity, protocols in self.contract.protocols.items()
        }
