"""What the worker does for postbacks, and how often."""

from __future__ import annotations

import time

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.timezone import now
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.job_context import JobContext

from partners.postbacks.delivering import Shift
from partners.postbacks.models import ATTEMPTS_KEPT, Attempt, Delivery, Postback
from portal.accounts.models import User
from portal.network.models import Network

# A shift ends when the next one begins, and a job that begins late makes no difference: the queue is a table.
SHIFT_SECONDS = 60.0
DROPPED_A_BATCH = 5000
PATIENTLY = RetryStrategy(max_attempts=8, exponential_wait=4)


# No lock: what two shifts do at once they divide among themselves, and one whose worker was killed keeps nobody out.
@app.periodic(cron="* * * * *")
@app.task(name="postbacks.deliver", queueing_lock="postbacks.deliver", pass_context=True)
def deliver(context: JobContext, timestamp: int) -> None:
    """Delivers for a minute. A conversion does not wait for this job to begin, but for the running one to look."""
    forget_cut_short()
    ends = time.monotonic() + SHIFT_SECONDS
    Shift(lambda: time.monotonic() > ends or context.should_abort()).run()


def forget_cut_short() -> None:
    """A worker that is killed is in the middle of a shift nearly always. Nothing is left to do for that job, and System
    Status should not name it for ever."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT procrastinate_finish_job_v1(job.id, 'aborted', true) FROM procrastinate_jobs AS job"
            " LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id"
            " WHERE job.task_name = 'postbacks.deliver' AND job.status = 'doing'"
            " AND (worker.id IS NULL OR worker.last_heartbeat < now() - interval '30 seconds')"
        )


@app.periodic(cron="*/10 * * * *")
@app.task(name="postbacks.give_up", lock="postbacks.give_up", queueing_lock="postbacks.give_up")
def give_up(timestamp: int) -> None:
    Delivery.objects.all().give_up_overdue()


@app.periodic(cron="23 * * * *")
@app.task(name="postbacks.forget", lock="postbacks.forget", queueing_lock="postbacks.forget")
def forget(timestamp: int) -> None:
    """Drops what is older than attempts are kept. Each batch is committed by itself."""
    oldest = now() - ATTEMPTS_KEPT
    while Attempt.objects.all().drop_before(oldest, most=DROPPED_A_BATCH):
        pass
    while Delivery.objects.all().drop_before(oldest, most=DROPPED_A_BATCH):
        pass


@app.task(name="postbacks.tell_paused", retry=PATIENTLY)
def tell_paused(postback_id: int) -> None:
    """Has a mail sent to each of those who look after the postback: a job each, so that none is told twice because
    another's mail could not be sent."""
    postback = Postback.objects.select_related("partner").get(pk=postback_id)
    users = User.objects.active().filter(partner=postback.partner_id)
    for user_id in [*users.order_by("pk").values_list("pk", flat=True), postback.partner.manager_id]:
        if user_id is not None:
            send_paused.defer(postback_id=postback_id, user_id=user_id)


@app.task(name="postbacks.send_paused", retry=PATIENTLY)
def send_paused(postback_id: int, user_id: int) -> None:
    """Mails that the postback is paused; to nobody when it works again by now, or the user is deactivated."""
    postback = Postback.objects.kept().select_related("partner", "offer").filter(pk=postback_id).first()
    user = User.objects.active().filter(pk=user_id).first()
    if postback is None or user is None or not postback.is_given_up:
        return
    is_own = user.partner_id is not None
    last = postback.attempts.failed().newest_first().exclude(delivery=None).first()
    path = reverse("postbacks:own") if is_own else reverse("postbacks:partner", args=[postback.partner_id])
    network = Network.load()
    context = {
        "user": user,
        "postback": postback,
        "last": last,
        "is_own": is_own,
        "network": network,
        "link": settings.BASE_URL + path,
        "base_url": settings.BASE_URL,
    }
    subject, _, text = render_to_string("postbacks/mail/paused.txt", context).lstrip().partition("\n")
    message = EmailMultiAlternatives(
        subject=subject.strip(),
        body=text.lstrip(),
        to=[user.email],
        reply_to=[network.support_email] if network.support_email else None,
    )
    message.attach_alternative(render_to_string("postbacks/mail/paused.html", context), "text/html")
    message.send()
