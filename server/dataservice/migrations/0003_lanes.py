"""Transfers are found by lanes: one row for whatever may go into the same call to a storage."""

import django.db.models.deletion
from django.db import migrations, models


def fill_lanes(apps, schema_editor):
    transfers, lanes = (apps.get_model("dataservice", name).objects for name in ("Transfer", "Lane"))
    requests = apps.get_model("dataservice", "TransferRequest").objects
    groups = transfers.order_by().values_list("kind", "endpoint", "source", "request__lifetime").distinct()
    for kind, endpoint, source, lifetime in list(groups):
        lane, _ = lanes.get_or_create(kind=kind, endpoint=endpoint, source=source, lifetime=lifetime)
        alike = requests.filter(kind=kind, endpoint=endpoint, lifetime=lifetime)
        transfers.filter(request__in=alike, source=source).update(lane=lane)


class Migration(migrations.Migration):
    # The rows are filled and then held to be so: PostgreSQL does not do both in one transaction.
    atomic = False
    dependencies = [("dataservice", "0002_give_up")]

    operations = [
        migrations.CreateModel(
            name="Lane",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("prestage", "prestage"),
                            ("archive", "archive"),
                            ("replicate", "replicate"),
                            ("delete", "delete"),
                        ],
                        max_length=10,
                    ),
                ),
                ("endpoint", models.CharField(max_length=250)),
                ("source", models.CharField(blank=True, default="", max_length=250)),
                ("lifetime", models.FloatField(default=0)),
            ],
            options={
                "ordering": ("id",),
                "constraints": [
                    models.UniqueConstraint(fields=("endpoint", "kind", "source", "lifetime"), name="a_lane_once")
                ],
            },
        ),
        migrations.AddField(
            model_name="transfer",
            name="lane",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="transfers",
                to="dataservice.lane",
            ),
        ),
        migrations.RunPython(fill_lanes, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="transfer",
            name="lane",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="transfers",
                to="dataservice.lane",
            ),
        ),
        migrations.RemoveIndex(model_name="transfer", name="transfers_by_state"),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["lane", "state", "due"], name="transfers_by_lane"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["state", "pinned_until"], name="transfers_by_pin"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["state", "wanted_until"], name="transfers_by_wish"),
        ),
    ]
