from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from keys.models import Key
from partners.models import Partner
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from portal.network.models import Network
from portal.web.paging import newest_first
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

URL = "/control-center/history/"


def leave(kind: EventKind = EventKind.SIGNED_OUT, *, by: Actor, subject: Model | None = None, **more: Any) -> Event:
    about = subject or by.user
    assert about is not None
    return Event.record(kind, by=by, subject=about, **more)


def rows(client: Client, query: str = "") -> list[dict[str, str]]:
    return page(client.get(f"{URL}?{query}")).region("event-table").records


@pytest.fixture
def client(nadia: User, browse: Browse) -> Client:
    """Nadia's browser, and a history that is empty when she opens it."""
    client = browse(nadia)
    Event.objects.all().delete()
    return client


def test_an_event_says_who_did_what_to_what(client: Client, amir: User, acme: Partner) -> None:
    Event.objects.all().delete()

    Key.issue(partner=acme, label="Billing", by=Actor.of(amir))

    (row,) = rows(client)
    assert (row["Who"], row["What"]) == ("Amir", "Key issued")
    assert row["To what"].startswith("Billing (lk_aff_")
    assert row["To what"].endswith("Acme Media")


def test_what_changed_is_readable(client: Client, acme: Partner) -> None:
    acme.change(by=SETUP, status="paused", website="https://acme.example")

    assert rows(client)[0]["Details"] == "status: active → paused website: nothing → https://acme.example"


def test_a_key_that_somebody_has_pasted_where_none_belongs_is_not_kept(client: Client, vera: User) -> None:
    pasted = f"https://acme.example/?key=lk_aff_{'k' * 38}"
    partner = Partner.create(by=Actor.of(vera), name=f"Acme lk_net_{'n' * 38}")
    partner.change(by=Actor.of(vera), notes=pasted)
    leave(EventKind.KEY_RENAMED, by=Actor.of(vera), details={"label": [pasted, {"was": pasted}], "times": 2})

    said = str(list(Event.objects.values()))

    assert "kkkk" not in said
    assert "nnnn" not in said
    assert said.count("lk_aff_[redacted]") == 3
    assert Event.objects.latest("pk").details["times"] == 2


def test_who_viewed_as_somebody_else_is_named(client: Client, sonia: User, vera: User) -> None:
    leave(by=Actor.of(vera, impersonator=sonia))

    assert rows(client)[0]["Who"] == "Sonia viewing as Vera"


def test_a_key_that_changes_something_is_named_with_its_partner_and_where_it_was_used(
    client: Client, acme: Partner, acme_key: tuple[Key, str]
) -> None:
    key, secret = acme_key
    by_key = Actor.of_key(hint=key.hint, partner=acme, key_id=key.pk, ip=ip_address("203.0.113.7"))

    leave(by=by_key, subject=acme)

    assert rows(client)[0]["Who"] == f"API key …{secret[-4:]} (Acme Media)"
    assert rows(client)[0]["IP address"] == "203.0.113.7"
    assert rows(client, "person=API+key")[0]["Who"] == rows(client)[0]["Who"]
    (row,) = csv.DictReader(io.StringIO(b"".join(client.get(f"{URL}export.csv?kind=user.signed_out")).decode()))
    assert row["actor_key_id"] == str(key.pk)


def test_the_network_key_is_named_as_such() -> None:
    assert Actor.of_key(hint="lk_net_…77aa").label == "Network key …77aa"


def test_an_event_is_of_a_user_or_of_a_key_and_not_of_both(nadia: User) -> None:
    with pytest.raises(IntegrityError, match="event_of_a_user_or_a_key"):
        leave(by=Actor(label="Both", user=nadia, key_id=1))


def test_the_newest_event_is_first(client: Client, vera: User, amir: User) -> None:
    for user in (vera, amir):
        leave(by=Actor.of(user))

    assert [row["Who"] for row in rows(client)][:2] == ["Amir", "Vera"]


def test_filters_by_kind_person_partner_and_date(
    client: Client, vera: User, amir: User, sonia: User, acme: Partner, other_partner: Partner
) -> None:
    Event.objects.all().delete()
    leave(EventKind.PARTNER_CHANGED, by=Actor.of(vera), subject=acme, partner=acme)
    leave(EventKind.PARTNER_CHANGED, by=Actor.of(amir), subject=other_partner, partner=other_partner)
    leave(EventKind.USER_DEACTIVATED, by=Actor.of(sonia), subject=vera)
    leave(EventKind.KEY_ISSUED, by=Actor.system("manage.py issue_key"), subject=acme)
    leave(EventKind.SIGNED_OUT, by=Actor.of(amir, impersonator=sonia))
    Event.objects.filter(actor_label="manage.py issue_key").update(occurred_at=datetime(2020, 5, 1, 12, tzinfo=UTC))

    def found(query: str) -> list[str]:
        return [row["Who"] for row in rows(client, query)]

    assert found("kind=partner.changed") == ["Amir", "Vera"]
    assert found("person=vera") == ["Sonia", "Vera"]
    assert found("person=SONIA%40latchkey") == ["Sonia viewing as Amir", "Sonia"]
    assert found("person=issue_key") == ["manage.py issue_key"]
    assert found("person=nobody") == []
    assert found("partner=acme") == ["Vera"]
    assert found(f"partner={other_partner.pk}") == ["Amir"]
    assert found("since=2020-05-01&until=2020-05-01") == ["manage.py issue_key"]
    assert found("until=2020-04-30") == []
    assert found("kind=partner.changed&person=vera&partner=acme") == ["Vera"]


