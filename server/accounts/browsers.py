"""What every answer says to browsers, and that a request was encrypted on its way to the front."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

#: What no page of ours ever asks a browser for.
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class Browsers:
    """Stands before what asks whether a request is secure."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._host = next(
            (urlsplit(one).netloc for one in settings.CSRF_TRUSTED_ORIGINS if one.startswith("https:")), ""
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Take what was asked of the encrypted address for encrypted: only the front answers at that one."""
        if self._host and request.META.get("HTTP_HOST", "").lower() == self._host:
            request.META["wsgi.url_scheme"] = "https"
        answer = self._get_response(request)
        if answer.get("Content-Type", "").startswith("text/html"):
            answer.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return answer
