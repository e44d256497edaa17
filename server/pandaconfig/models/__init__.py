"""The tables of queues, clouds, storages, shares, users and their access; and what became of them."""

from __future__ import annotations

from server.pandaconfig.models.history import Change, ImportDraft, StatusHold
from server.pandaconfig.models.meta import Cloudconfig, PandaUser, Siteaccess
from server.pandaconfig.models.own import GlobalShare, StorageEndpoint, UserLimits, is_pattern
from server.pandaconfig.models.schedconfig import Schedconfig, SchedconfigJson, Status, Truth

__all__ = [
    "Change",
    "Cloudconfig",
    "GlobalShare",
    "ImportDraft",
    "PandaUser",
    "Schedconfig",
    "SchedconfigJson",
    "Siteaccess",
    "Status",
    "StatusHold",
    "StorageEndpoint",
    "Truth",
    "UserLimits",
    "is_pattern",
]
