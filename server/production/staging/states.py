"""How far a raw file is on its way from tape, for the chunk that needs it."""

from __future__ import annotations

from django.db.models import TextChoices


class StagedState(TextChoices):
    ASKED = "asked", "asked for"
    ON_DISK = "on_disk", "on disk"
    #: It did not come, was not readable or left the disk; after a pause it is asked for anew.
    WAITING = "waiting", "waits for another request"
    FAILED = "failed", "did not come"
    LET_GO = "let_go", "let go"


#: Somebody needs it on disk.
NEEDED = (StagedState.ASKED, StagedState.ON_DISK, StagedState.WAITING)
