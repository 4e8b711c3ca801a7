from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.gate import Outcome
from partners.models import Partner
from portal.accounts.models import User
from portal.status import overview
from portal.status.judgement import State
from portal.status.overview import CELLS, rows_at
from portal.status.probes import PROBES
from tests.conftest import Browse
from tests.htmx import HTMX
from tests.page import page
from tests.status.conftest import Checked, Log

pytestmark = pytest.mark.django_db
PAGE = "/system/status/"
REGION = {**HTMX, "HX-Target": "system-status"}


@pytest.fixture(autouse=True)
def no_time_passes() -> Iterator[None]:
    with time_machine.travel(timezone.now(), tick=False):
        yield


def test_status_is_for_network_users_who_may_view_system_settings(cast: list[User], browse: Browse) -> None:
    answers = {user.name: browse(user).get(PAGE).status_code for user in cast}

    assert answers == {"Sonia": 200, "Nadia": 200, "Amir": 403, "Vera": 403, "Paul": 404, "Otto": 404}


def test_each_row_says_its_state_its_figures_and_what_is_usual(nadia: User, browse: Browse, checked: Checked) -> None:
    now = timezone.now()
    checked("affiliate-api", at=now, answered=1234, errors=2, p50_ms=8.26, p95_ms=90, usual_p50_ms=7, usual_p95_ms=1500)
    checked("network-api", at=now, state=State.UNKNOWN, answered=0)
    checked("database", at=now, state=State.SLOW, p50_ms=60, p95_ms=80)
    checked("api-log", at=now, warning="Mind the partitions.")
    checked("firehose", at=now, note="No event waits.")

    found = page(browse(nadia).get(PAGE)).region("system-status")

    rows = {row["Service"].split("  ")[0]: row for row in found.records}
    affiliate = rows["Affiliate API Calls with partner keys"]
    assert affiliate["State"] == "Operational"
    assert affiliate["p50"] == "8.3 ms usually 7.0 ms"
    assert affiliate["p95"] == "90 ms usually 1.5 s"
    assert affiliate["Errors"] == "2 of 1,234"
    assert affiliate["Last checked"] == "now"
    assert rows["Network API Calls with the network key"]["State"] == "Unknown No calls in the last 5 minutes"
    assert rows["Database Round trips to PostgreSQL"]["State"] == "Slow"
    assert rows["API Log Writing a call's row"]["State"] == "Operational Mind the partitions."
    assert rows["Background jobs Waiting for a worker"]["State"] == "Unknown Not checked yet"
    assert rows["Firehose Asking what carries the events"]["State"] == "Operational No event waits."


def test_old_figures_are_shown_as_unknown_and_without_numbers(nadia: User, browse: Browse, checked: Checked) -> None:
    checked("database", at=timezone.now() - timedelta(minutes=4), p50_ms=1, p95_ms=2, usual_p95_ms=3, note="Then.")

    found = page(browse(nadia).get(PAGE)).region("system-status")

    row = next(row for row in found.records if row["Service"].startswith("Database"))
    assert row["State"] == "Unknown Not checked for a while"
    assert (row["p95"], row["Errors"]) == ("– usually 3.0 ms", "–")
    assert row["Last checked"] == "4 minutes ago"


def test_the_last_day_is_told_in_words_too(nadia: User, browse: Browse, checked: Checked) -> None:
    now = timezone.now()
    for minute in range(60):
        state = State.SLOW if minute == 10 else State.OPERATIONAL
        checked("database", at=now - timedelta(minutes=minute, seconds=1), state=state)

    row = next(row for row in rows_at(now) if row.probe.slug == "database")
    told = page(browse(nadia).get(PAGE)).region("system-status").text

    assert len(row.cells) == CELLS == 48
    assert [stretch.state for stretch in row.stretches] == [State.UNKNOWN, State.OPERATIONAL, State.SLOW]
    assert f"Slow from {now - timedelta(minutes=30):%H:%M} to {now:%H:%M}" in told


