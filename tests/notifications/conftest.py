from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from portal.accounts.models import User
from portal.notifications.models import Notification

Work = Callable[[], None]


@pytest.fixture
def work(mailoutbox: list[EmailMultiAlternatives]) -> Work:
    """``work()``: sends the mails that wait."""

    def run() -> None:
        for job in ProcrastinateJob.objects.filter(task_name="notifications.send_mail").order_by("id"):
            app.tasks[job.task_name](**job.args)
        # The model is read-only; the worker's own functions need a worker.
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_events; DELETE FROM procrastinate_jobs")

    return run


def waiting_mails() -> list[int]:
    """Which notifications have a mail that waits to be sent. Jobs of tests that ended, whose rows are gone, do not
    count."""
    jobs = ProcrastinateJob.objects.filter(task_name="notifications.send_mail", status="todo").order_by("id")
    asked = [job.args["notification_id"] for job in jobs]
    there = set(Notification.objects.filter(pk__in=asked).values_list("pk", flat=True))
    return [notification_id for notification_id in asked if notification_id in there]


def told(user: User, kind: str = "") -> list[str]:
    """What the user was told, oldest first."""
    found = Notification.objects.filter(user=user).order_by("pk")
    return [each.subject for each in (found.filter(kind=kind) if kind else found)]


def mailed() -> list[tuple[str, str]]:
    """To whom, and under which subject."""
    return sorted((each.to[0], str(each.subject)) for each in mail.outbox)
