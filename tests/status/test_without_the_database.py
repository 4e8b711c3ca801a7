from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from psycopg_pool import PoolTimeout

from portal.accounts.models import User
from portal.status import database, snapshot
from portal.status.jobs import probe_what_is_due
from portal.status.judgement import State
from portal.status.models import Check
from portal.status.probes import PROBES
from tests.conftest import Browse
from tests.htmx import HTMX
from tests.page import page
from tests.status.conftest import Checked

with_a_real_database = pytest.mark.django_db(transaction=True)
PUBLIC = ("/status/", "/status.json")


def states(answer) -> dict[str, str]:
    return {row["slug"]: row["state"] for row in json.loads(answer.content)["rows"]}


@pytest.mark.django_db
def test_everyone_may_see_the_states_and_nothing_else(all_checked: None, checked: Checked) -> None:
    checked("affiliate-api", state=State.SLOW, answered=4711, errors=42, p95_ms=815, warning="Secret details.")

    html, told = Client().get("/status/"), Client().get("/status.json")

    assert "Affiliate API Slow" in page(html).text
    assert states(told)["affiliate-api"] == "slow"
    assert json.loads(told.content)["state"] == "slow"
    for answer in (html, told):
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
        for number in (b"4711", b"815", b"Secret"):
            assert number not in answer.content


@pytest.mark.django_db
def test_an_api_that_nobody_calls_is_unknown_and_troubles_nobody(all_checked: None, checked: Checked) -> None:
    checked("network-api", state=State.UNKNOWN, answered=0)

    html, told = Client().get("/status/"), json.loads(Client().get("/status.json").content)

    assert "No trouble known" in page(html).text
    assert "Network API Unknown" in page(html).text
    assert (told["state"], told["rows"][0]["state"]) == ("operational", "unknown")


@pytest.mark.django_db
def test_what_nobody_has_looked_at_for_a_while_is_no_good_state(all_checked: None, checked: Checked) -> None:
    Check.objects.filter(probe="api-log").update(measured_at=timezone.now() - timedelta(minutes=4))

    assert json.loads(Client().get("/status.json").content)["state"] == "unknown"


@pytest.mark.django_db
def test_the_public_pages_know_nobody(nadia: User, browse: Browse, all_checked: None) -> None:
    client = browse(nadia)

    answers = [client.get(path) for path in (*PUBLIC, "/livez", "/readyz")]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert all(b"Nadia" not in answer.content for answer in answers)
    assert not any(answer.cookies for answer in answers)
    assert client.get("/system/status/").status_code == 200


@pytest.mark.django_db
def test_the_public_page_renews_its_region_alone(all_checked: None) -> None:
    part = Client().get("/status/", headers={**HTMX, "HX-Target": "system-status"})

    assert b"<html" not in part.content
    assert page(part).region("system-status").element["hx-get"] == "/status/"


def test_livez_touches_nothing() -> None:
    # Without a mark pytest-django refuses every query of this test.
    answer = Client(headers={"Cookie": "sessionid=abcdefabcdefabcdef"}).get("/livez")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


@with_a_real_database
def test_without_the_database_the_last_known_states_are_shown_with_their_age(
    nadia: User, browse: Browse, broken_database: Callable[[], None], snapshot_path: Path
) -> None:
    client = browse(nadia)
    probe_what_is_due(timezone.now())
    kept = json.loads(snapshot_path.read_text())
    for row in kept["rows"]:
        row["state"], row["checked_at"] = "operational", (timezone.now() - timedelta(minutes=2)).isoformat()
    kept["rows"][0]["checked_at"] = (timezone.now() - timedelta(minutes=4)).isoformat()
    kept["as_of"] = (timezone.now() - timedelta(minutes=4, seconds=1)).isoformat()
    snapshot_path.write_text(json.dumps(kept))

    broken_database()
    html, told = client.get("/status/"), client.get("/status.json")

    assert (html.status_code, told.status_code) == (200, 200)
    said = page(html).text
    assert "The database cannot be reached." in said
    assert "as of 4 minutes ago" in said
    assert "Sign in" not in said
    assert states(told) == {
        "network-api": "unknown",
        "affiliate-api": "operational",
        "database": "outage",
        "api-log": "operational",
        "background-jobs": "operational",
        "postbacks": "operational",
        "firehose": "operational",
    }
    assert json.loads(told.content)["database_answers"] is False


