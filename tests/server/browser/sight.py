"""What a browser tells of a page: texts that are too faint, fields without names, what is wider than the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SIGHT = Path(__file__).with_suffix(".js").read_text()


def look(page: Page, what: str) -> Any:
    """Answer what one of the functions of ``sight.js`` sees."""
    return page.evaluate(f"() => {{ {SIGHT}\nreturn {what}(); }}")
