"""Who gets which answer from which route, compared with tests/access_matrix.txt, which people have read.

A route that is added, or whose answer to somebody changes, fails here until the file is written anew (LATCHKEY_WRITE=1)
and its change is reviewed with the rest.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils.timezone import now

from apilog.patterns.models import Pattern
from apilog.patterns.rules import Finding, Sighting
from keys.models import Key, KeyRequest
from keys.networks import parse_network
from partners.billing.models import Invoice, Item, Payment, Period
from partners.firehose.models import Firehose
from partners.firehose.push.models import Push
from partners.models import Flag, Partner
from partners.offers.models import Advertiser, Category, Creative, Offer, PayoutType, Terms
from partners.postbacks.models import Attempt, Delivery, Postback
from partners.traffic.models import TrafficBlock, TrafficControl
from portal.accounts.models import Role, User
from portal.notifications.kinds import Kind
from portal.notifications.models import Notification
from portal.status.models import Notice
from portal.web.access import every_view_declares_its_access, public, routed_views
from portal.web.ids import new_id
from tests.conftest import SETUP, Browse
from tests.partners.traffic.conftest import converted

FILE = Path(__file__).with_name("access_matrix.txt")
HEADER = """\
# What each route answers to whom: 200 a page, 302 or 303 somewhere else (GET as nobody: to sign-in), 204 nothing to
# show, 403 a right is missing, 404 not for this platform or not there, 405 no such method, 422 not with this form.
# Every answer is to a browser that has done nothing before; a POST sends a form in which nothing is filled in.
# The objects are Acme's, of which Paul is a user and Otto is not; the person to view as has no rights at all.
# Anna has a role that may look at everything (Analyst). "sonia=vera" is Sonia viewing as Vera, "vera=paul" Vera viewing
# as Paul. The API under /v1 has tests of its own.
# Written by: LATCHKEY_WRITE=1 pytest tests/test_access_matrix.py
"""

# Under /v1 an operation declares its realm, and /ui/ is there only while DEBUG is on.
ELSEWHERE = ("v1/", "ui/")


@pytest.fixture
def acme_request(acme: Partner, network: object) -> KeyRequest:
    """From before Acme had a key: with one it could not ask any more."""
    return KeyRequest.make(partner=acme, purpose="Import", contact_email="a@acme.example", networks=[], by=SETUP)


@pytest.fixture
def objects(
    acme: Partner,
    acme_request: KeyRequest,
    acme_key: tuple[Key, str],
    call: Callable[..., Client],
    paul: User,
    network: object,
) -> dict[str, str]:
    """What stands for each parameter of a URL: something of Acme's, or somebody who may do nothing."""
    key, secret = acme_key
    network_key, _ = Key.generate_network_key(by=SETUP, replacing=None)
    entry = key.allow(network=parse_network("127.0.0.0/8"), label="", by=SETUP)
    network_entry = network_key.allow(network=parse_network("127.0.0.0/8"), label="", by=SETUP)
    low = Role.create(name="Low", by=SETUP)
    invited = User.invite(email="invited@latchkey.example", name="Invited", role=low, by=SETUP)
    logged = call(secret).get("/v1/affiliates/affiliate")
    noticed = Sighting(1, key.created_at, key.created_at)
    Pattern.raise_all({(key.pk, "new_action"): Finding("It calls nothing.", {"read": noticed})}, at=key.created_at)
    invoice = Invoice.raise_for(
        acme,
        period=Period(date(2026, 1, 1), date(2026, 1, 31), "UTC"),
        currency="USD",
        items=[Item.adjustment(Decimal(10), "A bonus")],
        by=SETUP,
    )
    payment = invoice.record_payment(amount=Decimal(1), method=Payment.Method.OTHER, paid_on=date(2026, 2, 1), by=SETUP)
    offer = offer_open_to(acme)
    waiting = offer.apply(partner=Partner.create(by=SETUP, name="Waiting Media"), by=SETUP)
    Notification.tell(Kind.KEY_REVOKED, subject="Revoked", once="one of his", partner=acme, by=SETUP)
    attempt = attempt_of(acme)
    Firehose.enable(acme, by=SETUP)
    Push.add(partner=acme, url="https://events.invalid/", by=SETUP)
    control = TrafficControl.add(
        name="No coupons",
        control_type="blacklist",
        variable="sub1",
        comparison_method="exact",
        values=["coupon"],
        by=SETUP,
    )
    return {
        "partner_id": str(acme.pk),
        "flag_id": str(acme.raise_flag(kind=Flag.Kind.QUALITY, note="Odd", by=SETUP).pk),
        "key_id": str(key.pk),
        "request_id": str(acme_request.pk),
        "invoice_id": str(payment.invoice_id),
        "payment_id": str(payment.pk),
        "entry_id": str(entry.pk),
        "offer_id": str(offer.pk),
        "application_id": str(waiting.pk),
        "payout_id": str(offer.payouts.get().pk),
        "terms_id": str(offer.pay_partner(acme, Terms(PayoutType.CPA, Decimal(12)), by=SETUP).pk),
        "url_id": str(offer.add_url(name="Sale", destination_url="https://acme.example/", by=SETUP).pk),
        "creative_id": str(
            offer.add_creative(name="Text", creative_type=Creative.Type.TEXT, html_code="Buy", by=SETUP).pk
        ),
        "deal_id": str(offer.add_deal(name="Spring", deal_type="gift", by=SETUP).pk),
        "feed_id": str(offer.add_feed(name="All candles", by=SETUP).pk),
        "coupon_id": str(offer.add_coupon(code="ACME", by=SETUP).pk),
        "postback_id": str(attempt.postback_id),
        "delivery_id": str(attempt.delivery_id),
        "attempt_id": str(attempt.pk),
        "conversion_id": str(converted(acme, offer).id),
        "control_id": str(control.pk),
        "block_id": str(TrafficBlock.block(partner=acme, variable="sub1", value="bots", by=SETUP).pk),
        "call_id": logged["X-Request-ID"],
        "user_id": str(invited.pk),
        "role_id": str(low.pk),
        "pattern_id": str(Pattern.objects.get().pk),
        "notification_id": str(Notification.objects.get(user=paul, once="one of his").pk),
        "notice_id": str(Notice.post(text="Slow today", severity="info", by=SETUP).pk),
        "form": "csv",
        "who": "MQ",
        "token": "x-0",
        "system key_id": str(network_key.pk),
        "system entry_id": str(network_entry.pk),
    }


