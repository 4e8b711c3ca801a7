from __future__ import annotations

import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0006_deals_change"),
    ]

    operations = [
        migrations.AddField(
            model_name="productfeed",
            name="updated_at",
            field=models.DateTimeField(db_default=Now(), default=django.utils.timezone.now),
        ),
        migrations.AddField(
            model_name="productfeed",
            name="withdrawn_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="productfeed",
            name="withdrawn_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.RemoveConstraint(model_name="productfeed", name="product_feed_name_is_unique"),
        migrations.AddConstraint(
            model_name="productfeed",
            constraint=models.UniqueConstraint(
                condition=Q(withdrawn_at=None), fields=("offer", "name"), name="product_feed_name_is_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="productfeed",
            constraint=models.CheckConstraint(
                condition=Q(withdrawn_at=None, withdrawn_by="") | (Q(withdrawn_at__isnull=False) & ~Q(withdrawn_by="")),
                name="product_feed_withdrawn_at_and_by",
            ),
        ),
    ]
