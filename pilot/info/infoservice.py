"""What the clients know of a queue and its storages, under PanDA's names."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Optional

from pilot.common.exception import PilotException
from pilot.contract.codes import ErrorCode
from pilot.info.extinfo import ExtInfoProvider, PilotConfigProvider
from pilot.info.queuedata import QueueData
from pilot.info.storagedata import StorageData


class _State:
    """What one thread has set."""

    def __init__(self) -> None:
        self.pandaqueue: Optional[str] = None
        self.queuedata: Optional[QueueData] = None
        self.confinfo: Optional[PilotConfigProvider] = None
        self.extinfo = ExtInfoProvider()
        self.jobinfo: Any = None


_NAMES = tuple(vars(_State()))


class InfoService:
    """A queue, its storages, and where they are described. Thread-safe: each thread that calls `init` has its own.

    A thread that has not, sees what was set last: by whichever thread.
    """

    pandaqueue: Optional[str]
    queuedata: Any
    confinfo: Optional[PilotConfigProvider]
    extinfo: ExtInfoProvider
    jobinfo: Any

    def __init__(self) -> None:
        vars(self).update(_here=threading.local(), _latest=_State())

    def init(
        self,
        pandaqueue: str,
        confinfo: Optional[PilotConfigProvider] = None,
        extinfo: Optional[ExtInfoProvider] = None,
        jobinfo: Any = None,
    ) -> None:
        """Read what a queue is, for this thread.

        Raises:
            PilotException: its description cannot be had or read; what was set before stays.
        """
        if not pandaqueue:
            raise PilotException("pandaqueue: no queue is named; give the name of one", code=ErrorCode.QUEUEDATA)
        new = _State()
        new.confinfo = confinfo or PilotConfigProvider()
        new.extinfo = extinfo or ExtInfoProvider(config=new.confinfo)
        new.pandaqueue, new.jobinfo = pandaqueue, jobinfo
        new.queuedata = new.extinfo.resolve_queuedata(pandaqueue)
        self._keep(new)

    def resolve_queuedata(self, pandaqueue: str) -> QueueData:
        """Answer any queue; raises `PilotException`."""
        return self.extinfo.resolve_queuedata(pandaqueue)

    def resolve_storage_data(self, ddmendpoints: Sequence[str] = ()) -> dict[str, StorageData]:
        """Answer storages by name, all when none is named; raises `PilotException`."""
        return self.extinfo.resolve_storage_data(ddmendpoints)

    def resolve_ddmendpoint_storageid(self, ddmendpoint: Sequence[str] = ()) -> dict[str, int]:
        """Answer the numbers of storages by name, all when none is named; raises `PilotException`."""
        return {name: storage.id for name, storage in self.resolve_storage_data(ddmendpoint).items()}

    def get_storage_id(self, ddmendpoint: str) -> int:
        """Answer a storage's number; raises `PilotException` when there is no such storage."""
        found = self.resolve_ddmendpoint_storageid([ddmendpoint])
        if ddmendpoint not in found:
            raise _no_storage(f"storage {ddmendpoint} is not known")
        return found[ddmendpoint]

    def get_ddmendpoint(self, storage_id: int) -> str:
        """Answer the name of the storage that has a number; raises `PilotException` when none has."""
        for name, number in self.resolve_ddmendpoint_storageid().items():
            if number == int(storage_id):
                return name
        raise _no_storage(f"no storage has number {storage_id}")

    def _keep(self, state: _State) -> None:
        self._here.state = state
        vars(self)["_latest"] = state

    def _state(self) -> _State:
        found: _State = getattr(self._here, "state", None) or self._latest
        return found

    def __getattr__(self, name: str) -> Any:
        """Answer what this thread has set, or else what was set last."""
        if name not in _NAMES:
            raise AttributeError(f"infosys has no {name!r}; there are {', '.join(_NAMES)} and methods")
        return getattr(self._state(), name)

    def __setattr__(self, name: str, value: object) -> None:
        """Set something for this thread, and for those that have set nothing."""
        if name not in _NAMES:
            raise AttributeError(f"infosys has no {name!r}; {', '.join(_NAMES)} may be set")
        new = _State()
        vars(new).update({**vars(self._state()), name: value})
        self._keep(new)


def _no_storage(words: str) -> PilotException:
    return PilotException(words, code=ErrorCode.NO_STORAGE)
