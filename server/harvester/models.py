"""The tables of Harvesters: themselves, their workers and how many there are, their words and figures, our commands."""

from __future__ import annotations

from typing import Any

from django.db import models

from server.harvester.values import STATES


def _words(length: int) -> Any:
    return models.CharField(max_length=length, default="", blank=True)


def _who() -> Any:
    return models.CharField(max_length=50, help_text="Name of the Harvester.")


class Harvester(models.Model):
    """One Harvester, by its last heartbeat."""

    name = models.CharField(max_length=50, unique=True)
    heartbeat_at = models.DateTimeField()
    said = models.JSONField(default=dict, blank=True, help_text="What it says of itself.")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class HarvesterWorker(models.Model):
    """A worker as its Harvester has described it last."""

    harvester = _who()
    worker_id = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=[(state, state) for state in STATES])
    queue = _words(128)
    batch_id = _words(80)
    node = _words(80)
    computing_element = _words(128)
    host = _words(128)
    resource_type = _words(56)
    job_type = _words(64)
    cores = models.BigIntegerField(null=True, blank=True)
    jobs = models.BigIntegerField(null=True, blank=True)
    error = models.BigIntegerField(null=True, blank=True)
    words = _words(500)
    log = _words(500)
    submitted_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("harvester", "worker_id"), name="harvester_worker_once"),)
        indexes = (models.Index(fields=("queue", "state"), name="harvester_workers_of_queue"),)

    def __str__(self) -> str:
        return f"{self.harvester}/{self.worker_id}"


class WorkerJob(models.Model):
    """A job that a worker has had, by its pilot's request for it or by its Harvester's word."""

    harvester = _who()
    worker_id = models.BigIntegerField()
    job = models.BigIntegerField(db_index=True)
    said_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("harvester", "worker_id", "job"), name="worker_job_once"),)

    def __str__(self) -> str:
        return f"{self.job} by {self.harvester}/{self.worker_id}"


class WorkerCount(models.Model):
    """How many workers of a kind a Harvester has in a state at a queue, as it has counted last."""

    harvester = _who()
    queue = models.CharField(max_length=128)
    job_type = models.CharField(max_length=64)
    resource_type = models.CharField(max_length=56)
    state = models.CharField(max_length=80)
    count = models.BigIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        ordering = ("queue", "harvester")
        constraints = (
            models.UniqueConstraint(
                fields=("harvester", "queue", "job_type", "resource_type", "state"), name="worker_count_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.queue}: {self.count} {self.state}"


class Command(models.Model):
    """What a Harvester is to do: given to it once, in order."""

    harvester = _who()
    word = models.CharField(max_length=200)
    parameters = models.JSONField(default=dict, blank=True)
    by = models.CharField(max_length=80, db_column="ordered_by")
    created_at = models.DateTimeField()
    given_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = (models.Index(fields=("harvester", "given_at"), name="commands_to_give"),)

    def __str__(self) -> str:
        return f"{self.word} for {self.harvester}"


class TargetSlots(models.Model):
    """How many workers are wanted at a queue."""

    queue = models.CharField(max_length=128)
    resource_type = _words(56)
    slots = models.PositiveIntegerField()
    until = models.DateTimeField(null=True, blank=True, help_text="For good, when empty.")
    by = models.CharField(max_length=80, db_column="wanted_by")
    wanted_at = models.DateTimeField()

    class Meta:
        ordering = ("queue", "resource_type")
        verbose_name_plural = "target slots"
        constraints = (models.UniqueConstraint(fields=("queue", "resource_type"), name="target_slots_once"),)

    def __str__(self) -> str:
        return f"{self.slots} at {self.queue}"


class Dialog(models.Model):
    """A message of a Harvester's to people."""

    harvester = _who()
    number = models.BigIntegerField(help_text="As the Harvester counts them.")
    module = _words(100)
    identifier = _words(100)
    level = _words(10)
    words = _words(500)
    said_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("harvester", "number"), name="dialog_once"),)

    def __str__(self) -> str:
        return f"{self.harvester}: {self.words}"


class ServiceMetric(models.Model):
    """Figures of a machine on which a Harvester runs."""

    harvester = _who()
    host = models.CharField(max_length=100)
    measured_at = models.DateTimeField(db_index=True)
    figures = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.host} at {self.measured_at:%Y-%m-%d %H:%M}"
