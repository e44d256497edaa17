"""The data service's tables. Jobs are the task buffer's: here only their numbers are kept.

Only this app writes them. Times are aware, sizes bytes.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from server.dataservice import states


def _state(choices: type[models.TextChoices], default: models.TextChoices) -> Any:
    return models.CharField(max_length=12, choices=choices.choices, default=default)


def _words(length: int = 500) -> Any:
    return models.CharField(max_length=length, default="", blank=True)


def _time() -> Any:
    return models.DateTimeField(null=True, blank=True)


class Dataset(models.Model):
    """Files that belong together. The counters are changed in the transaction that changes a file."""

    scope = _words(30)
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=10, choices=states.DatasetKind.choices)
    owner = models.CharField(  # noqa: DJ001 (nobody's is not the productions')
        max_length=250,
        null=True,
        blank=True,
        help_text="The user whose jobs alone write into it. Empty: the productions'; unknown: whose first job writes.",
    )
    state = _state(states.DatasetState, states.DatasetState.OPEN)
    files = models.PositiveIntegerField(default=0, help_text="All that belong to it; logs that were replaced do not.")
    expected = models.PositiveIntegerField(default=0, help_text="Files that are still to be written.")
    available = models.PositiveIntegerField(default=0)
    size = models.BigIntegerField(default=0, help_text="Bytes of the available files.")
    events = models.BigIntegerField(default=0, help_text="Of the available files, as far as they are known.")
    created = models.DateTimeField()
    changed = models.DateTimeField(help_text="When a file of it last changed, or itself.")

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("name", "scope"), name="a_dataset_once"),)
        indexes = (models.Index(fields=("state", "changed"), name="datasets_by_state"),)

    def __str__(self) -> str:
        return f"{self.scope}:{self.name}" if self.scope else self.name

    @property
    def whose(self) -> str:
        """Whose it is, in words."""
        return "nobody's yet" if self.owner is None else f"{self.owner}'s" if self.owner else "the productions'"


class DatasetEvent(models.Model):
    """One move of a dataset, written with the move."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="moves")
    before = models.CharField(max_length=12, default="", blank=True)
    after = models.CharField(max_length=12)
    at = models.DateTimeField()
    by = models.CharField(max_length=250)
    words = _words()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.dataset}: {self.before or 'new'} -> {self.after}"


class DatasetFile(models.Model):
    """A file of a dataset. ``job`` and ``job_file`` are the task buffer's numbers of who writes it, if a job does."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="rows", db_index=False)
    lfn = models.CharField(max_length=255)
    state = _state(states.FileState, states.FileState.EXPECTED)
    size = models.BigIntegerField(null=True, blank=True)
    checksum = models.CharField(max_length=40, default="", blank=True, help_text="adler32:xxxxxxxx; empty: unknown")
    guid = _words(64)
    events = models.BigIntegerField(null=True, blank=True)
    job = models.BigIntegerField(null=True, blank=True, db_index=True)
    job_file = models.BigIntegerField(null=True, blank=True, unique=True)

    class Meta:
        ordering = ("dataset", "lfn")
        constraints = (models.UniqueConstraint(fields=("dataset", "lfn"), name="a_name_once_in_a_dataset"),)

    def __str__(self) -> str:
        return self.lfn


class Replica(models.Model):
    """A file at a storage; ``path`` is below the storage's root."""

    file = models.ForeignKey(DatasetFile, models.CASCADE, related_name="replicas", db_index=False)
    endpoint = models.CharField(max_length=250)
    state = _state(states.ReplicaState, states.ReplicaState.AVAILABLE)
    path = models.CharField(max_length=1000)
    url = _words(4000)
    on_tape = models.BooleanField(default=False, help_text="It is on tape, whether or not on disk too.")
    pinned_until = _time()
    seen = models.DateTimeField(null=True, blank=True, help_text="When a storage last had it.")

    class Meta:
        ordering = ("file", "endpoint")
        constraints = (models.UniqueConstraint(fields=("file", "endpoint"), name="a_replica_once_at_a_storage"),)

    def __str__(self) -> str:
        return f"{self.file_id} at {self.endpoint}"


class TransferRequest(models.Model):
    """What somebody has asked for: one thing to be done with many files."""

    kind = models.CharField(max_length=10, choices=states.TransferKind.choices)
    endpoint = models.CharField(max_length=250, help_text="The tape's storage; where copies go; where files go away.")
    lifetime = models.FloatField(default=0, help_text="Seconds that files are wanted on disk, for a prestage.")
    state = _state(states.RequestState, states.RequestState.OPEN)
    files = models.PositiveIntegerField()
    by = models.CharField(max_length=250)
    created = models.DateTimeField()
    asked = models.DateTimeField(
        default=timezone.now, help_text="Since when it has been asked for: made, or tried again."
    )
    closed = _time()
    given_up_at = _time()
    given_up_by = _words(250)
    given_up_why = _words()

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("state", "id"), name="requests_by_state"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class RequestEvent(models.Model):
    """What somebody has done about a request as a whole, written with what it did."""

    request = models.ForeignKey(TransferRequest, models.CASCADE, related_name="acts")
    act = models.CharField(max_length=12, choices=states.Act.choices)
    files = models.PositiveIntegerField(help_text="Of how many files it was said.")
    at = models.DateTimeField()
    by = models.CharField(max_length=250)
    why = _words()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.request}: {self.get_act_display()} by {self.by}"


