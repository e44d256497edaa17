from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pilots", "0005_use_by_day")]

    operations = [
        migrations.AddField(
            model_name="pilot",
            name="nodes",
            field=models.PositiveIntegerField(default=1, help_text="That it asked for."),
        ),
        migrations.AddField(
            model_name="pilot",
            name="cores",
            field=models.PositiveIntegerField(default=1, help_text="Of all its nodes together."),
        ),
        migrations.AddField(
            model_name="pilot",
            name="allocation",
            field=models.CharField(blank=True, default="", help_text="Whose node-hours it uses.", max_length=60),
        ),
        migrations.AddField(
            model_name="pilot",
            name="held_at",
            field=models.DateTimeField(blank=True, help_text="When it was first seen to be held.", null=True),
        ),
        migrations.AddField(
            model_name="pilot",
            name="cancelled_at",
            field=models.DateTimeField(blank=True, help_text="When the factory told it to end.", null=True),
        ),
        migrations.AddField(
            model_name="pilot",
            name="cancelled_for",
            field=models.CharField(blank=True, default="", help_text="Why the factory told it so.", max_length=500),
        ),
        migrations.AddIndex(
            model_name="pilot", index=models.Index(fields=["allocation", "started_at"], name="pilot_of_allocation")
        ),
    ]
