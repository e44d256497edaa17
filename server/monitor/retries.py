"""What the rules for retries would have done with past failures, for clients."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from pilot.contract.codec import INTEGER
from server.accounts.rules import READERS, Identity, allow
from server.lib.arguments import Argument, described
from server.lib.http import envelope, refusal
from server.taskbuffer import queries as taskbuffer

#: As far back as failures are looked at, in days.
MOST_DAYS = 366


@described(
    "GET",
    takes=(
        Argument("days", INTEGER, "How far back, from 1 to 366.", 7),
        Argument("disabled", INTEGER, "1: as if all rules were enabled.", 0),
    ),
)
@allow(*READERS)
@require_safe
def preview_retry_rules(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer what the rules would have done with the failures of the last ``days``; with ``disabled=1`` all rules."""
    text = request.GET.get("days", "7")
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MOST_DAYS):
        return refusal(request, f"days: {text!r} is not a whole number from 1 to {MOST_DAYS}")
    found = taskbuffer.retry_preview(days=int(text), disabled=request.GET.get("disabled") == "1")
    return envelope(
        {
            "since": found.since.isoformat(),
            "complete": found.complete,
            "failures": sum(line.failures for line in found.lines),
            "lines": [asdict(line) for line in found.lines],
        }
    )
