"""People are told that no worker runs by those who answer pages: each looks now and then, one of them tells.

Services that are late are told of by a service, which is late itself when all workers, or all schedules, have stopped.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, connections
from django.utils import timezone

from server.lib.processes import is_dead, own_name
from server.services import logic, queries
from server.services.registry import UnknownService
from server.services.states import Outcome

log = logging.getLogger(__name__)

#: The services that tell people: what is to be told is looked for, and sent.
NAMES = ("notify.collect", "notify.deliver")
#: So long nothing has run when it is believed that nobody runs anything.
STILL = timedelta(minutes=10)
#: Seconds after which each who answers pages looks again.
EVERY = 60.0


def still_since(now: datetime) -> datetime | None:
    """Answer since when no service has run though some are late; nothing where they run, or never have."""
    others = [line for line in queries.overview(now) if line.name not in NAMES]
    last = max((line.last_run for line in others if line.last_run is not None), default=None)
    late = any(line.late_since is not None for line in others)
    if last is None or not late or any(line.running for line in others) or now - last < STILL:
        return None
    return last


def stand_in() -> int:
    """Run the services that tell people when nobody else runs any; answer how many were run.

    They are run as workers run them: under their leases, so that of many who look one tells, and nothing is told
    twice. Belongs into a thread of its own: mails may take a while.
    """
    try:
        since = still_since(timezone.now())
        if since is None:
            return 0
        ended = [logic.run_service(name, str(own_name()), is_dead=is_dead) for name in NAMES]
        run = sum(one.outcome is not Outcome.SKIPPED for one in ended)  # by nobody else, and not just before
        if any(one.figures.get("found") for one in ended):
            log.warning("no service has run since %s: people are told from here", f"{since:%Y-%m-%d %H:%M:%S} UTC")
        return run
    except (DatabaseError, UnknownService) as wrong:  # of tables that are not up to date, too
        log.warning("whether services run could not be seen: %s", wrong)
        return 0
    finally:
        connections.close_all()  # of this thread
