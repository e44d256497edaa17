from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pilots", "0003_workers")]

    operations = [
        migrations.AlterField(model_name="pilot", name="batch_system", field=models.CharField(max_length=60)),
        migrations.AlterField(
            model_name="pilot", name="submitted_at", field=models.DateTimeField(db_index=True)
        ),
        migrations.AddField(
            model_name="pilot",
            name="node",
            field=models.CharField(
                blank=True, default="", help_text="Where it runs, or ran, if anybody said.", max_length=128
            ),
        ),
        migrations.AddField(
            model_name="pilot",
            name="reported",
            field=models.CharField(
                blank=True,
                choices=[("started", "started"), ("finished", "finished")],
                default="",
                help_text="What it has said of itself.",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="pilot",
            name="reported_at",
            field=models.DateTimeField(blank=True, help_text="When it said so.", null=True),
        ),
        migrations.AddIndex(
            model_name="pilot", index=models.Index(fields=["batch_system", "state"], name="pilot_of_system")
        ),
        migrations.AddIndex(
            model_name="pilot", index=models.Index(fields=["state", "-id"], name="pilot_in_state")
        ),
        migrations.AddIndex(
            model_name="pilot", index=models.Index(fields=["node", "-id"], name="pilot_on_node")
        ),
    ]
