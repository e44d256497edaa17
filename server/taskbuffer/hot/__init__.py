"""The pilots' path in SQL: few statements, no ORM, the same text on every database that Django knows."""

from __future__ import annotations

from server.taskbuffer.hot.claim import claim
from server.taskbuffer.hot.update import apply_update, apply_updates

__all__ = ["apply_update", "apply_updates", "claim"]
