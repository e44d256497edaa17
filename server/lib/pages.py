"""How every page is answered: rendered, fresh, and loading nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


def wants_json(request: HttpRequest) -> bool:
    """Say whether a page's JSON twin is asked for: by ``?json``, or by what the caller accepts."""
    return "json" in request.GET or request.headers.get("Accept", "").startswith("application/json")


def answer_page(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Answer a page; its template gets the time as ``now``."""
    context.setdefault("now", timezone.now())
    answer = render(request, template, context, status=status)
    # Everything comes from this server; a page that was tampered with loads nothing from elsewhere, and sends nothing.
    answer["Content-Security-Policy"] = (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    )
    answer["Cache-Control"] = "no-store"
    return answer
