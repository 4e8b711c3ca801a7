from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.utils import timezone

from keys.gate import Outcome
from keys.models import Key
from portal.accounts.models import User
from tests.apilog.conftest import Log
from tests.conftest import Browse
from tests.page import page

pytestmark = pytest.mark.django_db

TAIL = "/system/api-log/tail/"


@pytest.fixture(autouse=True)
def no_time_passes() -> Iterator[None]:
    with time_machine.travel(timezone.now(), tick=False):
        yield


def asked(*, since: float = 5, told: float = 60, untold: int = 0, **filters: str) -> str:
    """The tail's URL as of ``since`` seconds ago, announced last ``told`` seconds ago."""
    now = timezone.now().timestamp()
    return f"{TAIL}?{urlencode({'since': now - since, 'told': now - told, 'untold': untold, **filters})}"


def arrived(answer) -> list[str]:
    # In a template, because rows outside of a table are no HTML; so the parser does not look into it.
    return re.findall(r'<tr id="call-([0-9a-f-]{36})"', answer.content.decode())


def test_the_tail_is_for_those_who_may_view_the_log(cast: list[User], browse: Browse) -> None:
    answers = {user.name: browse(user).get(asked()).status_code for user in cast}

    assert answers == {"Sonia": 200, "Nadia": 200, "Amir": 403, "Vera": 403, "Paul": 404, "Otto": 404}


def test_the_tail_has_what_ended_since_it_was_asked_last(nadia: User, log: Log, browse: Browse) -> None:
    now = timezone.now()
    log(at=now - timedelta(seconds=30))
    slow = log(at=now - timedelta(seconds=20), duration_us=18_000_000)
    quick = log(at=now - timedelta(seconds=1))

    answer = browse(nadia).get(asked(since=5))

    assert arrived(answer) == [str(quick.pk), str(slow.pk)]


def test_the_tail_keeps_to_the_filter(nadia: User, acme_key: tuple[Key, str], log: Log, browse: Browse) -> None:
    refused = log(acme_key[0], outcome=Outcome.IP_DENIED)
    log(acme_key[0])
    log(outcome=Outcome.NO_KEY)

    answer = browse(nadia).get(asked(partner="Acme Media", status="4xx"))

    assert arrived(answer) == [str(refused.pk)]
    (poll,) = page(answer).element.select("#call-tail")
    assert "partner=Acme+Media" in str(poll["hx-get"])
    assert "status=4xx" in str(poll["hx-get"])


def test_new_calls_are_announced_at_most_every_ten_seconds(nadia: User, log: Log, browse: Browse) -> None:
    log()
    reader = browse(nadia)

    early, late = reader.get(asked(told=3, untold=4)), reader.get(asked(told=11, untold=4))

    assert "new call" not in early.content.decode()
    assert "untold=5" in early.content.decode()
    assert "5 new calls" in page(late).text
    assert "untold=0" in late.content.decode()


def test_when_nothing_came_the_tail_says_nothing(nadia: User, browse: Browse) -> None:
    answer = browse(nadia).get(asked())

    assert arrived(answer) == []
    assert page(answer).text == ""
    assert page(answer).has("call-tail")


def test_following_can_be_turned_on_and_off_by_links_alone(nadia: User, log: Log, browse: Browse) -> None:
    log()
    reader = browse(nadia)

    still = page(reader.get("/system/api-log/?outcome=ok"))
    live = page(reader.get(still.links["Follow live"]))
    again = page(reader.get(live.links["Pause"]))

    assert not still.has("call-tail")
    assert live.has("call-tail")
    assert live.region("call-news").element["role"] == "status"
    assert not again.has("call-tail")


@pytest.mark.parametrize(
    "query", ["", "since=yesterday&told=1", "since=1e400&told=1", "since=-6e10&told=1", "since=1&told=1&ip=x"]
)
def test_a_tail_that_makes_no_sense_is_not_found(nadia: User, browse: Browse, query: str) -> None:
    assert browse(nadia).get(f"{TAIL}?{query}").status_code == 404
