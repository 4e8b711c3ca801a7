from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0004_a_form_makes_one"),
    ]

    operations = [
        *(
            migrations.AddField(model_name=name, name="withdrawn_at", field=models.DateTimeField(null=True))
            for name in ("offerurl", "creative")
        ),
        *(
            migrations.AddField(
                model_name=name,
                name="withdrawn_by",
                field=models.CharField(blank=True, db_default="", default="", max_length=200),
            )
            for name in ("offerurl", "creative")
        ),
        *(
            migrations.AlterField(
                model_name=name,
                name="withdrawn_by",
                field=models.CharField(blank=True, db_default="", default="", max_length=200),
            )
            for name in ("deal", "couponcode")
        ),
        migrations.RemoveConstraint(model_name="offerurl", name="offer_url_name_is_unique"),
        migrations.AddConstraint(
            model_name="offerurl",
            constraint=models.UniqueConstraint(
                condition=Q(withdrawn_at=None), fields=("offer", "name"), name="offer_url_name_is_unique"
            ),
        ),
        *(
            migrations.AddConstraint(
                model_name=model,
                constraint=models.CheckConstraint(
                    condition=Q(withdrawn_at=None, withdrawn_by="")
                    | (Q(withdrawn_at__isnull=False) & ~Q(withdrawn_by="")),
                    name=f"{name}_withdrawn_at_and_by",
                ),
            )
            for model, name in (("offerurl", "offer_url"), ("creative", "creative"))
        ),
    ]
