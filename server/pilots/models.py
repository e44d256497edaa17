"""The tables of pilots: batch jobs that the factory ordered, workers of Harvesters, and the nodes they are on."""

from __future__ import annotations

from typing import Any

from django.db import models

from server.pilots.states import PilotState, WorkerState


class Pilot(models.Model):
    """A pilot in a batch system, where ``submission`` and ``number`` find it even after a crash of the factory."""

    queue = models.CharField(max_length=60)
    batch_system = models.CharField(max_length=60)
    submission = models.CharField(max_length=61, help_text="Names one submission of the factory for ever.")
    number = models.PositiveIntegerField(help_text="Which pilot of that submission.")
    batch_id = models.CharField(max_length=80, blank=True, db_index=True, help_text="Empty until it is confirmed.")
    state = models.CharField(max_length=10, choices=PilotState.choices, default=PilotState.SUBMITTED)
    exit_code = models.IntegerField(null=True, blank=True)
    words = models.CharField(
        max_length=500, blank=True, help_text="What its exit code means, or why it is lost or held."
    )
    directory = models.CharField(max_length=500, blank=True, help_text="Where its stdout and stderr lie.")
    node = models.CharField(max_length=128, blank=True, default="", help_text="Where it runs, or ran, if anybody said.")
    submitted_at = models.DateTimeField(db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    reported = models.CharField(
        max_length=10, blank=True, default="", choices=WorkerState.choices, help_text="What it has said of itself."
    )
    reported_at = models.DateTimeField(null=True, blank=True, help_text="When it said so.")
    jobs = models.PositiveIntegerField(default=0, help_text="Jobs that it was given.")
    nodes = models.PositiveIntegerField(default=1, help_text="That it asked for.")
    cores = models.PositiveIntegerField(default=1, help_text="Of all its nodes together.")
    allocation = models.CharField(max_length=60, blank=True, default="", help_text="Whose node-hours it uses.")
    held_at = models.DateTimeField(null=True, blank=True, help_text="When it was first seen to be held.")
    cancelled_at = models.DateTimeField(null=True, blank=True, help_text="When the factory told it to end.")
    cancelled_for = models.CharField(max_length=500, blank=True, default="", help_text="Why the factory told it so.")
    last_request = models.CharField(
        max_length=64, default="", blank=True, editable=False, help_text="The last request that was counted in jobs."
    )

    counted = models.BooleanField(default=False, editable=False, help_text="Whether its end is in the sums by day.")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["submission", "number"], name="pilot_once")]
        indexes = [
            models.Index(fields=["queue", "state"], name="pilot_of_queue"),
            models.Index(fields=["queue", "-ended_at"], name="pilot_last_ended"),
            models.Index(fields=["batch_system", "state"], name="pilot_of_system"),
            models.Index(fields=["state", "-id"], name="pilot_in_state"),
            models.Index(fields=["node", "-id"], name="pilot_on_node"),
            models.Index(fields=["queue", "-id"], name="pilot_latest_of_queue"),
            models.Index(fields=["counted", "ended_at"], name="pilot_to_count"),
            models.Index(fields=["allocation", "started_at"], name="pilot_of_allocation"),
        ]

    def __str__(self) -> str:
        return f"{self.submission}/{self.number}"


def _sum() -> Any:
    return models.BigIntegerField(default=0)


class PilotUse(models.Model):
    """The pilots of a queue that ended on a node on a day (by UTC): how, and how much of their time had a job."""

    day = models.DateField()
    queue = models.CharField(max_length=60)
    node = models.CharField(max_length=128, default="", blank=True, help_text="Empty: nobody said where.")
    pilots = _sum()
    jobless = _sum()
    failed = _sum()
    quick = _sum()
    lost = _sum()
    jobs = _sum()
    jobs_failed = _sum()
    wall_seconds = _sum()
    busy_seconds = _sum()

    class Meta:
        ordering = ["-day", "queue", "node"]
        verbose_name_plural = "pilots by day and node"
        constraints = [models.UniqueConstraint(fields=["day", "queue", "node"], name="pilot_use_once")]
        indexes = [models.Index(fields=["queue", "day"], name="pilot_use_of_queue")]

    def __str__(self) -> str:
        return f"{self.pilots} at {self.queue} on {self.node or 'unknown nodes'}, {self.day}"


class AllocationUse(models.Model):
    """What the pilots of an allocation that began on a day (by UTC) had used at their ends, in seconds of one node."""

    day = models.DateField()
    allocation = models.CharField(max_length=60)
    node_seconds = _sum()

    class Meta:
        ordering = ["-day", "allocation"]
        verbose_name_plural = "allocations by day"
        constraints = [models.UniqueConstraint(fields=["allocation", "day"], name="allocation_use_once")]

    def __str__(self) -> str:
        return f"{self.node_seconds} s of nodes of {self.allocation}, {self.day}"


class Worker(models.Model):
    """A worker of a Harvester, by what its pilot has said: that it begins, that it ends."""

    harvester_id = models.CharField(max_length=50)
    worker_id = models.BigIntegerField()
    queue = models.CharField(max_length=60, blank=True, help_text="Said in PanDA's older dialect only.")
    node = models.CharField(max_length=128, blank=True)
    state = models.CharField(max_length=10, choices=WorkerState.choices)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["harvester_id", "worker_id"], name="worker_once")]

    def __str__(self) -> str:
        return f"{self.harvester_id}/{self.worker_id}"


class Node(models.Model):
    """A worker node as a pilot on it has described it last; memory in MB (2**20 bytes), disk in GB (2**30 bytes)."""

    site = models.CharField(max_length=128)
    host = models.CharField(max_length=128)
    queue = models.CharField(max_length=60, blank=True)
    cpu_model = models.CharField(max_length=128)
    logical = models.BigIntegerField(null=True, blank=True, help_text="Logical processors.")
    sockets = models.BigIntegerField(null=True, blank=True)
    cores_per_socket = models.BigIntegerField(null=True, blank=True)
    threads_per_core = models.BigIntegerField(null=True, blank=True)
    architecture = models.CharField(max_length=20, blank=True)
    level = models.CharField(max_length=20, blank=True, help_text="Such as x86_64-v3.")
    clock = models.FloatField(null=True, blank=True, help_text="MHz.")
    memory = models.BigIntegerField(null=True, blank=True, help_text="MB.")
    disk = models.BigIntegerField(null=True, blank=True, help_text="GB.")
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["site", "host"]
        constraints = [models.UniqueConstraint(fields=["site", "host"], name="node_once")]

    def __str__(self) -> str:
        return f"{self.host} ({self.site})"


class NodeGpus(models.Model):
    """The GPUs of one model in a worker node; memory of one in MB (2**20 bytes)."""

    site = models.CharField(max_length=128)
    host = models.CharField(max_length=128)
    vendor = models.CharField(max_length=64)
    model = models.CharField(max_length=128)
    count = models.BigIntegerField()
    memory = models.BigIntegerField(null=True, blank=True, help_text="MB.")
    architecture = models.CharField(max_length=64, blank=True)
    framework = models.CharField(max_length=20, blank=True)
    framework_version = models.CharField(max_length=20, blank=True)
    driver = models.CharField(max_length=20, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["site", "host"]
        verbose_name_plural = "node GPUs"
        constraints = [models.UniqueConstraint(fields=["site", "host", "vendor", "model"], name="gpus_once")]

    def __str__(self) -> str:
        return f"{self.count} {self.model} in {self.host}"
