"""The production's fixtures, and a browser's way to the pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.server.production.conftest import pilot, product_rules, queue, tasks

__all__ = ["open_pages", "pilot", "product_rules", "queue", "tasks"]


@pytest.fixture
def open_pages(settings):
    """Pages need no login on this machine, as in the local start."""
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, open_pages=True)
