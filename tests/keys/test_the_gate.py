from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from apilog.models import LoggedCall
from keys.models import Key
from partners.models import Partner
from tests.conftest import SETUP

Call = Callable[..., Client]

pytestmark = pytest.mark.django_db


def test_a_partner_key_reads_its_own_account(acme: Partner, acme_key: tuple[Key, str], call: Call) -> None:
    key, secret = acme_key

    answer = call(secret).get("/v1/affiliates/affiliate")

    assert answer.status_code == 200
    assert answer.json()["network_affiliate_id"] == acme.pk
    logged = LoggedCall.objects.get(pk=answer["X-Request-ID"])
    assert (logged.outcome, logged.key_id, logged.partner_id, logged.action) == (
        "ok",
        key.pk,
        acme.pk,
        "read_affiliate_account",
    )


def test_a_revoked_key_no_longer_authenticates(acme_key: tuple[Key, str], call: Call) -> None:
    key, secret = acme_key
    assert call(secret).get("/v1/affiliates/affiliate").status_code == 200

    key.revoke(by=SETUP)
    answer = call(secret).get("/v1/affiliates/affiliate")

    assert answer.status_code == 401
    assert LoggedCall.objects.get(pk=answer["X-Request-ID"]).outcome == "revoked_key"
