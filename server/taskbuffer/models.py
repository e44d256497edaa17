"""The task buffer's tables. The hot row is small and has no index on what changes; see doc/explanation/taskbuffer.md.

Only this app writes them. Times are aware, sizes bytes; ``heartbeat`` is seconds since 1970.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models

from pilot.contract.job import PANDA_MB
from pilot.contract.states import JobState
from server.pandaconfig.queries import unknown_queues
from server.taskbuffer import blocked, resets  # noqa: F401 (their tables are this app's)
from server.taskbuffer.retry_rules import Action, Rule, Source
from server.taskbuffer.states import FileState

if TYPE_CHECKING:
    from server.taskbuffer.archive import Archived

#: A rule gives a job at most so many times the memory that it had.
MOST_FACTOR = 10

#: Characters that are kept of what a pilot has shown.
SHOWN_MOST = 8192

STATES = [(state.value, state.value) for state in JobState]


def _words(length: int) -> Any:
    return models.CharField(max_length=length, default="", blank=True)


def _number() -> Any:
    return models.BigIntegerField(null=True, blank=True)


class Bucket(models.Model):
    """What a job asks of a pilot. Few of them; a job belongs to one, and brokerage chooses among them."""

    queue = models.CharField(max_length=60)
    label = models.CharField(max_length=20)
    share = models.CharField(max_length=32, default="", blank=True)
    working_group = models.CharField(max_length=60, default="", blank=True)
    country = models.CharField(max_length=20, default="", blank=True, help_text="The user's.")
    cores = models.PositiveIntegerField()
    memory = models.BigIntegerField(help_text="Bytes; 0 when nobody said.")
    walltime = models.BigIntegerField(help_text="Seconds; 0 when nobody said.")
    disk = models.BigIntegerField(help_text="Bytes; 0 when nobody said.")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=(
                    *("queue", "label", "share", "working_group", "country"),
                    *("cores", "memory", "walltime", "disk"),
                ),
                name="bucket_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.queue}/{self.label}/{self.cores} cores"


class Job(models.Model):
    """One job under its PandaID, as it stands now. A retry keeps the row and raises ``attempt``."""

    id = models.BigAutoField(primary_key=True)
    attempt = models.PositiveSmallIntegerField(default=1)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    state = models.CharField(max_length=15, choices=STATES)
    bucket = models.ForeignKey(Bucket, on_delete=models.PROTECT, db_index=False)
    queue = models.CharField(max_length=60)
    label = models.CharField(max_length=20)
    priority = models.IntegerField()
    task_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    name = models.CharField(max_length=256)
    user = models.CharField(max_length=250, default="", blank=True, db_column="user_name")
    transformation = models.CharField(max_length=250)
    command = models.CharField(max_length=250, default="", blank=True, help_text="What its pilot is told next.")
    node = _words(128)
    pilot_id = _words(200)
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    pilot_error = models.IntegerField(default=0)
    pilot_error_words = _words(500)
    payload_error = models.IntegerField(default=0)
    payload_error_words = _words(500)
    dispatcher_error = models.IntegerField(default=0)
    taskbuffer_error = models.IntegerField(default=0)
    data_error = models.IntegerField(default=0)
    supervisor_error = models.IntegerField(default=0)
    server_error_words = models.CharField(
        max_length=500, default="", blank=True, help_text="What the server itself found, for the four codes above."
    )
    exit_status = models.IntegerField(null=True, blank=True)
    events = _number()
    cpu_time = _number()
    max_rss = _number()

    #: The document that this row was read from; nothing for a job that stands in its table.
    archived: Archived | None = None

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.pk} ({self.name})"


class ArchivedJob(models.Model):
    """A job that ended long ago: what it is searched by, and all its rows as one compressed document."""

    id = models.BigIntegerField(primary_key=True)
    state = models.CharField(max_length=15, choices=STATES)
    attempt = models.PositiveSmallIntegerField()
    queue = models.CharField(max_length=60)
    label = models.CharField(max_length=20)
    task_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    name = models.CharField(max_length=256, db_index=True)
    user = models.CharField(max_length=250, default="", blank=True, db_column="user_name")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(db_index=True)
    pilot_error = models.IntegerField(default=0)
    payload_error = models.IntegerField(default=0)
    document = models.BinaryField(help_text="Its rows as JSON, deflated.")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.pk} ({self.name})"


class JobParameters(models.Model):
    """The dictionary that a pilot is handed, made once when the job is submitted."""

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True, related_name="parameters")
    panda = models.TextField()

    def __str__(self) -> str:
        return f"parameters of {self.job_id}"


class Ready(models.Model):
    """The queue itself: one row per activated job. A job cannot stand in it twice; the lowest rank goes first."""

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True)
    bucket = models.ForeignKey(Bucket, on_delete=models.PROTECT, db_index=False)
    rank = models.BigIntegerField(db_column="place")

    class Meta:
        verbose_name_plural = "ready"
        indexes = (models.Index(fields=("bucket", "rank", "job"), name="ready_order"),)

    def __str__(self) -> str:
        return f"{self.job_id} in bucket {self.bucket_id}"


class Waiting(models.Model):
    """One small row per job that is not queued and that no pilot has: the watchdog reads only these of them."""

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True)
    bucket = models.ForeignKey(Bucket, on_delete=models.PROTECT)
    state = models.CharField(max_length=15, choices=STATES)
    since = models.DateTimeField()

    class Meta:
        verbose_name_plural = "waiting"
        indexes = (models.Index(fields=("state", "since"), name="waiting_longest"),)

    def __str__(self) -> str:
        return f"{self.job_id} {self.state}"


class Walk(models.Model):
    """How far the watchdog has come on its way through a table that it reads piece by piece."""

    name = models.CharField(max_length=20, primary_key=True)
    position = models.BigIntegerField(default=0, help_text="The last job that was looked at.")

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"


class Live(models.Model):
    """One small row per job that a pilot has: the watchdog and the pages of running jobs read only these."""

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True)
    attempt = models.PositiveSmallIntegerField()
    queue = models.CharField(max_length=60)
    state = models.CharField(max_length=15, choices=STATES)
    heartbeat = models.FloatField(help_text="Seconds since 1970.")
    events_done = _number()
    events_total = _number()
    tail = models.CharField(max_length=2048, default="", blank=True, help_text="The last lines of the payload.")
    shown = models.CharField(
        max_length=SHOWN_MOST, default="", blank=True, help_text="What its pilot has shown since it was last asked to."
    )

    class Meta:
        verbose_name_plural = "live"

    def __str__(self) -> str:
        return f"{self.job_id}.{self.attempt} {self.state}"


class Attempt(models.Model):
    """One try of one job, kept for ever."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=15, choices=STATES)
    request_id = models.CharField(max_length=64)
    nth = models.PositiveSmallIntegerField(help_text="Which job of the answer to that request.")
    queue = models.CharField(max_length=60)
    node = _words(128)
    pilot_id = _words(200)
    batch_id = models.CharField(max_length=80, default="", blank=True, help_text="Its pilot's, in its batch system.")
    sent_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    pilot_error = models.IntegerField(default=0)
    pilot_error_words = _words(500)
    payload_error = models.IntegerField(default=0)
    payload_error_words = _words(500)
    dispatcher_error = models.IntegerField(default=0)
    data_error = models.IntegerField(default=0)
    server_error_words = _words(500)
    exit_status = models.IntegerField(null=True, blank=True)
    digest = models.CharField(max_length=64, default="", blank=True, help_text="What its final report said.")
    answer = models.CharField(max_length=250, default="", blank=True, help_text="What the final report was answered.")

    class Meta:
        ordering = ("job", "number")
        constraints = (
            models.UniqueConstraint(fields=("job", "number"), name="attempt_once"),
            models.UniqueConstraint(fields=("request_id", "nth"), name="request_answered_once"),
        )
        indexes = (models.Index(fields=("batch_id",), condition=~models.Q(batch_id=""), name="attempts_of_pilot"),)

    def __str__(self) -> str:
        return f"{self.job_id}.{self.number}"


