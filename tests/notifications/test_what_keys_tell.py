from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.test import Client
from django.utils import timezone

from apilog.patterns.models import Pattern
from apilog.patterns.rules import Finding, Sighting
from apilog.patterns.scan import look_for_unused_keys
from keys.jobs import tell_expiring, tell_of_expiring_keys
from keys.models import AlreadyIssued, AlreadyRevoked, Key, ShareLink
from partners.models import Partner
from portal.accounts.actors import Actor
from portal.accounts.models import Role, User
from portal.notifications.models import Notification
from tests.conftest import SETUP, person
from tests.notifications.conftest import Work, mailed, told

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def managed(acme: Partner, vera: User) -> Partner:
    acme.change(by=SETUP, manager=vera)
    return acme


@pytest.fixture
def key(managed: Partner, amir: User) -> Key:
    return Key.issue(partner=managed, label="Reporting", by=Actor.of(amir))[0]


def of(user: User, kind: str) -> Notification:
    return Notification.objects.get(user=user, kind=kind)


def test_a_key_that_is_issued_is_told_to_the_partner_and_its_manager(
    managed: Partner, paul: User, vera: User, amir: User, otto: User, work: Work
) -> None:
    key, _ = Key.issue(partner=managed, label="Reporting", by=Actor.of(amir))
    work()

    assert told(paul) == ["Key Reporting was issued"]
    assert told(vera) == ["Acme Media: Key Reporting was issued"]
    assert (told(amir), told(otto)) == ([], [])
    assert of(paul, "key.issued").facts == [["Key", str(key)], ["By", "Northwind Affiliates"]]
    assert of(paul, "key.issued").path == "/account/api/"
    assert of(vera, "key.issued").path == f"/partners/{managed.pk}/api/"
    assert [to for to, _ in mailed()] == sorted([paul.email, vera.email])


def test_the_second_half_of_a_double_click_tells_nothing(managed: Partner, paul: User, amir: User) -> None:
    form = UUID(int=7)
    Key.issue(partner=managed, label="Reporting", by=Actor.of(amir), submission=form)

    with pytest.raises(AlreadyIssued):
        Key.issue(partner=managed, label="Reporting", by=Actor.of(amir), submission=form)

    assert told(paul) == ["Key Reporting was issued"]


def test_an_issue_that_is_taken_back_is_told_to_nobody(managed: Partner, paul: User, work: Work) -> None:
    with transaction.atomic():
        Key.issue(partner=managed, label="Reporting", by=SETUP)
        transaction.set_rollback(True)
    work()

    assert (told(paul), mailed()) == ([], [])


def test_a_rotated_key_is_told_with_what_becomes_of_the_old_one(key: Key, paul: User, amir: User) -> None:
    Notification.objects.all().delete()

    successor, _ = key.rotate(grace=timedelta(hours=24), by=Actor.of(amir))

    assert told(paul) == ["Key Reporting was rotated"]
    assert of(paul, "key.issued").facts[:3] == [
        ["New key", successor.hint],
        ["Old key", key.hint],
        ["The old key ends", "24 hours after the first call with the new one"],
    ]


def test_a_key_is_revealed_to_somebody_new_once(key: Key, paul: User, vera: User, amir: User, work: Work) -> None:
    petra = person("Petra", partner=key.partner)

    for how in ("shown", "copied", "shown"):
        key.reveal(by=Actor.of(paul), how=how)
    work()

    assert told(vera, "key.revealed") == ["Acme Media: Key Reporting was shown to someone new"]
    assert told(petra, "key.revealed") == ["Key Reporting was shown to someone new"]
    assert told(paul, "key.revealed") == []
    assert dict(of(petra, "key.revealed").facts)["By"] == "Paul"
    assert len([subject for _, subject in mailed() if "someone new" in subject]) == 2


def test_a_key_that_is_copied_without_being_shown_is_told_as_that(key: Key, paul: User, vera: User) -> None:
    key.reveal(by=Actor.of(paul), how="copied")

    assert told(vera, "key.revealed") == ["Acme Media: Key Reporting was copied by someone new"]