@with_a_real_database
@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"as_of": "yesterday", "rows": []}'])
def test_without_the_database_and_without_a_snapshot_nothing_is_known_but_that(
    content: str | None, broken_database: Callable[[], None], snapshot_path: Path
) -> None:
    if content is not None:
        snapshot_path.parent.mkdir()
        snapshot_path.write_text(content)

    broken_database()
    html, told = Client().get("/status/"), Client().get("/status.json")

    assert "Nothing is known of the rest." in page(html).text
    assert states(told) == {probe.slug: "outage" if probe.slug == "database" else "unknown" for probe in PROBES}


@with_a_real_database
def test_without_the_database_system_status_leads_to_the_public_page(
    nadia: User, browse: Browse, broken_database: Callable[[], None]
) -> None:
    client = browse(nadia)
    broken_database()

    answer = client.get("/system/status/")
    by_htmx = client.get("/system/status/", headers={**HTMX, "HX-Target": "system-status"})

    assert (answer.status_code, answer["Location"]) == (302, "/status/")
    assert (by_htmx.status_code, by_htmx["HX-Redirect"]) == (204, "/status/")
    assert client.get("/status/").status_code == 200


@with_a_real_database
def test_readyz_says_why_not_and_livez_goes_on(broken_database: Callable[[], None]) -> None:
    before = Client().get("/readyz")
    broken_database()
    ready, live = Client().get("/readyz"), Client().get("/livez")

    assert (before.status_code, before.content) == (200, b"ok\n")
    assert (ready.status_code, ready.content) == (503, b"The database cannot be reached.\n")
    assert live.status_code == 200


@with_a_real_database
def test_readyz_refuses_while_a_migration_is_missing() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("status", "0001_checks_and_notices")
    try:
        missing = Client().get("/readyz")
    finally:
        recorder.record_applied("status", "0001_checks_and_notices")

    assert (missing.status_code, missing.content) == (503, b"1 migration is not applied to the database.\n")
    assert Client().get("/readyz").status_code == 200


@with_a_real_database
def test_readyz_refuses_while_every_connection_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = database.connection_pool()
    with ExitStack() as taken:
        # As many as there are: some may be on their way when this begins, and are in none of the pool's figures.
        with suppress(PoolTimeout):
            while True:
                taken.enter_context(pool.connection(timeout=5))
        with monkeypatch.context() as hurried:
            hurried.setattr(database, "PATIENCE_SECONDS", 0.3)
            exhausted = Client().get("/readyz")
    free = Client().get("/readyz")

    assert exhausted.status_code == 503
    assert exhausted.content.decode() == f"All {pool.max_size} database connections of this process are in use.\n"
    assert free.status_code == 200


@with_a_real_database
def test_connections_that_broke_meanwhile_are_replaced() -> None:
    pool = database.connection_pool()
    pool.open()
    pool.wait()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    assert database.trouble() == ""


@with_a_real_database
def test_a_database_that_says_nothing_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ANSWER_SECONDS", 0.2)
    answered = database.answered
    monkeypatch.setattr(database, "answered", lambda pool, question: answered(pool, "SELECT 1 FROM pg_sleep(1)"))

    assert database.trouble() == "The database does not answer in time."


@pytest.mark.django_db
def test_a_web_process_keeps_a_snapshot_too(all_checked: None, snapshot_path: Path) -> None:
    Client().get("/status.json")
    first = snapshot.read()
    Client().get("/status.json")

    assert first is not None
    assert [row.state for row in first.rows] == [State.OPERATIONAL] * len(PROBES)
    assert snapshot.read() == first


@pytest.mark.django_db
def test_a_snapshot_that_cannot_be_written_stops_nobody(all_checked: None, snapshot_path: Path) -> None:
    snapshot_path.parent.write_text("a file where a folder should be")

    assert Client().get("/status.json").status_code == 200
