from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import AlreadyListed, Key
from keys.networks import HostBitsSet, MeansAnyAddress, parse_network
from partners.models import Partner
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse
from tests.htmx import HTMX, told
from tests.page import page


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        (" 203.0.113.7 ", "203.0.113.7/32"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("2001:db8::7", "2001:db8::7/128"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_addresses_and_networks_are_read_as_people_write_them(text: str, network: str) -> None:
    assert parse_network(text) == ip_network(network)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10.0.0.5/24", "10.0.0.0/24"),
        ("2001:db8::7/64", "2001:db8::/64"),
        ("::ffff:10.0.0.5/120", "10.0.0.0/24"),
    ],
)
def test_host_bits_are_refused_with_the_network_that_was_meant(text: str, meant: str) -> None:
    with pytest.raises(HostBitsSet) as refused:
        parse_network(text)

    assert refused.value.meant == ip_network(meant)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "1.2.3.4/0", "::ffff:0:0/96"])
def test_a_network_that_means_any_address_is_refused(text: str) -> None:
    with pytest.raises(MeansAnyAddress):
        parse_network(text)


@pytest.mark.parametrize(
    "text", ["", "localhost", "203.0.113", "203.0.113.7/33", "1", "fe80::1%eth0", "010.0.0.1", "1.2.3.4-9", "*"]
)
def test_what_is_neither_an_address_nor_a_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_network(text)

    assert not isinstance(refused.value, HostBitsSet | MeansAnyAddress)


@pytest.mark.django_db
def test_an_allowlist_lets_in_its_networks_and_an_empty_one_lets_in_any(acme_key: tuple[Key, str]) -> None:
    key, _ = acme_key
    assert key.admits(ip_address("198.51.100.9"))

    key.allow(network=parse_network("203.0.113.0/24"), label="Office", by=SETUP)

    assert key.admits(ip_address("203.0.113.9"))
    assert not key.admits(ip_address("198.51.100.9"))
    assert not key.admits(ip_address("2001:db8::1"))
    assert not key.admits(None)


@pytest.mark.django_db
def test_the_gate_follows_the_allowlist_from_the_next_call_on(acme_key: tuple[Key, str], call: Any) -> None:
    key, secret = acme_key
    entry = key.allow(network=parse_network("203.0.113.0/24"), label="", by=SETUP)
    refused = call(secret).get("/v1/affiliates/affiliate")

    key.disallow(entry, by=SETUP)
    let_in = call(secret).get("/v1/affiliates/affiliate")

    assert (refused.status_code, let_in.status_code) == (403, 200)
    assert "127.0.0.1" in refused.json()["error"]


@pytest.mark.django_db
def test_an_entry_is_listed_once(acme_key: tuple[Key, str]) -> None:
    key, _ = acme_key
    key.allow(network=parse_network("203.0.113.7"), label="", by=SETUP)

    with pytest.raises(AlreadyListed):
        key.allow(network=parse_network("203.0.113.7/32"), label="Again", by=SETUP)

    assert key.allowlist.count() == 1
    assert Event.objects.filter(kind="allowlist.added").count() == 1


@pytest.mark.django_db
def test_no_verb_lists_a_network_that_means_any_address(acme_key: tuple[Key, str]) -> None:
    with pytest.raises(MeansAnyAddress):
        acme_key[0].allow(network=ip_network("::/0"), label="", by=SETUP)


@pytest.mark.django_db
def test_taking_off_what_is_gone_already_leaves_no_event(acme_key: tuple[Key, str]) -> None:
    key, _ = acme_key
    entry = key.allow(network=parse_network("203.0.113.7"), label="", by=SETUP)
    key.disallow(entry, by=SETUP)

    key.disallow(entry, by=SETUP)

    assert Event.objects.filter(kind="allowlist.removed").count() == 1


@pytest.fixture
def client(amir: User, browse: Browse) -> Client:
    return browse(amir)


def url(name: str, key: Key, *more: int) -> str:
    return reverse(f"keys:{name}", args=[key.partner_id, key.pk, *more])


def allow(client: Client, key: Key, network: str, **data: str) -> Any:
    return client.post(url("allow", key), {"network": network, "label": "", **data})


