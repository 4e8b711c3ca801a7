from __future__ import annotations

import ipaddress

import pytest
from django.test import Client
from django.urls import reverse

from apilog.dry_run import dry_run
from keys.models import Key
from tests.conftest import SETUP
from tests.page import page

pytestmark = pytest.mark.django_db

OFFICE = "203.0.113.0/24"


def calls_from(address: str, secret: str, times: int) -> None:
    client = Client(headers={"Authorization": f"Bearer {secret}"}, REMOTE_ADDR=address)
    for _ in range(times):
        client.get("/v1/affiliates/affiliate")


def test_the_dry_run_counts_the_calls_a_new_entry_would_have_refused(network, acme_key):
    key, secret = acme_key
    calls_from("203.0.113.7", secret, 3)
    calls_from("198.51.100.9", secret, 2)
    calls_from("2001:db8::5", secret, 1)

    run = dry_run(key, OFFICE)

    assert run is not None
    assert (run.calls, run.refused) == (6, 3)
    assert [(stranger.address, stranger.calls) for stranger in run.strangers] == [
        ("198.51.100.9", 2),
        ("2001:db8::5", 1),
    ]


def test_what_is_listed_already_is_let_in_by_the_dry_run(network, acme_key):
    key, secret = acme_key
    calls_from("198.51.100.9", secret, 2)
    key.allow(network=ipaddress.ip_network("198.51.100.0/24"), label="", by=SETUP)

    run = dry_run(key, OFFICE)

    assert run is not None
    assert run.refused == 0


def test_an_empty_list_refuses_nobody(network, acme_key):
    key, secret = acme_key
    calls_from("198.51.100.9", secret, 1)

    assert dry_run(key) is None
    assert dry_run(key, "not an address") is None


def test_only_the_calls_of_that_key_are_tried(network, acme, acme_key):
    key, _ = acme_key
    _, other_secret = Key.issue(partner=acme, label="Other", by=SETUP)
    calls_from("198.51.100.9", other_secret, 4)

    run = dry_run(key, OFFICE)

    assert run is not None
    assert run.calls == 0


def test_the_allowlist_tells_what_the_network_being_typed_would_have_refused(network, acme, acme_key, amir, browse):
    key, secret = acme_key
    calls_from("198.51.100.9", secret, 2)

    answer = browse(amir).get(reverse("apilog:dry_run", args=[acme.pk, key.pk]), {"network": OFFICE})

    assert "Of this key’s last 2 calls, 2 would have been refused" in page(answer).text
    assert "198.51.100.9" in page(answer).text


def test_a_stranger_to_the_key_learns_nothing_from_the_dry_run(acme, other_partner, acme_key, amir, paul, browse):
    key, _ = acme_key

    assert browse(paul).get(reverse("apilog:dry_run", args=[acme.pk, key.pk])).status_code == 404
    assert browse(amir).get(reverse("apilog:dry_run", args=[other_partner.pk, key.pk])).status_code == 404
    assert browse(amir).get(reverse("apilog:network_dry_run", args=[key.pk])).status_code == 403