def test_who_issued_a_key_is_nobody_new_to_it(key: Key, paul: User, amir: User) -> None:
    key.reveal(by=Actor.of(amir), how="copied")
    successor, _ = key.rotate(grace=DAY, by=Actor.of(amir))
    successor.reveal(by=Actor.of(amir), how="copied")

    assert told(paul, "key.revealed") == []


def test_whoever_looks_as_somebody_else_is_somebody_new(key: Key, paul: User, nadia: User, vera: User) -> None:
    key.reveal(by=Actor.of(paul), how="shown")

    key.reveal(by=Actor.of(paul, impersonator=nadia), how="shown")

    assert told(paul, "key.revealed") == ["Key Reporting was shown to someone new"]
    assert dict(of(paul, "key.revealed").facts) == {
        "Key": str(key),
        "By": "Northwind Affiliates",
    }
    assert len(told(vera, "key.revealed")) == 2


def test_each_view_of_a_one_time_link_is_by_somebody_new(key: Key, paul: User, amir: User) -> None:
    for host in (7, 8):
        link, _ = ShareLink.make(key, by=Actor.of(amir))
        link.view(by=Actor.stranger(ip=ipaddress.ip_address(f"203.0.113.{host}")))

    facts = Notification.objects.filter(user=paul, kind="key.revealed").order_by("pk").values_list("facts", flat=True)
    assert [dict(each)["From"] for each in facts] == ["203.0.113.7", "203.0.113.8"]
    assert dict(facts[0])["How"] == "one-time link"


def test_a_revoked_key_is_told_once_however_often_it_is_tried(key: Key, paul: User, vera: User, amir: User) -> None:
    key.revoke(by=Actor.of(amir))
    with pytest.raises(AlreadyRevoked):
        key.revoke(by=Actor.of(amir))

    assert told(paul, "key.revoked") == ["Key Reporting was revoked"]
    assert told(vera, "key.revoked") == ["Acme Media: Key Reporting was revoked"]


def test_those_who_run_the_system_are_told_of_the_network_key(cast: list[User]) -> None:
    sonia, nadia, amir, vera, paul, otto = cast
    first, _ = Key.generate_network_key(by=Actor.of(nadia), replacing=None)
    second, _ = Key.generate_network_key(by=SETUP, replacing=first)
    second.revoke(by=SETUP)

    assert told(sonia) == [
        "A network key was generated",
        "A network key was generated",
        "The network key was revoked",
    ]
    assert told(nadia) == told(sonia)[1:]
    assert [told(user) for user in (amir, vera, paul, otto)] == [[], [], [], []]
    assert ["The one before it", f"{first.hint} works no more"] in Notification.objects.filter(user=nadia)[1].facts


def expires(key: Key, at: datetime) -> None:
    Key.objects.filter(pk=key.pk).update(expires_at=at)


def test_a_key_that_expires_is_told_a_week_before_and_a_day_before(key: Key, paul: User, vera: User) -> None:
    expires(key, NOW + 10 * DAY)

    for hours in range(0, 24 * 11, 6):
        moment = NOW + timedelta(hours=hours)
        with time_machine.travel(moment, tick=False):
            tell_of_expiring_keys(moment)

    assert told(paul, "key.expiring") == ["Key Reporting expires within 7 days", "Key Reporting expires within a day"]
    assert ["Expires", "25 Jun 2026, 12:00 UTC"] in Notification.objects.filter(user=paul).latest("pk").facts
    assert len(told(vera, "key.expiring")) == 2


def test_a_key_with_less_than_a_day_left_is_told_of_that_alone(key: Key, paul: User) -> None:
    expires(key, timezone.now() + timedelta(hours=20))

    tell_expiring(0)

    assert told(paul, "key.expiring") == ["Key Reporting expires within a day"]


