from django.db import migrations

# A transaction that loads history has broken the seal of a day with its first row. All others still called the function
# that finds so out, each after its statement's end and with its row read again: 4 of the 13 µs that such a row took.
# WHEN sees the same as soon as the row is written, for half a microsecond. What the setting says holds for as long as
# the lock does: it is undone with the savepoint in which that was taken.
#
# The first comparison stays first: today's rows are the many, and pay for nothing else.
INSERTED = """
CREATE OR REPLACE TRIGGER reporting_inserted AFTER INSERT ON {table} FOR EACH ROW
    WHEN (NEW.at < date_trunc('day', clock_timestamp(), 'UTC'){unless_known})
    EXECUTE FUNCTION reporting_row_written();
"""
UNLESS_KNOWN = """
          AND position((NEW.at AT TIME ZONE 'UTC')::date::text
                       IN coalesce(current_setting('latchkey.unsealed', true), '')) = 0"""
TABLES = ("traffic_click", "traffic_impression")


class Migration(migrations.Migration):
    dependencies = [("reporting", "0003_conversions_covered")]

    operations = [
        migrations.RunSQL(
            INSERTED.format(table=table, unless_known=UNLESS_KNOWN), INSERTED.format(table=table, unless_known="")
        )
        for table in TABLES
    ]
