from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils.timezone import now

from keys.models import Key
from partners.models import Partner
from portal.accounts.models import User
from tests.conftest import Browse
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import clicked, converted

pytestmark = pytest.mark.django_db

Calls = Callable[..., Client]


@pytest.fixture
def traffic(acme: Partner, other_partner: Partner, launch: Launch) -> None:
    shoes, boots = launch("Summer Shoes"), launch("Winter Boots")
    for partner, offer, status in (
        (acme, shoes, "approved"),
        (acme, boots, "pending"),
        (other_partner, shoes, "approved"),
        (other_partner, boots, "on_hold"),
    ):
        at = now() - timedelta(hours=1)
        clicked(partner, offer, at, sub1=status)
        converted(partner, offer, at, status=status, order_id=f"{partner.pk}-{status}")


def answered(api: Client, command: str) -> Any:
    """What the API says to a command as it is shown, with the key that the command leaves out."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "curl"
    assert "Authorization: Bearer $LATCHKEY_KEY" in words
    url = urlsplit(next(word for word in words if word.startswith("http")))
    path = f"{url.path}?{url.query}".removesuffix("?")
    if "--data-raw" in words:
        body = words[words.index("--data-raw") + 1]
        response = api.post(path, body, content_type="application/json")
    else:
        response = api.get(path)
    assert response.status_code == 200, response.content
    return response.json()


def shown(browser: Client, path: str) -> Any:
    response = browser.get(path)
    assert response.status_code == 200
    context: Any = response.context
    assert "Show API request" in response.content.decode()
    return context


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("query", ["", "status=pending", "partner={acme}", "partner={acme}&status=approved"])
def test_the_networks_conversions_are_asked_for_by_api_as_on_the_page(
    browse: Browse, vera: User, network_call: Client, acme: Partner, query: str
) -> None:
    page = shown(browse(vera), f"/conversions/?{query.format(acme=acme.pk)}")

    told = answered(network_call, page["api_request"])["conversions"]

    assert [row["order_id"] for row in told] == [row.order_id for row in page["page"].rows]
    assert told


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("query", ["", "status=pending"])
def test_a_partners_conversions_are_asked_for_by_api_as_on_the_page(
    browse: Browse, paul: User, acme_key: tuple[Key, str], call: Calls, query: str
) -> None:
    page = shown(browse(paul), f"/my/conversions/?{query}")

    told = answered(call(acme_key[1]), page["api_request"])["conversions"]

    assert [row["order_id"] for row in told] == [row.order_id for row in page["page"].rows]
    assert told


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize(
    "query", ["", "column=affiliate&column=offer", "column=sub1&filter=affiliate:{acme}", "bound=cv:greater_than:0"]
)
def test_a_report_across_partners_is_asked_for_by_api_as_on_the_page(
    browse: Browse, vera: User, network_call: Client, acme: Partner, query: str
) -> None:
    page = shown(browse(vera), f"/reports/?{query.format(acme=acme.pk)}")

    told = answered(network_call, page["api_request"])

    assert told["table"] == page["report"].rows
    assert told["table"]


@pytest.mark.usefixtures("traffic")
def test_a_partners_report_is_asked_for_by_api_as_on_the_page(
    browse: Browse, paul: User, acme_key: tuple[Key, str], call: Calls
) -> None:
    page = shown(browse(paul), "/my/reports/?column=offer&column=date")

    told = answered(call(acme_key[1]), page["api_request"])

    assert told["table"] == page["report"].rows
    assert len(told["table"]) == 2