@pytest.mark.django_db
def test_an_empty_allowlist_says_that_any_address_may_use_the_key(acme_key: tuple[Key, str], client: Client) -> None:
    answer = client.get(url("allowlist", acme_key[0]))

    assert "Any address may use this key" in page(answer).text


@pytest.mark.django_db
def test_an_entry_is_added_with_its_label(acme_key: tuple[Key, str], client: Client) -> None:
    key, _ = acme_key

    answer = allow(client, key, "203.0.113.0/24", label="Office Berlin")

    entry = key.allowlist.get()
    assert (str(entry), entry.label, entry.created_by) == ("203.0.113.0/24", "Office Berlin", "Amir")
    assert answer.status_code == 303
    event = Event.objects.get(kind="allowlist.added")
    assert (event.actor_label, event.details) == ("Amir", {"network": "203.0.113.0/24", "label": "Office Berlin"})


@pytest.mark.django_db
def test_under_htmx_the_dialog_stays_open_and_its_list_is_told(acme_key: tuple[Key, str], client: Client) -> None:
    key, _ = acme_key

    answer = client.post(url("allow", key), {"network": "203.0.113.7"}, headers={**HTMX, "HX-Target": "allowlist"})
    region = client.get(url("allowlist", key), headers={**HTMX, "HX-Target": "allowlist"})

    assert answer.status_code == 204
    assert told(answer)["keys:changed"] is True
    assert "dialog:close" not in told(answer)
    assert told(answer)["toast"][0]["text"] == "203.0.113.7 was added to the allowlist."
    assert "203.0.113.7" in page(region).region("allowlist").text
    assert not page(region).title


@pytest.mark.django_db
def test_host_bits_are_answered_with_one_click_to_the_network_that_was_meant(
    acme_key: tuple[Key, str], client: Client
) -> None:
    key, _ = acme_key

    answer = allow(client, key, "10.0.0.5/24", label="Data centre")

    form = next(form for form in page(answer).forms if "label" in form.fields)
    assert answer.status_code == 422
    assert "10.0.0.5/24 has host bits set; did you mean 10.0.0.0/24?" in form.text
    assert "Add 10.0.0.0/24" in form.buttons
    assert form.fields["label"] == "Data centre"
    assert not key.allowlist.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("0.0.0.0/0", "means any address. To let any address in, leave the allowlist empty"),
        ("::/0", "means any address"),
        ("office", "neither an address"),
        ("", "Enter an address"),
    ],
)
def test_what_cannot_be_listed_is_refused_with_the_reason(
    network: str, why: str, acme_key: tuple[Key, str], client: Client
) -> None:
    answer = allow(client, acme_key[0], network)

    assert answer.status_code == 422
    assert why in page(answer).text


@pytest.mark.django_db
def test_a_network_that_is_listed_already_is_told_so(acme_key: tuple[Key, str], client: Client) -> None:
    key, _ = acme_key
    allow(client, key, "203.0.113.7")

    answer = allow(client, key, "::ffff:203.0.113.7")

    assert answer.status_code == 422
    assert "203.0.113.7 is on the allowlist already" in page(answer).text


@pytest.mark.django_db
def test_entries_inside_a_wider_one_are_noted(acme_key: tuple[Key, str], client: Client) -> None:
    key, _ = acme_key
    allow(client, key, "203.0.113.0/24")

    answer = client.post(url("allow", key), {"network": "203.0.113.7"}, follow=True)

    assert "203.0.113.0/24 had its addresses in it already" in page(answer).text
    assert "203.0.113.0/24 lets these in anyway" in page(answer).region("allowlist").text


@pytest.mark.django_db
def test_ones_own_address_is_one_click_away(acme_key: tuple[Key, str], client: Client) -> None:
    key, _ = acme_key
    before = page(client.get(url("allowlist", key)))
    mine = next(form for form in before.forms if "Add my address" in form.buttons)

    client.post(mine.action, mine.fields)
    after = page(client.get(url("allowlist", key)))

    assert "Your current address is 127.0.0.1" in before.text
    assert [str(entry) for entry in key.allowlist.all()] == ["127.0.0.1"]
    assert "127.0.0.1 , which is let in" in after.text
    assert "Add my address" not in after.buttons


