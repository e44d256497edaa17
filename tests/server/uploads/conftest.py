"""A home of the server in which uploads may lie."""

from __future__ import annotations

from dataclasses import replace

import pytest


@pytest.fixture
def home(tmp_path, settings, db):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, home=str(tmp_path), upload_limit=2**20)
    return tmp_path
