"""Bars of counts by hour, as SVG within a page: no library, no script, and words for who does not see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

Hours = Sequence[tuple[datetime, int]]


def bars(hours: Hours, *, width: int, height: int, titles: bool = True, fits: bool = False) -> SafeString:
    """Draw a bar for each hour; the highest fills the height, and what is not zero is seen.

    Args:
        hours: Begin of each hour and its count, the earliest first.
        width: Of the whole, in pixels.
        height: The same.
        titles: Say of each bar what it is, when somebody points at it.
        fits: As wide as what it stands in, whatever ``width`` says.
    """
    highest = max((count for _, count in hours), default=0)
    if not highest:
        return format_html('<span class="dim" title="nothing in {} hours">–</span>', len(hours))
    step = width / len(hours)
    lines = [
        (
            f"{number * step:.2f}",
            f"{height - tall(count, highest, height):.1f}",
            f"{max(step - (1 if step > 3 else 0.2), 0.8):.2f}",
            f"{tall(count, highest, height):.1f}",
            _title(moment, count) if titles else "",
        )
        for number, (moment, count) in enumerate(hours)
        if count
    ]
    drawn = format_html_join("", '<rect x="{}" y="{}" width="{}" height="{}">{}</rect>', lines)
    return format_html(
        '<svg class="bars" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}" fill="currentColor"'
        ' preserveAspectRatio="none">{}<rect y="{}" width="{}" height="0.6" opacity="0.4"/></svg>',
        in_words(hours),
        *(width, height, "100%" if fits else width, height, drawn, height - 0.6, width),
    )


def tall(count: int, highest: int, height: int) -> float:
    """Answer the height of a bar in pixels: at least two where there is anything."""
    return max(height * count / highest, 2.0) if count else 0.0


def in_words(hours: Hours) -> str:
    """Say what the bars show."""
    moment, most = max(hours, key=lambda hour: hour[1])
    total = sum(count for _, count in hours)
    return f"{total} in {len(hours)} hours; most, {most}, in the hour from {moment:%Y-%m-%d %H:%M} UTC"


def _title(moment: datetime, count: int) -> SafeString:
    return format_html("<title>{}: {}</title>", f"{moment:%a %d %b %H:%M} UTC", count)
