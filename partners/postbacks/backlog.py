"""How much the workers have before them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from partners.postbacks.models import Delivery
from partners.postbacks.report import COUNTED, counted

# What is due is taken up within a second; a minute says that nobody takes it up, or too few do.
LATE_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Backlog:
    """``waiting`` is all there is to send, now or later; of it ``late`` has been due for a minute and more, and
    ``parked`` waits for its postback to be resumed."""

    waiting: str
    late: str
    parked: str
    # When the first of the late ones was due.
    late_since: datetime | None


def backlog_at(now: datetime) -> Backlog:
    waiting = Delivery.objects.all().open()
    late = waiting.filter(due_at__lt=now - LATE_AFTER)
    return Backlog(
        waiting=counted(waiting.count_up_to(COUNTED)),
        late=counted(late.count_up_to(COUNTED)),
        parked=counted(waiting.filter(due_at=None).count_up_to(COUNTED)),
        late_since=first_due(now - LATE_AFTER),
    )


def first_due(before: datetime) -> datetime | None:
    """When the first was due of all that were before then and are not sent yet."""
    due = Delivery.objects.all().open().filter(due_at__lt=before)
    return due.order_by("due_at", "pk").values_list("due_at", flat=True).first()
