"""How numbers, sizes and times are shown on pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

_REQUEST = re.compile(r"(?<= )(?:prestage|archive|replicate) (?P<number>[0-9]{1,18})(?= at )")
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
    return "never" if moment is None else f"{lasting(moment)} ago"


@register.filter
def lasting(moment: datetime) -> str:
    """Show for how long something has been so, in its largest unit."""
    seconds = (timezone.now() - moment).total_seconds()
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


@register.filter
def words(state: str) -> str:
    """Show a stored state as people say it."""
    return state.replace("_", " ")


@register.filter
def with_requests(text: str) -> SafeString:
    """Show words with a link to each request to a storage that they name, such as ``prestage 7 at TAPE``."""
    parts, end = [], 0
    for named in _REQUEST.finditer(text):
        link = format_html('<a href="{}">{}</a>', reverse("request", args=[named["number"]]), named[0])
        parts.append((text[end : named.start()], link))
        end = named.end()
    return format_html("{}{}", format_html_join("", "{}{}", parts), text[end:])


@register.filter
def duration(seconds: float) -> str:
    """Show a duration in its largest unit."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


@register.filter
def hours(value: float) -> str:
    """Show a number of hours: small ones with a decimal, large ones with thin spaces between thousands."""
    return f"{value:.1f}" if value < 100 else number(round(value))


@register.filter
def of(found: Mapping[int, str], key: int) -> str:
    """Show what a table has for a key, or nothing."""
    return found.get(key, "")


@register.filter
def signed(value: int | None) -> str:
    """Show a difference with its sign; "unknown" for ``None``."""
    return "unknown" if value is None else f"{'+' if value > 0 else '−' if value < 0 else ''}{number(abs(value))}"


@register.filter
def difference(check: Any) -> str:
    """Show what a cross-check found too many or too few."""
    return signed(None if check.found is None or check.expected is None else check.found - check.expected)
