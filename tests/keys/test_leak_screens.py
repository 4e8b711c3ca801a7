from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from keys.leaks.models import Leak, NothingOpen, Place
from keys.models import Key
from partners.models import Partner
from portal.accounts.models import Event, User
from portal.network.models import Network
from tests.conftest import SETUP, Browse
from tests.htmx import DIALOG, HTMX, told
from tests.page import page

pytestmark = pytest.mark.django_db

URL = "https://github.com/acme/import/blob/main/settings.py"
REASON = "It is the key of a test"


@pytest.fixture
def found(acme_key: tuple[Key, str], network: Network) -> Leak:
    """Acme's key stands in a repository and still works, because the network has keys flagged only."""
    network.change(by=SETUP, revokes_leaked_keys=False)
    return Leak.note(acme_key[0], [Place(URL, "content")], by=SETUP)[0]


@pytest.fixture
def client(amir: User, browse: Browse) -> Client:
    return browse(amir)


def url_of(leak: Leak) -> str:
    return reverse("leaks:of_partner_key", args=[leak.key.partner_id, leak.key_id])


def keys_of(partner: Partner) -> str:
    return reverse("keys:partner", args=[partner.pk])


def test_the_key_s_row_is_flagged_and_leads_to_where_it_was_found(found: Leak, acme: Partner, client: Client) -> None:
    region = page(client.get(keys_of(acme))).region("key-table")
    assert "Found in public" in region.records[0]["Status"]

    dialog = page(client.get(url_of(found), headers=DIALOG))

    assert dialog.links[URL] == URL
    assert "It still works, for whoever has read it too." in dialog.text
    assert dialog.links["Revoke"] == reverse("keys:revoke", args=[acme.pk, found.key_id])


def test_dismissing_takes_the_flag_away_and_says_why(found: Leak, acme: Partner, amir: User, client: Client) -> None:
    form = page(client.get(url_of(found))).form(url_of(found))

    answer = client.post(url_of(found), form.fields | {"reason": REASON}, headers=HTMX)

    assert "keys:changed" in told(answer)
    assert "Found in public" not in page(client.get(keys_of(acme))).region("key-table").text
    event = Event.objects.get(kind="key.leak_dismissed")
    assert (event.actor_id, event.subject_id, event.partner_id) == (amir.pk, found.key_id, acme.pk)
    assert event.details == {"places": 1, "reason": REASON}
    assert f"dismissed by Amir: {REASON}" in page(client.get(url_of(found))).text


def test_dismissing_needs_a_reason_without_a_key_in_it(found: Leak, acme_key: tuple[Key, str], client: Client) -> None:
    answers = [client.post(url_of(found), {"seen": found.pk, "reason": reason}) for reason in ("", acme_key[1])]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert "Say why this is nothing to worry about." in page(answers[0]).errors
    assert Leak.objects.open().count() == 1


def test_what_is_found_while_somebody_decides_stays_open(found: Leak, acme: Partner, client: Client) -> None:
    form = page(client.get(url_of(found))).form(url_of(found))
    Leak.note(found.key, [Place("https://gist.github.com/1")], by=SETUP)

    client.post(url_of(found), form.fields | {"reason": REASON})

    assert [leak.url for leak in Leak.objects.open()] == ["https://gist.github.com/1"]
    assert "Found in public" in page(client.get(keys_of(acme))).region("key-table").text


def test_the_second_of_two_who_dismiss_is_told(found: Leak, client: Client) -> None:
    form = page(client.get(url_of(found))).form(url_of(found)).fields | {"reason": REASON}
    client.post(url_of(found), form)

    answer = client.post(url_of(found), form, follow=True)

    assert "was open any more" in page(answer).text
    assert Event.objects.filter(kind="key.leak_dismissed").count() == 1
    with pytest.raises(NothingOpen):
        Leak.dismiss(found.key, seen=found.pk, reason=REASON, by=SETUP)


def test_who_may_not_issue_keys_sees_where_and_dismisses_nothing(found: Leak, vera: User, browse: Browse) -> None:
    client = browse(vera)
    assert URL in page(client.get(url_of(found))).text

    answer = client.post(url_of(found), {"seen": found.pk, "reason": REASON})

    assert answer.status_code == 403
    assert Leak.objects.open().count() == 1


def test_a_revoked_key_is_not_flagged_any_more(found: Leak, acme: Partner, client: Client) -> None:
    found.key.revoke(by=SETUP)

    assert "Found in public" not in page(client.get(keys_of(acme))).region("key-table").text
    assert "The key opens nothing any more." in page(client.get(url_of(found))).text


