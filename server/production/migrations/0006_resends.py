"""What was sent again, by whom and why, and what it was before."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("production", "0005_raw_files")]

    operations = [
        migrations.CreateModel(
            name="Resend",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("wish", models.JSONField(help_text="What was asked for.")),
                ("words", models.CharField(max_length=200)),
                ("by", models.CharField(db_column="sent_by", max_length=250)),
                ("why", models.CharField(max_length=400)),
                ("at", models.DateTimeField(db_column="sent_at")),
                (
                    "counts",
                    models.JSONField(
                        help_text="What was made again: chunks, merges, checks, outputs, jobs that were ended."
                    ),
                ),
                ("undone_by", models.CharField(blank=True, default="", max_length=250)),
                ("undone_at", models.DateTimeField(blank=True, null=True)),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="resends", to="production.task"
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            name="ResendRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("table", models.CharField(db_column="of_table", max_length=10)),
                ("key", models.BigIntegerField(db_column="row_key")),
                ("before", models.JSONField(help_text="What was written over.")),
                (
                    "resend",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="rows", to="production.resend"
                    ),
                ),
            ],
            options={"indexes": [models.Index(fields=["table", "key"], name="resends_of_a_row")]},
        ),
    ]
