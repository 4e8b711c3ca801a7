from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import Key
from partners.models import Partner
from portal.accounts.models import Event, User
from tests.conftest import Browse

PATH = "/v1/networks/affiliates"


def post(client: Client, **body: Any) -> Any:
    return client.post(PATH, body, content_type="application/json")


def put(client: Client, partner: Partner, **body: Any) -> Any:
    return client.put(f"{PATH}/{partner.pk}", body, content_type="application/json")


def last_event(*fields: str) -> Any:
    return Event.objects.values_list(*(fields or ("kind", "subject_type", "partner_label", "details"))).first()


def test_a_partner_is_added_and_read(network_call: Client, amir: User) -> None:
    answer = post(
        network_call,
        name="Kite Media",
        account_status="active",
        network_employee_id=amir.pk,
        default_currency_id="eur",
        timezone_id=80,
        country_code="de",
        website="https://kite.example",
        technical_contact_email="ops@kite.example",
        internal_notes="Came from the fair.",
    )

    found = network_call.get(f"{PATH}/{answer.json()['network_affiliate_id']}").json()
    assert answer.status_code == 200
    assert found == answer.json()
    assert (found["name"], found["account_status"], found["network_employee_id"]) == ("Kite Media", "active", amir.pk)
    assert (found["default_currency_id"], found["timezone_id"], found["country_code"]) == ("EUR", 80, "DE")
    assert found["internal_notes"] == "Came from the fair."


def test_a_new_partner_of_whom_only_the_name_is_said_is_onboarding(network_call: Client) -> None:
    answer = post(network_call, name="Kite Media").json()

    assert (answer["account_status"], answer["network_employee_id"], answer["timezone_id"]) == ("pending", 0, 67)


def test_what_is_not_sent_keeps_its_value(network_call: Client, acme: Partner) -> None:
    answer = put(network_call, acme, account_status="inactive", website=None).json()

    acme.refresh_from_db()
    assert (acme.status, acme.technical_contact_email) == ("paused", "ada@acme.example")
    assert answer["account_status"] == "inactive"


def test_the_history_says_what_the_pages_would_have_said(
    network_call: Client, acme: Partner, other_partner: Partner, sonia: User, browse: Browse
) -> None:
    browser = browse(sonia)
    browser.post(reverse("partners:new"), {"name": "By page", "timezone": "UTC", "currency": "USD"})
    added_by_page = last_event()
    post(network_call, name="By call")
    added_by_call = last_event()
    browser.post(
        reverse("partners:edit", args=[other_partner.pk]),
        {
            "name": other_partner.name,
            "status": "paused",
            "initial-status": "active",
            "initial-name": other_partner.name,
            "technical_contact_email": other_partner.technical_contact_email,
            "initial-technical_contact_email": other_partner.technical_contact_email,
            "timezone": "UTC",
            "initial-timezone": "UTC",
            "currency": "USD",
            "initial-currency": "USD",
        },
    )
    changed_by_page = last_event("kind", "subject_type", "details")
    put(network_call, acme, account_status="inactive")
    changed_by_call = last_event("kind", "subject_type", "details")

    assert added_by_page == ("partner.created", "partner", "By page", {})
    assert added_by_call == ("partner.created", "partner", "By call", {})
    assert changed_by_call == changed_by_page == ("partner.changed", "partner", {"status": ["active", "paused"]})


def test_the_actor_is_the_networks_key_by_its_hint(network_call: Client, acme: Partner) -> None:
    put(network_call, acme, account_status="inactive")

    key = Key.objects.of_network().get()
    assert last_event("actor_label", "actor_key_id") == (f"Network key …{key.hint[-4:]}", key.pk)


def test_a_change_that_changes_nothing_leaves_no_event(network_call: Client, acme: Partner) -> None:
    before = Event.objects.count()

    answer = put(network_call, acme, account_status="active", name="Acme Media")

    assert answer.status_code == 200
    assert Event.objects.count() == before


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"account_status": "gone"}, "account_status"),
        ({"timezone_id": 1}, "timezone_id"),
        ({"default_currency_id": "XXZ"}, "default_currency_id"),
        ({"country_code": "ZZ"}, "country_code"),
        ({"website": "no address"}, "website"),
        ({"technical_contact_email": "nobody"}, "technical_contact_email"),
        ({"network_employee_id": 999_999}, "network_employee_id"),
        ({"name": ""}, "name"),
        ({"nickname": "Ace"}, "nickname"),
    ],
)
def test_what_a_partner_cannot_be_is_named(
    network_call: Client, acme: Partner, body: dict[str, Any], named: str
) -> None:
    changed, added = put(network_call, acme, **body), post(network_call, **{"name": "Kite", **body})

    for answer in (changed, added):
        assert answer.status_code == 400
        assert answer.json()["error"].startswith(named)
    assert not Partner.objects.filter(name="Kite").exists()


def test_a_partners_own_user_is_nobodys_account_manager(network_call: Client, acme: Partner, paul: User) -> None:
    assert put(network_call, acme, network_employee_id=paul.pk).status_code == 400


def test_a_partner_that_is_not_there_is_not_found(network_call: Client) -> None:
    assert network_call.get(f"{PATH}/999999").status_code == 404
    assert network_call.put(f"{PATH}/999999", {}, content_type="application/json").status_code == 404
