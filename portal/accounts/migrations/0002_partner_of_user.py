import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("partners", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="partner",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="users",
                to="partners.partner",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["kind", "-id"], name="event_kind"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["actor_id", "-id"], name="event_actor"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["partner_id", "-id"], name="event_partner"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["occurred_at"], name="event_occurred_at"),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.CheckConstraint(
                condition=models.Q(("security__in", ["none", "view", "full_control"])),
                name="role_security_is_a_level",
            ),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.CheckConstraint(
                condition=models.Q(("accounts_history_logs__in", ["none", "read", "full_access"])),
                name="role_accounts_history_logs_is_a_level",
            ),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.CheckConstraint(
                condition=models.Q(("system_settings__in", ["none", "view", "full"])),
                name="role_system_settings_is_a_level",
            ),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.CheckConstraint(
                condition=models.Q(("partners__in", ["none", "view", "full"])),
                name="role_partners_is_a_level",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="role",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="users",
                to="accounts.role",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("email"),
                name="user_email_is_unique_in_any_case",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("partner", None),
                    models.Q(("is_superuser", False), ("role", None)),
                    _connector="OR",
                ),
                name="user_of_a_partner_has_no_role",
            ),
        ),
    ]
