from django.db import migrations

# Rules 1 and 2 of partners/reporting/rollups.py; why they suffice is in ADR 14.
#
# Today's rows are the many, and cost one comparison: WHEN is looked at before anything is queued. For earlier days the
# lock is taken and the seal deleted once a transaction. The setting that remembers it is undone with its savepoint, as
# the lock and the deletion are. Under REPEATABLE READ the deletion would not see a seal that was made a moment ago.
FUNCTIONS = """
CREATE FUNCTION reporting_lock_of(day date) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 8171620000000000 + (day - DATE '2000-01-01');

CREATE FUNCTION reporting_unseal(touched date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE known text := coalesce(current_setting('latchkey.unsealed', true), '');
BEGIN
    IF position(touched::text in known) > 0 THEN
        RETURN;
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'Clicks and impressions of earlier days are written in READ COMMITTED.';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(reporting_lock_of(touched));
    DELETE FROM reporting_day WHERE day = touched;
    PERFORM set_config('latchkey.unsealed', known || ' ' || touched, true);
END $$;

CREATE FUNCTION reporting_row_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        PERFORM reporting_unseal((NEW.at AT TIME ZONE 'UTC')::date);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM reporting_unseal((OLD.at AT TIME ZONE 'UTC')::date);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION reporting_all_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM reporting_day;
    RETURN NULL;
END $$;

CREATE FUNCTION reporting_still_sealed(days date[]) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF (SELECT count(*) FROM reporting_day WHERE day = ANY(days) AND sealed_at IS NOT NULL) < cardinality(days) THEN
        RAISE EXCEPTION 'A day is no longer sealed.' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN true;
END $$;
"""
TODAY = "date_trunc('day', clock_timestamp(), 'UTC')"
TRIGGERS = """
CREATE TRIGGER reporting_inserted AFTER INSERT ON {table} FOR EACH ROW
    WHEN (NEW.at < {today}) EXECUTE FUNCTION reporting_row_written();
CREATE TRIGGER reporting_updated AFTER UPDATE ON {table} FOR EACH ROW
    WHEN (NEW.at < {today} OR OLD.at < {today}) EXECUTE FUNCTION reporting_row_written();
CREATE TRIGGER reporting_deleted AFTER DELETE ON {table} FOR EACH ROW
    WHEN (OLD.at < {today}) EXECUTE FUNCTION reporting_row_written();
CREATE TRIGGER reporting_truncated AFTER TRUNCATE ON {table}
    EXECUTE FUNCTION reporting_all_gone();
"""
TABLES = ("traffic_click", "traffic_impression")
NO_TRIGGERS = """
DROP TRIGGER reporting_inserted ON {table};
DROP TRIGGER reporting_updated ON {table};
DROP TRIGGER reporting_deleted ON {table};
DROP TRIGGER reporting_truncated ON {table};
"""
NO_FUNCTIONS = """
DROP FUNCTION reporting_still_sealed(date[]);
DROP FUNCTION reporting_all_gone();
DROP FUNCTION reporting_row_written();
DROP FUNCTION reporting_unseal(date);
DROP FUNCTION reporting_lock_of(date);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("reporting", "0001_rollups"),
        ("traffic", "0001_clicks_impressions_and_conversions"),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, NO_FUNCTIONS),
        *(
            migrations.RunSQL(TRIGGERS.format(table=table, today=TODAY), NO_TRIGGERS.format(table=table))
            for table in TABLES
        ),
    ]
