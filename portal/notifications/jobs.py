"""What the worker does about notifications: the mails, and forgetting."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from portal.accounts import mails
from portal.accounts.mails import PATIENTLY
from portal.notifications.models import Notification

KEPT = timedelta(days=180)
DROPPED_A_BATCH = 5000


@app.task(name="notifications.send_mail", retry=PATIENTLY)
def send_mail(notification_id: int) -> None:
    """Mails one notification to the one it is for, once; to nobody who is deactivated by now.

    A job each: of several people none is told twice because another's mail could not be sent.
    """
    due = Notification.objects.filter(by_mail=True, mailed_at=None, user__is_active=True)
    notification = due.select_related("user__partner").filter(pk=notification_id).first()
    if notification is None:
        return
    mails.send_mail(
        "notifications/mail/notification",
        notification.user,
        link=settings.BASE_URL + notification.path,
        choices_link=settings.BASE_URL + reverse("notifications:choices"),
        notification=notification,
    )
    Notification.objects.filter(pk=notification.pk).update(mailed_at=timezone.now())


@app.periodic(cron="37 3 * * *")
@app.task(name="notifications.forget", lock="notifications.forget", queueing_lock="notifications.forget")
def forget(timestamp: int) -> None:
    """Drops what is older than notifications are kept. Each batch is committed by itself."""
    oldest = timezone.now() - KEPT
    while Notification.objects.all().drop_before(oldest, most=DROPPED_A_BATCH):
        pass
