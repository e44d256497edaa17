"""What tasks can choose from, over HTTP: for the client's lists and for forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from server.accounts.rules import READERS, Identity, allow
from server.lib.arguments import described
from server.lib.http import envelope, refusal
from server.production.reference import lists


def _list(request: HttpRequest, read: Callable[[], list[dict[str, Any]]]) -> HttpResponse:
    if request.method != "GET":
        return refusal(request, f"method {request.method} is not taken here; use GET")
    if request.GET:
        return refusal(request, f"{next(iter(request.GET))}: no such argument; known are none")
    return envelope(read())


@described("GET")
@allow(*READERS)
def list_sites(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer the sites that tasks may name, with what each fills in and the limits that hold there."""
    return _list(request, lists.sites_json)


@described("GET")
@allow(*READERS)
def list_types(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer the types of task: the chain that each follows, and what its tasks have unless they say so."""
    return _list(request, lists.kinds_json)


@described("GET")
@allow(*READERS)
def list_templates(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer the templates that tasks may name; an empty list: any."""
    return _list(request, lists.templates_json)


@described("GET")
@allow(*READERS)
def list_releases(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer the software releases that tasks may name; an empty list: any."""
    return _list(request, lists.releases_json)
