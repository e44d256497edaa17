"""Queues and storages as pilots fetch them: plain JSON, the same addresses as PanDA's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from server.accounts.rules import everyone
from server.lib.http import json_response, refusal
from server.pandaconfig import queries


@everyone(because="stock pilots fetch it without an identity; it holds no secrets")
@require_safe
def queue_data(request: HttpRequest, queue: str) -> HttpResponse:
    """Answer one queue's description."""
    return _answer(request, queue, lambda found: found)


@everyone(because="stock pilots fetch it without an identity; it holds no secrets")
@require_safe
def queue_data_by_name(request: HttpRequest, queue: str) -> HttpResponse:
    """Answer one queue's description under its name: a stock pilot's second source, else a host that is far away."""
    return _answer(request, queue, lambda found: {queue: found})


def _answer(request: HttpRequest, queue: str, form: Callable[[dict[str, Any]], dict[str, Any]]) -> HttpResponse:
    try:
        return json_response(form(queries.queue_json(queue)))
    except queries.UnknownQueue as unknown:
        return refusal(request, str(unknown), status=404)


@everyone(because="stock pilots fetch it without an identity; it holds no secrets")
@require_safe
def storage_data(request: HttpRequest) -> HttpResponse:
    """Answer all storage endpoints."""
    return json_response(queries.storages_json())
