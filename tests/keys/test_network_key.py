from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import Key, NetworkKeyChanged, NotRevealable
from keys.secret import digest_of
from portal.accounts.models import Event, Role, User
from portal.network.models import Network
from tests.conftest import SETUP, Browse, person
from tests.htmx import DIALOG, HTMX, told
from tests.page import page

pytestmark = pytest.mark.django_db


def url(name: str, *args: object) -> str:
    return reverse(f"keys:{name}", args=args)


@pytest.fixture
def client(nadia: User, browse: Browse) -> Client:
    return browse(nadia)


@pytest.fixture
def live(network: Network) -> tuple[Key, str]:
    return Key.generate_network_key(by=SETUP, replacing=None)


def generate(client: Client, *, sure: bool = True) -> Any:
    """Opens the dialog and presses Generate."""
    form = page(client.get(url("generate"))).form(url("generate"))
    return client.post(url("generate"), {**form.fields, **({"sure": "on"} if sure else {})})


def test_without_a_network_key_the_page_says_what_to_do(client: Client) -> None:
    region = page(client.get(url("network"))).region("network-key")

    assert "No network key" in region.text
    assert "Generate" in region.links


def test_the_page_says_who_generated_the_key_and_when_it_was_last_used(
    live: tuple[Key, str], client: Client, call: Any
) -> None:
    key, secret = live
    call(secret).get("/v1/networks/affiliates")

    answer = client.get(url("network"))

    text = page(answer).region("network-key").text
    for said in (key.hint, "by tests", "from 127.0.0.1", "Any address may use this key"):
        assert said in text
    assert secret not in answer.content.decode()


def test_generate_shows_the_key_once_in_the_answer_to_the_post(client: Client) -> None:
    answer = generate(client)

    secret = page(answer).region("network-key-secret").text
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert bytes(Key.objects.of_network().live().get().digest) == digest_of(secret)
    for path in (url("network"), url("generate")):
        assert secret not in client.get(path).content.decode()


def test_generating_over_a_live_key_says_that_the_old_one_dies_at_once(
    live: tuple[Key, str], client: Client, call: Any
) -> None:
    key, secret = live
    call(secret).get("/v1/networks/affiliates")

    text = page(client.get(url("generate"), headers=DIALOG)).text

    assert "The old key dies at once" in text
    assert key.hint in text
    assert "from 127.0.0.1" in text


def test_replacing_a_live_key_needs_a_second_deliberate_click(live: tuple[Key, str], client: Client) -> None:
    old, _ = live

    without = generate(client, sure=False)
    old.refresh_from_db()
    was_live = old.is_live
    with_the_click = generate(client)

    old.refresh_from_db()
    assert (without.status_code, was_live) == (422, True)
    assert "Tick this box" in page(without).text
    assert with_the_click.status_code == 200
    assert (old.state, old.revoked_by) == (Key.State.REVOKED, "Nadia")
    assert Event.objects.filter(kind="network_key.generated").first().details == {"replaced": old.hint}  # type: ignore[union-attr]


@pytest.mark.parametrize("has_live_key", [False, True])
def test_the_same_form_submitted_twice_generates_one_key(has_live_key: bool, client: Client) -> None:
    if has_live_key:
        Key.generate_network_key(by=SETUP, replacing=None)
    form = page(client.get(url("generate"))).form(url("generate"))
    data = {**form.fields, **({"sure": "on"} if has_live_key else {})}
    first = client.post(url("generate"), data)

    second = client.post(url("generate"), data, follow=True)

    secret = page(first).region("network-key-secret").text
    live = Key.objects.of_network().live().get()
    assert bytes(live.digest) == digest_of(secret)
    assert f"No key was generated: {live.hint} had been a moment before, by Nadia" in page(second).text
    assert secret not in second.content.decode()


def test_a_key_that_was_revoked_meanwhile_is_not_replaced_unseen(live: tuple[Key, str], client: Client) -> None:
    form = page(client.get(url("generate"))).form(url("generate"))
    live[0].revoke(by=SETUP)

    answer = client.post(url("generate"), {**form.fields, "sure": "on"}, follow=True)

    assert "was revoked meanwhile" in page(answer).text
    assert not Key.objects.of_network().live().exists()


