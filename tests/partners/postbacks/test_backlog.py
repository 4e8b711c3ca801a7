from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from partners.postbacks.backlog import backlog_at
from partners.postbacks.models import Delivery
from portal.accounts.models import User
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
