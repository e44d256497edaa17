"""Where an incident is in the hands of people, and how it moves there."""

from __future__ import annotations

from django.db import models


class State(models.TextChoices):
    NEW = "new", "new"
    SEEN = "seen", "seen"
    RESOLVED = "resolved", "resolved"


#: What people may do, and what happens when a resolved one comes again.
MOVES = frozenset(
    {
        (State.NEW, State.SEEN),
        (State.NEW, State.RESOLVED),
        (State.SEEN, State.RESOLVED),
        (State.SEEN, State.NEW),
        (State.RESOLVED, State.SEEN),
        (State.RESOLVED, State.NEW),
    }
)
