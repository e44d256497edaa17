"""Refuses what asks for a name that no database holds: with NUL in it PostgreSQL breaks off, and others find nothing.

It stands before pages alone: calls read their arguments by the contract, which has no NUL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.http import HttpRequest, HttpResponse

from server.lib.http import refusal

_WORDS = "a character of the number 0 is in {}; no name has one. Leave it out"


class Nameable:
    """Django's middleware; costs some microseconds per page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        where = next((where for where, text in _texts(request) if "\0" in text), "")
        if not where:
            return self._get_response(request)
        return refusal(request, _WORDS.format(where), status=400)


def _texts(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield what a request says, with words for where it says so."""
    yield "the address", request.path_info
    yield "a cookie", "".join(request.COOKIES.values())
    for name, values in request.GET.lists():
        yield f"{name[:40]!r} of the address", name + "".join(map(str, values))
    if request.method == "POST" and request.content_type == "application/x-www-form-urlencoded":
        for name, values in request.POST.lists():
            yield f"{name[:40]!r} of the form", name + "".join(map(str, values))
