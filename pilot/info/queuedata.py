"""A queue under PanDA's names for what a queue says; some of them may be assigned to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Union

from pilot.contract.queue import QueueData as Contract

#: What is under another name in PanDA's pilot.
_RENAMED = {"resource": "name", "corecount": "cores", "maxtime": "max_time"}
#: What callers may change, and the Data API then goes by.
_CHANGEABLE = ("acopytools", "astorages", "copytools", "params", "allow_lan", "allow_wan")


class QueueData:
    """One queue. ``direct_access_lan`` and ``direct_access_wan`` may be assigned to; files are copied in any case."""

    def __init__(self, data: Union[Contract, Mapping[str, Any]]) -> None:
        """Take a queue's JSON, or what the Data API has.

        Raises:
            ContractError: it is no queue's JSON.
        """
        self._contract = contract = data if isinstance(data, Contract) else Contract.from_wire(data)
        vars(self).update({name: value for name, value in vars(contract).items() if name not in _CHANGEABLE})
        vars(self).update({name: getattr(contract, other) for name, other in _RENAMED.items()})
        self.acopytools = {activity: list(tools) for activity, tools in contract.acopytools.items()}
        self.astorages = {activity: list(names) for activity, names in contract.astorages.items()}
        self.copytools, self.params = dict(contract.copytools), dict(contract.params)
        self.allow_lan, self.allow_wan = contract.allow_lan, contract.allow_wan
        self.direct_access_lan, self.direct_access_wan = contract.direct_access_lan, contract.direct_access_wan

    def contract(self) -> Contract:
        """Answer the queue as the Data API takes it, with what was changed meanwhile."""
        changed: dict[str, Any] = {name: getattr(self, name) for name in _CHANGEABLE}
        for name in ("acopytools", "astorages"):
            changed[name] = {activity: tuple(names) for activity, names in (changed[name] or {}).items()}
        return replace(self._contract, **changed)

    def __getattr__(self, name: str) -> Any:
        """Tell what a queue does not say from what it says under another name."""
        known = ", ".join(sorted(other for other in vars(self) if not other.startswith("_")))
        raise AttributeError(f"queues have no {name!r} here; there are {known}")
