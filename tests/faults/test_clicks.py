from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.faults.conftest import ANSWER_SECONDS, RECOVER_SECONDS, ROUNDS, Site, wait_until

FAULTS = ("web", "postgres", "backend")
MAKE_LINK = """
from partners.models import Partner
from partners.offers.codes import code_of_partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from portal.accounts.actors import Actor
by = Actor.system("tests")
advertiser = Advertiser.sign_up(name="Shoe House", by=by)
offer = Offer.launch(
    name="Boots", advertiser=advertiser, category=Category.add(name="Fashion", by=by), status="active",
    visibility="public", destination_url="https://shop.example/?click={transaction_id}", daily_click_cap=10**6,
    pays=Terms(PayoutType.CPA, 1), by=by,
)
print(advertiser.issue_token(by=by), f"/t/{code_of_partner(Partner.objects.get(name='Acme Media').pk)}/{offer.code}/")
"""


@dataclass
class Told:
    """What visitors and the advertiser were told; who got no answer is not in it."""

    # The click's number, by the name under which each visitor went.
    clicks: dict[str, str] = field(default_factory=dict)
    conversions: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def token_and_link(site: Site) -> tuple[str, str]:
    token, link = site.manage("shell", "--no-imports", "-c", MAKE_LINK).split()[-2:]
    return token, link


class Visitors:
    """Threads that click without pause, each click under a name of its own; every third is reported as a sale."""

    def __init__(self, site: Site, token: str, link: str, prefix: str) -> None:
        self.told = Told()
        self._site, self._token, self._link, self._prefix = site, token, link, prefix
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[number], daemon=True) for number in range(8)]

    def __enter__(self) -> Told:
        for thread in self._threads:
            thread.start()
        return self.told

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * ANSWER_SECONDS)
        assert not any(thread.is_alive() for thread in self._threads), "A click was never answered, nor refused."

    def _run(self, thread: int) -> None:
        for number in self._numbers():
            name = f"{self._prefix}-{thread}-{number}"
            try:
                self._click(name, report=number % 3 == 0)
            except (OSError, http.client.HTTPException):
                # Without an answer nothing was promised.
                time.sleep(0.02)

    def _numbers(self) -> Iterator[int]:
        number = 0
        while not self._stop.wait(0.004):
            number += 1
            yield number

    def _click(self, name: str, *, report: bool) -> None:
        status, where = self._ask(f"{self._link}?sub1={name}")
        if status == 302:
            click = dict(parse_qsl(urlsplit(where).query))["click"]
            self.told.clicks[name] = click
            if report:
                status, body = self._ask(f"/postback?transaction_id={click}&order_id={name}&token={self._token}")
                if status == 200:
                    self.told.conversions[name] = body
        elif status != 503 or where:
            self.told.odd.append(f"{name}: {status} {where}")

    def _ask(self, path: str) -> tuple[int, str]:
        """The status, and where a redirect leads or what the answer says."""
        connection = http.client.HTTPConnection("127.0.0.1", self._site.web.port, timeout=30)
        try:
            connection.request("GET", path, headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/127.0"})
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        self.told.statuses[answer.status] += 1
        return answer.status, answer.getheader("Location") or ("" if answer.status == 503 else body)


@pytest.mark.parametrize("round_number", range(ROUNDS or 3))
def test_every_visitor_who_was_redirected_and_every_sale_that_was_confirmed_is_in_the_database(
    site: Site, token_and_link: tuple[str, str], round_number: int
) -> None:
    fault = FAULTS[round_number % len(FAULTS)]
    prefix = f"click{round_number}"
    first = random.randrange(10, 300)
    site.set_budget(1000)

    with Visitors(site, *token_and_link, prefix) as told:
        wait_until(lambda: len(told.clicks) > first)
        before = len(told.clicks)
        getattr(site, f"kill_{fault}")()
        site.web.wait_until_it_answers(site.secret, 200)
        wait_until(lambda: len(told.clicks) > before, 2 * RECOVER_SECONDS)

    assert not told.odd
    rows = site.query("SELECT sub1, replace(id::text, '-', '') FROM traffic_click WHERE sub1 LIKE %s", f"{prefix}-%")
    assert not told.clicks.items() - set(rows)
    assert len(rows) == len(dict(rows))
    sales = site.query(
        "SELECT order_id, replace(id::text, '-', '') FROM traffic_conversion WHERE order_id LIKE %s", f"{prefix}-%"
    )
    assert len(sales) == len(dict(sales))
    assert {name for name, body in told.conversions.items() if dict(sales).get(name, "nothing") not in body} == set()
    check_caps(site)


def check_caps(site: Site) -> None:
    """What is counted under the cap is what there is."""
    [(counted,)] = site.query("SELECT clicks FROM traffic_capcount WHERE span = 'global'")
    [(valid,)] = site.query(
        "SELECT count(*) FROM traffic_click"
        " WHERE error_code = 0 AND offer_id IN (SELECT offer_id FROM traffic_capcount)"
    )
    assert counted == valid
