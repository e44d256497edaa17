"""Sphinx's settings. The pages below ``reference/`` are written from the code before each build."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import reference  # noqa: E402

from pilot.contract.version import PRODUCT  # noqa: E402

project = "COMPASS Pilot"
version = release = PRODUCT
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"COMPASS Pilot {PRODUCT}"
nitpicky = True

reference.write(HERE / "reference")