class JobReport(models.Model):
    """A final report in full, as the pilot gave it."""

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, primary_key=True, related_name="report")
    report = models.TextField(help_text="The report as JSON, without the metadata.")
    metadata = models.TextField(default="", blank=True, help_text="The payload's own report.")

    def __str__(self) -> str:
        return f"report of {self.attempt_id}"


class JobFile(models.Model):
    """A file that a job was ordered with; outputs and logs gain what is known of them when they are stored."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="files", db_index=False)
    lfn = models.CharField(max_length=4000)
    role = models.CharField(max_length=10)
    state = models.CharField(max_length=15, choices=[(state.value, state.value) for state in FileState])
    scope = _words(30)
    dataset = _words(255)
    size = _number()
    checksum = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001 (unknown is not empty)
    endpoint = _words(250)
    guid = _words(64)
    url = _words(4000)
    may_be_missing = models.BooleanField(default=False)
    attempt = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Which try stored it.")

    class Meta:
        indexes = (models.Index(fields=("job", "role"), name="files_of_job"),)

    def __str__(self) -> str:
        return self.lfn


class JobEvent(models.Model):
    """One move of one job, written in the transaction of the move. The first has no ``before``."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="moves")
    attempt = models.PositiveSmallIntegerField()
    # Columns whose names are words of SQL somewhere are called differently in the database.
    before = models.CharField(max_length=15, default="", blank=True, db_column="state_before")
    after = models.CharField(max_length=15, db_column="state_after")
    at = models.DateTimeField(db_column="moved_at")
    by = models.CharField(max_length=80, db_column="moved_by")
    detail = _words(500)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.job_id}.{self.attempt}: {self.before or 'new'} -> {self.after}"


