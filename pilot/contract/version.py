"""Which product this is and which contract it speaks; written once, read by packaging, headers and pages."""

from __future__ import annotations

PRODUCT = "0.1.0"

#: Raised when a message gains a field that an older peer would misread. Travels in ``X-Compass-Contract``.
CONTRACT = 1
