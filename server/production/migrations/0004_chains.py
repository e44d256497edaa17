"""Words of tasks on programs and queues, accepted checks, RICH files."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("production", "0003_submit_decisions"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="by_chunk",
            field=models.BooleanField(
                default=True, help_text="a child's chunk waits for its parent's only, not for all"
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="merging_queue",
            field=models.CharField(blank=True, help_text="of its merges; empty: the site's own", max_length=100),
        ),
        migrations.AddField(
            model_name="task",
            name="program",
            field=models.CharField(
                default="compass-mc",
                help_text="'compass': the experiment's own programs; else one that takes the arguments of compass-mc",
                max_length=200,
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="rich",
            field=models.BooleanField(default=False, help_text="whether its jobs write a RICH file, too"),
        ),
        migrations.AddField(
            model_name="taskevent",
            name="run",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="events",
                to="production.run",
            ),
        ),
        migrations.AlterField(
            model_name="crosscheck",
            name="verdict",
            field=models.CharField(
                choices=[
                    ("no", "no"),
                    ("yes", "yes"),
                    ("manual_check", "manual check is needed"),
                    ("accepted", "accepted"),
                ],
                default="no",
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="output",
            name="kind",
            field=models.CharField(
                choices=[
                    ("generated", "generated events"),
                    ("mdst", "mDST"),
                    ("histograms", "histograms"),
                    ("dump", "event dump"),
                    ("rich", "RICH file"),
                    ("log", "log"),
                    ("merged_mdst", "merged mDST"),
                    ("merged_histograms", "merged histograms"),
                    ("merged_dump", "merged event dump"),
                ],
                max_length=20,
            ),
        ),
    ]
