from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys.models import Key, LinkExpired, LinkUsed, NotRevealable, ShareLink
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse
from tests.htmx import HTMX
from tests.page import page

pytestmark = pytest.mark.django_db


def make_url(key: Key) -> str:
    return reverse("keys:share", args=[key.partner_id, key.pk])


def url_of(token: str) -> str:
    return reverse("keys:shared", args=[token])


@pytest.fixture
def shared(acme_key: tuple[Key, str], network: Any) -> tuple[ShareLink, str]:
    return ShareLink.make(acme_key[0], by=SETUP)


def test_the_link_is_made_where_a_key_is_sent_safely(acme_key: tuple[Key, str], amir: User, browse: Browse) -> None:
    key, secret = acme_key
    client = browse(amir)
    send = client.get(reverse("keys:send", args=[key.partner_id, key.pk]))
    assert "Make a one-time link" in page(send).text

    answer = client.post(make_url(key), headers={**HTMX, "HX-Target": "share-link"})

    assert answer.status_code == 200
    assert f"{settings.BASE_URL}/shared/lk_one_" in page(answer).text
    assert secret not in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert Event.objects.filter(kind=EventKind.KEY_SHARED, subject_label=str(key)).count() == 1


def test_the_link_is_made_without_javascript_too(acme_key: tuple[Key, str], amir: User, browse: Browse) -> None:
    answer = browse(amir).post(make_url(acme_key[0]))

    assert "/shared/lk_one_" in page(answer).text


def test_who_may_not_issue_keys_makes_no_link(acme_key: tuple[Key, str], vera: User, browse: Browse) -> None:
    answer = browse(vera).post(make_url(acme_key[0]))

    assert answer.status_code == 403
    assert not ShareLink.objects.exists()


def test_opening_the_link_shows_nothing_yet_however_often(
    shared: tuple[ShareLink, str], acme_key: tuple[Key, str], client: Client
) -> None:
    answers = [client.get(url_of(shared[1])) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {200}
    assert acme_key[1] not in answers[-1].content.decode()
    assert "Show the key" in page(answers[-1]).text


def test_the_link_shows_its_key_once_and_is_gone(
    shared: tuple[ShareLink, str], acme_key: tuple[Key, str], client: Client
) -> None:
    first = client.post(url_of(shared[1]))
    second, opened = client.post(url_of(shared[1])), client.get(url_of(shared[1]))

    assert acme_key[1] in first.content.decode()
    assert "no-store" in first["Cache-Control"]
    assert first["Referrer-Policy"] == "same-origin"
    for answer in (second, opened):
        assert answer.status_code == 410
        assert acme_key[1] not in answer.content.decode()
        assert "it does so once" in page(answer).text


def test_the_view_is_an_event_with_the_address_it_came_from(
    shared: tuple[ShareLink, str], acme_key: tuple[Key, str], client: Client
) -> None:
    client.post(url_of(shared[1]))

    event = Event.objects.get(kind=EventKind.KEY_REVEALED)
    assert (event.subject_label, event.ip, event.details) == (str(acme_key[0]), "127.0.0.1", {"how": "one-time link"})
    link = ShareLink.objects.get()
    assert (link.viewed_at is not None, link.viewed_ip) == (True, "127.0.0.1")


def test_a_link_is_good_for_a_day(shared: tuple[ShareLink, str], client: Client) -> None:
    link, token = shared
    with time_machine.travel(link.created_at + timedelta(hours=24, seconds=1), tick=False):
        answer = client.post(url_of(token))

    assert answer.status_code == 410
    assert "24 hours" in page(answer).text
    assert not Event.objects.filter(kind=EventKind.KEY_REVEALED).exists()


def test_a_revoked_key_is_not_shown_by_its_link(
    shared: tuple[ShareLink, str], acme_key: tuple[Key, str], client: Client
) -> None:
    acme_key[0].revoke(by=SETUP)

    answer = client.post(url_of(shared[1]))

    assert answer.status_code == 410
    assert acme_key[1] not in answer.content.decode()


@pytest.mark.parametrize("token", ["lk_one_", "nonsense", "lk_one_" + "a" * 38, "ünïcode"])
def test_text_that_is_no_token_opens_nothing(db: None, client: Client, token: str) -> None:
    assert client.get(url_of(token)).status_code == 404


def test_no_link_is_made_to_a_network_key_or_a_revoked_one(acme_key: tuple[Key, str], network: Any) -> None:
    revoked = acme_key[0]
    revoked.revoke(by=SETUP)
    of_network, _ = Key.generate_network_key(by=SETUP, replacing=None)

    for key in (revoked, of_network):
        with pytest.raises(NotRevealable):
            ShareLink.make(key, by=SETUP)


def test_a_link_that_was_closed_a_moment_ago_does_not_show_its_key(shared: tuple[ShareLink, str]) -> None:
    opened = ShareLink.objects.select_related("key__partner").get()
    assert shared[0].end()

    with pytest.raises(LinkExpired):
        opened.view(by=SETUP)

    assert opened.was_ended
    assert ShareLink.objects.get().viewed_at is None


@pytest.mark.django_db(transaction=True)
def test_of_two_who_view_it_at_once_one_sees_the_key(acme_key: tuple[Key, str]) -> None:
    _, token = ShareLink.make(acme_key[0], by=SETUP)
    links = [ShareLink.objects.opened_by(token).get() for _ in range(2)]
    together, seen = threading.Barrier(2), []

    def view(link: ShareLink) -> None:
        together.wait()
        try:
            seen.append(link.view(by=Actor.stranger()))
        except LinkUsed:
            seen.append("")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=view, args=[link]) for link in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(seen) == ["", acme_key[1]]
    assert Event.objects.filter(kind=EventKind.KEY_REVEALED).count() == 1


@pytest.mark.parametrize(
    ("said", "constraint"),
    [
        ({"created_by": ""}, "share_link_created_at_and_by"),
        ({"viewed_ip": "127.0.0.1"}, "share_link_viewed_at_and_ip"),
    ],
)
def test_the_database_refuses_a_link_that_cannot_be(
    shared: tuple[ShareLink, str], said: dict[str, str], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ShareLink.objects.filter(pk=shared[0].pk).update(**said)


def test_the_token_is_not_in_the_database(shared: tuple[ShareLink, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM keys_sharelink t")
        assert shared[1] not in cursor.fetchone()[0]
        assert timezone.now() < shared[0].expires_at
