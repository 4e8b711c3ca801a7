from __future__ import annotations

import ipaddress
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apilog import search
from apilog.models import LoggedCall
from apilog.partitions import create_ahead
from apilog.search import Search, SearchTooLong, page_of
from portal.accounts.models import User
from tests.apilog.conftest import Log
from tests.conftest import Browse
from tests.page import page

pytestmark = pytest.mark.django_db

DAY = date(2033, 2, 1)
START = datetime(2033, 2, 1, tzinfo=UTC)

MANY = """
INSERT INTO apilog_call
SELECT (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 19))::uuid, at,
    CASE WHEN i % 400 = 0 THEN 'network' ELSE 'affiliate' END, 'GET', '/', '', 'action_' || i % 200,
    CASE WHEN i % 400 = 1 THEN 500 ELSE 200 END, CASE WHEN i % 400 = 1 THEN 'error' ELSE 'ok' END, '',
    ('10.0.' || i % 200 || '.1')::inet, i % 200, '', i % 100, 1, 1, ''
FROM (SELECT i, '2033-02-01 00:00+00'::timestamptz + make_interval(secs => i) AS at FROM generate_series(1, 20000) i) s
"""


@pytest.fixture
def many_calls(db: None) -> None:
    create_ahead(DAY, days=1)
    with connection.cursor() as cursor:
        cursor.execute(MANY)
        cursor.execute("ANALYZE apilog_call_20330201")


@pytest.mark.usefixtures("many_calls")
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "pkey"),
        ({"partner_id": 7}, "partner_id_id_idx"),
        ({"key_id": 7}, "key_id_id_idx"),
        ({"realm": "network"}, "realm_id_idx"),
        ({"action": "action_7"}, "action_id_idx"),
        ({"statuses": (500, 500)}, "status_id_idx"),
        ({"outcome": "error"}, "outcome_id_idx"),
        ({"network": ipaddress.ip_network("10.0.7.1")}, "ip_id_idx"),
        ({"network": ipaddress.ip_network("192.0.2.0/24")}, "ip_id_idx"),
    ],
)
def test_each_filter_reads_the_one_partition_by_its_own_index(filters: dict[str, Any], index: str) -> None:
    calls = Search(START, START + timedelta(days=1), **filters).calls().newest_first()[:51]

    plan = calls.explain()

    assert set(re.findall(r"apilog_call_(?:\d{8}|default)_\w+", plan)) == {f"apilog_call_20330201_{index}"}
    assert "Seq Scan" not in plan


def test_a_search_that_takes_too_long_says_so_and_loses_nothing(
    nadia: User, log: Log, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    log()
    monkeypatch.setattr(search, "LONGEST_SEARCH_MS", 50)
    monkeypatch.setattr(Search, "calls", lambda _: LoggedCall.objects.extra(where=["pg_sleep(0.5) IS NOT NULL"]))

    with pytest.raises(SearchTooLong):
        page_of(Search(START, START + timedelta(days=1)))
    answer = browse(nadia).get("/system/api-log/?outcome=ok&range=week")

    assert answer.status_code == 422
    assert "This search takes too long" in page(answer).text
    assert page(answer).element.select("select[name=outcome] option[selected]")[0]["value"] == "ok"
