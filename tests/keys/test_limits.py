from __future__ import annotations

import pytest
from django.urls import reverse

from keys.models import AboveBudget, OperationLimit
from portal.accounts.actors import Actor
from portal.accounts.models import Event
from portal.web.api import EXPORTS, OPERATION_LIMITS
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db


def figures(**changed: int) -> dict[str, int]:
    """What the dialog of the stricter limits posts."""
    posted: dict[str, int] = {}
    for limit in OPERATION_LIMITS:
        posted |= {f"{limit.name}-requests": limit.requests, f"{limit.name}-seconds": limit.seconds}
    return posted | changed


def test_an_admin_sets_a_stricter_limit(network, nadia, browse):
    answer = browse(nadia).post(reverse("keys:limits"), figures(**{"exports-requests": 5}))

    assert answer.status_code == 303
    assert OperationLimit.in_force(EXPORTS).requests == 5
    assert Event.objects.get(kind="limit.changed").details == {"exports": ["10 per 60 s", "5 per 60 s"]}


def test_a_stricter_limit_is_never_above_the_budget(network, nadia, browse):
    answer = browse(nadia).post(reverse("keys:limits"), figures(**{"reporting-requests": 20, "exports-requests": 61}))

    assert answer.status_code == 422
    assert "The network&#x27;s budget allows 60 in that time." in answer.content.decode()
    assert not OperationLimit.objects.exists()


def test_a_longer_window_may_hold_as_many_calls_as_the_budget_does_in_that_time(network):
    OperationLimit.change(EXPORTS, requests=120, seconds=120, by=SETUP)

    with pytest.raises(AboveBudget):
        OperationLimit.change(EXPORTS, requests=121, seconds=120, by=SETUP)


def test_a_ceiling_keeps_one_key_from_using_up_the_budget(network, acme, acme_key, nadia, browse, call):
    key, secret = acme_key

    answer = browse(nadia).post(reverse("keys:ceiling", args=[acme.pk, key.pk]), {"ceiling": "1"})

    assert answer.status_code == 303
    assert call(secret).get("/v1/affiliates/affiliate").status_code == 200
    assert call(secret).get("/v1/affiliates/affiliate").status_code == 429
    assert Event.objects.get(kind="key.ceiling_changed").details == {"ceiling": [None, 1]}


def test_an_emptied_ceiling_is_taken_away(network, acme, acme_key, nadia, browse):
    key, _ = acme_key
    key.cap(ceiling=1, by=SETUP)

    browse(nadia).post(reverse("keys:ceiling", args=[acme.pk, key.pk]), {"ceiling": ""})

    key.refresh_from_db()
    assert key.ceiling is None


def test_a_ceiling_above_the_budget_is_refused(network, acme, acme_key, nadia, browse):
    key, _ = acme_key

    answer = browse(nadia).post(reverse("keys:ceiling", args=[acme.pk, key.pk]), {"ceiling": "61"})

    assert answer.status_code == 422
    key.refresh_from_db()
    assert key.ceiling is None


def test_an_unchanged_ceiling_leaves_no_event(network, acme_key):
    key, _ = acme_key

    key.cap(ceiling=None, by=Actor.system("tests"))

    assert not Event.objects.filter(kind="key.ceiling_changed").exists()


@pytest.mark.parametrize("who", ["amir", "vera"])
def test_limits_and_ceilings_need_the_system_settings(who, request, acme, acme_key, browse):
    user = request.getfixturevalue(who)
    key, _ = acme_key

    assert browse(user).post(reverse("keys:limits"), figures()).status_code == 403
    assert browse(user).post(reverse("keys:ceiling", args=[acme.pk, key.pk]), {"ceiling": 1}).status_code == 403
