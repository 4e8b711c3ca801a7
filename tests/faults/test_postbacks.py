from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from itertools import groupby

import pytest

from tests.faults.conftest import ROUNDS, Site
from tests.partners.postbacks.receiver import Receiver, answering, receiving

FAULTS: tuple[tuple[str, ...], ...] = (("worker",), ("worker", "postgres"), ("backend", "worker"))
CONVERSIONS = 150
# A shift begins every minute, and a claim of a killed worker runs out after half of one.
DELIVERED_SECONDS = 240
MAKE_POSTBACK = """
from partners.models import Partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from partners.postbacks.models import Postback
from portal.accounts.actors import Actor
by = Actor.system("tests")
partner = Partner.objects.get()
Offer.launch(
    name="Hats", advertiser=Advertiser.sign_up(name="Hat House", by=by), category=Category.add(name="Hats", by=by),
    status="active", visibility="public", destination_url="https://shop.example/", pays=Terms(PayoutType.CPA, 1), by=by,
)
Postback.add(partner=partner, by=by, url="http://127.0.0.1:PORT/in?c={sub1}&s={status}")
"""
CONVERT = """
from django.utils.timezone import now
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Click, Conversion
from partners.traffic.models.recording import Report, Source
from portal.accounts.actors import Actor
from portal.web.ids import moment_of, new_id
by = Actor.system("tests")
partner, offer = Partner.objects.get(), Offer.objects.get(name="Hats")
for number in range(COUNT):
    click_id = new_id()
    click = Click.objects.create(
        partner=partner, offer=offer, id=click_id, at=moment_of(click_id), sub1=f"PREFIX-{number}", payout_type="cpa",
        revenue_type="rpa", is_unique=True, tracking_url="/t/",
    )
    conversion, _ = Conversion.record(source=Source.of_visit(click), report=Report(status="pending"), by=by)
    conversion.approve(by=by)
"""


@pytest.fixture(scope="module")
def receiver(site: Site) -> Iterator[Receiver]:
    with receiving() as receiver:
        site.manage("shell", "--no-imports", "-c", MAKE_POSTBACK.replace("PORT", str(receiver.port)))
        yield receiver


def unsteady(connection: socket.socket, path: str) -> None:
    """An answer that takes its time, and is a failure now and then."""
    time.sleep(random.uniform(0, 0.1))
    answering(503 if random.random() < 0.01 else 200)(connection, path)


def wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, f"Not within {seconds} s"
        time.sleep(0.1)


@pytest.mark.parametrize("round_number", range(ROUNDS or 1))
def test_every_postback_that_was_due_arrives_in_order_whatever_is_killed(
    site: Site, receiver: Receiver, round_number: int
) -> None:
    prefix = f"round{round_number}"
    receiver.reply = unsteady
    before = len(receiver.paths)
    site.manage("shell", "--no-imports", "-c", CONVERT.replace("COUNT", str(CONVERSIONS)).replace("PREFIX", prefix))

    wait_until(lambda: len(receiver.paths) > before + random.randrange(10, CONVERSIONS), DELIVERED_SECONDS)
    for fault in FAULTS[round_number % len(FAULTS)]:
        getattr(site, f"kill_{fault}")()

    def all_through() -> bool:
        return site.query("SELECT count(*) FROM postbacks_delivery WHERE delivered_at IS NULL") == [(0,)]

    wait_until(all_through, DELIVERED_SECONDS)
    told = [path.removeprefix("/in?c=").split("&s=") for path in receiver.paths if f"c={prefix}-" in path]
    of_conversion = {name: [status for other, status in told if other == name] for name, _ in told}
    assert len(of_conversion) == CONVERSIONS
    for statuses in of_conversion.values():
        # At least once each, and never an earlier status after a later one.
        assert [status for status, _ in groupby(statuses)] == ["pending", "approved"]
    assert site.query("SELECT count(*) FROM postbacks_delivery WHERE given_up_at IS NOT NULL") == [(0,)]