def test_a_key_that_is_over_or_has_no_end_is_not_told(key: Key, paul: User, managed: Partner) -> None:
    expires(key, timezone.now() - DAY)
    revoked, _ = Key.issue(partner=managed, label="Other", by=SETUP)
    expires(revoked, timezone.now() + DAY)
    revoked.revoke(by=SETUP)

    tell_expiring(0)

    assert told(paul, "key.expiring") == []


def test_more_keys_than_one_batch_are_all_told(managed: Partner, paul: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keys.jobs.TOLD_AT_ONCE", 2)
    for number in range(5):
        expires(Key.issue(partner=managed, label=f"Key {number}", by=SETUP)[0], timezone.now() + 3 * DAY)

    tell_expiring(0)

    assert len(told(paul, "key.expiring")) == 5


def test_a_key_that_is_unused_is_told_once_for_each_silence(key: Key, paul: User, vera: User) -> None:
    Key.objects.update(created_at=NOW - 200 * DAY, last_used_at=NOW - 91 * DAY)
    for hours in (0, 1, 30):
        look_for_unused_keys(NOW + timedelta(hours=hours))
    Key.objects.update(last_used_at=NOW + 2 * DAY)
    look_for_unused_keys(NOW + 3 * DAY)

    with time_machine.travel(NOW + 100 * DAY, tick=False):
        look_for_unused_keys(NOW + 100 * DAY)

    assert told(paul, "key.unused") == ["Key Reporting is unused for 90 days"] * 2
    assert len(told(vera, "key.unused")) == 2


def test_an_unusual_pattern_is_told_to_the_network_alone_and_once_while_it_is_open(
    key: Key, paul: User, vera: User, nadia: User, managed: Partner
) -> None:
    seen = {"198.51.100.0/24": Sighting(3, NOW, NOW)}
    more = {"192.0.2.0/24": Sighting(1, NOW, NOW + DAY)}

    Pattern.raise_all({(key.pk, "new_network"): Finding("It is used from 203.0.113.0/24.", seen)}, at=NOW)
    Pattern.raise_all({(key.pk, "new_network"): Finding("It is used from 203.0.113.0/24.", more)}, at=NOW + DAY)

    assert told(nadia, "key.unusual_pattern") == ["Acme Media: New network of addresses, of key Reporting"]
    assert told(vera, "key.unusual_pattern") == told(nadia, "key.unusual_pattern")
    assert told(paul, "key.unusual_pattern") == []
    assert of(vera, "key.unusual_pattern").path == f"/partners/{managed.pk}/api/patterns/"


def test_a_pattern_of_the_network_key_is_told_to_those_who_run_the_system(
    network_call: Client, cast: list[User]
) -> None:
    sonia, nadia, amir, vera, paul, _ = cast
    key = Key.objects.of_network().get()

    found = Finding("It is never refused.", {"revoked_key 192.0.2.0/24": Sighting(12, NOW, NOW)})
    Pattern.raise_all({(key.pk, "refused_again"): found}, at=NOW)

    assert [len(told(user, "key.unusual_pattern")) for user in (sonia, nadia, amir, vera, paul)] == [1, 1, 0, 0, 0]


def test_what_a_key_tells_never_holds_the_key(
    managed: Partner, paul: User, amir: User, work: Work, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    key, secret = Key.issue(partner=managed, label="Reporting", by=Actor.of(amir))
    assert key.reveal(by=Actor.of(paul), how="shown") == secret
    _, successor = key.rotate(grace=DAY, by=Actor.of(amir))
    work()

    texts = [str(mail.message()) for mail in mailoutbox]
    assert len(texts) >= 4
    assert not [text for text in texts for each in (secret, successor) if each in text]


def test_a_manager_who_may_not_see_partners_is_not_led_to_a_page_that_is_closed(acme: Partner, amir: User) -> None:
    closed = person("Clara", role=Role.create(name="Closed", by=SETUP))
    acme.change(by=SETUP, manager=closed)

    Key.issue(partner=acme, label="Reporting", by=SETUP)

    assert told(closed) == []
    assert told(amir) == ["Acme Media: Key Reporting was issued"]
