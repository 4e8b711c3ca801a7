from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError
from django.http import HttpResponse
from django.test import Client, RequestFactory

from apilog.models import LoggedCall
from keys.gate import Call, Outcome, Realm, question_of
from keys.models import Key
from partners.models import Partner
from portal import api
from portal.api import CallRequest, Quick, settle_together
from portal.network.models import Network
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db


def quick(secret: str, run: Callable[..., HttpResponse]) -> Quick:
    """A quick operation's call with that key, as the gate hands it on."""
    headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
    request: Any = RequestFactory().get("/v1/affiliates/affiliate", headers=headers)
    request.call = Call.of(request)
    return Quick(request, question_of(request, request.call, Realm.AFFILIATE, None), run, {})


def name_of_partner(request: CallRequest) -> HttpResponse:
    return HttpResponse(request.call.partner.name)


def fail(request: CallRequest) -> HttpResponse:
    raise RuntimeError("broken")


def test_each_call_of_a_batch_gets_the_answer_of_its_own_key(
    network: Network, acme_key: tuple[Key, str], other_partner: Partner
) -> None:
    _, others = Key.issue(partner=other_partner, label="Reporting", by=SETUP)
    revoked, closed = Key.issue(partner=other_partner, label="Old", by=SETUP)
    revoked.revoke(by=SETUP)
    batch = [quick(secret, name_of_partner) for secret in (acme_key[1], others, closed, acme_key[1])]

    results = settle_together(batch)

    statuses = [(result.status_code, result.content) for result in results if isinstance(result, HttpResponse)]
    assert [status for status, _ in statuses] == [200, 200, 401, 200]
    assert [content for status, content in statuses if status == 200] == [b"Acme Media", b"Orbit Deals", b"Acme Media"]
    logged = LoggedCall.objects.in_bulk([each.request.call.id for each in batch])
    assert [logged[each.request.call.id].outcome for each in batch] == ["ok", "ok", "revoked_key", "ok"]
    assert all(each.request.call.is_recorded for each in batch)


def test_a_call_that_fails_leaves_the_calls_beside_it_alone(network: Network, acme_key: tuple[Key, str]) -> None:
    secret = acme_key[1]
    batch = [quick(secret, name_of_partner), quick(secret, fail), quick(secret, name_of_partner)]

    first, failed, last = settle_together(batch)

    assert isinstance(failed, RuntimeError)
    assert isinstance(first, HttpResponse)
    assert isinstance(last, HttpResponse)
    assert [each.request.call.is_recorded for each in batch] == [True, False, True]


def test_the_budget_counts_each_call_of_a_batch(network: Network, acme_key: tuple[Key, str]) -> None:
    network.change(by=SETUP, budget_requests=2, budget_seconds=86_400)
    batch = [quick(acme_key[1], name_of_partner) for _ in range(4)]

    results = settle_together(batch)

    assert [result.status_code for result in results if isinstance(result, HttpResponse)] == [200, 200, 429, 429]


def test_a_row_that_cannot_be_stored_is_left_to_its_own_thread(
    network: Network, acme_key: tuple[Key, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(calls: list[Call]) -> list[None]:
        raise IntegrityError

    monkeypatch.setattr(api, "write_together", refuse)
    batch = [quick(acme_key[1], name_of_partner) for _ in range(2)]

    results = settle_together(batch)

    assert all(isinstance(result, HttpResponse) for result in results)
    assert not any(each.request.call.is_recorded for each in batch)


def test_an_unexpected_failure_of_a_quick_operation_is_answered_500_and_logged(
    network: Network,
    acme_key: tuple[Key, str],
    call: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(each: Quick, decision: object) -> Exception:
        return RuntimeError("broken")

    monkeypatch.setattr(api, "carry_out", broken)

    answer = call(acme_key[1]).get("/v1/affiliates/affiliate")

    assert answer.status_code == 500
    assert LoggedCall.objects.get(pk=answer["X-Request-ID"]).outcome == Outcome.ERROR
