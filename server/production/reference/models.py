"""The tables that tasks choose from. People edit them in the admin; nothing here is written by a step."""

from __future__ import annotations

from typing import Any

from django.db import models

from server.production.states import TaskType

_LIMITS = 'JSON: limits that hold here instead of the system\'s, such as {"jobs_per_task": 200}.'


class Site(models.Model):
    """A place where tasks run: the queue of its jobs, its disk, its tapes, and the limits that hold there."""

    name = models.CharField(max_length=100, unique=True)
    queue = models.CharField(max_length=100, unique=True, blank=True, help_text="Of its jobs; empty: its name.")
    merging_queue = models.CharField(
        max_length=100, blank=True, help_text="Of merges; empty: the queue's name with _MERGING, where that is online."
    )
    home = models.CharField(max_length=200, blank=True, help_text="Root of the software area.")
    files_home = models.CharField(
        max_length=200, blank=True, help_text="Stands before the storage's folders in lists of raw files."
    )
    files_endpoint = models.CharField(max_length=100, blank=True, help_text="Storage of raw files; empty: the queue's.")
    tape = models.CharField(max_length=100, blank=True, help_text="Storage whose tapes take merged files.")
    hpc = models.BooleanField(default=False, help_text="Its inputs are on its own disk: nothing comes from tape.")
    enabled = models.BooleanField(default=True, help_text="New tasks may name it.")
    limits = models.JSONField(default=dict, blank=True, help_text=_LIMITS)
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.queue = self.queue or self.name
        super().save(*args, **kwargs)


class TaskKind(models.Model):
    """A type of task as people name it: which built-in chain it follows, and what its tasks have unless they say so."""

    word = models.CharField(max_length=30, unique=True, help_text="What definitions give as type.")
    label = models.CharField(max_length=60)
    chain = models.CharField(max_length=30, choices=TaskType.choices, help_text="The steps that its tasks have.")
    priority = models.PositiveIntegerField(null=True, blank=True, help_text="Of its jobs; empty: by its chain.")
    program = models.CharField(max_length=200, blank=True, help_text="What its jobs run; empty: by its chain.")
    enabled = models.BooleanField(default=True, help_text="New tasks may be of it.")
    limits = models.JSONField(default=dict, blank=True, help_text=_LIMITS)
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "task type"

    def __str__(self) -> str:
        return self.word


class Template(models.Model):
    """A file of options that tasks may name, such as those for one charge of the beam: plain, mu+ and mu-."""

    name = models.CharField(max_length=100, unique=True, help_text="What definitions give as template.")
    file = models.CharField(max_length=200, blank=True, help_text="What pilots are told; empty: its name.")
    kinds = models.ManyToManyField(
        TaskKind, blank=True, related_name="templates", help_text="Types of task that it fits; none: all."
    )
    enabled = models.BooleanField(default=True, help_text="New tasks may name it.")
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SoftwareRelease(models.Model):
    """A release of the experiment's software that tasks may name."""

    name = models.CharField(max_length=100, help_text="Its folder, without slashes: what definitions give as soft.")
    home = models.CharField(max_length=200, default="/cvmfs/compass.cern.ch/", help_text="Root of the software area.")
    path = models.CharField(max_length=200, blank=True, help_text="Folders below it.")
    phast = models.PositiveIntegerField(null=True, blank=True, help_text="PHAST version of its tasks; empty: 7.")
    enabled = models.BooleanField(default=True, help_text="New tasks may name it.")
    checked = models.DateTimeField(null=True, blank=True, help_text="When somebody last saw that it is there.")
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["name", "home", "path"]
        constraints = [models.UniqueConstraint(fields=["name", "home", "path"], name="a_release_once_in_a_place")]

    def __str__(self) -> str:
        return f"{self.home}{self.path}{self.name}"