def test_days_begin_in_the_networks_time_zone(client: Client, network: Network, vera: User) -> None:
    network.change(by=SETUP, timezone="Asia/Tokyo")
    Event.objects.all().delete()
    event = leave(by=Actor.of(vera))
    Event.objects.filter(pk=event.pk).update(occurred_at=datetime(2026, 3, 1, 16, tzinfo=UTC))

    assert rows(client, "since=2026-03-02&until=2026-03-02")[0]["When"] == "2 Mar 2026, 01:00:00"
    assert rows(client, "until=2026-03-01") == []


@pytest.mark.parametrize(
    "query",
    ["kind=nonsense", "since=yesterday", "until=9999-12-31", "since=2026-03-02&until=2026-03-01", "person=%00"],
)
def test_a_filter_that_makes_no_sense_is_named(query: str, client: Client) -> None:
    answer = client.get(f"{URL}?{query}")

    assert answer.status_code == 422
    assert "a filter makes no sense" in page(answer).region("event-table").text
    for file_format in ("csv", "json"):
        assert client.get(f"{URL}export.{file_format}?{query}")["Location"].startswith(URL)


def test_an_empty_answer_says_what_to_do_next(client: Client) -> None:
    region = page(client.get(f"{URL}?kind=key.issued")).region("event-table")

    assert "No event matches" in region.text
    assert region.links["Show everything"] == URL


def test_a_long_history_is_turned_page_by_page_with_its_filters(client: Client, vera: User) -> None:
    for number in range(120):
        leave(EventKind.PARTNER_CHANGED, by=Actor.of(vera), details={"number": number})
    leave(by=Actor.of(vera))

    seen, url, steps = [], f"{URL}?kind=partner.changed", []
    while url:
        answer = page(client.get(url)).region("event-table")
        seen += [int(row["Details"].removeprefix("number: ")) for row in answer.records]
        steps.append(url)
        url = answer.links.get("Older", "")

    assert seen == list(range(119, -1, -1))
    assert len(steps) == 3
    assert all("kind=partner.changed" in step for step in steps)
    back = page(client.get(answer.links["Newer"])).region("event-table")
    assert back.records[0]["Details"] == "number: 69"
    first = page(client.get(back.links["Newer"])).region("event-table")
    assert first.records[0]["Details"] == "number: 119"
    assert "Newer" not in first.links


@pytest.mark.parametrize("key", ["before=x", "before=-1", "after=99999999999999999999", "before=%00"])
def test_a_page_there_is_not_is_the_first(key: str, client: Client, vera: User) -> None:
    leave(by=Actor.of(vera))

    assert rows(client, key)[0]["Who"] == "Vera"


def test_fifty_rows_ask_the_database_as_often_as_one(client: Client, vera: User) -> None:
    leave(by=Actor.of(vera))
    client.get(URL)
    with CaptureQueriesContext(connection) as one:
        client.get(URL)
    for _ in range(49):
        leave(by=Actor.of(vera))

    with CaptureQueriesContext(connection) as fifty:
        client.get(URL)

    assert len(fifty) == len(one)


def test_an_export_holds_what_the_filter_shows(client: Client, vera: User, amir: User, sonia: User) -> None:
    leave(EventKind.SIGNED_OUT, by=Actor.of(vera, impersonator=sonia))
    leave(EventKind.PARTNER_CHANGED, by=Actor.of(amir), details={"status": ["active", "paused"]})

    answer = client.get(f"{URL}export.csv?kind=user.signed_out")
    as_csv = list(csv.DictReader(io.StringIO(b"".join(answer).decode(), newline="")))
    as_json = json.loads(b"".join(client.get(f"{URL}export.json?kind=partner.changed")))["events"]

    assert [(row["actor"], row["impersonator"], row["kind"]) for row in as_csv] == [
        ("Vera", "Sonia", "user.signed_out")
    ]
    assert [(row["actor"], row["details"]) for row in as_json] == [("Amir", {"status": ["active", "paused"]})]
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]


def test_a_strangers_words_are_no_formula_in_the_export(client: Client) -> None:
    client.logout()
    client.post("/sign-in/", {"email": "=cmd@evil.example", "password": "x"})
    event = Event.objects.get(kind="user.sign_in_failed")
    assert event.subject_label == "=cmd@evil.example"
    sonia = User.invite(email="s@x.example", name="S", is_superuser=True, by=SETUP)
    client.force_login(sonia)

    text = b"".join(client.get(f"{URL}export.csv?kind=user.sign_in_failed")).decode()

    assert ",'=cmd@evil.example," in text


def test_an_export_leaves_an_event_with_its_filter(client: Client, nadia: User) -> None:
    client.get(f"{URL}export.json?person=vera")

    event = Event.objects.get(kind="history.exported")
    assert (event.actor_id, event.details) == (nadia.pk, {"format": "json", "person": "vera"})


def test_an_export_of_any_length_has_every_event_once(vera: User, django_assert_num_queries) -> None:
    Event.objects.all().delete()
    for _ in range(25):
        leave(by=Actor.of(vera))

    with django_assert_num_queries(4):
        numbers = [event.pk for event in newest_first(Event.objects.all(), size=10)]

    assert numbers == sorted(Event.objects.values_list("pk", flat=True), reverse=True)


def test_who_may_read_the_history_and_who_not(cast: list[User], browse: Browse) -> None:
    for path in (URL, f"{URL}export.csv", f"{URL}export.json"):
        statuses = {user.name: browse(user).get(path).status_code for user in cast}

        assert statuses == {"Sonia": 200, "Nadia": 200, "Amir": 200, "Vera": 403, "Paul": 404, "Otto": 404}
