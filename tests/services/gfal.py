"""Real gfal2 for tests, with a Python that has its bindings, whatever Python the tests run on."""

from __future__ import annotations

from pathlib import Path

from tests.services.containers import install


def programs() -> Path:
    """Answer the folder of its programs, and of ``python``; they need nothing in the environment."""
    return install("gfal") / "bin"
