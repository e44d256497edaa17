"""What Django is told of browsers: cookies, the address of the pages, and how long sessions live."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from server.settings.environment import Environment


def browser_settings(said: Environment) -> dict[str, Any]:
    """Answer Django's settings for browsers.

    Raises:
        ImproperlyConfigured: the address of the pages cannot be meant.
    """
    origin = origin_of(said.public_url)
    by_tls = origin.startswith("https://")
    return {
        "SESSION_COOKIE_SECURE": by_tls,
        "CSRF_COOKIE_SECURE": by_tls,
        "SESSION_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_HTTPONLY": True,  # forms bring it, and no script of ours reads it
        "SESSION_COOKIE_SAMESITE": "Lax",  # who comes back from an issuer, or by a link in a mail, is logged in
        "CSRF_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_AGE": said.session_idle_minutes * 60,
        "SESSION_COOKIE_NAME": "__Host-sessionid" if by_tls else "sessionid",
        "CSRF_COOKIE_NAME": "__Host-csrftoken" if by_tls else "csrftoken",
        "CSRF_TRUSTED_ORIGINS": [origin] if origin else [],
        "SECURE_HSTS_SECONDS": said.hsts_days * 86400 if by_tls else 0,
        "SECURE_CONTENT_TYPE_NOSNIFF": True,
    }


def origin_of(address: str) -> str:
    """Answer scheme, host and port of the address of the pages, as browsers write them; "" for none.

    Raises:
        ImproperlyConfigured: it is no such address.
    """
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as wrong:
        raise ImproperlyConfigured(f"COMPASS_SERVER_PUBLIC_URL: {address!r}: {wrong}") from wrong
    odd = parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in {"https", "http"} or not parts.hostname or odd:
        raise ImproperlyConfigured(f"COMPASS_SERVER_PUBLIC_URL: {address!r} is not https://host or https://host:port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else "")
