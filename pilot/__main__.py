"""``python -m pilot`` is the program ``pilot``."""

from __future__ import annotations

import sys

from pilot.cli import main

if __name__ == "__main__":
    sys.exit(main())
