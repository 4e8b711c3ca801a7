from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from partners.postbacks.backlog import backlog_at
from partners.postbacks.models import Delivery
from portal.accounts.models import User
from portal.status.judgement import Sign, evidence_of
from portal.status.probes import PROBES, measure_postbacks
from tests.conftest import SETUP, Browse
from tests.page import page
from tests.partners.postbacks.conftest import Add, Convert
from tests.partners.postbacks.test_report import explained

pytestmark = pytest.mark.django_db


def test_the_backlog_tells_what_waits_what_is_late_and_what_is_put_aside(add: Add, convert: Convert) -> None:
    moment = now()
    add()
    paused = add()
    for _ in range(3):
        convert()
    paused.pause(by=SETUP)
    first, second, third = Delivery.objects.filter(due_at__isnull=False).order_by("pk")
    Delivery.objects.filter(pk=first.pk).update(due_at=moment - timedelta(minutes=7))
    Delivery.objects.filter(pk=second.pk).update(due_at=moment - timedelta(seconds=59))
    Delivery.objects.filter(pk=third.pk).update(due_at=moment - timedelta(hours=1), delivered_at=moment)

    backlog = backlog_at(moment)

    assert (backlog.waiting, backlog.late, backlog.parked) == ("5", "1", "3")
    assert backlog.late_since == moment - timedelta(minutes=7)


def test_system_status_warns_when_deliveries_are_late(nadia: User, browse: Browse, add: Add, convert: Convert) -> None:
    add()
    convert()
    calm = page(browse(nadia).get("/system/status/")).region("system-status").text
    Delivery.objects.update(due_at=now() - timedelta(minutes=9))

    late = page(browse(nadia).get("/system/status/")).region("system-status").text

    assert "Waiting 1 to be sent now or later Late 0" in calm
    assert "Deliveries are late" not in calm
    assert "Late 1 due for a minute and more" in late
    assert "The first was due 9 minutes ago." in late


def test_the_row_of_system_status_is_as_late_as_the_first_that_is_due(add: Add, convert: Convert) -> None:
    moment = now()
    idle = measure_postbacks(moment)
    add()
    convert()

    told = {}
    for seconds in (-30, 59, 61, 301):
        Delivery.objects.update(due_at=moment - timedelta(seconds=seconds))
        told[seconds] = measure_postbacks(moment)

    assert (idle.window.p95_ms, idle.outage) == (0, "")
    assert [figures.window.p95_ms for figures in told.values()] == [0, 59_000, 61_000, 301_000]
    [probe] = [probe for probe in PROBES if probe.slug == "postbacks"]
    signs = [evidence_of(figures, threshold_ms=probe.threshold_ms) for figures in told.values()]
    assert [sign and sign.sign for sign in signs] == [Sign.GOOD, Sign.GOOD, Sign.SLOW, Sign.OUTAGE]
    assert told[301].outage == "The first that is due has been so for 5 minutes."
    Delivery.objects.update(delivered_at=moment)
    assert measure_postbacks(moment).window.p95_ms == 0


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (lambda open_: open_.filter(due_at__lt=now()).order_by("due_at", "pk")[:1], "delivery_due"),
        (lambda open_: open_.filter(due_at=None).order_by()[:10], "delivery_parked"),
    ],
)
def test_the_backlog_is_read_from_indexes(rows: Any, index: str, db: None) -> None:
    assert index in explained(rows(Delivery.objects.all().open()))


def test_nothing_is_late_where_nothing_waits(db: None) -> None:
    assert backlog_at(now()).late_since is None
