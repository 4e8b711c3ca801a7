from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks.models import (
    AlreadyPaused,
    AlreadyRemoved,
    AlreadyResumed,
    Postback,
    TooManyPostbacks,
    Unfit,
)
from partners.postbacks.models import postbacks as models
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.web.edits import ChangedMeanwhile
from tests.conftest import SETUP
from tests.partners.postbacks.conftest import URL, Add

pytestmark = pytest.mark.django_db

Launch = Callable[..., Offer]


def test_a_postback_is_added_with_its_event(acme: Partner, launch: Launch) -> None:
    offer = launch()

    postback = Postback.add(partner=acme, offer=offer, url=URL, pixel_type="post_conversion", delay_ms=500, by=SETUP)

    postback.refresh_from_db()
    assert (postback.status, postback.level, postback.delay_ms) == ("active", "specific", 500)
    event = Event.objects.get(kind=EventKind.POSTBACK_ADDED)
    assert (event.subject_id, event.partner_id) == (postback.pk, acme.pk)
    assert event.details == {"fires on": "post_conversion", "offer": "Candles"}


def test_a_postback_can_begin_paused(add: Add) -> None:
    postback = add(is_active=False)

    assert (postback.status, postback.paused_by, postback.level) == ("inactive", "tests", "global")
    assert not Postback.objects.active().exists()


def test_a_change_says_what_it_was(add: Add, launch: Launch) -> None:
    postback = add()

    postback.change(by=SETUP, offer=launch(), delay_ms=0, url="https://track.acme.example/v2?c={conversion_id}")
    postback.change(by=SETUP, delay_ms=0)

    event = Event.objects.get(kind=EventKind.POSTBACK_CHANGED)
    assert event.details == {
        "offer": [None, "Candles"],
        "url": [URL, "https://track.acme.example/v2?c={conversion_id}"],
    }


