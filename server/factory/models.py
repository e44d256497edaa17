"""The tables of the factory: batch systems, what a queue is allowed, and what was decided for it in each cycle."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from server.batch.base import MOST, BatchMisconfigured
from server.factory.chain import BadChain, read_chain
from server.factory.systems import LOCAL, Described, check_job_options, check_system, kinds

#: Names of folders, too.
_NAME = RegexValidator(r"^[A-Za-z0-9][\w.+-]*\Z", "Give letters, digits and _ . + - only.")
MB = 2**20


def _is_list_of_words(value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValidationError('Give a list of words, such as ["--lifetime", "3600"].')


def _is_object(value: Any) -> None:
    if not isinstance(value, dict):
        raise ValidationError('Give a JSON object, such as {"partition": "short"}; {} for none.')


def _is_chain(value: Any) -> None:
    try:
        read_chain(value)
    except BadChain as wrong:
        raise ValidationError(str(wrong)) from wrong


class FactorySystem(models.Model):
    """A batch system that queues of the factory may name; ``local`` is there without a row."""

    name = models.CharField(max_length=60, primary_key=True, validators=[_NAME], help_text="What queues name it by.")
    kind = models.CharField(max_length=40, choices=kinds, help_text="Which program is asked.")
    options = models.JSONField(
        default=dict, blank=True, validators=[_is_object], help_text="Those of its kind, as a JSON object."
    )
    enabled = models.BooleanField(default=True, help_text="When off, its pilots are followed and none are added.")
    max_pilots = models.PositiveIntegerField(
        null=True, blank=True, help_text="Living pilots of all queues; empty for any number."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what the kind's class cannot read, at the field that is wrong."""
        if self.name == LOCAL:
            raise ValidationError({"name": f"{LOCAL} is this machine and needs no row; give another name."})
        try:
            check_system(Described(self.name, self.kind, self.options))
        except BatchMisconfigured as wrong:
            raise ValidationError({"options": str(wrong)}) from wrong


class FactoryAllocation(models.Model):
    """Node-hours that some queues may use; what their pilots have used is counted from the pilots' rows."""

    name = models.CharField(max_length=60, primary_key=True, validators=[_NAME], help_text="Such as the project's.")
    node_hours = models.FloatField(
        validators=[MinValueValidator(0), MaxValueValidator(1e12)], help_text="What was granted."
    )
    since = models.DateTimeField(
        help_text="Pilots that started later are counted; of the first day all, once the rows of its pilots have gone."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class FactoryQueue(models.Model):
    """A queue that the factory submits pilots for."""

    queue = models.CharField(
        max_length=60,
        primary_key=True,
        help_text="Its name in schedconfig.",
        # It is the name of a folder as well.
        validators=[_NAME],
    )
    enabled = models.BooleanField(default=True)
    batch_system = models.CharField(
        max_length=60, default=LOCAL, help_text="The name of a factory system, or local: the server's machine."
    )
    job_options = models.JSONField(
        default=dict, blank=True, validators=[_is_object], help_text="What it asks of that system, as a JSON object."
    )
    nodes = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST["nodes"])], help_text="Nodes of one pilot."
    )
    cores = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST["cores"])],
        help_text="Of a node; empty: the queue's corecount.",
    )
    memory = models.PositiveIntegerField(null=True, blank=True, help_text="MB of each node; empty: the queue's maxrss.")
    disk = models.PositiveIntegerField(null=True, blank=True, help_text="MB of each node; empty: not asked for.")
    wall_time = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST["wall_time"])],
        help_text="Seconds; empty: the queue's maxtime.",
    )
    whole_nodes = models.BooleanField(
        default=False, help_text="A pilot has its nodes alone and serves several jobs: cores are counted, not pilots."
    )
    allocation = models.ForeignKey(
        FactoryAllocation, null=True, blank=True, on_delete=models.PROTECT, help_text="Whose node-hours it uses."
    )
    rules = models.JSONField(
        default=list,
        blank=True,
        validators=[_is_chain],
        help_text='Names, or objects such as {"rule": "scale", "factor": 0.5}, in their order; [] for the usual ones.',
    )
    slots = models.PositiveIntegerField(
        default=2, help_text="Pilots that run at the same time; with 0 none is started on the server's machine."
    )
    max_waiting = models.PositiveIntegerField(default=10, help_text="Pilots without a slot.")
    max_per_cycle = models.PositiveIntegerField(default=10, help_text="Pilots submitted at once.")
    safe_pilots = models.PositiveIntegerField(
        default=50, help_text="So many may be submitted or cancelled at once without a confirmation."
    )
    safe_percent = models.PositiveIntegerField(
        default=50, help_text="So many percent of the running pilots may be, too, whichever is more."
    )
    black_hole_pilots = models.PositiveIntegerField(
        default=3,
        validators=[MaxValueValidator(100)],
        help_text="When so many in a row fail at once, one is submitted at a time; 0 never minds.",
    )
    black_hole_seconds = models.PositiveIntegerField(default=20, help_text="Seconds within which a failure is at once.")
    black_hole_pause = models.PositiveIntegerField(default=30, help_text="Seconds between two such pilots.")
    held_minutes = models.PositiveIntegerField(default=60, help_text="A pilot that is held longer is cancelled.")
    start_days = models.PositiveIntegerField(
        default=7,
        validators=[MinValueValidator(1)],
        help_text="A pilot that has not started within so many days is cancelled.",
    )
    grace = models.PositiveIntegerField(
        default=90,
        validators=[MinValueValidator(1)],
        help_text="Seconds that a pilot gets to end when it is cancelled.",
    )
    keep_files = models.PositiveIntegerField(default=7, help_text="Days that logs and directories of pilots are kept.")
    pilot_options = models.JSONField(
        default=list, blank=True, validators=[_is_list_of_words], help_text="Further words on the pilot's command line."
    )
    last_submission = models.DateTimeField(null=True, blank=True, editable=False)
    refused_at = models.DateTimeField(null=True, blank=True, editable=False)
    refusal = models.CharField(
        max_length=500, blank=True, default="", editable=False, help_text="Why its batch system took no more pilots."
    )

    class Meta:
        ordering = ["queue"]

    def __str__(self) -> str:
        return self.queue

    def clean(self) -> None:
        """Refuse a batch system that is not there, and options that it does not have."""
        system = FactorySystem.objects.filter(pk=self.batch_system).first()
        if system is None and self.batch_system != LOCAL:
            names = ", ".join([LOCAL, *FactorySystem.objects.values_list("pk", flat=True)])
            raise ValidationError({"batch_system": f"There is no batch system {self.batch_system}; there are {names}."})
        home = Described(LOCAL, LOCAL) if system is None else Described(system.name, system.kind, system.options)
        try:
            check_job_options(home, self.job_options)
        except BatchMisconfigured as wrong:
            raise ValidationError({"job_options": str(wrong)}) from wrong