def test_the_verb_refuses_to_replace_a_key_it_was_not_told_of(live: tuple[Key, str]) -> None:
    with pytest.raises(NetworkKeyChanged):
        Key.generate_network_key(by=SETUP, replacing=None)


def test_a_network_key_is_not_shown_again(live: tuple[Key, str]) -> None:
    with pytest.raises(NotRevealable):
        live[0].reveal(by=SETUP, how="shown")


def test_the_network_key_can_be_revoked_without_a_replacement(live: tuple[Key, str], client: Client) -> None:
    key, _ = live
    path = url("network_revoke", key.pk)

    dialog = client.get(path, headers=DIALOG)
    answer = client.post(path, headers=DIALOG)

    assert "No key will open the Network API" in page(dialog).text
    assert told(answer)["keys:changed"] is True
    assert not Key.objects.of_network().live().exists()
    region = client.get(url("network"), headers={**HTMX, "HX-Target": "network-key"})
    assert f"{key.hint} until" in page(region).region("network-key").text


def test_a_partners_key_is_not_a_network_key(acme_key: tuple[Key, str], client: Client) -> None:
    answers = [
        client.post(url("network_revoke", acme_key[0].pk)),
        client.get(url("network_allowlist", acme_key[0].pk)),
        client.post(url("network_allow", acme_key[0].pk), {"network": "203.0.113.7"}),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_the_network_key_has_an_allowlist_of_its_own(live: tuple[Key, str], client: Client, call: Any) -> None:
    key, secret = live

    added = client.post(url("network_allow", key.pk), {"network": "203.0.113.7"}, follow=True)

    entry = key.allowlist.get()
    assert "203.0.113.7 was added" in page(added).text
    assert call(secret).get("/v1/networks/affiliates").status_code == 403
    client.post(url("network_disallow", key.pk, entry.pk), {"anyway": "open to any address"})
    assert call(secret).get("/v1/networks/affiliates").status_code == 200


def test_the_budget_is_changed_with_an_event(client: Client) -> None:
    answer = client.post(url("budget"), {"budget_requests": "3000", "budget_seconds": "30"}, headers=DIALOG)

    network = Network.load()
    assert (network.budget_requests, network.budget_seconds) == (3000, 30)
    assert told(answer)["budget:changed"] is True
    event = Event.objects.get(kind="budget.changed")
    assert event.details == {"budget_requests": [60, 3000], "budget_seconds": [60, 30]}
    assert "3,000 requests per 30 s" in page(client.get(url("network"))).region("budget").text


@pytest.mark.parametrize(("requests", "seconds"), [("0", "60"), ("60", "0"), ("60", "86401"), ("many", "60"), ("", "")])
def test_a_budget_that_makes_no_sense_is_refused(requests: str, seconds: str, client: Client) -> None:
    answer = client.post(url("budget"), {"budget_requests": requests, "budget_seconds": seconds})

    assert answer.status_code == 422
    assert page(answer).form(url("budget")).errors
    assert Network.load().budget_requests == 60


def test_who_may_do_what_to_the_network_key(
    live: tuple[Key, str], cast: list[User], analyst: User, browse: Browse
) -> None:
    key, _ = live
    views = {
        "look": lambda client: client.get(url("network")),
        "allowlist": lambda client: client.get(url("network_allowlist", key.pk)),
        "generate": lambda client: client.get(url("generate")),
        "revoke": lambda client: client.get(url("network_revoke", key.pk)),
        "budget": lambda client: client.get(url("budget")),
        "allow": lambda client: client.post(url("network_allow", key.pk), {"network": ""}),
        "disallow": lambda client: client.post(url("network_disallow", key.pk, 0)),
    }

    answers = {
        user.name: {name: view(browse(user)).status_code for name, view in views.items()} for user in [*cast, analyst]
    }

    ok = {**dict.fromkeys(views, 200), "allow": 422, "disallow": 303}
    assert answers["Sonia"] == answers["Nadia"] == ok
    assert answers["Anna"] == {**dict.fromkeys(views, 403), "look": 200, "allowlist": 200}
    assert answers["Amir"] == answers["Vera"] == dict.fromkeys(views, 403)
    assert answers["Paul"] == answers["Otto"] == dict.fromkeys(views, 404)


@pytest.fixture
def analyst(network: Network) -> User:
    role = Role.create(name="Analyst", by=SETUP, system_settings="view")
    return person("Anna", role=role)
