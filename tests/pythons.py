"""Finds other Pythons of this machine, as `tests/pythons.sh` does, for tests that need one."""

from __future__ import annotations

import subprocess
from pathlib import Path


def python39() -> str | None:
    """Answer a Python 3.9 that runs; ``None`` where there is none."""
    done = subprocess.run([str(Path(__file__).with_suffix(".sh")), "find", "3.9"], capture_output=True, text=True)
    return done.stdout.strip() or None
