from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("traffic", "0003_outbox"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="conversion",
            index=models.Index(
                condition=models.Q(("is_event", True)),
                fields=["partner_id", "transaction_id"],
                name="events_of_transaction",
            ),
        ),
    ]
