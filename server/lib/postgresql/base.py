"""The connection to PostgreSQL that Django makes by the name of this package."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Django asks ``SELECT 1`` at the begin of each call; what the database says when it leaves can be read already."""

    def is_usable(self) -> bool:
        """Say whether the connection is still there; ask only where there is something to be read from it."""
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0) or bool(super().is_usable())
