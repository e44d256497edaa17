"""The page of families of tasks: which takes its files from which."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from pilot.contract.codec import ContractError
from server.lib.http import envelope
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.asked import Asked, refused
from server.monitor.paging import page
from server.monitor.production_views import missing
from server.production import queries as production
from server.production.queries import tree


@readable
@require_safe
def show_tree(request: HttpRequest) -> HttpResponse:
    """Show which tasks take their files from which, of all or of the family of one."""
    try:
        asked = Asked(request, "task", "alone", "page")
        name, alone, number = asked.text("task"), asked.one_of("alone", ("1",)) == "1", asked.page()
    except ContractError as wrong:
        return refused(request, wrong)
    task = production.find_task(name) if name else None
    if name and task is None:
        return missing(request, "task", name)
    found = tree.tree_of(task) if task else tree.tree_of_all(alone=alone, number=number)
    if wants_json(request):
        return envelope(found.as_json())
    context: dict[str, Any] = {"page": "tree", "found": found, "alone": alone, "kept": asked.kept("page")}
    context |= {"lines": list(tree.lines(found.families)), "depth": tree.DEPTH}
    return page(request, "tree", context)
