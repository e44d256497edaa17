"""The page of the production summary, with its twins in JSON and CSV."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from pilot.contract.codec import ContractError
from server.lib.http import envelope, refusal
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.paging import page
from server.monitor.summary_chart import draw
from server.production.queries import summary

_CHUNKS = (("s2", "finished"), ("s6", "failed or for a person"), ("s7", "not ended"))
_BYTES = (("s4", "on tape"), ("s0", "on disk alone"))


@readable
@require_safe
def show_summary(request: HttpRequest) -> HttpResponse:
    """Show what productions have made by year, period, slot or what is asked for, as charts and a table."""
    said = request.GET.dict()
    try:
        question = summary.read_question({name: str(text) for name, text in said.items()})
    except ContractError as wrong:
        if wants_json(request):
            return refusal(request, str(wrong), status=400)
        slip = {"page": "summary", "wrong": str(wrong), "said": said, "keys": summary.KEYS}
        return page(request, "summary", slip, status=400)
    if "csv" in said:
        headers = {"Content-Disposition": 'attachment; filename="production.csv"', "Cache-Control": "no-store"}
        lines = StreamingHttpResponse(summary.as_csv(question), content_type="text/csv; charset=utf-8", headers=headers)
        return cast("HttpResponse", lines)
    found = summary.summary_of(question)
    if wants_json(request):
        return envelope(found.as_json())
    names = [" · ".join(line.keys) for line in found.lines]
    sums = [line.sums for line in found.lines]
    by = ", ".join(found.by)
    context: dict[str, Any] = {
        "page": "summary",
        "said": question.said,
        "keys": summary.KEYS,
        "summary": found,
        "query": urlencode({name: text for name, text in question.said.items() if text}),
        "chunks": draw(names, [(one.finished, one.failed, one.left) for one in sums], _CHUNKS, f"Chunks by {by}"),
        "bytes": draw(
            names,
            [(one.taped_bytes, max(0, one.result_bytes - one.taped_bytes)) for one in sums],
            _BYTES,
            f"Bytes of results by {by}",
        ),
        "most": summary.MOST,
    }
    return page(request, "summary", context)
