from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from partners.traffic import jobs
from partners.traffic.models import Visitor
from tests.partners.traffic.test_clicks_at_once import at_once

pytestmark = pytest.mark.django_db


def seen(number: int, hours_ago: float) -> None:
    fingerprint, seen_at = UUID(int=number), now() - timedelta(hours=hours_ago)
    Visitor.objects.create(partner_id=1, offer_id=1, fingerprint=fingerprint, seen_at=seen_at)


def test_a_visitor_is_forgotten_who_would_be_new_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "VISITORS_A_BATCH", 2)
    for number in range(5):
        seen(number, hours_ago=24.1 + number)
    seen(9, hours_ago=23.9)

    jobs.forget_visitors(0)

    assert [visitor.fingerprint.int for visitor in Visitor.objects.all()] == [9]


@pytest.mark.django_db(transaction=True)
def test_a_visitor_who_comes_at_this_moment_is_not_waited_for() -> None:
    seen(1, hours_ago=30)
    seen(2, hours_ago=30)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE traffic_visitor SET seen_at = now() WHERE fingerprint = %s", [UUID(int=1)])
        at_once(lambda number: jobs.forget_visitors(0), 1)

    assert [visitor.fingerprint.int for visitor in Visitor.objects.all()] == [1]
