from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("firehose", "0002_relayed_events"),
    ]

    operations = [
        migrations.AddField(
            model_name="firehose",
            name="relayed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="firehose",
            name="refused_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="firehose",
            name="refusal",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddConstraint(
            model_name="firehose",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("refusal", ""), ("refused_at", None)),
                    models.Q(("refused_at__isnull", False), models.Q(("refusal", ""), _negated=True)),
                    _connector="OR",
                ),
                name="firehose_refused_at_and_why",
            ),
        ),
    ]
