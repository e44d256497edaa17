"""The page of what persons have done to productions, with its twins in JSON and CSV."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from pilot.contract.codec import ContractError
from server.lib.http import envelope
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.asked import Asked, refused
from server.monitor.paging import page
from server.production.queries import audit


@readable
@require_safe
def show_audit(request: HttpRequest) -> HttpResponse:
    """Show who did what to productions, when and why, newest first."""
    try:
        asked = Asked(request, "by", "task", "kind", "words", "since", "until", "before", "csv")
        wanted = audit.Wanted(
            by=asked.text("by"),
            task=asked.text("task"),
            kind=asked.one_of("kind", audit.KINDS),
            words=asked.text("words"),
            since=audit.read_day("since", asked.text("since")),
            until=audit.read_day("until", asked.text("until")),
            before=audit.read_place(asked.text("before")),
        )
    except ContractError as wrong:
        return refused(request, wrong)
    if "csv" in asked.said:
        headers = {"Content-Disposition": 'attachment; filename="audit.csv"', "Cache-Control": "no-store"}
        lines = audit.as_csv(audit.all_deeds(wanted))
        whole = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
        return cast("HttpResponse", whole)
    found = audit.audit_page(wanted)
    if wants_json(request):
        return envelope(found.as_json())
    context: dict[str, Any] = {"page": "audit", "found": found, "wanted": wanted, "kinds": audit.KINDS}
    context |= {"kept": asked.kept("before", "csv"), "asked": bool(asked.kept("before", "csv")), "most": audit.MOST}
    return page(request, "audit", context)
