from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys.models import AlreadyRotated, Key, NotRotatable
from keys.networks import parse_network
from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
PATH = "/v1/affiliates/affiliate"
Calls = Callable[..., Client]


def expired(key: Key) -> None:
    """Lets the key's grace period be over, as time would."""
    Key.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_both_keys_work_until_the_successor_is_first_used(acme_key: tuple[Key, str], network: Any, call: Calls) -> None:
    old, old_secret = acme_key
    _, new_secret = old.rotate(grace=DAY, by=SETUP)

    assert call(old_secret).get(PATH).status_code == 200
    old.refresh_from_db()
    assert old.expires_at is None
    assert call(new_secret).get(PATH).status_code == 200
    assert call(old_secret).get(PATH).status_code == 200


def test_the_grace_period_begins_with_the_successors_first_call_and_with_no_other(
    acme_key: tuple[Key, str], network: Any, call: Calls
) -> None:
    old, _ = acme_key
    _, secret = old.rotate(grace=DAY, by=SETUP)

    before = timezone.now()
    call(secret).get(PATH)
    after = timezone.now()

    old.refresh_from_db()
    assert old.expires_at is not None
    assert before + DAY - timedelta(seconds=1) <= old.expires_at <= after + DAY + timedelta(seconds=1)
    begun = old.expires_at
    call(secret).get(PATH)
    old.refresh_from_db()
    assert old.expires_at == begun


def test_the_old_key_expires_by_itself_when_its_grace_is_over(
    acme_key: tuple[Key, str], network: Any, call: Calls
) -> None:
    old, old_secret = acme_key
    _, secret = old.rotate(grace=DAY, by=SETUP)
    call(secret).get(PATH)

    expired(old)

    assert call(old_secret).get(PATH).status_code == 401
    assert call(secret).get(PATH).status_code == 200
    old.refresh_from_db()
    assert old.state is Key.State.EXPIRED


def test_without_grace_the_successors_first_call_ends_the_old_key(
    acme_key: tuple[Key, str], network: Any, call: Calls
) -> None:
    old, old_secret = acme_key
    _, secret = old.rotate(grace=timedelta(0), by=SETUP)

    assert call(old_secret).get(PATH).status_code == 200
    assert call(secret).get(PATH).status_code == 200

    assert call(old_secret).get(PATH).status_code == 401


def test_a_refused_call_of_the_successor_begins_nothing(acme_key: tuple[Key, str], network: Any, call: Calls) -> None:
    old, _ = acme_key
    successor, secret = old.rotate(grace=DAY, by=SETUP)
    successor.allow(network=parse_network("203.0.113.7"), label="", by=SETUP)

    assert call(secret).get(PATH).status_code == 403

    old.refresh_from_db()
    assert old.expires_at is None


def test_the_successor_has_what_the_old_key_had(acme_key: tuple[Key, str], network: Any) -> None:
    old, old_secret = acme_key
    old.allow(network=parse_network("203.0.113.0/24"), label="Office", by=SETUP)
    old.cap(ceiling=20, by=SETUP)

    successor, secret = old.rotate(grace=DAY, by=SETUP)

    assert secret != old_secret
    assert (successor.label, successor.ceiling) == (old.label, 20)
    assert [(str(entry), entry.label) for entry in successor.allowlist.all()] == [("203.0.113.0/24", "Office")]


def test_rotating_leaves_its_event_and_nothing_of_the_secret(acme_key: tuple[Key, str]) -> None:
    old, _ = acme_key

    successor, secret = old.rotate(grace=DAY, by=SETUP)

    event = Event.objects.filter(kind=EventKind.KEY_ROTATED).get()
    assert (event.subject_label, event.details) == (str(successor), {"replaces": old.hint, "grace_hours": 24.0})
    assert secret not in str(event.details)


def test_a_key_is_rotated_once_until_its_successor_is_revoked(acme_key: tuple[Key, str]) -> None:
    old, _ = acme_key
    successor, _ = old.rotate(grace=DAY, by=SETUP)

    with pytest.raises(AlreadyRotated) as refused:
        old.rotate(grace=DAY, by=SETUP)

    assert refused.value.successor == successor
    successor.revoke(by=SETUP)
    assert old.rotate(grace=DAY, by=SETUP)[0] != successor


def test_only_a_live_partner_key_is_rotated(acme_key: tuple[Key, str], network: Any) -> None:
    revoked, _ = acme_key
    revoked.revoke(by=SETUP)
    of_network, _ = Key.generate_network_key(by=SETUP, replacing=None)

    for key in (revoked, of_network):
        with pytest.raises(NotRotatable):
            key.rotate(grace=DAY, by=SETUP)


