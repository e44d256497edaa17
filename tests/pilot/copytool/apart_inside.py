"""Serves a child in a container: tells where it is."""

from __future__ import annotations

from pathlib import Path

import pilot.copytool.base


def look() -> dict[str, str]:
    """Answer which pilot this is, and the words of the image."""
    return {"pilot": pilot.copytool.base.__file__, "image": Path("/etc/image-name").read_text()}
