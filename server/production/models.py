"""The production's tables. Jobs and their files are the task buffer's: here only their numbers are kept.

A number instead of a foreign key, because the task buffer may move old jobs to its archive.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from server.production import states


def _state(choices: type[models.TextChoices], default: models.TextChoices, **options: Any) -> Any:
    return models.CharField(max_length=20, choices=choices.choices, default=default, **options)


class Task(models.Model):
    """What a production manager ordered."""

    name = models.CharField(max_length=100, unique=True)
    type = models.CharField(max_length=30, choices=states.TaskType.choices)
    parent_task = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    production = models.CharField(max_length=60)
    year = models.PositiveIntegerField()
    period = models.CharField(max_length=20)
    slot = models.PositiveIntegerField(default=0, help_text="production slot number")
    phast = models.PositiveIntegerField(default=7, help_text="PHAST version")
    home = models.CharField(max_length=200, blank=True, help_text="root of the software area")
    path = models.CharField(max_length=200, blank=True, help_text="folders below it")
    soft = models.CharField(max_length=100, help_text="the software version's folder")
    template = models.CharField(max_length=200, blank=True, help_text="options file")
    queue = models.CharField(max_length=100)
    working_group = models.CharField(max_length=60, blank=True)
    priority = models.IntegerField()
    merging_priority = models.IntegerField()
    events_per_chunk = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField()
    merge_dumps = models.BooleanField(default=True)
    program = models.CharField(
        max_length=200,
        default="compass-mc",
        help_text="'compass': the experiment's own programs; else one that takes the arguments of compass-mc",
    )
    merging_queue = models.CharField(max_length=100, blank=True, help_text="of its merges; empty: the site's own")
    by_chunk = models.BooleanField(default=True, help_text="a child's chunk waits for its parent's only, not for all")
    rich = models.BooleanField(default=False, help_text="whether its jobs write a RICH file, too")
    filelist = models.TextField(
        blank=True, help_text="for MC generation: lines 'run, number of chunks'; on data: its raw files, or its runs"
    )
    has_files = models.BooleanField(default=False, help_text="whether these are files, and not runs")
    files_home = models.CharField(max_length=200, blank=True, help_text="stands in each before the storage's folders")
    files_endpoint = models.CharField(max_length=100, blank=True, help_text="their storage; empty: the queue's")
    tape = models.CharField(
        max_length=100, blank=True, help_text="the storage whose tapes take its files; empty: its site's, '-': none"
    )
    site = models.ForeignKey("production.Site", models.PROTECT, null=True, blank=True, related_name="tasks")
    kind = models.CharField(max_length=30, blank=True, help_text="its type as people name it; empty: its type")
    limits = models.JSONField(default=dict, blank=True, help_text="JSON: limits that it has itself")
    state = _state(states.TaskState, states.TaskState.DRAFT, db_index=True)
    owner = models.CharField(max_length=250, help_text="who defined it")
    comment = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)
    started = models.DateTimeField(
        null=True, blank=True, help_text="when its first jobs were sent, or files asked for on tape"
    )
    finished = models.DateTimeField(null=True, blank=True)
    ends_early = models.BooleanField(
        default=False, help_text="somebody has ended it early: when a part is made again, it ends by itself after that"
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class UserTask(models.Model):
    """What a user has submitted, beside its task: the parameters as they came, the input files as they were."""

    task = models.OneToOneField(Task, models.CASCADE, primary_key=True, related_name="user")
    label = models.CharField(max_length=20)
    parameters = models.TextField(help_text="JSON, by PanDA's names.")
    files = models.TextField(default="[]", help_text="JSON: lfn, scope, size, checksum, GUID, storage of each input.")

    def __str__(self) -> str:
        return f"parameters of {self.task}"


class Run(models.Model):
    """One run of a task."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField()

    class Meta:
        ordering = ["task", "number"]
        constraints = [models.UniqueConstraint(fields=["task", "number"], name="a_run_once_in_a_task")]

    def __str__(self) -> str:
        return f"{self.task} run {self.number}"


