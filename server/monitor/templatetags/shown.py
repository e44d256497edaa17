"""How numbers, sizes and times are shown on pages."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone

register = template.Library()

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


@register.filter
def size(value: int | None) -> str:
    """Show bytes with a decimal unit, as in 4.2 GB = 4.2·10⁹ bytes; nothing for ``None``."""
    if value is None:
        return ""
    number, unit = float(value), 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{value} B" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


@register.filter
def number(value: int | None) -> str:
    """Show a count with thin spaces between thousands; a dash for ``None``."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


@register.filter
def since(moment: datetime | None) -> str:
    """Show how long ago something was, in its largest unit."""
    if moment is None:
        return "never"
    seconds = (timezone.now() - moment).total_seconds()
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


@register.filter
def words(state: str) -> str:
    """Show a stored state as people say it."""
    return state.replace("_", " ")


@register.filter
def duration(seconds: float) -> str:
    """Show a duration in its largest unit."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
