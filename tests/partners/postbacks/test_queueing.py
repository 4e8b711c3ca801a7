from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from partners.models import Partner
from partners.offers.models import Offer, PayoutType, Terms
from partners.postbacks.models import Delivery
from tests.conftest import SETUP
from tests.partners.postbacks.conftest import Add, Convert

pytestmark = pytest.mark.django_db

TELLS_STATUS = "https://track.acme.example/in?s={status}"


def test_an_approved_conversion_queues_every_postback_that_fits(
    add: Add, convert: Convert, offer: Offer, other_partner: Partner
) -> None:
    fits = [add(), add(offer=offer), add(url=TELLS_STATUS)]
    add(pixel_type="post_conversion")
    add(delivery_method="html", html_code="<b></b>", url="")
    add(is_active=False)
    add().remove(by=SETUP)
    add(partner=other_partner)

    conversion = convert()

    assert conversion.status == "approved"
    queued = Delivery.objects.order_by("pk")
    assert [delivery.postback for delivery in queued] == fits
    assert {delivery.conversion_id for delivery in queued} == {conversion.id}


def test_what_is_queued_stands_and_falls_with_the_conversion(add: Add, convert: Convert) -> None:
    add()

    with transaction.atomic():
        convert()
        assert Delivery.objects.count() == 1
        transaction.set_rollback(True)

    assert not Delivery.objects.exists()


def test_the_macros_are_those_of_the_conversion(add: Add, convert: Convert) -> None:
    add(
        url="https://t.example/{offer_name}?{transaction_id}&{payout_amount}&{currency}&{status}&{sub1}&{order_id}&{adv1}"
    )

    conversion = convert(sub1="a&b", order_id="A 1")

    [claimed] = Delivery.objects.all().claim(10)
    said = [conversion.transaction_id.hex, "10.00", "USD", "approved", "a%26b", "A%201", ""]
    assert claimed.url == "https://t.example/Summer%20Shoes?" + "&".join(said)


def test_a_delay_is_waited_for(add: Add, convert: Convert) -> None:
    add(delay_ms=60_000)

    convert()

    delivery = Delivery.objects.get()
    assert delivery.due_at == delivery.created_at + timedelta(minutes=1)
    assert not Delivery.objects.all().claim(10)


def test_only_a_url_that_says_the_status_is_told_of_others_than_approved(add: Add, convert: Convert) -> None:
    mute, telling = add(), add(url=TELLS_STATUS)

    conversion = convert(status="pending")
    conversion.approve(by=SETUP)
    conversion.reject(by=SETUP, reason="Returned")
    conversion.approve(by=SETUP)
    conversion.invalidate(by=SETUP, reason="A test")

    told = Delivery.objects.order_by("pk")
    assert [row.status for row in told.filter(postback=telling)] == [
        "pending",
        "approved",
        "rejected",
        "approved",
        "rejected",
    ]
    assert [row.status for row in told.filter(postback=mute)] == ["approved"]


def test_nobody_is_told_of_what_never_counted(add: Add, convert: Convert) -> None:
    add(url=TELLS_STATUS)

    conversion = convert(status="rejected")
    conversion.invalidate(by=SETUP, reason="A test")

    assert not Delivery.objects.exists()


def test_an_event_is_told_to_postbacks_of_events(add: Add, convert: Convert, offer: Offer) -> None:
    offer.pay(Terms(PayoutType.CPA, Decimal(5)), event_name="deposit", by=SETUP)
    add()
    of_events = add(pixel_type="post_conversion")

    convert(event_name="deposit")

    assert Delivery.objects.get().postback == of_events
    assert Delivery.objects.get().facts["event_name"] == "deposit"


def test_a_conversion_costs_as_many_queries_for_twenty_postbacks_as_for_one(
    add: Add, convert: Convert, django_assert_max_num_queries
) -> None:
    for _ in range(20):
        add()

    with django_assert_max_num_queries(40):
        convert()

    assert Delivery.objects.count() == 20
