"""What the worker does for billing, and how often."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from django.db import transaction
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from partners.billing.monthly import last_month, month_named, raise_month
from partners.models import Partner
from portal.accounts.actors import Actor

WORKER = Actor.system("The worker, on the first of the month")


# At noon in UTC the month is over everywhere. It is asked for a week, in case the worker is down on the first day:
# what is raised already is not raised again.
@app.periodic(cron="15 12 1-7 * *")
@app.task(name="billing.raise_invoices", lock="billing.raise_invoices", queueing_lock="billing.raise_invoices")
def raise_invoices(timestamp: int) -> None:
    """Has last month's invoices raised, each partner's by a job of its own: one that fails keeps no other waiting."""
    month = f"{last_month(datetime.fromtimestamp(timestamp, tz=UTC)).starts_on:%Y-%m}"
    for partner_id in Partner.objects.order_by("pk").values_list("pk", flat=True):
        job = raise_invoices_of.configure(queueing_lock=f"billing.raise_invoices_of.{partner_id}.{month}")
        # Yesterday's may still wait; one is enough.
        with suppress(AlreadyEnqueued), transaction.atomic():
            job.defer(partner_id=partner_id, month=month)


@app.task(name="billing.raise_invoices_of", retry=RetryStrategy(max_attempts=5, exponential_wait=6))
def raise_invoices_of(partner_id: int, month: str) -> None:
    partner = Partner.objects.filter(pk=partner_id).first()
    if partner is not None:
        raise_month(partner, month_named(month), by=WORKER)
