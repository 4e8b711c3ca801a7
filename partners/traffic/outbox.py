"""Writes into the outbox what happened to partners who are followed (``partners/traffic/models/outbox.py``)."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from partners.traffic.changes import Change
from partners.traffic.models import Conversion, Followed, OutboxEntry
from partners.traffic.rows import CONVERSIONS, by_id
from portal.web.ids import new_id
from portal.web.storable import in_copy

Kind = OutboxEntry.Kind
NULL = r"\N"
COPY = f"COPY {OutboxEntry._meta.db_table} (partner_id, kind, id, data) FROM STDIN"


def keep_visits(kind: Kind, visits: str) -> str:
    """SQL that keeps clicks or impressions, each by its partner and id, for the statement that writes their rows.

    ``visits`` is what it calls them. It looks itself who is followed, because from the first look to the commit nobody
    may begin to be.
    """
    return f"""
    INSERT INTO {OutboxEntry._meta.db_table} (partner_id, kind, id)
    SELECT partner_id, {kind.value}, id FROM {visits} JOIN {Followed._meta.db_table} USING (partner_id) ORDER BY id
    """  # noqa: S608


def keep(change: Change) -> None:
    keep_all([change])


def keep_all(changes: Sequence[Change]) -> None:
    """Keeps the conversions of partners who are followed, as they are now: their rows will change."""
    partners = Followed.among({change.conversion.partner_id for change in changes})
    told = [change for change in changes if change.conversion.partner_id in partners]
    rows = Conversion.objects.filter(partner_id__in=partners)
    as_they_are = by_id(rows, {change.conversion.id for change in told}, CONVERSIONS)
    copy_in([line_of(change, as_they_are[change.conversion.id].decode()) for change in told])


def line_of(change: Change, data: str) -> str:
    conversion = change.conversion
    # The first that is told of it has its own id, which says when it was. An update has another.
    kind, event_id = (Kind.CONVERSION, conversion.id) if change.is_new else (Kind.CONVERSION_UPDATE, new_id())
    return f"{conversion.partner_id}\t{kind.value}\t{event_id.hex}\t{in_copy(data)}\n"


def copy_in(lines: Sequence[str]) -> None:
    """In this order, which their numbers then have."""
    if lines:
        with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write("".join(lines))
