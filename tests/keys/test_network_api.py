from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import Key
from keys.networks import parse_network
from partners.models import Flag, Partner
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse

ISSUE = "/v1/networks/apikey"


def issue(client: Client, partner: Partner, **body: Any) -> Any:
    given = {"resource_id": partner.pk, "resource_type": "affiliate", **body}
    return client.post(ISSUE, given, content_type="application/json")


def last_event() -> Any:
    return Event.objects.values_list("kind", "subject_type", "partner_label", "details").first()


def test_a_key_is_issued_and_opens_the_partners_data(
    network_call: Client, acme: Partner, call: Callable[..., Client]
) -> None:
    answer = issue(network_call, acme, label="Reporting import")

    issued = answer.json()
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert (issued["resource_id"], issued["label"], issued["key_status"]) == (acme.pk, "Reporting import", "active")
    opened = call(issued["api_key"]).get("/v1/affiliates/affiliate").json()
    assert opened["name"] == "Acme Media"


def test_keys_are_listed_by_their_hints(network_call: Client, acme_key: tuple[Key, str], acme: Partner) -> None:
    key, secret = acme_key
    key.allow(network=parse_network("203.0.113.0/24"), label="Office", by=SETUP)
    closed, _ = Key.issue(partner=acme, label="Closed", by=SETUP)
    closed.revoke(by=SETUP)

    answer = network_call.get(f"/v1/networks/affiliates/{acme.pk}/apikeys")

    assert [(row["api_key"], row["key_status"]) for row in answer.json()["keys"]] == [
        (key.hint, "active"),
        (closed.hint, "revoked"),
    ]
    assert answer.json()["keys"][0]["ip_allowlist"] == ["203.0.113.0/24"]
    assert answer.json()["total_count"] == 2
    assert secret not in answer.content.decode()


def test_a_revoked_key_opens_nothing(
    network_call: Client, acme_key: tuple[Key, str], call: Callable[..., Client]
) -> None:
    key, secret = acme_key

    answer = network_call.delete(f"{ISSUE}/{key.pk}")

    assert answer.json() == {"result": True}
    assert call(secret).get("/v1/affiliates/affiliate").status_code == 401
    again = network_call.delete(f"{ISSUE}/{key.pk}")
    assert (again.status_code, "revoked before" in again.json()["error"]) == (400, True)


def test_the_networks_own_key_cannot_be_revoked_by_api(network_call: Client) -> None:
    own = Key.objects.of_network().get()

    answer = network_call.delete(f"{ISSUE}/{own.pk}")

    assert answer.status_code == 404
    own.refresh_from_db()
    assert own.is_live


def test_the_history_says_what_the_pages_would_have_said(
    network_call: Client, acme: Partner, amir: User, browse: Browse
) -> None:
    browser = browse(amir)
    browser.post(reverse("keys:add", args=[acme.pk]), {"label": "Import", "submission": str(uuid.uuid4())})
    by_page = [last_event()]
    browser.post(reverse("keys:revoke", args=[acme.pk, acme.keys.get().pk]))
    by_page.append(last_event())

    issued = issue(network_call, acme, label="Import").json()
    by_call = [last_event()]
    network_call.delete(f"{ISSUE}/{issued['network_api_key_id']}")
    by_call.append(last_event())

    assert by_call == by_page
    assert [kind for kind, *_ in by_call] == ["key.issued", "key.revoked"]
    own = Key.objects.of_network().get()
    events = Event.objects.filter(actor_key_id=own.pk)
    assert {event.actor_label for event in events} == {f"Network key …{own.hint[-4:]}"}
    assert events.count() == 2


def test_what_stands_against_a_key_has_to_be_acknowledged(network_call: Client, acme: Partner) -> None:
    acme.change(by=SETUP, status=Partner.Status.PAUSED)
    flag = acme.raise_flag(kind=Flag.Kind.FRAUD, note="Same card twice", by=SETUP)

    refused = issue(network_call, acme, acknowledged=["paused"])
    issued = issue(network_call, acme, acknowledged=["paused", f"flag-{flag.pk}"])

    assert refused.status_code == 400
    assert f"flag-{flag.pk}" in refused.json()["error"]
    assert "(paused)" not in refused.json()["error"]
    assert issued.status_code == 200
    assert acme.keys.count() == 1


def test_the_same_submission_issues_one_key(network_call: Client, acme: Partner) -> None:
    submission = str(uuid.uuid4())

    first, second = (issue(network_call, acme, submission=submission) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 400)
    assert first.json()["hint"] in second.json()["error"]
    assert acme.keys.count() == 1


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"resource_id": 999_999}, "resource_id"),
        ({"resource_type": "advertiser"}, "resource_type"),
        ({"label": ""}, "label"),
        ({"label": " "}, "label"),
        ({"submission": "twice"}, "submission"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_a_key_cannot_be_issued_with_is_named(
    network_call: Client, acme: Partner, body: dict[str, Any], named: str
) -> None:
    answer = issue(network_call, acme, **body)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(named)
    assert not acme.keys.exists()


def test_a_label_that_looks_like_a_key_is_refused(
    network_call: Client, acme: Partner, acme_key: tuple[Key, str]
) -> None:
    answer = issue(network_call, acme, label=acme_key[1])

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("label")
    assert acme_key[1] not in answer.json()["error"]


def test_keys_of_a_partner_that_is_not_there_are_not_found(network_call: Client) -> None:
    assert network_call.get("/v1/networks/affiliates/999999/apikeys").status_code == 404
