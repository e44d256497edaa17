"""Tables of this server that people edit: storages, shares, limits of users."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models


class StorageEndpoint(models.Model):
    """A storage and how to reach it: one entry of ``ddmendpoints.json``."""

    name = models.CharField(max_length=52, primary_key=True)
    data = models.JSONField(default=dict)
    last_update = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


def is_pattern(text: str) -> None:
    try:
        re.compile(text)
    except re.error as wrong:
        raise ValidationError(f"{text!r} is no regular expression: {wrong}") from wrong


def _pattern(what: str) -> models.CharField[str, str]:
    help_text = f"Regular expression for {what}; any when empty."
    return models.CharField(max_length=100, blank=True, default="", validators=[is_pattern], help_text=help_text)


class GlobalShare(models.Model):
    """A part of what all queues compute together: a node of the tree of shares, or a leaf that jobs belong to."""

    name = models.CharField(
        max_length=16, primary_key=True, validators=[RegexValidator(r"^[^/]+\Z", "Give a name without a slash.")]
    )
    parent = models.CharField(max_length=16, blank=True, default="", help_text="A share that this is a part of.")
    value = models.PositiveIntegerField(help_text="Its weight against the other parts of the same share.")
    position = models.PositiveIntegerField(default=0, help_text="Leaves are tried in this order; the first that fits.")
    prodsourcelabel = _pattern("the job's prodSourceLabel")
    workinggroup = _pattern("the job's workingGroup")
    processingtype = _pattern("the job's processingType")
    per_user = models.BooleanField(default=False, help_text="Its users get equal parts of it.")

    class Meta:
        ordering = ("position", "name")
        verbose_name = "share"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a parent that is not there, or is a part of this share itself."""
        parents = dict(GlobalShare.objects.values_list("name", "parent"))
        above, seen = self.parent, {self.name}
        while above:
            if above not in parents or above in seen:
                words = "is a part of this share itself" if above in seen else "is no share; add it first"
                raise ValidationError({"parent": f"{above!r} {words}"})
            seen.add(above)
            above = parents[above]


class UserLimits(models.Model):
    """What one user may have, by the name that his jobs carry."""

    name = models.CharField(max_length=250, primary_key=True, help_text="As in prodUserName.")
    country = models.CharField(max_length=20, blank=True, default="", help_text="Whose queues are for him first.")
    banned = models.CharField(
        max_length=250, blank=True, default="", help_text="Why no job of his is taken or started; empty: they are."
    )
    max_queued = models.PositiveIntegerField(default=0, help_text="Jobs queued at a time; 0: any number.")
    max_running_cores = models.PositiveIntegerField(default=0, help_text="Cores at a time; 0: any number.")

    class Meta:
        ordering = ("name",)
        verbose_name = verbose_name_plural = "limits of users"

    def __str__(self) -> str:
        return self.name
