"""Asks the server for what jobs of each resource type may take, when the first such job runs, and remembers it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Callable, Optional

from pilot.api import replies
from pilot.api.communicator import Communicator
from pilot.contract import routes
from pilot.contract.codec import Dialect
from pilot.contract.resource_types import ResourceType
from pilot.settings import Server

log = logging.getLogger(__name__)

#: What could not be had, or was not in the list, is asked for again after so many seconds.
AGAIN = 3600.0
#: Seconds that the server has for its answer: checks wait for it.
PATIENCE = 10.0


class ResourceTypeDoor(Communicator):
    """The server's door for this question."""

    def resource_types(self) -> Mapping[str, ResourceType]:
        """Fetch the list, by name.

        Raises:
            replies.ServerError: it cannot be had or read.
        """

        def send(dialect: Dialect) -> replies.Raw:
            if dialect is Dialect.LEGACY:
                return self._post(dialect, routes.RESOURCE_TYPES, "{}", {})
            return self._exchange("GET", f"{self._base}{routes.RESOURCE_TYPES_V1}")

        dialect, said = self._speak(send)
        return replies.resource_types(said, dialect)


class KnownTypes:
    """Answers one type by its name. Nobody is asked before the first question; a list that was had is kept."""

    def __init__(
        self, fetch: Callable[[], Mapping[str, ResourceType]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch, self._clock = fetch, clock
        self._known: Mapping[str, ResourceType] = {}
        self._again: Optional[float] = None

    def of(self, name: str) -> Optional[ResourceType]:
        """Answer a type; ``None`` when it is not known, and for the empty name without asking."""
        if name and name not in self._known and (self._again is None or self._clock() >= self._again):
            self._again = self._clock() + AGAIN
            try:
                self._known = self._fetch()
            except replies.ServerError as wrong:
                log.warning("resource types: %s; the limits of queue and job are used", wrong)
            else:
                if name not in self._known:
                    log.warning("resource types: the server has none named %s", name)
        return self._known.get(name)


def known_types(server: Server, token: Callable[[], str]) -> KnownTypes:
    """Answer what is known of resource types; where there is no server, nothing."""
    if not server.url:
        return KnownTypes(dict)
    hasty = replace(
        server,
        connect_timeout=min(server.connect_timeout, PATIENCE),
        read_timeout=min(server.read_timeout, PATIENCE),
    )
    return KnownTypes(ResourceTypeDoor(hasty, token).resource_types)
