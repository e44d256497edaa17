"""A Python that has psij, in an environment of its own: psij pins an older psutil than the server has."""

from __future__ import annotations

from tests.services.containers import install


def use_psij() -> str:
    """Answer its program; the test is skipped, or in CI fails, where it cannot be fetched."""
    return str(install("psij") / "bin" / "python")
