"""What was decided of each task's submission, and a way to its latest moves."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("production", "0002_users_tasks")]

    operations = [
        migrations.CreateModel(
            name="SubmitDecision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("serial", models.PositiveIntegerField(help_text="Counts a task's decisions from 1.")),
                ("began", models.DateTimeField()),
                ("latest", models.DateTimeField()),
                ("times", models.PositiveIntegerField(default=1, help_text="How many cycles in a row decided so.")),
                ("number", models.PositiveIntegerField(help_text="Jobs that were to be submitted.")),
                ("sent", models.PositiveIntegerField(help_text="Jobs that were.")),
                (
                    "words",
                    models.CharField(blank=True, help_text="Why fewer were sent than decided.", max_length=500),
                ),
                ("trace", models.JSONField(help_text="What each rule made of the number, and why.")),
                ("facts", models.JSONField(help_text="What it was decided from.")),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="decisions", to="production.task"
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.AddConstraint(
            model_name="submitdecision",
            constraint=models.UniqueConstraint(fields=("task", "serial"), name="a_decision_once_in_a_task"),
        ),
        migrations.AddIndex(
            model_name="taskevent", index=models.Index(fields=["task", "at"], name="latest_moves_of_a_task")
        ),
    ]
