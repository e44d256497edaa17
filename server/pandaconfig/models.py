"""Queues and storages: PanDA's schedconfig, the JSON beside it (CRIC's keys), and the storage endpoints."""

from __future__ import annotations

from django.db import models


class Schedconfig(models.Model):
    """One queue: the columns of PanDA's SCHEDCONFIG that are read here, by their own names and types.

    0 or nothing means that the column says nothing, and what the JSON says counts.
    """

    class Status(models.TextChoices):
        """What the queue may be given."""

        ONLINE = "online"
        OFFLINE = "offline"
        TEST = "test"
        BROKEROFF = "brokeroff"
        STANDBY = "standby"
        PAUSED = "paused"

    nickname = models.CharField(max_length=60, primary_key=True, help_text="The queue's name.")
    siteid = models.CharField(max_length=60, blank=True, help_text="The PanDA site; the queue's name when empty.")
    gstat = models.CharField(max_length=60, blank=True, help_text="The site as people call it.")
    cloud = models.CharField(max_length=60, blank=True)
    region = models.CharField(max_length=60, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OFFLINE)
    corecount = models.PositiveSmallIntegerField(default=0, help_text="Cores of a slot.")
    maxrss = models.PositiveIntegerField(default=0, help_text="Memory of a slot in MB.")
    maxtime = models.PositiveIntegerField(default=0, help_text="Longest wall time in seconds.")
    maxwdir = models.PositiveIntegerField(default=0, help_text="Largest work directory in MB.")
    maxinputsize = models.PositiveIntegerField(default=0, help_text="All inputs of a job together, in MB.")
    timefloor = models.PositiveIntegerField(default=0, help_text="Minutes in which a pilot asks for further jobs.")
    cmtconfig = models.CharField(max_length=250, blank=True)
    appdir = models.CharField(max_length=500, blank=True, help_text="Where the software lies on the nodes.")
    environ = models.CharField(max_length=250, blank=True)
    catchall = models.CharField(max_length=512, blank=True)
    container_type = models.CharField(max_length=256, blank=True)
    container_options = models.CharField(max_length=1024, blank=True)
    resource_type = models.CharField(max_length=16, blank=True)
    pilotversion = models.CharField(max_length=32, blank=True)
    comment = models.CharField(max_length=500, blank=True, db_column="comment_")
    lastmod = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("nickname",)
        verbose_name = "queue"

    def __str__(self) -> str:
        return self.nickname


class SchedconfigJson(models.Model):
    """What CRIC says of a queue beyond the columns: copy tools, storages, protocols, params."""

    panda_queue = models.OneToOneField(
        Schedconfig, on_delete=models.CASCADE, primary_key=True, related_name="json", db_column="panda_queue"
    )
    data = models.JSONField(default=dict, blank=True)
    last_update = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "queue's JSON"
        verbose_name_plural = "queues' JSON"

    def __str__(self) -> str:
        return str(self.panda_queue_id)


class StorageEndpoint(models.Model):
    """A storage and how to reach it: one entry of ``ddmendpoints.json``."""

    name = models.CharField(max_length=52, primary_key=True)
    data = models.JSONField(default=dict)
    last_update = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
