from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apilog import search
from apilog.exports import COLUMNS
from keys.gate import Outcome
from keys.models import Key
from portal.accounts.models import Event, User
from tests.apilog.conftest import Log
from tests.conftest import Browse
from tests.page import page

pytestmark = pytest.mark.django_db

EXPORT = "/system/api-log/export/"


def body(answer) -> str:
    return b"".join(answer.streaming_content).decode()


def test_the_export_is_for_those_who_may_view_the_log(cast: list[User], browse: Browse) -> None:
    answers = {user.name: browse(user).get(f"{EXPORT}csv/").status_code for user in cast}

    assert answers == {"Sonia": 200, "Nadia": 200, "Amir": 403, "Vera": 403, "Paul": 404, "Otto": 404}


def test_the_export_has_the_calls_of_the_filter_in_full(
    nadia: User, acme_key: tuple[Key, str], log: Log, browse: Browse
) -> None:
    key, _ = acme_key
    call = log(key, outcome=Outcome.RATE_LIMITED, limited_by="network", query="page=2")
    log(key)
    reader = browse(nadia)

    as_csv = reader.get(f"{EXPORT}csv/?outcome=rate_limited&partner=Acme")
    as_json = reader.get(f"{EXPORT}json/?outcome=rate_limited&partner=Acme")

    (from_csv,) = csv.DictReader(io.StringIO(body(as_csv)))
    (from_json,) = json.loads(body(as_json))["calls"]
    assert tuple(from_csv) == tuple(from_json) == COLUMNS
    for row in (from_csv, from_json):
        assert row["request_id"] == str(call.pk)
        assert (row["outcome"], str(row["status"]), row["limited_by"]) == ("rate_limited", "429", "network")
        assert (row["key_label"], row["key_hint"], row["partner_name"]) == ("Reporting", key.hint, "Acme Media")
        assert (row["path"], row["query"], row["ip"]) == ("/v1/affiliates/affiliate", "page=2", "203.0.113.7")
    assert as_csv["Content-Disposition"].startswith('attachment; filename="api-log-')


def test_no_cell_of_the_export_starts_a_formula(nadia: User, log: Log, browse: Browse) -> None:
    log(user_agent='=HYPERLINK("http://evil.example")')

    (row,) = csv.DictReader(io.StringIO(body(browse(nadia).get(f"{EXPORT}csv/"))))

    assert row["user_agent"].startswith("'=")


def test_the_export_goes_through_the_log_in_batches(
    nadia: User, log: Log, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "EXPORT_BATCH", 3)
    start = timezone.now() - timedelta(hours=1)
    calls = [log(at=start + timedelta(seconds=second)) for second in range(8)][::-1]
    answer = browse(nadia).get(f"{EXPORT}json/")

    with CaptureQueriesContext(connection) as queries:
        exported = [row["request_id"] for row in json.loads(body(answer))["calls"]]

    assert exported == [str(call.pk) for call in calls]
    read = [query["sql"] for query in queries.captured_queries if 'FROM "apilog_call"' in query["sql"]]
    assert len(read) == 3
    assert all("LIMIT 3" in sql and "OFFSET" not in sql for sql in read)


def test_an_export_leaves_an_event_with_its_filter(nadia: User, browse: Browse) -> None:
    browse(nadia).get(f"{EXPORT}csv/?outcome=ok&range=week")

    event = Event.objects.get(kind="log.exported")
    assert event.actor_label == "Nadia"
    assert event.details == {"form": "csv", "filter": "range=week&outcome=ok"}


def test_a_filter_that_cannot_be_read_exports_nothing(nadia: User, browse: Browse) -> None:
    answer = browse(nadia).get(f"{EXPORT}csv/?ip=everywhere")

    assert answer.status_code == 422
    assert "“everywhere” is neither an address nor a network" in page(answer).text
    assert not Event.objects.filter(kind="log.exported").exists()


def test_there_is_no_other_form_of_export(nadia: User, browse: Browse) -> None:
    assert browse(nadia).get(f"{EXPORT}xlsx/").status_code == 404
