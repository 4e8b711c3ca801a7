"""The live view's question: what has ended since it last asked?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import DateTimeField, ExpressionWrapper, F, Value

from apilog.models import LoggedCall, name_keys_and_partners
from apilog.search import Search, fetch

ANNOUNCE_EVERY = timedelta(seconds=10)
MOST_AT_ONCE = 100
# A call's place in the log is when it was received, but its row comes when it has ended. Looking back this far for
# rows that ended lately finds the slow ones too.
LONGEST_CALL = timedelta(seconds=60)
# Between the end of a call and its row's commit. Rows seen twice for it are recognised by their id in the page.
COMMIT_TIME = timedelta(seconds=1)


def arrived_since(moment: datetime, search: Search) -> list[LoggedCall]:
    """The search's calls that ended since ``moment``, newest first, and no more than the newest MOST_AT_ONCE.

    :raises apilog.search.SearchTooLong: when the filters together read too much of the log
    """
    ended_at = ExpressionWrapper(
        F("received_at") + F("duration_us") * Value(timedelta(microseconds=1)), output_field=DateTimeField()
    )
    start = max(search.start, moment - LONGEST_CALL)
    calls = search.within(start, search.end).calls().filter()
    calls = calls.annotate(ended_at=ended_at).filter(ended_at__gte=moment - COMMIT_TIME)
    arrived = fetch(calls.newest_first()[:MOST_AT_ONCE])
    name_keys_and_partners(arrived)
    return arrived
