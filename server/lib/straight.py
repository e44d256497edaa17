"""Calls in PanDA's dialects go straight to their view: sessions, logins, messages and static files are of pages.

What pages pass through costs as much as what a heartbeat does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import Resolver404, ResolverMatch, resolve

from server.lib.http import dialect_of

Answer = Callable[[HttpRequest], HttpResponse]

#: What of Django's middleware is of calls, too: whom the server answers to, lengths, and what browsers are told.
OF_CALLS: tuple[Callable[[Answer], Any], ...] = (SecurityMiddleware, CommonMiddleware, XFrameOptionsMiddleware)


class Straight:
    """Django's middleware: hands calls to their views itself, and everything else on."""

    def __init__(self, get_response: Answer) -> None:
        self._pages = get_response
        self._call: Any = convert_exception_to_response(_call)
        for middleware in reversed(OF_CALLS):
            self._call = convert_exception_to_response(middleware(self._call))
        self._known: dict[str, ResolverMatch] = {}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        match = None if dialect_of(request) is None else self._match(request.path_info)
        # A view that wants Django's token against forged forms is a page's.
        if match is None or not getattr(match.func, "csrf_exempt", False):
            return self._pages(request)
        request.resolver_match = match
        answer: HttpResponse = self._call(request)
        return answer

    def _match(self, path: str) -> ResolverMatch | None:
        """Find the view of an address; one that has nothing variable is found once."""
        if found := self._known.get(path):
            return found
        try:
            match = resolve(path)
        except Resolver404:
            return None
        if not match.kwargs:
            self._known[path] = match
        return match


def _call(request: HttpRequest) -> HttpResponse:
    match: Any = request.resolver_match
    answer: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return answer
