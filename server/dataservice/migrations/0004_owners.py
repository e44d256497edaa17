"""Datasets have owners: whose first job has written into one, and the productions of what somebody has registered."""

from django.db import migrations, models

USERS_LABELS = ("user", "panda", "test")


def find_owners(apps, schema_editor):
    datasets, files = (apps.get_model("dataservice", name).objects for name in ("Dataset", "DatasetFile"))
    tables = [apps.get_model("taskbuffer", name).objects for name in ("Job", "ArchivedJob")]
    for pk in list(datasets.values_list("pk", flat=True)):
        rows = files.filter(dataset=pk)
        job = rows.exclude(job=None).order_by("job").values_list("job", flat=True).first()
        if job is None and not rows.exclude(state="expected").exists():
            continue  # jobs want it, and nobody has written into it yet
        found = next((row for table in tables for row in table.filter(pk=job).values_list("label", "user")), None)
        owner = found[1] if found is not None and found[0] in USERS_LABELS else ""
        datasets.filter(pk=pk).update(owner=owner)


class Migration(migrations.Migration):
    # The rows are filled after the column is there: PostgreSQL does not do both in one transaction.
    atomic = False
    dependencies = [("dataservice", "0003_lanes"), ("taskbuffer", "0009_groups_and_countries")]

    operations = [
        migrations.AddField(
            model_name="dataset",
            name="owner",
            field=models.CharField(
                blank=True,
                help_text="The user whose jobs alone write into it. Empty: the productions'; unknown: whose first job writes.",
                max_length=250,
                null=True,
            ),
        ),
        migrations.RunPython(find_owners, migrations.RunPython.noop),
    ]
