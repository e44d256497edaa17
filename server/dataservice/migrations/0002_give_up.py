"""Requests have an age that begins anew when they are tried again, are given up, and tell what was done about them."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import F


def begin_ages(apps, schema_editor):
    apps.get_model("dataservice", "TransferRequest").objects.update(asked=F("created"))


class Migration(migrations.Migration):
    dependencies = [("dataservice", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="submission",
            name="to_cancel",
            field=models.DateTimeField(
                blank=True,
                db_index=True,
                help_text="When files of it were given up, and its storage was not told.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="transferrequest",
            name="asked",
            field=models.DateTimeField(
                default=django.utils.timezone.now,
                help_text="Since when it has been asked for: made, or tried again.",
            ),
        ),
        migrations.RunPython(begin_ages, migrations.RunPython.noop),
        migrations.AddField(
            model_name="transferrequest",
            name="given_up_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="transferrequest",
            name="given_up_by",
            field=models.CharField(blank=True, default="", max_length=250),
        ),
        migrations.AddField(
            model_name="transferrequest",
            name="given_up_why",
            field=models.CharField(blank=True, default="", max_length=500),
        ),
        migrations.CreateModel(
            name="RequestEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("release", "released"),
                            ("try_again", "tried again"),
                            ("give_up", "given up"),
                        ],
                        max_length=12,
                    ),
                ),
                ("files", models.PositiveIntegerField(help_text="Of how many files it was said.")),
                ("at", models.DateTimeField()),
                ("by", models.CharField(max_length=250)),
                ("why", models.CharField(blank=True, default="", max_length=500)),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="acts",
                        to="dataservice.transferrequest",
                    ),
                ),
            ],
            options={"ordering": ("id",)},
        ),
    ]
