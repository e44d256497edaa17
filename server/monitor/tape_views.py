"""The page of what was asked of tapes, in both directions."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from pilot.contract.codec import ContractError
from server.accounts.rules import may_produce
from server.lib.http import envelope
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.asked import Asked, refused
from server.monitor.paging import page
from server.monitor.production_views import missing
from server.production import queries as production
from server.production.queries import tape


@readable
@require_safe
def show_tape(request: HttpRequest) -> HttpResponse:
    """Show the requests for files from and to tape that wait or have failed, the oldest first."""
    try:
        asked = Asked(request, "task", "direction")
        name, direction = asked.text("task"), asked.one_of("direction", tape.DIRECTIONS)
    except ContractError as wrong:
        return refused(request, wrong)
    task = production.find_task(name) if name else None
    if name and task is None:
        return missing(request, "task", name)
    now = timezone.now()
    found = tape.tape_page(now, task=task, direction=direction)
    if wants_json(request):
        return envelope(found.as_json(now))
    context: dict[str, Any] = {"page": "tape", "found": found, "task": task, "direction": direction}
    context |= {"directions": tape.DIRECTIONS, "kept": asked.kept(), "asked": bool(asked.kept())}
    context |= {"may_act": may_produce(request.user), "most": tape.MOST}
    return page(request, "tape", context)
