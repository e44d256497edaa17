"""The page of what was used, with its twins in JSON and CSV, and the same for clients."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from pilot.contract.codec import INTEGER, TEXT, ContractError
from server.accounting import queries as accounting
from server.accounting.queries import DIMENSIONS, Used, Wanted
from server.accounts.rules import READERS, Identity, NotAllowed, allow
from server.lib.arguments import Argument, bind, described
from server.lib.http import envelope, refusal
from server.lib.pages import wants_json
from server.monitor import usage
from server.monitor.access import readable_by
from server.monitor.paging import page
from server.monitor.usage_chart import Chart, draw


@readable_by
@require_safe
def show_usage(request: HttpRequest, identity: Identity | None) -> HttpResponse:
    """Show what was used by day, as a chart and a table, and how tries failed; a user is shown its own usage alone."""
    said, now = request.GET.dict(), timezone.now()
    try:
        question = usage.read_question(said, now)
        wanted = usage.narrowed(question.wanted, identity)
        if "csv" in said:
            return _file(usage.as_csv(wanted), f"usage-{wanted.first}-{wanted.last}.csv")
    except ContractError as wrong:
        return _wrong(request, str(wrong), 400)
    except NotAllowed as wrong:
        return _wrong(request, str(wrong), 403)
    if wants_json(request):
        return envelope(usage.answer_of(question, wanted))
    used = accounting.used_by_some(wanted, question.by, most=usage.MOST_NAMES)
    context = {
        **{"page": "usage", "said": {**question.said, "by": question.by, "days": question.days}},
        **{"wanted": wanted, "days_from": question.days_from, "by": question.by, "choices": tuple(DIMENSIONS)},
        **{"query": urlencode({name: text for name, text in question.said.items() if text})},
        **{"total": usage.TableLine("all", "", used.total), "lines": usage.table_of(question, used)},
        **{"causes": [(cause, usage.name_of(cause.source, cause.code)) for cause in used.causes]},
        **{"chart": _chart(wanted, used) if used.lines else None},
    }
    return page(request, "usage", context)


def _chart(wanted: Wanted, used: Used) -> Chart:
    hours = {(line.day, line.of): line.core_hours for line in used.lines}
    names = used.names
    if used.left_out:  # beyond the colours, where all names are drawn as one
        shown: defaultdict[date, float] = defaultdict(float)
        for line in used.lines:
            shown[line.day] += line.core_hours
        hours |= {
            (line.day, _OTHERS): max(0.0, line.core_hours - shown[line.day]) for line in accounting.by_day(wanted)
        }
        names = (*names, _OTHERS)
    return draw(hours, names, wanted.first, wanted.last)


#: No name ends with a blank.
_OTHERS = "others "


def _file(text: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


def _wrong(request: HttpRequest, words: str, status: int) -> HttpResponse:
    if wants_json(request):
        return refusal(request, words, status=status)
    context = {"page": "usage", "wrong": words, "said": request.GET.dict(), "choices": tuple(DIMENSIONS)}
    return page(request, "usage", context, status=status)


TAKES = (
    Argument("user", TEXT, "Of this user alone.", ""),
    Argument("group", TEXT, "Of this working group alone.", ""),
    Argument("site", TEXT, "Of this site's queues, or of this queue, alone.", ""),
    Argument("task", TEXT, "Of this task alone, by number or name.", ""),
    Argument("label", TEXT, "Of jobs of this prodSourceLabel alone.", ""),
    Argument("days", INTEGER, f"How many days, from 1 to {usage.MOST_DAYS}.", usage.DAYS),
    Argument("last", TEXT, "The last of them, as 2026-11-21; today, by UTC, when left out.", ""),
    Argument("by", TEXT, f"What each day is told apart by: {', '.join(DIMENSIONS)}.", usage.BY),
    Argument("limit", INTEGER, f"Most names, from 1 to {usage.MOST_NAMES_OF_ANSWER}.", usage.NAMES_OF_ANSWER),
    Argument("offset", INTEGER, "So many of those who used most are passed over.", 0),
)


@described("GET", takes=TAKES)
@allow(*READERS)
@require_safe
def get_usage(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer what was used, by day: jobs, tries, core-seconds, CPU seconds, files and bytes; and how tries failed.

    A user is answered its own usage alone, a site's administrator that of its queues. Lines are of the names that used
    most; ``left_out`` says how many names come after these, and the totals are of all.
    """
    try:
        said = bind(TAKES, request.GET.dict())
        question = usage.read_question({name: str(value) for name, value in said.items()}, timezone.now())
    except ContractError as wrong:
        return refusal(request, f"Argument error: {wrong}")
    return envelope(usage.answer_of(question, usage.narrowed(question.wanted, identity)))
