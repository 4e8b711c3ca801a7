"""What the worker does for keys, and how often."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from procrastinate.contrib.django import app

from keys import tellings
from keys.models import Key
from portal.accounts.actors import Actor
from portal.notifications.models import Notification

WORKER = Actor.system("worker")
TOLD_AT_ONCE = 200


# More often than daily: a key that was rotated with a grace of a day ends a day after its successor's first call.
@app.periodic(cron="7 * * * *")
@app.task(name="keys.tell_expiring", lock="keys.tell_expiring", queueing_lock="keys.tell_expiring")
def tell_expiring(timestamp: int) -> None:
    tell_of_expiring_keys(timezone.now())


def tell_of_expiring_keys(now: datetime) -> None:
    """Tells of the keys that end soon; whoever was told before is not told again. Each batch is committed by itself."""
    last_id = 0
    while ending := list(Key.objects.ending_before(now + max(tellings.WARNED), after=last_id)[:TOLD_AT_ONCE]):
        Notification.tell_all(
            [
                tellings.of_expiry(key, expires_at=key.expires_at, now=now, by=WORKER)
                for key in ending
                if key.expires_at is not None
            ]
        )
        last_id = ending[-1].pk