def test_a_revoked_key_is_not_brought_back_by_its_successor(
    acme_key: tuple[Key, str], network: Any, call: Calls
) -> None:
    old, old_secret = acme_key
    _, secret = old.rotate(grace=DAY, by=SETUP)
    old.revoke(by=SETUP)

    call(secret).get(PATH)

    old.refresh_from_db()
    assert (old.state, old.expires_at) == (Key.State.REVOKED, None)
    assert call(old_secret).get(PATH).status_code == 401


@pytest.mark.parametrize("said", [{"grace_seconds": 604_801}, {"grace_seconds": None}])
def test_the_database_refuses_a_successor_without_a_sound_grace(
    acme_key: tuple[Key, str], said: dict[str, Any]
) -> None:
    successor, _ = acme_key[0].rotate(grace=DAY, by=SETUP)

    with pytest.raises(IntegrityError, match="successor_of_a_partner_key_has_a_grace_period"), transaction.atomic():
        Key.objects.filter(pk=successor.pk).update(**said)


def test_the_database_refuses_two_successors(acme_key: tuple[Key, str], acme: Partner) -> None:
    old, _ = acme_key
    old.rotate(grace=DAY, by=SETUP)
    another, _ = Key.issue(partner=acme, label="Another", by=SETUP)

    with pytest.raises(IntegrityError, match="key_has_one_successor"), transaction.atomic():
        Key.objects.filter(pk=another.pk).update(replaces=old, grace_seconds=0)


def rotate_url(key: Key) -> str:
    return reverse("keys:rotate", args=[key.partner_id, key.pk])


def test_a_key_is_rotated_from_its_menu_and_the_new_one_is_sent_safely(
    acme_key: tuple[Key, str], amir: User, browse: Browse
) -> None:
    old, _ = acme_key
    client = browse(amir)
    assert "Both work" in page(client.get(rotate_url(old))).text

    answer = client.post(rotate_url(old), {"grace": "3600"})

    successor = Key.objects.get(replaces=old)
    assert successor.grace_seconds == 3600
    assert (answer.status_code, answer["Location"]) == (303, reverse("keys:send", args=[old.partner_id, successor.pk]))


def test_a_grace_of_more_than_a_week_is_refused_and_nothing_is_issued(
    acme_key: tuple[Key, str], amir: User, browse: Browse
) -> None:
    answer = browse(amir).post(rotate_url(acme_key[0]), {"grace": "604801"})

    assert answer.status_code == 422
    assert Key.objects.count() == 1


def test_pressing_rotate_twice_issues_one_successor(acme_key: tuple[Key, str], amir: User, browse: Browse) -> None:
    old, _ = acme_key
    client = browse(amir)

    first, second = (client.post(rotate_url(old), {"grace": "0"}) for _ in range(2))

    assert first["Location"] == second["Location"]
    assert Key.objects.filter(replaces=old).count() == 1


def test_who_may_not_issue_keys_may_not_rotate_them(acme_key: tuple[Key, str], vera: User, browse: Browse) -> None:
    answer = browse(vera).post(rotate_url(acme_key[0]), {"grace": "0"})

    assert answer.status_code == 403
    assert Key.objects.count() == 1


def test_a_revoked_key_cannot_be_rotated(acme_key: tuple[Key, str], amir: User, browse: Browse) -> None:
    old, _ = acme_key
    old.revoke(by=SETUP)

    answer = browse(amir).post(rotate_url(old), {"grace": "0"}, follow=True)

    assert "nothing to replace" in page(answer).text
    assert Key.objects.count() == 1


def test_the_table_says_who_replaces_whom_and_when_the_old_key_was_last_used(
    acme_key: tuple[Key, str], amir: User, browse: Browse, call: Calls
) -> None:
    old, old_secret = acme_key
    call(old_secret).get(PATH)
    successor, secret = old.rotate(grace=DAY, by=SETUP)
    url = reverse("keys:partner", args=[old.partner_id])

    new_row, old_row = page(browse(amir).get(url)).region("key-table").records
    assert f"the old key {old.hint} now from 127.0.0.1" in new_row["Last used"]
    assert f"until {successor.hint} is first used" in old_row["Status"]

    call(secret).get(PATH)
    _, old_row = page(browse(amir).get(url)).region("key-table").records
    assert f"replaced by {successor.hint}" in old_row["Status"]


def test_the_partner_sees_what_replaces_its_key_and_until_when_it_works(
    acme_key: tuple[Key, str], paul: User, browse: Browse, call: Calls
) -> None:
    successor, secret = acme_key[0].rotate(grace=DAY, by=SETUP)
    client, url = browse(paul), reverse("keys:account")

    assert (
        f"{successor.hint} This key works until 24 hours after the new one's first call." in page(client.get(url)).text
    )

    call(secret).get(PATH)
    assert "This key ends on" in page(client.get(url)).text
