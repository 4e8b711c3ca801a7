"""What the benchmark of deliveries does inside Django."""

from __future__ import annotations

import json
import multiprocessing
import time
from datetime import timedelta
from uuid import UUID

from django.utils.timezone import now

from benchmarks.delivery import receive
from partners.models import Partner
from partners.postbacks.delivering import Shift
from partners.postbacks.models import Attempt, Delivery, Postback
from portal.accounts.actors import Actor

SETUP = Actor.system("The benchmark")
LONGEST_SECONDS = 120
POSTBACKS = 20


def measure(deliveries: int) -> None:
    """Prints the figures as JSON."""
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=[theirs], daemon=True)
    receiver.start()
    try:
        fill(f"http://127.0.0.1:{ours.recv()}", deliveries=deliveries, postbacks=POSTBACKS)
        print(json.dumps(deliver_all(deliveries)))
    finally:
        receiver.terminate()
        receiver.join()


def fill(receiver: str, *, deliveries: int, postbacks: int) -> None:
    """A queue of so many, each of a conversion of its own, with the macros that trackers ask for."""
    partner = Partner.create(name="Acme Media", status="active", technical_contact_email="ada@acme.example", by=SETUP)
    url = receiver + "/in?tid={transaction_id}&payout={payout_amount}&cur={currency}&status={status}&s1={sub1}"
    own = [Postback.add(partner=partner, url=url, by=SETUP) for _ in range(postbacks)]
    moment = now() - timedelta(seconds=1)
    facts = {
        "payout_amount": "12.50",
        "currency": "USD",
        "status": "approved",
        "sub1": "newsletter & more",
        "offer_name": "Candle Club",
        "affiliate_id": partner.pk,
    }
    Delivery.objects.bulk_create(
        [
            Delivery(
                partner=partner,
                postback=own[number % postbacks],
                conversion_id=UUID(int=number),
                status="approved",
                facts=facts | {"transaction_id": UUID(int=number).hex},
                created_at=moment,
                due_at=moment,
            )
            for number in range(deliveries)
        ],
        batch_size=2000,
    )


def deliver_all(deliveries: int) -> dict[str, float]:
    began, worked = time.monotonic(), time.process_time()
    shift: Shift
    shift = Shift(lambda: shift.delivered >= deliveries or time.monotonic() > began + LONGEST_SECONDS)
    shift.run()
    seconds = time.monotonic() - began
    return {
        "delivered": shift.delivered,
        "seconds": seconds,
        "rate": shift.delivered / seconds,
        "cpu_ms": (time.process_time() - worked) / max(1, shift.delivered) * 1000,
        "attempts": Attempt.objects.count(),
    }
