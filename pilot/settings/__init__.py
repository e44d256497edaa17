"""What an admin may tune, and where it is read from; nothing outside this package reads the environment."""

from __future__ import annotations

from pilot.settings.everything import SECTIONS, Settings
from pilot.settings.harvesting import Mode, mode_of, worker_of
from pilot.settings.loading import (
    Layer,
    Loaded,
    environment,
    from_environment,
    layers,
    load,
    read_file,
)
from pilot.settings.sections import (
    Credentials,
    Monitor,
    Payload,
    PayloadLimits,
    Queue,
    Server,
    Verify,
)
from pilot.settings.token import Token

__all__ = [
    "SECTIONS",
    "Credentials",
    "Layer",
    "Loaded",
    "Mode",
    "Monitor",
    "Payload",
    "PayloadLimits",
    "Queue",
    "Server",
    "Settings",
    "Token",
    "Verify",
    "environment",
    "from_environment",
    "layers",
    "load",
    "mode_of",
    "read_file",
    "worker_of",
]