class FactoryCycle(models.Model):
    """What was decided for a queue, rule by rule; cycles in a row with the same outcome share a row."""

    queue = models.ForeignKey(FactoryQueue, on_delete=models.CASCADE, related_name="cycles")
    began = models.DateTimeField()
    latest = models.DateTimeField(help_text="The last cycle with the same outcome.")
    times = models.PositiveIntegerField(default=1)
    activated = models.IntegerField(null=True)
    waiting = models.IntegerField(null=True)
    running = models.IntegerField(null=True)
    number = models.IntegerField(help_text="Pilots to submit, after the last rule; below zero, to cancel.")
    submitted = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    trace = models.JSONField(default=list, help_text="Each rule with the number it left and its reason.")
    facts = models.JSONField(default=dict, help_text="What was known; it can be decided anew by other settings.")
    words = models.TextField(blank=True, help_text="Why fewer were submitted than decided.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["queue", "-id"], name="factory_cycle_latest")]

    def __str__(self) -> str:
        return f"{self.queue_id} {self.began:%Y-%m-%d %H:%M:%S}: {self.number}"


class FactoryConfirmation(models.Model):
    """A change of a queue's pilots that was too large to be made without somebody's word."""

    queue = models.ForeignKey(FactoryQueue, on_delete=models.CASCADE, related_name="confirmations")
    change = models.IntegerField(help_text="Pilots to submit; below zero, to cancel.")
    asked_at = models.DateTimeField()
    latest = models.DateTimeField(help_text="When it was wanted last.")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.CharField(max_length=100, blank=True, default="")
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.queue_id}: {self.change:+d}"


class FactorySystemState(models.Model):
    """How a batch system answered when it was asked last."""

    name = models.CharField(max_length=60, primary_key=True)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(default=0.0, help_text="That the last answer took.")
    pilots = models.PositiveIntegerField(default=0, help_text="That it was asked about.")
    words = models.TextField(blank=True, help_text="Why it did not answer.")
    collected_at = models.DateTimeField(
        null=True, blank=True, help_text="The logs of pilots that ended before were brought here."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
