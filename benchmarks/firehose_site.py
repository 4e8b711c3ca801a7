"""What ``benchmarks.firehose`` does inside of the site: the partner, the clicks that are followed, and pushing them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal

from django.test import RequestFactory

from keys.models import Key
from partners.firehose.models import Firehose
from partners.firehose.push.models import Push
from partners.firehose.push.sending import Shift
from partners.models import Partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from partners.traffic.arrivals import clicks
from partners.traffic.arrivals.arrival import Arrival
from portal.accounts.actors import Actor

BY = Actor.system("benchmark")
A_TRANSACTION = 4
BATCH = 500
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)


def prepare() -> dict[str, str]:
    partner = Partner.create(by=BY, name="Acme Media", status="active")
    Offer.launch(
        name="Hats",
        advertiser=Advertiser.sign_up(name="Hat House", by=BY),
        category=Category.add(name="Hats", by=BY),
        status="active",
        visibility="public",
        destination_url="https://shop.example/",
        pays=Terms(PayoutType.CPA, Decimal(1)),
        by=BY,
    )
    Firehose.enable(partner, by=BY)
    return {"secret": Key.issue(partner=partner, label="Firehose", by=BY)[1]}


def arrivals() -> Iterator[Arrival]:
    """Visitors without end, each of an address of its own."""
    partner_id, offer_id = Partner.objects.get().pk, Offer.objects.get().pk
    factory, number = RequestFactory(), 0
    while True:
        number += 1
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        request = factory.get(
            f"/t/?sub1=newsletter-{number % 50}&source_id=mail", REMOTE_ADDR=address, headers={"User-Agent": BROWSER}
        )
        yield Arrival.of(request, partner_id, offer_id)


def write_steadily(seconds: float, rate: int) -> dict[str, float]:
    """Clicks at that rate for so long, a few in each transaction: by id, when their commit had returned."""
    visitors, committed = arrivals(), dict[str, float]()
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        if len(committed) >= elapsed * rate:
            time.sleep(0.002)
            continue
        batch = [next(visitors) for _ in range(A_TRANSACTION)]
        clicks.record_together(batch)
        at = time.time()
        committed |= {arrival.id.hex: at for arrival in batch}
    return committed


def write_at_once(events: int) -> dict[str, int]:
    visitors = arrivals()
    for _ in range(events // BATCH):
        clicks.record_together([next(visitors) for _ in range(BATCH)])
    return {"events": events // BATCH * BATCH}


def push_to(url: str) -> dict[str, str]:
    push, _ = Push.add(partner=Partner.objects.get(), url=url, by=BY)
    return {"after": str(push.cursor)}


def push_until_told() -> dict[str, int]:
    """A worker's shift, until the standard input ends."""
    is_over = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        is_over.set()

    threading.Thread(target=wait, daemon=True).start()
    shift = Shift(is_over.is_set)
    shift.run()
    return {"batches": shift.delivered}