def attempt_of(partner: Partner) -> Attempt:
    """To deliver something of a postback whose URL nobody is asked about: it may not be called any more."""
    postback = Postback.add(partner=partner, url="https://acme.example/", by=SETUP)
    Postback.objects.filter(pk=postback.pk).update(url="http://127.0.0.1/")
    told = {"partner": partner, "postback": postback, "conversion_id": new_id()}
    delivery = Delivery.objects.create(**told, status="approved", facts={}, due_at=now())
    return Attempt.objects.create(**told, delivery=delivery, at=now(), url=postback.url, problem="No.", duration_ms=1)


def offer_open_to(partner: Partner) -> Offer:
    """One that nobody but the partner sees."""
    offer = Offer.launch(
        advertiser=Advertiser.sign_up(name="Tallow & Reed", by=SETUP),
        category=Category.add(name="Home", by=SETUP),
        name="Candles",
        destination_url="https://candles.example/",
        status="active",
        visibility="private",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        by=SETUP,
    )
    offer.admit(partner=partner, by=SETUP)
    return offer


@pytest.fixture
def audience(cast: list[User], browse: Browse) -> dict[str, Client]:
    """A browser for nobody, for each of the cast, and for two who view as somebody else."""
    by_name = {user.name.lower(): user for user in cast}
    looks = {"security": "view", "accounts_history_logs": "read", "system_settings": "view", "partners": "view"}
    analyst = Role.create(name="Analyst", by=SETUP, **looks)
    by_name["anna"] = User.invite(email="anna@latchkey.example", name="Anna", role=analyst, by=SETUP)
    clients = {"nobody": Client(), **{name: browse(user) for name, user in by_name.items()}}
    for who, seen in (("sonia", "vera"), ("vera", "paul")):
        clients[f"{who}={seen}"] = browse(by_name[who])
        clients[f"{who}={seen}"].post("/view-as/", {"user_pk": by_name[seen].pk})
    return clients


def url_of(route: str, objects: dict[str, str]) -> str:
    def fill(parameter: re.Match[str]) -> str:
        name = parameter[1]
        platform = "system " if route.startswith("system/") else ""
        return objects.get(platform + name) or objects[name]

    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", fill, route)


def status(client: Client, method: str, url: str, objects: dict[str, str]) -> int:
    """The answer's status; whatever the request changed is undone."""
    form = urlencode({"user_pk": objects["user_id"]} if url == "/view-as/" else {"nothing": ""})
    with transaction.atomic():
        cookies = deepcopy(client.cookies)
        answer = client.generic(method, url, form, content_type="application/x-www-form-urlencoded")
        client.cookies = cookies
        transaction.set_rollback(True)
    return answer.status_code


def lines(audience: dict[str, Client], objects: dict[str, str]) -> Iterator[str]:
    routes = sorted(route for route, _ in routed_views() if not route.startswith(ELSEWHERE))
    # Room to grow: a longer route than these would move every line of the file.
    width = max(100, *map(len, routes)) + 2
    yield f"{'':{width}}      " + "".join(f"{name:<11}" for name in audience)
    for route in routes:
        url = url_of(route, objects)
        for method in ("GET", "POST"):
            answers = "".join(f"{status(client, method, url, objects):<11}" for client in audience.values())
            yield f"/{route:{width}}{method:<5}{answers}"


@pytest.mark.django_db
def test_every_route_answers_everybody_as_reviewed(audience: dict[str, Client], objects: dict[str, str]) -> None:
    found = HEADER + "\n".join(line.rstrip() for line in lines(audience, objects)) + "\n"

    if os.environ.get("LATCHKEY_WRITE"):
        FILE.write_text(found)

    reviewed = FILE.read_text()
    # What stands here is right when it is meant: then LATCHKEY_WRITE=1 writes it, and the commit shows it.
    difference = difflib.unified_diff(reviewed.splitlines(), found.splitlines(), "reviewed", "found", lineterm="", n=0)
    assert found == reviewed, "\n".join(difference)


def test_a_route_that_does_not_say_who_may_call_it_fails_the_build(settings: object) -> None:
    def undeclared(request: HttpRequest) -> HttpResponse:
        raise NotImplementedError

    declared = public(reason="a test")(undeclared)

    settings.ROOT_URLCONF = (path("open/", declared), path("forgotten/", undeclared))  # type: ignore[attr-defined]
    errors = every_view_declares_its_access(None)

    assert [(error.id, "/forgotten/" in error.msg) for error in errors] == [("latchkey.E001", True)]
