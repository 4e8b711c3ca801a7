from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.contrib.messages import api
from django.test import Client
from django.urls import reverse

from keys.models import Key
from keys.secret import RedactingFormatter
from partners.models import Partner
from portal.accounts.models import User
from tests import leaks
from tests.conftest import SETUP, Browse
from tests.htmx import HTMX
from tests.page import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every message that a view leaves, whichever storage it goes to."""
    left: list[str] = []
    add = api.add_message

    def add_and_keep(request: Any, level: int, message: Any, **rest: Any) -> None:
        left.append(str(message))
        add(request, level, message, **rest)

    monkeypatch.setattr(api, "add_message", add_and_keep)
    return left


def test_no_key_is_left_in_messages_addresses_headers_or_sessions(
    acme: Partner, sonia: User, paul: User, browse: Browse, messages: list[str]
) -> None:
    client = browse(sonia)
    answers = [client.post(add_url(acme), {"label": "Billing", "submission": str(uuid.uuid4())}, follow=True)]
    key = acme.keys.get()
    for name in ("reveal", "rename", "revoke"):
        path = reverse(f"keys:{name}", args=[acme.pk, key.pk])
        answers += [client.post(path, {"label": "Invoices"}), client.post(path, {"label": "Again"}, headers=HTMX)]
    generated = client.post(reverse("keys:generate"), {"replacing": ""})
    answers += [generated, client.post(reverse("keys:generate"), {"replacing": ""}, follow=True)]
    answers += [browse(paul).get("/account/api/"), client.get(reverse("keys:network"))]

    secrets = list(leaks.made)

    assert len(secrets) == 2
    assert messages
    assert not [text for text in messages if leaks.holds_any(text, secrets)]
    addresses = [url for answer in answers for url, _ in getattr(answer, "redirect_chain", [])]
    headers = [str(answer.headers) + str(answer.cookies) for answer in answers]
    assert addresses
    assert not [text for text in addresses + headers if leaks.holds_any(text, secrets)]
    assert leaks.leaks_in_database(secrets) == []


def test_only_the_answer_to_a_post_that_asks_for_it_holds_a_key(
    acme_key: tuple[Key, str], acme: Partner, sonia: User, paul: User, browse: Browse
) -> None:
    key, secret = acme_key
    _, network_secret = Key.generate_network_key(by=SETUP, replacing=None)
    network_key = Key.objects.of_network().get()
    asked = [
        (browse(sonia), reverse("keys:partner", args=[acme.pk])),
        (browse(sonia), reverse("keys:send", args=[acme.pk, key.pk])),
        (browse(sonia), reverse("keys:revoke", args=[acme.pk, key.pk])),
        (browse(sonia), reverse("keys:rename", args=[acme.pk, key.pk])),
        (browse(sonia), reverse("keys:allowlist", args=[acme.pk, key.pk])),
        (browse(sonia), reverse("keys:network")),
        (browse(sonia), reverse("keys:generate")),
        (browse(sonia), reverse("keys:network_revoke", args=[network_key.pk])),
        (browse(paul), reverse("keys:account")),
        (browse(paul), reverse("partners:account")),
    ]

    answers = [client.get(path) for client, path in asked]

    assert [answer.status_code for answer in answers] == [200] * len(asked)
    for answer in answers:
        assert not leaks.holds_any(answer.content.decode(), [secret, network_secret])


@time_machine.travel(datetime.now(UTC), tick=False)
def test_who_issues_too_fast_is_told_when_to_try_again(acme: Partner, amir: User, browse: Browse) -> None:
    client = browse(amir)
    for _ in range(20):
        assert add(client, acme).status_code == 303

    answer = add(client, acme)

    assert answer.status_code == 429
    assert "Try again in" in page(answer).text
    assert acme.keys.count() == 20


def test_opening_the_dialog_spends_nothing_of_the_limit(acme: Partner, amir: User, browse: Browse) -> None:
    client = browse(amir)
    for _ in range(25):
        client.get(add_url(acme))

    assert add(client, acme).status_code == 303


def add_url(partner: Partner) -> str:
    return reverse("keys:add", args=[partner.pk])


def add(client: Client, partner: Partner) -> Any:
    return client.post(add_url(partner), {"label": "Billing", "submission": str(uuid.uuid4())})


def test_a_log_line_is_written_without_the_key_in_it(acme_key: tuple[Key, str]) -> None:
    _, secret = acme_key
    record = logging.makeLogRecord({"msg": "Not Found: %s", "args": (f"/partners/{quote(secret)}/",)})

    line = RedactingFormatter("{message}", style="{").format(record)

    assert line == "Not Found: /partners/lk_aff_[redacted]/"


def test_a_traceback_is_written_without_the_key_in_it(acme_key: tuple[Key, str]) -> None:
    _, secret = acme_key
    try:
        raise ValueError(f"cannot read {secret}")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "Failed", "exc_info": (type(error), error, error.__traceback__)})

    text = RedactingFormatter("{message}", style="{").format(record)

    assert secret not in text
    assert "cannot read lk_aff_[redacted]" in text
