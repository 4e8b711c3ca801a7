import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0003_admit"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="allowlistentry",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThan(
                    models.Func(models.F("network"), function="masklen", output_field=models.IntegerField()), 0
                ),
                name="allowlist_entry_is_not_any_address",
            ),
        ),
    ]
