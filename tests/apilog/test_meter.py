from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from apilog.meter import meter_of, window_at
from keys.models import Key, Window
from tests.conftest import SETUP
from tests.page import page

pytestmark = pytest.mark.django_db


def test_a_window_starts_at_a_multiple_of_its_length() -> None:
    start, resets_in = window_at(datetime(2026, 5, 1, 12, 0, 59, 500_000, tzinfo=UTC), 60)

    assert start == datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    assert resets_in == 1


def test_the_meter_reads_what_the_gate_counted(network, acme_key, call):
    key, secret = acme_key
    network.change(by=SETUP, budget_requests=1000, budget_seconds=86_400)
    for _ in range(3):
        call(secret).get("/v1/affiliates/affiliate")
    call(secret).get("/v1/networks/affiliates")

    meter = meter_of(network, now())

    assert (meter.used, meter.quota) == (3, 1000)
    [share] = meter.shares
    assert (share.key_id, share.in_window, share.in_hour, share.refused_in_hour) == (key.pk, 3, 3, 0)


def test_calls_refused_by_the_budget_are_counted_apart(network, acme_key, call):
    _, secret = acme_key
    network.change(by=SETUP, budget_requests=2, budget_seconds=86_400)
    for _ in range(5):
        call(secret).get("/v1/affiliates/affiliate")

    meter = meter_of(network, now())

    assert meter.used == 2
    assert (meter.calls_in_hour, meter.refused_in_hour) == (2, 3)


def test_a_window_that_is_over_counts_no_more(network):
    Window.objects.create(scope="network", started_at=now() - timedelta(days=3), used=40)

    assert meter_of(network, now()).used == 0


def test_a_partner_sees_the_networks_window_and_only_its_own_share(
    network, acme_key, other_partner, paul, browse, call
):
    network.change(by=SETUP, budget_requests=1000, budget_seconds=86_400)
    other, others_secret = Key.issue(partner=other_partner, label="Secret project", by=SETUP)
    call(acme_key[1]).get("/v1/affiliates/affiliate")
    for _ in range(4):
        call(others_secret).get("/v1/affiliates/affiliate")

    answer = browse(paul).get(reverse("apilog:account_meter"))

    text = page(answer).region("budget-meter").text
    assert "5 of 1000" in text
    assert "Your keys made 1 of these calls" in text
    assert other.label not in answer.content.decode()
    assert other.hint not in answer.content.decode()


def test_the_meter_names_each_key_and_its_partner(network, acme_key, nadia, browse, call):
    key, secret = acme_key
    call(secret).get("/v1/affiliates/affiliate")

    region = page(browse(nadia).get(reverse("apilog:meter"))).region("budget-meter")

    assert "Acme Media" in region.text
    assert key.hint in region.text


def test_only_who_may_see_system_settings_sees_the_meter(vera, paul, browse):
    assert browse(vera).get(reverse("apilog:meter")).status_code == 403
    assert browse(paul).get(reverse("apilog:meter")).status_code == 404
    assert browse(vera).get(reverse("apilog:account_meter")).status_code == 404


def test_the_meter_asks_the_database_as_often_for_many_keys_as_for_one(
    network, acme, nadia, browse, call, django_assert_max_num_queries
):
    for number in range(6):
        _, secret = Key.issue(partner=acme, label=f"Key {number}", by=SETUP)
        call(secret).get("/v1/affiliates/affiliate")

    with django_assert_max_num_queries(8):
        meter_of(network, now())