class RetryRule(models.Model):
    """What becomes of jobs that fail in one way. Written by people; the first rule that fits a failure decides."""

    place = models.PositiveIntegerField(default=100, help_text="The lowest number is looked at first.")
    enabled = models.BooleanField(default=True)
    source = models.CharField(
        max_length=10,
        choices=[
            (Source.PILOT.value, "pilot (pilotErrorCode)"),
            (Source.PAYLOAD.value, "payload (exeErrorCode)"),
            (Source.EXIT.value, "exit status (transExitCode)"),
            (Source.DISPATCHER.value, "watchdog (jobDispatcherErrorCode)"),
            (Source.DATA.value, "data service (ddmErrorCode)"),
        ],
    )
    code = models.IntegerField(null=True, blank=True, help_text="The error's number; empty: any but 0.")
    words = models.CharField(
        max_length=200, default="", blank=True, help_text="What stands in the error's words; * stands for any text."
    )
    label = models.CharField(
        max_length=20, default="", blank=True, help_text="Jobs of this prodSourceLabel only; empty: of any."
    )
    action = models.CharField(
        max_length=10,
        choices=[
            (Action.RETRY.value, "try again"),
            (Action.ELSEWHERE.value, "try again in another queue"),
            (Action.MEMORY.value, "try again with more memory"),
            (Action.NONE.value, "do not try again"),
        ],
    )
    most_attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Attempts at most, where the job may have more; 0: as many as the job may have."
    )
    factor = models.FloatField(default=1.5, help_text="So many times the memory; for more memory only.")
    memory_limit = models.PositiveIntegerField(default=0, help_text="Most memory in MB; for more memory only.")
    queues = models.CharField(
        max_length=500,
        default="",
        blank=True,
        help_text="Queues that a job may go to, with commas between them; empty: any that is online and fits.",
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on the rule counts no more.")
    comment = models.CharField(max_length=100, default="", blank=True, help_text="Why; it stands in the jobs' history.")

    class Meta:
        ordering = ("place", "id")

    def __str__(self) -> str:
        return f"rule {self.pk}" + (f" ({self.comment})" if self.comment else "")

    def clean(self) -> None:
        """Refuse a rule that could not do what it says.

        Raises:
            ValidationError: so it is; the fields' names are with the words.
        """
        wrong = {}
        if self.action == Action.MEMORY.value and self.memory_limit < 1:
            wrong["memory_limit"] = "0: say how much memory in MB a job may have at most"
        if self.action == Action.MEMORY.value and not 1 < self.factor <= MOST_FACTOR:
            wrong["factor"] = f"{self.factor:g} is not above 1 and at most {MOST_FACTOR}"
        if self.queues and self.action != Action.ELSEWHERE.value:
            wrong["queues"] = "only a rule that tries jobs in another queue has queues; leave it empty"
        elif unknown := unknown_queues(self.queue_names):
            wrong["queues"] = f"{unknown[0]!r} is not known here; the admin's page Queues lists them all"
        if self.code == 0:
            wrong["code"] = "0 is no error; leave it empty for any"
        if wrong:
            raise ValidationError(wrong)

    @property
    def queue_names(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.queues.split(",") if name.strip())

    def as_rule(self) -> Rule:
        """Answer the rule as it decides."""
        return Rule(
            number=self.pk,
            source=Source(self.source),
            action=Action(self.action),
            code=self.code,
            words=self.words,
            label=self.label,
            most_attempts=self.most_attempts,
            factor=self.factor,
            memory_limit=self.memory_limit * PANDA_MB,
            queues=self.queue_names,
            comment=self.comment,
        )