def test_a_change_of_what_others_have_changed_is_refused(add: Add) -> None:
    postback = add()
    seen = postback.updated_at
    Postback.objects.get(pk=postback.pk).change(by=SETUP, delay_ms=5)

    with pytest.raises(ChangedMeanwhile):
        postback.change(by=SETUP, seen=seen, delay_ms=6)


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"url": ""}, "url", "Say which URL"),
        ({"url": "ftp://acme.example/"}, "url", "must begin with http"),
        ({"url": "https://paul:secret@acme.example/"}, "url", "user name or a password"),
        ({"url": "https://127.0.0.1/"}, "url", "private network"),
        ({"url": "https://localhost:8000/"}, "url", "inside one network"),
        ({"url": "https://acme.example/?a={clickid}"}, "url", "{clickid} is not a macro"),
        ({"url": "https://acme.example/" + "a" * 2000}, "url", "may have 2,000"),
        ({"url": f"https://acme.example/?key=lk_aff_{'k' * 38}"}, "url", "holds an API key"),
        ({"url": f"https://acme.example/?key=lk%5Faff%5F{'k' * 38}"}, "url", "holds an API key"),
        ({"html_code": f'<img src="https://acme.example/?lk_aff_{"k" * 38}">'}, "html_code", "holds an API key"),
        ({"delivery_method": "html"}, "html_code", "Say which HTML"),
        ({"delivery_method": "html", "html_code": " \n"}, "html_code", "Say which HTML"),
        ({"html_code": "x" * 5001}, "html_code", "may have 5,000"),
        ({"delivery_method": "html", "html_code": "<img>", "url": "nonsense"}, "url", "must begin with http"),
        ({"delay_ms": -1}, "delay_ms", "at most 300,000"),
        ({"delay_ms": 300_001}, "delay_ms", "at most 300,000"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_named(fields: dict[str, Any], field: str, why: str, add: Add) -> None:
    postback = add()
    fitting = {"delivery_method": "postback", "html_code": "", "delay_ms": 0, "url": URL}

    with pytest.raises(Unfit) as added:
        add(**fields)
    with pytest.raises(Unfit) as changed:
        postback.change(by=SETUP, **fields)

    assert added.value.field == changed.value.field == field
    assert why in added.value.sentence
    assert added.value.sentence == changed.value.sentence
    postback.refresh_from_db()
    assert {name: getattr(postback, name) for name in fitting} == fitting


def test_html_needs_no_url(add: Add) -> None:
    postback = add(delivery_method="html", html_code="<img src='https://acme.example/?t={transaction_id}'>", url="")

    assert postback.is_html


def test_the_offer_must_be_one_that_the_partner_is_shown(
    acme: Partner, other_partner: Partner, add: Add, launch: Launch
) -> None:
    private, gone = launch("Secret", visibility="private"), launch("Gone", status="deleted")
    private.admit(partner=other_partner, by=SETUP)

    for offer in (private, gone):
        with pytest.raises(Unfit, match="offer: There is no such offer"):
            add(offer=offer)
    private.admit(partner=acme, by=SETUP)

    assert add(offer=private).offer == private


def test_a_postback_of_an_offer_that_is_gone_can_still_be_mended(add: Add, launch: Launch) -> None:
    offer = launch()
    postback = add(offer=offer)
    offer.change(by=SETUP, status="deleted")

    postback.change(by=SETUP, delay_ms=7, offer=offer)

    postback.refresh_from_db()
    assert postback.delay_ms == 7


def test_a_partner_has_at_most_so_many(
    acme: Partner, other_partner: Partner, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MAXIMUM_PER_PARTNER", 2)
    first, _ = add(), add()

    with pytest.raises(TooManyPostbacks):
        add()
    add(other_partner)
    first.remove(by=SETUP)
    add()

    assert acme.postbacks.kept().count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_added_at_once_the_second_counts_the_first(acme: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MAXIMUM_PER_PARTNER", 1)
    is_added = threading.Event()

    def add_slowly() -> None:
        with transaction.atomic():
            Postback.add(partner=acme, url=URL, by=SETUP)
            is_added.set()
            time.sleep(0.5)
        connection.close()

    def add_quickly() -> str:
        is_added.wait()
        try:
            Postback.add(partner=acme, url=URL, by=SETUP)
        except TooManyPostbacks:
            return "refused"
        finally:
            connection.close()
        return "added"

    with ThreadPoolExecutor(2) as threads:
        slow, quick = threads.submit(add_slowly), threads.submit(add_quickly)

    assert (slow.result(), quick.result()) == (None, "refused")
    assert acme.postbacks.count() == 1


def test_pausing_and_resuming_happen_once_and_leave_events(add: Add) -> None:
    postback = add()
    same = Postback.objects.get(pk=postback.pk)

    postback.pause(by=SETUP)
    with pytest.raises(AlreadyPaused):
        same.pause(by=SETUP)
    assert not Postback.objects.active().exists()
    postback.resume(by=SETUP)
    with pytest.raises(AlreadyResumed):
        same.resume(by=SETUP)

    assert Postback.objects.active().get() == postback
    kinds = list(Event.objects.order_by("pk").filter(subject_type="postback").values_list("kind", flat=True))
    assert kinds == ["postback.added", "postback.paused", "postback.resumed"]


def test_a_removed_postback_is_in_no_list_and_cannot_be_touched(acme: Partner, add: Add) -> None:
    postback = add()
    stale = Postback.objects.get(pk=postback.pk)

    postback.remove(by=SETUP)

    assert not acme.postbacks.kept().exists()
    assert not acme.postbacks.active().exists()
    assert not acme.postbacks.for_listing().exists()
    for touch in (stale.pause, stale.resume, stale.remove, lambda by: stale.change(by=by, delay_ms=3)):
        with pytest.raises(AlreadyRemoved):
            touch(by=SETUP)
    event = Event.objects.get(kind=EventKind.POSTBACK_REMOVED)
    assert event.details["URL"] == URL


def test_postbacks_are_found_by_offer_status_and_text(add: Add, launch: Launch) -> None:
    candles, soap = launch("Candles"), launch("Soap")
    every, of_candles = add(), add(offer=candles, url="https://zebra.example/")
    of_soap = add(offer=soap, delivery_method="html", html_code="<b>100%_sure</b>", is_active=False)
    found = Postback.objects.for_listing()

    assert list(found.for_offers(0)) == [every]
    assert list(found.for_offers(candles.pk)) == [of_candles]
    assert list(found.for_offers(0, soap.pk)) == [every, of_soap]
    assert list(found.with_status("active")) == [every, of_candles]
    assert list(found.with_status("inactive")) == [of_soap]
    assert list(found.with_status("active", "inactive")) == [every, of_candles, of_soap]
    assert list(found.search("zebra")) == [of_candles]
    assert list(found.search("CANDLE")) == [of_candles]
    assert list(found.search("100%_")) == [of_soap]


@pytest.mark.parametrize(
    ("broken", "constraint"),
    [
        ({"pixel_type": "odd"}, "postback_type_is_known"),
        ({"url": ""}, "postback_has_what_it_delivers"),
        ({"delivery_method": "html"}, "postback_has_what_it_delivers"),
        ({"delivery_method": "odd"}, "postback_has_what_it_delivers"),
        ({"delay_ms": 300_001}, "postback_delay_is_in_range"),
        ({"paused_by": "Vera"}, "postback_paused_at_and_by"),
        ({"paused_at": now()}, "postback_paused_at_and_by"),
        ({"removed_by": "Vera"}, "postback_removed_at_and_by"),
        ({"removed_at": now()}, "postback_removed_at_and_by"),
    ],
)
def test_the_database_refuses_what_no_postback_can_be(broken: dict[str, Any], constraint: str, add: Add) -> None:
    postback = add()

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Postback.objects.filter(pk=postback.pk).update(**broken)