def test_a_piece_of_the_day_is_green_only_if_that_was_known_for_half_of_it(checked: Checked) -> None:
    now = timezone.now()
    for minute in range(14):
        checked("database", at=now - timedelta(minutes=minute, seconds=1))
    for minute in range(15):
        checked("api-log", at=now - timedelta(minutes=minute, seconds=1))
    checked("network-api", at=now - timedelta(hours=2), state=State.OUTAGE)

    rows = {row.probe.slug: row for row in rows_at(now)}

    assert rows["database"].cells[-1].state is State.UNKNOWN
    assert rows["api-log"].cells[-1].state is State.OPERATIONAL
    assert [cell.state for cell in rows["network-api"].cells].count(State.OUTAGE) == 1


def test_a_new_probe_costs_no_query(checked: Checked, monkeypatch: pytest.MonkeyPatch, all_checked: None) -> None:
    now = timezone.now()
    counts = []
    for probes in (PROBES[:1], PROBES):
        monkeypatch.setattr(overview, "PROBES", probes)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(rows_at(now)) == len(probes)
        counts.append(len(queries))

    assert counts == [2, 2]


def test_your_account_counts_the_last_hour_and_links_each_outcome_to_its_calls(
    nadia: User, browse: Browse, log: Log, acme: Partner
) -> None:
    now = timezone.now()
    log(3, at=now - timedelta(minutes=50), outcome=Outcome.RATE_LIMITED, partner_id=acme.pk)
    log(5, at=now - timedelta(minutes=1))
    log(9, at=now - timedelta(minutes=61))
    client = browse(nadia)

    found = page(client.get(PAGE)).region("your-account")

    assert found.links["OK 5 calls"] == "/system/api-log/?range=hour&outcome=ok"
    assert found.links["Rate limited 3 calls"] == "/system/api-log/?range=hour&outcome=rate_limited"
    calls = page(client.get(found.links["Rate limited 3 calls"]))
    assert len(calls.rows) >= 3


def test_without_calls_your_account_says_where_to_look(nadia: User, browse: Browse) -> None:
    assert "No calls in the last hour" in page(browse(nadia).get(PAGE)).region("your-account").text


def test_the_region_renews_itself_alone(nadia: User, browse: Browse, all_checked: None) -> None:
    client = browse(nadia)

    whole, part = client.get(PAGE), client.get(PAGE, headers=REGION)

    assert b"<html" in whole.content
    assert b"<html" not in part.content
    assert str(page(part).region("system-status").element["hx-trigger"]).startswith("every 30s")
    assert "no-store" in whole["Cache-Control"]


def test_status_is_a_tab_of_system_settings(nadia: User, browse: Browse) -> None:
    assert page(browse(nadia).get("/system/general/")).links["Status"] == PAGE


def test_a_partner_sees_states_and_their_own_calls_alone(
    paul: User, acme: Partner, other_partner: Partner, browse: Browse, log: Log, all_checked: None
) -> None:
    log(2, outcome=Outcome.IP_DENIED, partner_id=acme.pk)
    log(7, outcome=Outcome.UNKNOWN_KEY, partner_id=other_partner.pk)
    client = browse(paul)

    found = page(client.get("/account/status/"))

    assert found.region("your-account").links["Ip denied 2 calls"] == "/account/api/calls/?range=hour&outcome=ip_denied"
    assert "Unknown key" not in found.text
    assert "Everything works" in found.text
    assert client.get("/account/api/calls/?range=hour&outcome=ip_denied").status_code == 200


def test_the_partners_pages_are_for_partners(cast: list[User], browse: Browse) -> None:
    for path in ("/account/status/", "/account/status/brief/"):
        answers = {user.name: browse(user).get(path).status_code for user in cast}

        assert answers == {"Sonia": 404, "Nadia": 404, "Amir": 404, "Vera": 404, "Paul": 200, "Otto": 200}


def test_my_account_loads_the_state_in_a_line(paul: User, browse: Browse, all_checked: None) -> None:
    client = browse(paul)

    brief = str(page(client.get("/account/")).region("status-brief").element["hx-get"])
    told = client.get(brief, headers={**HTMX, "HX-Target": "status-brief"})

    assert page(told).links == {"Status and your recent calls": "/account/status/"}
    assert "Everything works" in page(told).text
    assert b"<html" not in told.content
