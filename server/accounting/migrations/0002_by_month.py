from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounting", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="bookmark",
            name="days_from",
            field=models.DateField(
                blank=True, help_text="Days are kept from then on, and before it months.", null=True
            ),
        ),
    ]
