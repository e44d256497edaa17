"""Packed logs by themselves: merge groups of the kind *logs*, each with its file and how far that is to tape."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from server.production.models import MergeGroup, MergeInput, Output
from server.production.states import MergeKind


class LogArchives(models.Manager["LogArchive"]):
    """Only groups of logs."""

    def get_queryset(self) -> QuerySet[LogArchive]:
        return super().get_queryset().filter(kind=MergeKind.LOGS)


class LogArchive(MergeGroup):
    """Logs of a run's jobs that are, or will be, packed into one file; it is written by the steps that pack."""

    objects: ClassVar[LogArchives] = LogArchives()

    class Meta:
        proxy = True
        verbose_name = "log archive"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.run} log archive {self.number}"


def with_files(archives: QuerySet[LogArchive]) -> QuerySet[LogArchive]:
    """Add to each its file's ``checksum``, ``tape`` and ``request``, of how many logs (``files``) and ``bytes`` it is.

    ``bytes`` is the packed file's size; before it is packed, the sum of its logs.
    """
    # A group has one file: one that is packed again takes the place of its former one.
    made = Output.objects.filter(group=OuterRef("pk")).order_by("-pk")
    logs = (
        MergeInput.objects.filter(group=OuterRef("pk")).order_by().values("group").annotate(n=Count("pk")).values("n")
    )
    return archives.annotate(
        bytes=Coalesce("size", F("size_expected")),
        files=Coalesce(Subquery(logs, output_field=IntegerField()), 0),
        **{name: Subquery(made.values(field)[:1]) for name, field in _OF_FILE.items()},
    )


_OF_FILE = {"checksum": "checksum", "tape": "tape", "request": "tape_request"}
