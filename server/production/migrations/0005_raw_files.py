"""The files of the detector that chunks of data are."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("production", "0004_chains"),
    ]

    operations = [
        migrations.CreateModel(
            name="RawFile",
            fields=[
                (
                    "chunk",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="raw",
                        serialize=False,
                        to="production.chunk",
                    ),
                ),
                ("lfn", models.CharField(max_length=255)),
                ("dataset", models.CharField(max_length=255)),
                ("endpoint", models.CharField(max_length=100)),
                ("size", models.PositiveBigIntegerField(blank=True, help_text="bytes; empty: unknown", null=True)),
                ("checksum", models.CharField(blank=True, max_length=50)),
                (
                    "events",
                    models.PositiveIntegerField(
                        blank=True, help_text="as the catalogue has it; empty: unknown", null=True
                    ),
                ),
            ],
            options={
                "ordering": ["chunk"],
            },
        ),
    ]
