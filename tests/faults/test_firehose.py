from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import ANSWER_SECONDS, ROUNDS, Site, wait_until
from tests.faults.test_clicks import Visitors

FAULTS = ("web", "postgres", "worker", "backend")
# Ample: a restart takes seconds, and what is written meanwhile is read in moments.
CAUGHT_UP_SECONDS = 600
MAKE_LINK = """
from decimal import Decimal
from partners.firehose.models import Firehose
from partners.models import Partner
from partners.offers.codes import code_of_partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from portal.accounts.actors import Actor
by = Actor.system("tests")
partner = Partner.objects.get(name="Acme Media")
advertiser = Advertiser.sign_up(name="Glove House", by=by)
offer = Offer.launch(
    name="Gloves", advertiser=advertiser, category=Category.add(name="Gloves", by=by), status="active",
    visibility="public", destination_url="https://shop.example/?click={transaction_id}",
    pays=Terms(PayoutType.CPA, Decimal(1)), by=by,
)
Firehose.enable(partner, by=by)
print(advertiser.issue_token(by=by), f"/t/{code_of_partner(partner.pk)}/{offer.code}/")
"""
DECIDE = """
from partners.traffic.models import Conversion
from portal.accounts.actors import Actor
by = Actor.system("tests")
for conversion in Conversion.objects.filter(order_id__startswith="PREFIX-", status="approved")[:20]:
    conversion.reject(by=by, reason="Returned.")
    conversion.approve(by=by)
"""
DISABLE = """
from partners.firehose.models import Firehose
from portal.accounts.actors import Actor
Firehose.objects.get(partner__name="Acme Media").disable(by=Actor.system("tests"))
"""


@pytest.fixture(scope="module")
def token_and_link(site: Site) -> Iterator[tuple[str, str]]:
    token, link = site.manage("shell", "--no-imports", "-c", MAKE_LINK).split()[-2:]
    yield token, link
    site.manage("shell", "--no-imports", "-c", DISABLE)


class Consumer:
    """Follows from the beginning and goes on whenever the stream ends, each time from a few events before the last: as
    one that was killed before it could note how far it was."""

    def __init__(self, site: Site, name: str) -> None:
        self._site, self._name = site, name
        self._stop = threading.Event()
        self._dice = random.Random(name)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.events: list[dict[str, Any]] = []
        self.ended: list[str] = []
        self.odd: list[str] = []

    def __enter__(self) -> Consumer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join(2 * ANSWER_SECONDS)
        assert not self._thread.is_alive(), "The stream neither told anything nor ended."

    @property
    def seen(self) -> list[dict[str, Any]]:
        """Each event once, as it came first."""
        return list({event["id"]: event for event in reversed(self.events)}.values())[::-1]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                # Broken off, perhaps in the middle of a line.
                time.sleep(0.05)

    def _follow(self) -> None:
        # Its patience is longer than the time between heartbeats.
        connection = http.client.HTTPConnection("127.0.0.1", self._site.web.port, timeout=ANSWER_SECONDS)
        try:
            headers = {"Authorization": f"Bearer {self._site.secret}", "User-Agent": self._name}
            connection.request("GET", f"/v1/affiliates/firehose?cursor={self._cursor()}", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                if answer.status not in (429, 503):
                    self.odd.append(f"{answer.status} {answer.read()!r}")
                time.sleep(0.2)
                return
            killed_after = self._dice.randrange(50, 1000)
            for line in answer:
                event = json.loads(line)
                if event["type"] == "end":
                    self.ended.append(event["reason"])
                elif event["type"] != "heartbeat":
                    self.events.append(event)
                    killed_after -= 1
                if self._stop.is_set() or not killed_after:
                    return
        finally:
            connection.close()

    def _cursor(self) -> str:
        if not self.events:
            return "beginning"
        run, _, number = self.events[-1]["cursor"].partition("-")
        return f"{run}-{max(int(number) - self._dice.randrange(4), 0)}"


@pytest.mark.parametrize("round_number", range(ROUNDS or 2))
def test_every_consumer_sees_every_event_once_and_in_order_whatever_is_killed(
    site: Site, token_and_link: tuple[str, str], round_number: int
) -> None:
    prefix = f"firehose{round_number}"
    site.set_budget(1_000_000)

    with Consumer(site, f"{prefix}-first") as first, Consumer(site, f"{prefix}-second") as second:
        with Visitors(site, *token_and_link, prefix) as told:
            wait_until(lambda: len(told.conversions) > 10 and len(first.events) > 10, CAUGHT_UP_SECONDS)
            getattr(site, f"kill_{FAULTS[round_number % len(FAULTS)]}")()
            before = len(told.conversions)
            site.web.wait_until_it_answers(site.secret, 200, seconds=CAUGHT_UP_SECONDS)
            wait_until(lambda: len(told.conversions) > before + 10, CAUGHT_UP_SECONDS)
        site.manage("shell", "--no-imports", "-c", DECIDE.replace("PREFIX", prefix))
        [(last,)] = site.query(
            "SELECT last_seq + (SELECT count(*) FROM traffic_outbox entry WHERE entry.partner_id = firehose.partner_id)"
            " FROM firehose_firehose firehose JOIN partners_partner partner ON partner.id = firehose.partner_id"
            " WHERE partner.name = 'Acme Media'"
        )
        for consumer in (first, second):
            wait_until(lambda consumer=consumer: len(consumer.seen) >= last, CAUGHT_UP_SECONDS)  # type: ignore[misc]

    assert not told.odd
    for consumer in (first, second):
        check(site, consumer, prefix, last)


def check(site: Site, consumer: Consumer, prefix: str, last: int) -> None:
    assert not consumer.odd
    seen = consumer.seen
    assert [event["cursor"] for event in seen] == [f"1-{number}" for number in range(1, last + 1)]
    clicks = site.query("SELECT replace(id::text, '-', '') FROM traffic_click WHERE sub1 LIKE %s", f"{prefix}-%")
    told = [event for event in seen if event["type"] == "click"]
    assert {each["id"] for each in told if each["data"]["sub1"].startswith(f"{prefix}-")} == {
        click for (click,) in clicks
    }
    conversions = site.query(
        "SELECT replace(id::text, '-', ''), status FROM traffic_conversion WHERE order_id LIKE %s", f"{prefix}-%"
    )
    statuses: dict[str, list[str]] = defaultdict(list)
    for event in seen:
        if event["type"].startswith("conversion") and event["data"]["order_id"].startswith(f"{prefix}-"):
            assert (event["type"] == "conversion") is (event["data"]["conversion_id"] not in statuses)
            statuses[event["data"]["conversion_id"]].append(event["data"]["status"])
    assert {name: each[-1] for name, each in statuses.items()} == dict(conversions)
    decided = [each for each in statuses.values() if len(each) > 1]
    assert len(decided) >= 10
    assert {tuple(each) for each in decided} == {("approved", "rejected", "approved")}
