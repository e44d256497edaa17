"""What a rule may do with a failure, and which jobs it is about."""

from __future__ import annotations

from django.db.models import TextChoices


class Action(TextChoices):
    RETRY = "retry", "try again, later each time"
    LATER = "later", "try again after a fixed time"
    ELSEWHERE = "elsewhere", "try again in another queue"
    STAGING = "staging", "bring its input from tape again"
    MANUAL_CHECK = "manual_check", "a person looks"
    GIVE_UP = "give_up", "do not try again"


class About(TextChoices):
    CHUNKS = "chunks", "jobs of chunks"
    MERGES = "merges", "merges"
    BOTH = "both", "both"


#: After these another attempt comes by itself, at its time.
AGAIN = (Action.RETRY, Action.LATER, Action.ELSEWHERE)
