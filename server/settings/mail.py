"""Django's mail settings, from the environment; the password is in a file that nobody else may read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from server.settings.environment import Environment

SECURITIES = ("starttls", "tls", "none")


def mail_settings(environment: Environment) -> dict[str, Any]:
    """Answer Django's settings.

    Raises:
        ImproperlyConfigured: the way to keep the connection secret is none of those known, or the password's file
            cannot be used.
    """
    security = environment.smtp_security
    if security not in SECURITIES:
        raise ImproperlyConfigured(f"COMPASS_SERVER_SMTP_SECURITY: {security!r} is none of {', '.join(SECURITIES)}")
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": environment.smtp_host,
        "EMAIL_PORT": environment.smtp_port,
        "EMAIL_HOST_USER": environment.smtp_user,
        "EMAIL_HOST_PASSWORD": _password(environment.smtp_password_file),
        "EMAIL_USE_TLS": security == "starttls",
        "EMAIL_USE_SSL": security == "tls",
        # Seconds for each step: a mail server that hangs holds up nothing else.
        "EMAIL_TIMEOUT": 15,
        "DEFAULT_FROM_EMAIL": environment.mail_from,
        "SERVER_EMAIL": environment.mail_from,
    }


def _password(name: str) -> str:
    if not name:
        return ""
    path = Path(name).expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise ImproperlyConfigured(f"COMPASS_SERVER_SMTP_PASSWORD_FILE: others may read {path}; chmod 600 {path}")
        return path.read_text().strip()
    except OSError as wrong:
        raise ImproperlyConfigured(f"COMPASS_SERVER_SMTP_PASSWORD_FILE: {path}: {wrong.strerror}") from wrong