@pytest.fixture
def used_key(acme_key: tuple[Key, str], call: Any) -> Key:
    """A key that was last used from 127.0.0.1."""
    key, secret = acme_key
    assert call(secret).get("/v1/affiliates/affiliate").status_code == 200
    return key


@pytest.mark.django_db
def test_an_entry_that_locks_out_the_last_caller_needs_a_second_deliberate_click(used_key: Key, client: Client) -> None:
    without = allow(client, used_key, "203.0.113.0/24")
    for_another = allow(client, used_key, "203.0.113.0/24", anyway="198.51.100.1")
    with_the_click = allow(client, used_key, "203.0.113.0/24", anyway="127.0.0.1")

    assert without.status_code == for_another.status_code == 422
    assert "This would lock out 127.0.0.1" in page(without).text
    assert "Add anyway" in page(without).buttons
    assert with_the_click.status_code == 303
    assert used_key.allowlist.count() == 1


@pytest.mark.django_db
def test_an_entry_that_lets_the_last_caller_in_needs_no_second_click(used_key: Key, client: Client) -> None:
    assert allow(client, used_key, "127.0.0.0/8").status_code == 303


@pytest.mark.django_db
def test_a_caller_who_is_locked_out_already_cannot_be_lost_again(used_key: Key, client: Client) -> None:
    used_key.allow(network=parse_network("203.0.113.0/24"), label="", by=SETUP)

    assert allow(client, used_key, "198.51.100.0/24").status_code == 303


def disallow(client: Client, key: Key, entry_id: int, **data: str) -> Any:
    return client.post(url("disallow", key, entry_id), data)


@pytest.mark.django_db
def test_an_entry_is_removed_at_once_when_nobody_is_lost(acme_key: tuple[Key, str], client: Client) -> None:
    key, _ = acme_key
    entry = key.allow(network=parse_network("203.0.113.7"), label="", by=SETUP)
    key.allow(network=parse_network("203.0.113.8"), label="", by=SETUP)

    answer = disallow(client, key, entry.pk)

    assert answer.status_code == 303
    assert [str(left) for left in key.allowlist.all()] == ["203.0.113.8"]
    assert Event.objects.get(kind="allowlist.removed").details["network"] == "203.0.113.7"


@pytest.mark.django_db
def test_removing_the_last_entry_opens_the_key_and_needs_a_second_deliberate_click(
    acme_key: tuple[Key, str], client: Client
) -> None:
    key, _ = acme_key
    entry = key.allow(network=parse_network("203.0.113.7"), label="", by=SETUP)

    without = disallow(client, key, entry.pk)
    with_the_click = disallow(client, key, entry.pk, anyway="open to any address")

    assert without.status_code == 422
    assert "Without 203.0.113.7 any address may use this key" in page(without).text
    assert with_the_click.status_code == 303
    assert not key.allowlist.exists()


@pytest.mark.django_db
def test_removing_the_entry_of_the_last_caller_needs_a_second_deliberate_click(used_key: Key, client: Client) -> None:
    entry = used_key.allow(network=parse_network("127.0.0.1"), label="", by=SETUP)
    used_key.allow(network=parse_network("203.0.113.8"), label="", by=SETUP)

    without = disallow(client, used_key, entry.pk)
    for_another_risk = disallow(client, used_key, entry.pk, anyway="open to any address")
    with_the_click = disallow(client, used_key, entry.pk, anyway="locks out 127.0.0.1")

    assert without.status_code == for_another_risk.status_code == 422
    assert "This would lock out 127.0.0.1" in page(without).text
    assert with_the_click.status_code == 303


@pytest.mark.django_db
def test_removing_what_somebody_else_removed_is_told_kindly(acme_key: tuple[Key, str], client: Client) -> None:
    answer = client.post(url("disallow", acme_key[0], 987), follow=True)

    assert "had been removed already" in page(answer).text


@pytest.mark.django_db
def test_an_entry_of_another_key_is_out_of_reach(
    acme_key: tuple[Key, str], other_partner: Partner, client: Client
) -> None:
    other, _ = Key.issue(partner=other_partner, label="Other", by=SETUP)
    entry = other.allow(network=parse_network("203.0.113.7"), label="", by=SETUP)

    disallow(client, acme_key[0], entry.pk, anyway="open to any address")

    assert other.allowlist.count() == 1
