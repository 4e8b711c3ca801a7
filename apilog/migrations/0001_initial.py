from __future__ import annotations

from django.db import migrations, models

# Django cannot declare a partitioned table. Ids are UUIDv7, so ranges of ids are ranges of time, and the primary key
# alone both finds a call and prunes to its partition. What no other partition takes falls into the default one.
CREATE = """
CREATE TABLE apilog_call (
    id uuid PRIMARY KEY,
    received_at timestamp with time zone NOT NULL,
    realm varchar(20) NOT NULL,
    method varchar(10) NOT NULL,
    path varchar(500) NOT NULL,
    query varchar(500) NOT NULL,
    action varchar(80) NOT NULL,
    status smallint NOT NULL CHECK (status >= 0),
    outcome varchar(20) NOT NULL,
    limited_by varchar(80) NOT NULL,
    ip inet,
    key_id bigint,
    key_hint varchar(20) NOT NULL,
    partner_id bigint,
    duration_us integer NOT NULL CHECK (duration_us >= 0),
    response_size bigint NOT NULL CHECK (response_size >= 0),
    user_agent varchar(300) NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE apilog_call_default PARTITION OF apilog_call DEFAULT;
CREATE INDEX call_partner ON apilog_call (partner_id, id DESC);
CREATE INDEX call_key ON apilog_call (key_id, id DESC);
CREATE INDEX call_outcome ON apilog_call (outcome, id DESC);
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(CREATE, "DROP TABLE apilog_call")],
            state_operations=[
                migrations.CreateModel(
                    name="LoggedCall",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("received_at", models.DateTimeField()),
                        ("realm", models.CharField(blank=True, max_length=20)),
                        ("method", models.CharField(max_length=10)),
                        ("path", models.CharField(max_length=500)),
                        ("query", models.CharField(blank=True, max_length=500)),
                        ("action", models.CharField(blank=True, max_length=80)),
                        ("status", models.PositiveSmallIntegerField()),
                        ("outcome", models.CharField(max_length=20)),
                        ("limited_by", models.CharField(blank=True, max_length=80)),
                        ("ip", models.GenericIPAddressField(null=True)),
                        ("key_id", models.BigIntegerField(null=True)),
                        ("key_hint", models.CharField(blank=True, max_length=20)),
                        ("partner_id", models.BigIntegerField(null=True)),
                        ("duration_us", models.PositiveIntegerField()),
                        ("response_size", models.PositiveBigIntegerField()),
                        ("user_agent", models.CharField(blank=True, max_length=300)),
                    ],
                    options={
                        "db_table": "apilog_call",
                        "ordering": ("-id",),
                        "indexes": [
                            models.Index(fields=["partner_id", "-id"], name="call_partner"),
                            models.Index(fields=["key_id", "-id"], name="call_key"),
                            models.Index(fields=["outcome", "-id"], name="call_outcome"),
                        ],
                    },
                ),
            ],
        ),
    ]
