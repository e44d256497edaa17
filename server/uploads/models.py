"""The table of uploads: what lies in the server's folder ``cache``, and whose it is."""

from __future__ import annotations

from django.db import models


class Upload(models.Model):
    """One file: it is there as soon as its row is, and never changes."""

    name = models.CharField(max_length=200, unique=True, help_text="As its owner called it; it is fetched by it.")
    owner = models.CharField(max_length=80)
    size = models.BigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)
    crc = models.BigIntegerField(null=True, blank=True, help_text="The CRC-32 that a gzip file ends with.")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("owner", "size"), name="uploads_of_owner"),)

    def __str__(self) -> str:
        return self.name
