"""What those who run the server ask it: whether it lives, whether it is ready, and what it has counted."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from server.accounts.rules import READERS, allow, everyone
from server.lib import metrics
from server.manage import schema
from server.manage.figures import FIGURES
from server.monitor.access import is_open_to

TEXT = "text/plain; charset=utf-8"


@everyone(because="says only that the process answers")
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this worker answers; nothing else is looked at."""
    return HttpResponse("well\n", content_type=TEXT)


@everyone(because="says only whether calls can be answered")
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether the database answers and its tables are those of this program; 503 and the reason if not."""
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if words := _why_unfit():
            _why_unfit.cache_clear()
            return _not_ready(words)
    except DatabaseError as wrong:
        _why_unfit.cache_clear()
        return _not_ready(f"the database does not answer: {type(wrong).__name__}")
    return HttpResponse("ready\n", content_type=TEXT)


@lru_cache(maxsize=1)
def _why_unfit() -> str:
    """Look once: what was brought up to date stays so while this program runs."""
    return schema.unfit(connection)


def _not_ready(words: str) -> HttpResponse:
    return HttpResponse(f"{words}\n", status=503, content_type=TEXT)


@everyone(because="it lets in tokens that read, and this machine itself where the local start says so")
@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Answer calls, times, refusals, queues, jobs, pilots and services in the text format of Prometheus."""
    return _metrics(request) if is_open_to(request) else _metrics_by_token(request)


def _metrics(request: HttpRequest) -> HttpResponse:
    text = metrics.exposed() + FIGURES.of("")
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")


@allow(*READERS)
def _metrics_by_token(request: HttpRequest, _: Any) -> HttpResponse:
    return _metrics(request)
