"""Words for people who are let in and have no rights yet: whom to ask."""

from __future__ import annotations

from django.conf import settings


def whom_to_ask() -> str:
    """Say whom to ask, as the end of a sentence."""
    named = settings.ENVIRONMENT.administrators.strip()
    return f"ask {named}" if named else "ask an administrator of this server"
