from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from keys.models import Key
from partners.offers.models import Offer
from partners.postbacks.models import Attempt, Day, Postback
from portal.accounts.models import User
from tests.conftest import Browse
from tests.partners.postbacks.conftest import Add
from tests.partners.postbacks.receiver import Receiver, answering

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(acme_key: tuple[Key, str], call: Callable[..., Client]) -> Client:
    return call(acme_key[1])


@pytest.fixture
def inside(settings: Any) -> None:
    settings.POSTBACKS_ALLOW_PRIVATE = True


def test_a_test_calls_the_url_with_an_invented_conversion(
    inside: None, client: Client, add: Add, offer: Offer, receiver: Receiver
) -> None:
    postback = add(offer=offer, url=receiver.url("/in?o={offer_id}&s={status}&s1={sub1}"))

    answer = client.post(f"/v1/affiliates/pixels/{postback.pk}/test")

    assert answer.status_code == 200
    said = answer.json()
    assert said["result"] is True
    assert (said["response_status"], said["response_body"], said["error"]) == (200, "ok", "")
    assert said["url"] == receiver.url(f"/in?o={offer.pk}&s=approved&s1=sub1-value")
    assert len(receiver.paths) == 1
    assert "Latchkey-Test: 1\r\n" in receiver.heads[0]
    assert Attempt.objects.get().is_test


def test_a_failed_test_is_an_answer_and_counts_for_nothing(
    inside: None, client: Client, add: Add, receiver: Receiver
) -> None:
    postback = add(url=receiver.url())
    receiver.reply = answering(500, "Broken")

    said = client.post(f"/v1/affiliates/pixels/{postback.pk}/test").json()

    assert (said["result"], said["response_status"], said["error"]) == (False, 500, "It answered 500.")
    assert Postback.objects.get().failures == 0
    assert not Day.objects.exists()


def test_a_test_reaches_nothing_inside(client: Client, add: Add, receiver: Receiver) -> None:
    postback = add()
    # As if it had been allowed once.
    Postback.objects.update(url=receiver.url())

    said = client.post(f"/v1/affiliates/pixels/{postback.pk}/test").json()

    assert said["result"] is False
    assert "private network" in said["error"]
    assert receiver.paths == []


def test_html_cannot_be_called(client: Client, add: Add) -> None:
    postback = add(delivery_method="html", html_code="<b></b>", url="")

    answer = client.post(f"/v1/affiliates/pixels/{postback.pk}/test")

    assert answer.status_code == 400


def test_the_list_says_why_a_postback_was_paused(add: Add, paul: User, browse: Browse) -> None:
    add()
    Postback.objects.update(failures=10, paused_at=now(), paused_by="The delivery of postbacks")

    answer = browse(paul).get("/my/postbacks/")

    assert "10 calls in a row failed" in answer.content.decode()
