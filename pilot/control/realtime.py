"""The lane for real-time logging. It is made, with all that it needs, when the first job's lines are to be sent."""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from pilot.control.component import END, Budget, Component
from pilot.control.news import Follow, Key
from pilot.control.tails import open_file
from pilot.errors import PilotError
from pilot.job import Phase
from pilot.plugins import call
from pilot.realtime.choice import choose, of_job
from pilot.realtime.follower import Follower
from pilot.realtime.follower import Means as Following
from pilot.realtime.records import Origin
from pilot.realtime.services.base import Access
from pilot.runtime import workdir
from pilot.runtime.waking import Waking
from pilot.site.login import Login, read_login

if TYPE_CHECKING:
    import pluggy

    from pilot.control.job_secrets import JobSecrets
    from pilot.job import LogStream
    from pilot.realtime.address import Address
    from pilot.realtime.choice import Wish
    from pilot.settings import Settings

log = logging.getLogger(__name__)

LOOK: Any = object()
#: While somebody may still write in a job's directory.
WRITTEN = (Phase.RUNNING, Phase.STOPPING)


class Means(NamedTuple):
    """What the lane works with. ``base`` is the folder of the jobs' directories."""

    settings: Settings
    plugins: pluggy.PluginManager
    base: Path
    secrets: JobSecrets
    mask: Callable[[str], str]
    clock: Callable[[], float] = time.monotonic


class RealtimeLane(Component):
    """Waits for files to be written, and for news, at the same time. No job waits for it."""

    def __init__(self, budget: Budget, means: Means) -> None:
        self._waking = Waking()
        super().__init__("realtime", self._waking, budget)
        self._means, self._settings = means, means.settings.realtime
        self._follower = Follower(Following(self._settings, means.mask, open_file, means.clock))
        self._asked: dict[Key, Optional[LogStream]] = {}
        self._complaints: set[str] = set()

    def take(self) -> Any:
        item = self._next()
        if item is END:
            self._follower.finish()
            self._waking.close()
        return item

    def _next(self) -> Any:
        """Wait for an item, or for the time to look."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self.inbox.get_nowait()
            at, now = self._follower.next_look(), self._means.clock()
            if at is not None and at <= now:
                return LOOK
            waits = self._follower.noticing.works and not self._follower.noticed
            others = [self._follower.noticing] if waits else []
            if self._waking.wait(list(others), None if at is None else at - now):
                self._follower.noticed = True

    def handle(self, item: Any) -> None:
        if item is LOOK:
            return self._follower.look()
        key = item.job.key
        if item.job.phase not in WRITTEN:
            self._asked.pop(key, None)
            return self._follower.end(key)
        if item.job.phase is Phase.RUNNING:
            self._follow(key, item)
        return None

    def broke(self, item: Any, error: Exception) -> None:
        """Follow that job no more: the same would come again. Of a look, which one it was is not known."""
        for key in [item.job.key] if isinstance(item, Follow) else self._follower.followed():
            self._follower.drop(key)

    def _follow(self, key: Key, item: Follow) -> None:
        """Begin to follow a job, or follow it no more, as it is wanted now."""
        try:
            wish = choose(self._settings, item.site.queue, self._answer(key, item), debug=item.debug)
            if wish is None:
                self._follower.drop(key)
            elif not self._follower.follows(key):
                self._begin(item, wish)
        except PilotError as wrong:  # of a plugin, too
            if str(wrong) not in self._complaints:  # the next job would only say it again
                self._complaints.add(str(wrong))
                log.warning("real-time logging: %s", wrong)

    def _begin(self, item: Follow, wish: Wish) -> None:
        spec, harvester = item.job.spec, self._means.settings.harvester
        origin = Origin(spec.id, spec.attempt, spec.task_id, harvester.id, harvester.worker or None)
        access = self._access(wish.address, self._means.secrets.of(item.job.key))
        self._follower.begin(origin, workdir.of(self._means.base, spec).root, wish, access)
        log.info("job %d.%d: %s are sent to %s", *spec.key, ", ".join(wish.files), wish.address)

    def _answer(self, key: Key, item: Follow) -> Optional[LogStream]:
        """Ask the plugins, once for each job."""
        if key not in self._asked:
            self._asked[key] = None  # also of one that breaks
            found = call(self._means.plugins, "realtime_logging", spec=item.job.spec, queue=item.site.queue)
            self._asked[key] = found
        return self._asked[key]

    def _access(self, address: Address, secrets: Mapping[str, str]) -> Access:
        """Answer with what the service is reached: what the server gave with the job, else the settings' own."""
        chosen, google = self._settings, address.kind == "google-cloud-logging"
        given = of_job(secrets, address.kind)
        login = Login(*given) if given else Login() if google else self._own_login()
        file = chosen.credentials_file if google else ""
        return Access(chosen.name, login.name, login.password, chosen.certificate, chosen.authorities, file)

    def _own_login(self) -> Login:
        found = read_login(self._settings.credentials_file, "realtime.credentials_file")
        self._means.secrets.see(found.password)
        return found