class Submission(models.Model):
    """One bulk call to a storage or a mover. Its own number is written before the call, and found again by it."""

    number = models.CharField(max_length=32, unique=True)
    kind = models.CharField(max_length=10, choices=states.TransferKind.choices)
    endpoint = models.CharField(max_length=250)
    source = _words(250)
    lifetime = models.FloatField(default=0, help_text="Seconds of the pin that is asked for.")
    state = _state(states.SubmissionState, states.SubmissionState.BEGUN)
    ticket = models.TextField(default="", blank=True, help_text="The storage's own number, or numbers, for it.")
    begun = models.DateTimeField()
    asked = models.DateTimeField(help_text="When the storage was last asked for it.")
    to_cancel = models.DateTimeField(
        null=True,
        blank=True,
        db_index=True,
        help_text="When files of it were given up, and its storage was not told.",
    )

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("state", "asked"), name="submissions_by_state"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class Lane(models.Model):
    """What may go into one call to a storage. Few rows: what is due is looked for in each of them by an index."""

    kind = models.CharField(max_length=10, choices=states.TransferKind.choices)
    endpoint = models.CharField(max_length=250)
    source = _words(250)
    lifetime = models.FloatField(default=0)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("endpoint", "kind", "source", "lifetime"), name="a_lane_once"),)

    def __str__(self) -> str:
        return f"{self.kind} at {self.endpoint}"


class Transfer(models.Model):
    """One file of a request. ``tries`` only grows; it ends when it reaches ``allowed``."""

    request = models.ForeignKey(TransferRequest, models.CASCADE, related_name="transfers", db_index=False)
    file = models.ForeignKey(DatasetFile, models.CASCADE, related_name="transfers")
    kind = models.CharField(max_length=10, choices=states.TransferKind.choices)
    endpoint = models.CharField(max_length=250)
    source = models.CharField(max_length=250, default="", blank=True, help_text="The storage that it is copied from.")
    lane = models.ForeignKey(Lane, models.PROTECT, related_name="transfers", db_index=False)
    state = _state(states.TransferState, states.TransferState.REQUESTED)
    submission = models.ForeignKey(Submission, models.SET_NULL, null=True, blank=True, related_name="transfers")
    tries = models.PositiveIntegerField(default=0)
    allowed = models.PositiveIntegerField(help_text="Tries after which it fails.")
    created = models.DateTimeField()
    since = models.DateTimeField(help_text="When it came into its state.")
    due = models.DateTimeField(help_text="Nothing is done for it before.")
    words = models.CharField(max_length=500, default="", blank=True, help_text="What went wrong last.")
    answer = models.CharField(max_length=12, choices=states.Answer.choices, default="", blank=True)
    answer_since = models.DateTimeField(null=True, blank=True, help_text="Since when looks have said the same.")
    pinned_until = _time()
    wanted_until = _time()
    pins = models.PositiveIntegerField(default=0, help_text="How often its pin was prolonged.")
    # While it lives nothing else may write or remove the same file at the same storage.
    busy = models.CharField(max_length=300, null=True, blank=True, unique=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("request", "file"), name="a_file_once_in_a_request"),)
        indexes = (
            models.Index(fields=("lane", "state", "due"), name="transfers_by_lane"),
            models.Index(fields=("state", "pinned_until"), name="transfers_by_pin"),
            models.Index(fields=("state", "wanted_until"), name="transfers_by_wish"),
            models.Index(fields=("request", "state"), name="transfers_of_a_request"),
        )

    def __str__(self) -> str:
        return f"{self.kind} of {self.file_id}: {self.state}"


class TransferEvent(models.Model):
    """One move of one transfer, written with the move; from a state to the same: a note, and no move."""

    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="moves")
    before = models.CharField(max_length=12, default="", blank=True)
    after = models.CharField(max_length=12)
    tries = models.PositiveIntegerField()
    at = models.DateTimeField()
    by = models.CharField(max_length=250)
    words = _words()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.transfer_id}: {self.before or 'new'} -> {self.after}"


class Contact(models.Model):
    """When a storage last answered, and since when it has not."""

    endpoint = models.CharField(max_length=250, primary_key=True)
    answered = _time()
    silent_since = _time()
    words = _words()

    class Meta:
        ordering = ("endpoint",)

    def __str__(self) -> str:
        return f"{self.endpoint}: {'silent' if self.silent_since else 'answers'}"


class WaitingJob(models.Model):
    """A job that waits for inputs; it goes when ``missing`` is 0, and fails when there are words why it is hopeless."""

    job = models.BigIntegerField(primary_key=True)
    missing = models.PositiveIntegerField(db_index=True)
    hopeless = models.CharField(max_length=500, default="", blank=True, db_index=True)
    since = models.DateTimeField()

    class Meta:
        ordering = ("job",)

    def __str__(self) -> str:
        return f"job {self.job} waits for {self.missing}"


class Wait(models.Model):
    """One file that a job waits for, at one storage or (``endpoint`` empty) at any."""

    job = models.ForeignKey(WaitingJob, models.CASCADE, related_name="waits", db_index=False)
    file = models.ForeignKey(DatasetFile, models.CASCADE, related_name="waits")
    endpoint = _words(250)
    ready = models.BooleanField(default=False)

    class Meta:
        ordering = ("job", "id")
        constraints = (models.UniqueConstraint(fields=("job", "file"), name="a_job_waits_once_for_a_file"),)

    def __str__(self) -> str:
        return f"job {self.job_id} for {self.file_id}"


class Follower(models.Model):
    """How far the task buffer's job events have been read."""

    name = models.CharField(max_length=50, primary_key=True)
    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} at {self.position}"
