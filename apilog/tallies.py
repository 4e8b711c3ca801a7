"""Keeping the tallies: counting each span of time once, when nothing is written into it any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from apilog.models import LoggedCall, Tally, TallyMark
from portal.web.ids import first_id_at, moment_of

MINUTE, TEN_MINUTES, HOUR, DAY = 60, 600, 3600, 86_400
SPANS = (MINUTE, TEN_MINUTES, HOUR)
# Keys are many, and one key's minutes are few enough to count from the log itself.
SPANS_BY_KEY = (TEN_MINUTES, HOUR)
# A row commits a moment after its call was received. No call is still running after this long: statements end
# after 30 seconds, and a stream, whose row commits with its first block, has that within 50.
SETTLED_AFTER = timedelta(minutes=2)
# So that catching up after a standstill takes many short transactions and not a long one.
STEP = timedelta(hours=1)

FROM_THE_LOG = """
INSERT INTO apilog_tally (span, began_at, partner_id, key_id, realm, action, status, outcome, calls)
SELECT {span}, date_bin('{span} seconds', greatest(%(start)s, least(received_at, %(last)s)), '1970-01-01 00:00+00'),
       {owner}, realm, action, status, outcome, count(*)
FROM apilog_call WHERE id >= %(first_id)s AND id < %(end_id)s {having_key}
GROUP BY 2, 3, 4, 5, 6, 7, 8
"""
FROM_SHORTER = """
INSERT INTO apilog_tally (span, began_at, partner_id, key_id, realm, action, status, outcome, calls)
SELECT {span}, date_bin('{span} seconds', began_at, '1970-01-01 00:00+00'),
       partner_id, key_id, realm, action, status, outcome, sum(calls)
FROM apilog_tally
WHERE span = {shorter} AND began_at >= %(start)s AND began_at < %(end)s {having_key}
GROUP BY 2, 3, 4, 5, 6, 7, 8
"""
EVERYONE, EACH_KEY = "NULL::bigint, NULL::bigint", "partner_id, key_id"
# What fills each span; a longer one is added up from a shorter one where that has what it needs.
FILLED_BY = {
    MINUTE: (FROM_THE_LOG.format(span=MINUTE, owner=EVERYONE, having_key=""),),
    TEN_MINUTES: (
        FROM_SHORTER.format(span=TEN_MINUTES, shorter=MINUTE, having_key=""),
        FROM_THE_LOG.format(span=TEN_MINUTES, owner=EACH_KEY, having_key="AND key_id IS NOT NULL"),
    ),
    HOUR: (FROM_SHORTER.format(span=HOUR, shorter=TEN_MINUTES, having_key=""),),
}


def keep_up(now: datetime) -> None:
    """Tallies everything that has settled since the last time; one worker at a time, the others return at once."""
    settled = now - SETTLED_AFTER
    for span in SPANS:
        while tally_step(span, settled):
            pass


@transaction.atomic
def tally_step(span: int, settled: datetime) -> bool:
    """Tallies at most a step of one span's settled time, and answers whether there is more to do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('latchkey:apilog-tallies', 0))")
        if not cursor.fetchone()[0]:
            return False
        start = marked(span) or beginning(span)
        if start is None:
            return False
        limit = floor(settled, span) if span == MINUTE else floor(marked(MINUTE) or start, span)
        end = min(limit, floor(start + STEP, span))
        if end <= start:
            return False
        parameters: dict[str, Any] = {
            "start": start,
            "end": end,
            "last": end - timedelta(microseconds=1),
            "first_id": first_id_at(start),
            "end_id": first_id_at(end),
        }
        for statement in FILLED_BY[span]:
            cursor.execute(statement, parameters)
    TallyMark.objects.update_or_create(span=span, defaults={"through_at": end})
    return end < limit


def marked(span: int) -> datetime | None:
    return TallyMark.objects.filter(span=span).values_list("through_at", flat=True).first()


def beginning(span: int) -> datetime | None:
    """When the oldest call of the log was received; None while there is none."""
    oldest = LoggedCall.objects.order_by("id").values_list("id", flat=True).first()
    return None if oldest is None else floor(moment_of(oldest), HOUR)


def floor(moment: datetime, span: int) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() // span * span, tz=UTC)


def ceiling(moment: datetime, span: int) -> datetime:
    return datetime.fromtimestamp(-(-moment.timestamp() // span) * span, tz=UTC)


def drop_before(moment: datetime) -> int:
    """Drops the tallies of calls the log no longer has, and answers how many those were."""
    return Tally.objects.filter(began_at__lt=moment)._raw_delete("default")
