from datetime import UTC, date

from django.db import migrations, models


def add_up(apps, schema_editor):
    """Add up what the pilots had used that were counted before there were these sums."""
    pilots = apps.get_model("pilots", "Pilot").objects.filter(counted=True, started_at__isnull=False)
    rows = pilots.exclude(allocation="").values_list("allocation", "nodes", "started_at", "ended_at")
    sums: dict[tuple[date, str], float] = {}
    for allocation, nodes, started, ended in rows.iterator(chunk_size=2000):
        key = started.astimezone(UTC).date(), allocation
        sums[key] = sums.get(key, 0) + nodes * max(0.0, (ended - started).total_seconds())
    table = apps.get_model("pilots", "AllocationUse")
    new = [table(day=day, allocation=name, node_seconds=round(used)) for (day, name), used in sums.items()]
    table.objects.bulk_create(new, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("pilots", "0007_latest_of_queue")]

    operations = [
        migrations.CreateModel(
            name="AllocationUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("allocation", models.CharField(max_length=60)),
                ("node_seconds", models.BigIntegerField(default=0)),
            ],
            options={"verbose_name_plural": "allocations by day", "ordering": ["-day", "allocation"]},
        ),
        migrations.AddConstraint(
            model_name="allocationuse",
            constraint=models.UniqueConstraint(fields=("allocation", "day"), name="allocation_use_once"),
        ),
        migrations.RunPython(add_up, migrations.RunPython.noop),
    ]
