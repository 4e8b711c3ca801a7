from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import pytest

from tests.faults.conftest import ROUNDS, Site, wait_until
from tests.partners.postbacks.receiver import Receiver, answering, receiving

CONVERSIONS = 150
# A shift begins every minute, a killed worker's claim runs out after half of one, and what failed waits for its turn.
DELIVERED_SECONDS = 900
MAKE_POSTBACK = """
from partners.models import Partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from partners.postbacks.models import Postback
from portal.accounts.actors import Actor
by = Actor.system("tests")
partner = Partner.objects.get(name="Acme Media")
Offer.launch(
    name="Hats", advertiser=Advertiser.sign_up(name="Hat House", by=by), category=Category.add(name="Hats", by=by),
    status="active", visibility="public", destination_url="https://shop.example/", pays=Terms(PayoutType.CPA, 1), by=by,
)
Postback.add(partner=partner, by=by, url="http://127.0.0.1:PORT/in?c={sub1}&s={status}")
"""
# A conversion that PostgreSQL did not live to see is reported as another one.
CONVERT = """
import time
from django.db import Error, connection
from django.utils.timezone import now
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Click, Conversion
from partners.traffic.models.recording import Report, Source
from portal.accounts.actors import Actor
from portal.web.ids import moment_of, new_id
by = Actor.system("tests")
partner, offer = Partner.objects.get(name="Acme Media"), Offer.objects.get(name="Hats")
for number in range(COUNT):
    try:
        click_id = new_id()
        click = Click.objects.create(
            partner=partner, offer=offer, id=click_id, at=moment_of(click_id), sub1=f"PREFIX-{number}",
            payout_type="cpa", revenue_type="rpa", is_unique=True, tracking_url="/t/",
        )
        conversion, _ = Conversion.record(source=Source.of_visit(click), report=Report(status="pending"), by=by)
        conversion.approve(by=by)
    except Error:
        connection.close()
        time.sleep(0.2)
    time.sleep(0.01)
"""
RESUME = """
from partners.postbacks.models import AlreadyResumed, Postback
from portal.accounts.actors import Actor
for postback in Postback.objects.filter(paused_at__isnull=False):
    try:
        postback.resume(by=Actor.system("tests"))
    except AlreadyResumed:
        pass
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


def statuses_by_conversion(told: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    statuses: dict[str, list[str]] = {}
    for name, status in told:
        statuses.setdefault(name, []).append(status)
    return statuses


def go_and_come_back(receiver: Receiver) -> None:
    receiver.go()
    time.sleep(random.uniform(0.1, 2))
    receiver.come()


@pytest.mark.parametrize("round_number", range(ROUNDS or 1))
def test_every_postback_that_was_due_arrives_in_order_whatever_is_killed(
    site: Site, receiver: Receiver, round_number: int
) -> None:
    prefix = f"round{round_number}"
    receiver.reply = unsteady
    before = len(receiver.paths)
    faults: list[Callable[[], None]] = [site.kill_worker, site.kill_postgres, lambda: go_and_come_back(receiver)]
    if round_number % 2:
        faults.append(site.kill_backend)
    convert = CONVERT.replace("COUNT", str(CONVERSIONS)).replace("PREFIX", prefix)

    with ThreadPoolExecutor(1) as customers:
        buying = customers.submit(site.manage, "shell", "--no-imports", "-c", convert)
        wait_until(lambda: len(receiver.paths) > before + random.randrange(10, CONVERSIONS), DELIVERED_SECONDS)
        for kill in random.sample(faults, len(faults)):
            kill()
            time.sleep(random.uniform(0, 1))
        buying.result(DELIVERED_SECONDS)

    # From now on whoever asks is answered, and somebody looks after what was paused meanwhile.
    receiver.reply = answering()

    def all_through() -> bool:
        if site.query("SELECT 1 FROM postbacks_postback WHERE paused_at IS NOT NULL"):
            site.manage("shell", "--no-imports", "-c", RESUME)
        return site.query("SELECT count(*) FROM postbacks_delivery WHERE delivered_at IS NULL") == [(0,)]

    wait_until(all_through, DELIVERED_SECONDS)
    # What happens while a postback is paused is not due.
    due = statuses_by_conversion(
        site.query(
            "SELECT facts ->> 'sub1', status FROM postbacks_delivery WHERE facts ->> 'sub1' LIKE %s ORDER BY id",
            f"{prefix}-%",
        )
    )
    told = [path.removeprefix("/in?c=").split("&s=") for path in receiver.paths if f"c={prefix}-" in path]
    assert due
    # At least once each, and never an earlier status after a later one.
    once_each = {
        name: [status for status, _ in groupby(statuses)] for name, statuses in statuses_by_conversion(told).items()
    }
    assert once_each == due
    assert site.query("SELECT count(*) FROM postbacks_delivery WHERE given_up_at IS NOT NULL") == [(0,)]
