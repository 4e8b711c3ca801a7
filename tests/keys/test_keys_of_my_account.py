from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from keys.models import Key
from keys.networks import parse_network
from partners.models import Partner
from portal.accounts.models import Event, User
from portal.network.models import Network
from tests.conftest import SETUP, Browse
from tests.htmx import HTMX, told
from tests.page import page

pytestmark = pytest.mark.django_db

ACCOUNT = "/account/api/"


def reveal_url(key: Key) -> str:
    return reverse("keys:account_reveal", args=[key.pk])


@pytest.fixture
def client(paul: User, browse: Browse) -> Client:
    return browse(paul)


def tabs(client: Client) -> list[str]:
    navigation = page(client.get(ACCOUNT)).element.select_one("nav.tabs")
    return [link.get_text(strip=True) for link in navigation.select("a")] if navigation else []


def test_each_live_key_is_a_card_with_what_it_may_do(acme_key: tuple[Key, str], client: Client, call: Any) -> None:
    key, secret = acme_key
    call(secret).get("/v1/affiliates/affiliate")
    key.allow(network=parse_network("127.0.0.1"), label="Cron", by=SETUP)
    closed, _ = Key.issue(partner=key.partner, label="Closed", by=SETUP)  # type: ignore[arg-type]
    closed.revoke(by=SETUP)

    answer = client.get(ACCOUNT)

    text = page(answer).region("key-list").text
    for said in ("Reporting", key.hint, "127.0.0.1", "Cron", "from 127.0.0.1"):
        assert said in text
    assert "Closed" not in text
    assert secret not in answer.content.decode()


def test_the_allowlist_is_there_to_read_and_not_to_edit(acme_key: tuple[Key, str], client: Client) -> None:
    acme_key[0].allow(network=parse_network("203.0.113.7"), label="", by=SETUP)

    region = page(client.get(ACCOUNT)).region("key-list")

    assert "203.0.113.7" in region.text
    assert [form.action for form in region.forms] == [reveal_url(acme_key[0])]


def test_a_key_without_an_allowlist_says_so_and_whom_to_ask(
    acme_key: tuple[Key, str], acme: Partner, amir: User, client: Client
) -> None:
    acme.change(by=SETUP, manager=amir)

    text = page(client.get(ACCOUNT)).text

    assert "Any address may use this key" in text
    assert "Ask Amir" in text


def test_without_a_live_key_the_tab_is_gone_and_the_page_says_whom_to_ask(
    acme_key: tuple[Key, str], acme: Partner, amir: User, client: Client
) -> None:
    acme.change(by=SETUP, manager=amir)
    assert "API" in tabs(client)

    acme_key[0].revoke(by=SETUP)
    answer = client.get(ACCOUNT)

    assert "API" not in tabs(client)
    assert answer.status_code == 200
    text = page(answer).text
    assert "Acme Media has no live API key" in text
    assert "Ask Amir, your affiliate manager" in text
    assert "support@northwind.example" in text


@pytest.mark.parametrize(
    ("may_request", "asked"), [(True, "Questions? Ask Partner Support:"), (False, "Ask Partner Support for one:")]
)
def test_without_a_manager_the_support_contact_is_asked(
    may_request: bool, asked: str, client: Client, network: Network
) -> None:
    network.change(by=SETUP, partners_may_request_keys=may_request)

    text = page(client.get(ACCOUNT)).text

    assert asked in text
    assert "support@northwind.example" in text


def test_the_page_takes_as_many_queries_for_twenty_keys_as_for_one(
    acme_key: tuple[Key, str], acme: Partner, client: Client
) -> None:
    client.get(ACCOUNT)
    with CaptureQueriesContext(connection) as for_one:
        client.get(ACCOUNT)
    for number in range(19):
        key, _ = Key.issue(partner=acme, label=f"Key {number}", by=SETUP)
        key.allow(network=parse_network("203.0.113.7"), label="", by=SETUP)

    with CaptureQueriesContext(connection) as for_twenty:
        client.get(ACCOUNT)

    assert len(for_twenty) == len(for_one)


def test_copy_answers_exactly_the_key_that_was_issued(acme_key: tuple[Key, str], client: Client, paul: User) -> None:
    key, secret = acme_key

    answer = client.post(reveal_url(key), headers={**HTMX, "Accept": "text/plain"})

    assert answer.content.decode() == secret
    assert "no-store" in answer["Cache-Control"]
    event = Event.objects.get(kind="key.revealed")
    assert (event.actor_id, event.partner_id, event.details) == (paul.pk, key.partner_id, {"how": "copied"})


def test_show_answers_the_key_in_its_place(acme_key: tuple[Key, str], client: Client) -> None:
    key, secret = acme_key
    element = f"key-{key.pk}-secret"

    answer = client.post(reveal_url(key), headers={**HTMX, "HX-Target": element})

    assert secret in page(answer).region(element).text
    assert Event.objects.get(kind="key.revealed").details == {"how": "shown"}


def test_a_stranger_does_not_find_the_key(acme_key: tuple[Key, str], otto: User, browse: Browse) -> None:
    answer = browse(otto).post(reveal_url(acme_key[0]))

    assert answer.status_code == 404
    assert not Event.objects.filter(kind="key.revealed").exists()


def test_a_revoked_key_is_not_shown(acme_key: tuple[Key, str], client: Client) -> None:
    key, _ = acme_key
    key.revoke(by=SETUP)

    answer = client.post(reveal_url(key), headers=HTMX)

    assert answer.status_code == 204
    assert "is revoked" in told(answer)["toast"][0]["text"]


def test_my_account_is_not_there_for_network_users(acme_key: tuple[Key, str], cast: list[User], browse: Browse) -> None:
    answers = {
        user.name: (browse(user).get(ACCOUNT).status_code, browse(user).post(reveal_url(acme_key[0])).status_code)
        for user in cast
    }

    assert answers == {
        "Sonia": (404, 404),
        "Nadia": (404, 404),
        "Amir": (404, 404),
        "Vera": (404, 404),
        "Paul": (200, 200),
        "Otto": (200, 404),
    }


def viewing_as(user: User, by: User, browse: Browse) -> Client:
    """The browser of ``by``, who views the portal as ``user``."""
    client = browse(by)
    assert client.post(reverse("accounts:acquire"), {"user_pk": user.pk}).status_code in (302, 303)
    return client


def test_who_may_issue_keys_may_reveal_one_for_a_partner_and_both_are_recorded(
    acme_key: tuple[Key, str], amir: User, paul: User, browse: Browse
) -> None:
    key, secret = acme_key

    answer = viewing_as(paul, amir, browse).post(reveal_url(key), headers={"Accept": "text/plain"})

    assert answer.content.decode() == secret
    event = Event.objects.get(kind="key.revealed")
    assert (event.actor_label, event.impersonator_label) == ("Paul", "Amir")


def test_who_may_not_issue_keys_does_not_get_at_one_by_viewing_as_its_partner(
    acme_key: tuple[Key, str], vera: User, paul: User, browse: Browse
) -> None:
    client = viewing_as(paul, vera, browse)

    looked = client.get(ACCOUNT)
    shown = client.post(reveal_url(acme_key[0]))
    copied = client.post(reveal_url(acme_key[0]), headers={**HTMX, "Accept": "text/plain"})

    assert looked.status_code == 200
    assert (shown.status_code, copied.status_code) == (403, 403)
    assert "which Vera does not have" in told(copied)["toast"][0]["text"]
    assert not Event.objects.filter(kind="key.revealed").exists()
