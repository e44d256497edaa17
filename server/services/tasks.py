"""The one Celery task of the server, which runs a service by name; and the services' own housekeeping."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task
from celery.exceptions import Ignore
from celery.worker import state

from server.lib.processes import is_dead, own_name
from server.services import logic, schedules
from server.services.registry import Figures, Turn, periodic
from server.services.states import Asked, Outcome


class ServiceFailed(Exception):
    """A service failed; its run's line in the history has the words."""


@shared_task(name=schedules.TASK, bind=True, throws=(ServiceFailed,))
def run(self: Task[Any, Any], name: str, asked: str = Asked.SCHEDULE.value) -> dict[str, object]:
    """Run a service. Quiet runs leave no result behind: they are counted in the service's history."""
    ended = logic.run_service(
        name,
        str(own_name()),
        asked=Asked(asked),
        is_dead=is_dead,
        is_stopping=lambda: state.should_stop is not None,
        message=self.request.id or "",
    )
    if ended.outcome is Outcome.FAILED:
        raise ServiceFailed(ended.words)
    if ended.outcome in (Outcome.NOTHING, Outcome.SKIPPED):
        raise Ignore
    return {"outcome": ended.outcome.value, **ended.figures}


@periodic("services.prune", every=3600, limit=300)
def prune(turn: Turn) -> Figures:
    """Delete old lines of the services' history, and old results."""
    return {"deleted": logic.prune(), "results": logic.prune_results(turn.now)}
