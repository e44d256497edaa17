"""How the pages of this app are answered."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from server.lib.pages import answer_page


def page(request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Answer a page of this app."""
    return answer_page(request, f"monitor/{name}.html", context, status=status)