def test_the_list_of_partners_shows_whose_keys_were_found(
    found: Leak, acme: Partner, other_partner: Partner, client: Client
) -> None:
    Key.issue(partner=acme, label="Another", by=SETUP)
    Leak.note(found.key, [Place("https://gist.github.com/1")], by=SETUP)

    rows = {row["Name"]: row["Live keys"] for row in page(client.get(reverse("partners:manage"))).records}

    assert rows == {"Acme Media": "Found in public 2", "Orbit Deals": "0"}


def test_the_partner_sees_where_their_key_was_found(found: Leak, paul: User, browse: Browse) -> None:
    text = page(browse(paul).get(reverse("keys:account"))).text

    assert "This key was found in public" in text
    assert URL in text
    Leak.dismiss(found.key, seen=found.pk, reason=REASON, by=SETUP)
    assert "found in public" not in page(browse(paul).get(reverse("keys:account"))).text


def test_what_is_no_web_address_is_no_link(acme_key: tuple[Key, str], found: Leak, client: Client) -> None:
    Leak.note(acme_key[0], [Place("javascript:alert(1)"), Place("")], by=SETUP)

    dialog = page(client.get(url_of(found)))

    assert "javascript:alert(1)" in dialog.text
    assert "javascript:alert(1)" not in dialog.links.values()
    assert "a place without a name" in dialog.text


def test_the_network_key_is_flagged_and_dismissed_where_it_stands(
    network: Network, nadia: User, browse: Browse
) -> None:
    network.change(by=SETUP, revokes_leaked_keys=False)
    key, _ = Key.generate_network_key(by=SETUP, replacing=None)
    Leak.note(key, [Place(URL)], by=SETUP)
    client, where = browse(nadia), reverse("leaks:of_network_key", args=[key.pk])
    assert "Found in public" in page(client.get(reverse("keys:network"))).region("network-key").text

    client.post(where, page(client.get(where)).form(where).fields | {"reason": REASON})

    assert "Found in public" not in page(client.get(reverse("keys:network"))).region("network-key").text


def test_a_network_admin_says_what_happens_to_leaked_keys(network: Network, nadia: User, browse: Browse) -> None:
    client, where = browse(nadia), reverse("leaks:rule")
    assert "revoked at once" in page(client.get(reverse("keys:network"))).region("leak-rule").text
    assert page(client.get(where, headers=DIALOG)).form(where).fields["revokes"] == "revoke"

    answer = client.post(where, {"revokes": "flag"}, headers=HTMX)

    assert "leak-rule:changed" in told(answer)
    network.refresh_from_db()
    assert not network.revokes_leaked_keys
    assert "flagged, and works on" in page(client.get(reverse("keys:network"))).region("leak-rule").text
    assert Event.objects.get(kind="leak_rule.changed").details == {"revokes_leaked_keys": [True, False]}
    assert client.post(where, {"revokes": "both"}).status_code == 422


def test_a_stranger_s_key_is_not_found(found: Leak, other_partner: Partner, client: Client) -> None:
    where = reverse("leaks:of_partner_key", args=[other_partner.pk, found.key_id])

    assert client.get(where).status_code == client.post(where).status_code == 404


def test_the_list_of_keys_asks_no_more_for_keys_that_were_found(
    found: Leak, acme: Partner, client: Client, django_assert_max_num_queries: object
) -> None:
    client.get(keys_of(acme))
    with django_assert_max_num_queries(30) as few:  # type: ignore[operator]
        client.get(keys_of(acme))
    for number in range(5):
        key, _ = Key.issue(partner=acme, label=f"Key {number}", by=SETUP)
        Leak.note(key, [Place(URL)], by=SETUP)

    with django_assert_max_num_queries(len(few)):  # type: ignore[operator]
        client.get(keys_of(acme))


@pytest.mark.parametrize(
    "broken",
    [{"what": "mail"}, {"reported_by": ""}, {"dismissed_at": now()}, {"dismissed_by": "x"}, {"dismissed_because": "x"}],
)
def test_the_database_keeps_a_leak_whole(found: Leak, broken: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Leak.objects.filter(pk=found.pk).update(**broken)


def test_the_database_keeps_a_place_once(found: Leak) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Leak.objects.create(key=found.key, what="key", url=URL, reported_by="x")
