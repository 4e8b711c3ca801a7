"""What lets a demo that was killed half-way be finished by the next ``make run``, and nothing else be taken for one."""

from __future__ import annotations

from django.db import connection

from partners.billing.models import InvoiceLine, LineKind
from partners.models import Partner
from portal.accounts.models import Event
from portal.demo.companies import COMPANIES
from portal.demo.story import DEMO


def is_unfinished() -> bool:
    """Whether the network is the demo's, and its traffic has not come as far as its invoices, which are made last.

    A real network never is, whatever it lacks. Neither is one that began as the demo and has partners of its own now.
    """
    return (
        Event.objects.filter(actor_id=None, actor_label=DEMO.label).exists()
        and not Partner.objects.exclude(name__in=[company.name for company in COMPANIES]).exists()
        and not InvoiceLine.objects.exclude(kind=LineKind.ADJUSTMENT).exists()
    )


def wait_for_others() -> None:
    """Within a transaction: waits for the end of another one that invents the demo, writes its traffic or bills it. It
    may have outlived the ``make run`` that had started it, and nobody sees what it has written before it is done."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('latchkey:demo', 0))")
