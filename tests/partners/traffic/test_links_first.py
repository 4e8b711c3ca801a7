"""What becomes of a visit, the tests of clicks and impressions say, whose client comes through Django's handler. Here:
that the web server, which answers links before it, answers the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client, RequestFactory

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.arrivals.middleware import links_first
from partners.traffic.models import Click
from portal.network.models import Network
from tests.partners.traffic.arriving import BROWSER, GOOGLEBOT, launched, path_of

AWAY = patch("partners.traffic.arrivals.clicks.record", side_effect=OperationalError)


@pytest.fixture
def boots(network: Network) -> Offer:
    return launched(destination_url="https://shop.example/buy?s={sub1}")


@pytest.fixture
def in_transaction(db: None) -> Iterator[None]:
    # Django's own client leaves a test its connection, too.
    with patch("partners.traffic.arrivals.middleware.close_old_connections"):
        yield


def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"the site's"]


def served(path: str, *, method: str = "GET", agent: str = BROWSER) -> HttpResponse:
    """What the web server is given for its client."""
    told: list[Any] = []
    environ = RequestFactory().generic(method, path, headers={"User-Agent": agent}).environ
    body = links_first(site)(environ, lambda *head: told.extend(head))
    assert isinstance(body, list)
    status, headers = told
    return HttpResponse(b"".join(body), status=int(status[:3]), reason=status[4:], headers=dict(headers))


def same(one: HttpResponse, other: Any) -> bool:
    return (one.status_code, one.reason_phrase, one.content, sorted(one.items())) == (
        (other.status_code, other.reason_phrase, other.content, sorted(other.items()))
    )


@pytest.mark.usefixtures("in_transaction")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("agent", [BROWSER, GOOGLEBOT])
@pytest.mark.parametrize("kind", ["t", "i"])
def test_the_server_answers_a_link_as_djangos_handler_does(
    acme: Partner, boots: Offer, kind: str, agent: str, method: str
) -> None:
    path = f"{path_of(acme, boots, kind)}?sub1=news"

    response = served(path, method=method, agent=agent)

    assert same(response, Client().generic(method, path, headers={"User-Agent": agent}))


@pytest.mark.usefixtures("in_transaction")
def test_the_server_answers_a_link_to_nothing_as_djangos_handler_does() -> None:
    assert same(served("/t/none/none/"), Client().get("/t/none/none/"))


@pytest.mark.usefixtures("in_transaction")
def test_while_the_database_is_away_the_server_leads_nobody_on(acme: Partner, boots: Offer) -> None:
    with AWAY:
        response = served(path_of(acme, boots))
        assert same(response, Client().get(path_of(acme, boots)))

    assert response.status_code == 503


def test_what_is_no_link_is_the_sites() -> None:
    assert served("/tea/").content == b"the site's"


@pytest.mark.django_db(transaction=True)
def test_the_connection_goes_back_when_a_click_is_answered(acme: Partner, boots: Offer) -> None:
    connection.close()

    assert served(path_of(acme, boots)).status_code == 302

    assert connection.connection is None
    assert Click.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_connection_goes_back_when_a_thread_is_stopped(acme: Partner, boots: Offer) -> None:
    stopped = patch("partners.traffic.arrivals.clicks.record", side_effect=KeyboardInterrupt)
    connection.ensure_connection()

    with stopped, pytest.raises(KeyboardInterrupt):
        served(path_of(acme, boots))

    assert connection.connection is None


# The signal handlers that the web server's module sets are for a process of its own.
PROGRAM = """
from django.core.signals import request_started
from django.test import RequestFactory
from portal.wsgi import application
request_started.connect(lambda **_: print("handler"), weak=False, sender=None)
application(RequestFactory().get("/t/none/none/").environ, lambda status, headers: print(status))
"""


def test_what_the_web_server_runs_answers_links_before_djangos_handler() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False)

    assert done.stdout.splitlines() == ["404 Not Found"], done.stderr
