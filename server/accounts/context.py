"""What every template may ask of who looks at it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest

from server.accounts.rights import may_enter_desk


def rights(request: HttpRequest) -> dict[str, Callable[[], bool]]:
    """Answer what is asked only where a template does."""
    return {"may_enter_desk": lambda: hasattr(request, "user") and may_enter_desk(request.user)}