class Chunk(models.Model):
    """The part of a run that one processing job works on."""

    # The run's task again: what is counted most must not need a join.
    task = models.ForeignKey(Task, models.CASCADE, related_name="chunks")
    run = models.ForeignKey(Run, models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    seed = models.PositiveIntegerField(null=True, blank=True, help_text="of a generation's random numbers")
    events_ordered = models.PositiveIntegerField(null=True, blank=True)
    events_done = models.PositiveIntegerField(null=True, blank=True, help_text="as its job reported; empty: unknown")
    state = _state(states.ChunkState, states.ChunkState.DEFINED)
    job_id = models.BigIntegerField(null=True, blank=True, unique=True)
    attempts = models.PositiveIntegerField(default=0)
    ahead = models.IntegerField(default=0, help_text="its attempts less those of its job")
    due = models.DateTimeField(null=True, blank=True, help_text="when what failed is tried again; empty: it is not")
    rule = models.CharField(max_length=60, blank=True, help_text="the rule that decided what becomes of its failure")
    words = models.CharField(max_length=500, blank=True, help_text="why it failed or needs a look")
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="a_chunk_once_in_a_run"),
            models.UniqueConstraint(fields=["task", "seed"], name="a_seed_once_in_a_task"),
        ]
        indexes = [
            models.Index(fields=["task", "state", "run", "number"], name="chunks_of_a_task_by_state"),
            models.Index(fields=["due"], name="chunks_by_their_due"),
        ]

    def __str__(self) -> str:
        return f"{self.run} chunk {self.number}"


class RawFile(models.Model):
    """The file of the detector that a chunk of data is, as a storage has it."""

    chunk = models.OneToOneField(Chunk, models.CASCADE, primary_key=True, related_name="raw")
    lfn = models.CharField(max_length=255)
    dataset = models.CharField(max_length=255)
    endpoint = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField(null=True, blank=True, help_text="bytes; empty: unknown")
    checksum = models.CharField(max_length=50, blank=True)
    events = models.PositiveIntegerField(null=True, blank=True, help_text="as the catalogue has it; empty: unknown")

    class Meta:
        ordering = ["chunk"]

    def __str__(self) -> str:
        return self.lfn


class CatalogueFile(models.Model):
    """A raw file of a run, as the catalogue of runs has it."""

    run = models.PositiveIntegerField()
    chunk = models.PositiveIntegerField()
    lfn = models.CharField(max_length=255)
    dataset = models.CharField(max_length=255)
    endpoint = models.CharField(max_length=100, blank=True, help_text="its storage; empty: that of the queue")
    size = models.PositiveBigIntegerField(null=True, blank=True, help_text="bytes; empty: unknown")
    checksum = models.CharField(max_length=50, blank=True)
    events = models.PositiveIntegerField(null=True, blank=True, help_text="empty: unknown")
    updated = models.DateTimeField()

    class Meta:
        ordering = ["run", "chunk"]
        constraints = [models.UniqueConstraint(fields=["run", "chunk"], name="a_raw_file_once_in_the_catalogue")]

    def __str__(self) -> str:
        return self.lfn


