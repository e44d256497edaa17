"""Names that Harvester and others import from PanDA's pilot. Nothing of ours imports them."""

from __future__ import annotations

from pilot.info.extinfo import ExtInfoProvider, PilotConfigProvider
from pilot.info.filespec import FileSpec
from pilot.info.infoservice import InfoService
from pilot.info.queuedata import QueueData
from pilot.info.storagedata import StorageData

__all__ = ["ExtInfoProvider", "FileSpec", "InfoService", "PilotConfigProvider", "QueueData", "StorageData", "infosys"]

#: The one that callers share. What a thread does with it, no other thread notices: see `InfoService`.
infosys = InfoService()