class MergeGroup(models.Model):
    """Files of one kind of a run that become one merged file. What is in a group never changes."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="groups")
    run = models.ForeignKey(Run, models.CASCADE, related_name="groups")
    kind = models.CharField(max_length=10, choices=states.MergeKind.choices)
    number = models.PositiveIntegerField()
    state = _state(states.GroupState, states.GroupState.READY)
    job_id = models.BigIntegerField(null=True, blank=True, unique=True)
    attempts = models.PositiveIntegerField(default=0)
    ahead = models.IntegerField(default=0, help_text="its attempts less those of its job")
    due = models.DateTimeField(null=True, blank=True, help_text="when what failed is tried again; empty: it is not")
    rule = models.CharField(max_length=60, blank=True, help_text="the rule that decided what becomes of its failure")
    events_expected = models.PositiveBigIntegerField(null=True, blank=True)
    events_found = models.PositiveBigIntegerField(null=True, blank=True)
    size_expected = models.PositiveBigIntegerField(default=0, help_text="sum of the inputs, bytes")
    size = models.PositiveBigIntegerField(null=True, blank=True, help_text="of the merged file, bytes")
    words = models.CharField(max_length=500, blank=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["run", "kind", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "kind", "number"], name="a_group_once_in_a_run")]
        indexes = [
            models.Index(fields=["task", "kind", "state"], name="groups_of_a_task_by_state"),
            models.Index(fields=["due"], name="groups_by_their_due"),
        ]

    def __str__(self) -> str:
        return f"{self.run} {self.kind} group {self.number}"


class Output(models.Model):
    """A file that a task made."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="outputs")
    run = models.ForeignKey(Run, models.CASCADE, related_name="outputs")
    chunk = models.ForeignKey(Chunk, models.CASCADE, null=True, blank=True, related_name="outputs")
    group = models.ForeignKey(MergeGroup, models.CASCADE, null=True, blank=True, related_name="outputs")
    kind = models.CharField(max_length=20, choices=states.OutputKind.choices)
    lfn = models.CharField(max_length=255)
    dataset = models.CharField(max_length=255)
    endpoint = models.CharField(max_length=100)
    url = models.CharField(max_length=1000, blank=True)
    size = models.PositiveBigIntegerField(help_text="bytes")
    checksum = models.CharField(max_length=50, blank=True)
    events = models.PositiveBigIntegerField(null=True, blank=True)
    job_file_id = models.BigIntegerField(null=True, blank=True, help_text="the task buffer's file")
    created = models.DateTimeField(auto_now_add=True)
    tape = _state(states.TapeState, states.TapeState.NONE, blank=True)
    tape_request = models.BigIntegerField(null=True, blank=True, help_text="the data service's request, the last one")
    tape_attempts = models.PositiveIntegerField(default=0, help_text="requests that were made for it")
    tape_since = models.DateTimeField(null=True, blank=True, help_text="of its state on the way to tape")
    tape_words = models.CharField(max_length=500, blank=True, help_text="why it is not on tape")
    removed = models.DateTimeField(null=True, blank=True, help_text="when it was cleaned up from its storage")

    class Meta:
        ordering = ["run", "kind", "lfn"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "lfn"], name="a_file_once_in_a_dataset"),
            models.CheckConstraint(
                condition=Q(chunk__isnull=False, group__isnull=True) | Q(chunk__isnull=True, group__isnull=False),
                name="a_file_of_a_chunk_or_of_a_group",
            ),
        ]
        indexes = [
            models.Index(fields=["task", "kind"], name="outputs_of_a_task"),
            models.Index(fields=["tape", "task"], name="outputs_by_way_to_tape"),
        ]

    def __str__(self) -> str:
        return self.lfn


class MergeInput(models.Model):
    """One file of a merge group; a file is merged once."""

    group = models.ForeignKey(MergeGroup, models.CASCADE, related_name="inputs")
    output = models.OneToOneField(Output, models.PROTECT, related_name="merged_in")

    class Meta:
        ordering = ["group", "output"]

    def __str__(self) -> str:
        return f"{self.output} in {self.group}"


class CrossCheck(models.Model):
    """Whether what went into a run's merges came out again."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="checks")
    run = models.ForeignKey(Run, models.CASCADE, related_name="checks")
    kind = models.CharField(max_length=10, choices=states.CheckKind.choices)
    verdict = _state(states.Verdict, states.Verdict.NO)
    expected = models.BigIntegerField(null=True, blank=True)
    found = models.BigIntegerField(null=True, blank=True)
    words = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["run", "kind"]
        verbose_name = "cross-check"
        constraints = [models.UniqueConstraint(fields=["run", "kind"], name="a_check_once_in_a_run")]

    def __str__(self) -> str:
        return f"{self.run} {self.kind}: {self.verdict}"


class TaskEvent(models.Model):
    """One move of a task, of a chunk, of a merge group or of a run's check; written with it, and never changed."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="events")
    run = models.ForeignKey(Run, models.CASCADE, null=True, blank=True, related_name="events")
    chunk = models.ForeignKey(Chunk, models.CASCADE, null=True, blank=True, related_name="events")
    group = models.ForeignKey(MergeGroup, models.CASCADE, null=True, blank=True, related_name="events")
    before = models.CharField(max_length=20, blank=True)
    after = models.CharField(max_length=20)
    # Every job that a chunk or a group ever had stays known by this.
    job_id = models.BigIntegerField(null=True, blank=True)
    by = models.CharField(max_length=250)
    words = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["task", "at"], name="latest_moves_of_a_task")]

    def __str__(self) -> str:
        return f"{self.chunk or self.group or self.task}: {self.before} -> {self.after}"


class Cursor(models.Model):
    """How far a step has read in the task buffer's job events."""

    name = models.CharField(max_length=50, primary_key=True)
    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} at {self.position}"


# Tables of this app too; they name those above by words.
from server.production import log_archives, steering_models  # noqa: E402, F401
from server.production.cleanup import models as cleanup_models  # noqa: E402, F401
from server.production.reference import models as reference_models  # noqa: E402, F401
from server.production.rules import models as rule_models  # noqa: E402, F401
from server.production.staging import models as staging_models  # noqa: E402, F401
from server.production.totals import models as totals_models  # noqa: E402, F401
