from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import localdate, now

from keys.secret import redact
from partners.models import Partner
from partners.offers.models import (
    Advertiser,
    AlreadyDecided,
    Application,
    Category,
    Creative,
    CurrencyIsFixed,
    NeedsNoApproval,
    Offer,
    OfferPayout,
    OfferUrl,
    PartnerPayout,
    PayoutType,
    Revenue,
    RevenueType,
    Terms,
)
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

Launch = Callable[..., Offer]
BETTER = Terms(PayoutType.CPA, Decimal("12.5"))


def test_an_offer_is_launched_with_its_default_payout(launch: Launch) -> None:
    offer = launch()

    (payout,) = offer.payouts.all()
    assert payout.is_default
    assert payout.terms == Terms(PayoutType.CPA, Decimal(10))
    assert Event.objects.get(kind=EventKind.OFFER_LAUNCHED).subject_label == "Candles"


def test_a_change_of_an_offer_says_what_it_was(launch: Launch) -> None:
    offer = launch()

    offer.change(by=SETUP, status="paused", live_until=date(2031, 1, 2), daily_payout_cap=Decimal(50))
    offer.change(by=SETUP, status="paused")

    event = Event.objects.get(kind=EventKind.OFFER_CHANGED)
    assert event.details["status"] == ["active", "paused"]
    assert event.details["live_until"] == [None, "2031-01-02"]
    assert offer.has_caps


def test_what_the_network_earns_stays_when_only_the_payout_changes(launch: Launch) -> None:
    earns = Revenue(RevenueType.RPA_RPS, Decimal(15), Decimal(2))
    offer = launch(earns=earns)

    offer.pay(BETTER, by=SETUP)

    payout = offer.payouts.get()
    assert (payout.terms, payout.revenue) == (BETTER, earns)
    assert Event.objects.get(kind=EventKind.OFFER_LAUNCHED).details["revenue"] == "rpa_rps 15 + 2 %"


def test_an_offer_keeps_the_currency_it_was_launched_with(launch: Launch) -> None:
    offer = launch(currency="EUR")
    offer.change(by=SETUP, currency="EUR", name="Tea lights")

    with pytest.raises(CurrencyIsFixed):
        offer.change(by=SETUP, currency="USD", name="Wicks")

    assert Offer.objects.values_list("currency", "name").get() == ("EUR", "Tea lights")


def test_the_offer_that_takes_anothers_traffic_is_named_in_the_event(launch: Launch) -> None:
    offer = launch()

    offer.change(by=SETUP, redirect_offer=launch("Lamps"), holding_period_days=14)

    details = Event.objects.get(kind=EventKind.OFFER_CHANGED).details
    assert details == {"redirect_offer": [None, "Lamps"], "holding_period_days": [0, 14]}


def test_a_token_is_its_advertisers_until_the_next_one_is_issued(launch: Launch) -> None:
    launch()
    advertiser = Advertiser.objects.get()
    old = advertiser.issue_token(by=SETUP)
    new = advertiser.issue_token(by=SETUP)

    holders = [Advertiser.objects.holding(token) for token in (old, new, "lk_adv_", "")]

    assert holders == [None, advertiser, None, None]
    assert new.startswith("lk_adv_") and advertiser.token_hint == f"lk_adv_…{new[-4:]}"
    assert Event.objects.filter(kind=EventKind.ADVERTISER_TOKEN_ISSUED).count() == 2
    assert redact(f"/postback?token={new}&amount=3") == "/postback?token=lk_adv_[redacted]&amount=3"


@pytest.mark.parametrize(
    ("visibility", "unasked", "applied", "approved", "rejected"),
    [
        ("public", True, None, True, True),
        ("require_approval", False, False, True, False),
        ("private", False, False, True, False),
    ],
)
def test_what_is_not_public_is_run_by_those_who_are_approved(
    visibility: str,
    unasked: bool,
    applied: bool | None,
    approved: bool,
    rejected: bool,
    launch: Launch,
    acme: Partner,
    other_partner: Partner,
) -> None:
    offer = launch(visibility="require_approval")

    runs = [offer_is_run_by(acme, offer, visibility)]
    application = offer.apply(partner=acme, by=SETUP)
    runs.append(offer_is_run_by(acme, offer, visibility))
    application.approve(by=SETUP)
    runs.append(offer_is_run_by(acme, offer, visibility))
    offer.apply(partner=other_partner, by=SETUP).reject(by=SETUP)
    runs.append(offer_is_run_by(other_partner, offer, visibility))

    assert runs == [unasked, unasked if applied is None else applied, approved, rejected]


def offer_is_run_by(partner: Partner, offer: Offer, visibility: str) -> bool:
    Offer.objects.filter(pk=offer.pk).update(visibility=visibility)
    return Offer.objects.runnable_by(partner).exists()


@pytest.mark.parametrize("status", ["paused", "pending", "deleted"])
def test_only_an_active_offer_is_run(status: str, launch: Launch, acme: Partner) -> None:
    launch(status=status)

    assert not Offer.objects.runnable_by(acme).exists()


@pytest.mark.parametrize(("days", "runs"), [(-2, False), (0, True), (2, True)])
def test_an_offer_runs_until_its_last_day_is_over(days: int, runs: bool, launch: Launch, acme: Partner) -> None:
    launch(live_until=localdate() + timedelta(days=days))

    assert Offer.objects.runnable_by(acme).exists() is runs


def test_a_private_offer_is_seen_by_the_approved_and_a_deleted_one_by_nobody(
    launch: Launch, acme: Partner, other_partner: Partner
) -> None:
    launch("Open")
    launch("On request", visibility="require_approval")
    secret, gone = launch("Secret", visibility="private"), launch("Gone", visibility="private", status="deleted")
    for offer in (secret, gone):
        offer.admit(partner=acme, by=SETUP)

    assert names_seen_by(acme) == ["On request", "Open", "Secret"]
    assert names_seen_by(other_partner) == ["On request", "Open"]


def names_seen_by(partner: Partner) -> list[str]:
    return sorted(offer.name for offer in Offer.objects.visible_to_partner(partner))


def test_a_partners_own_payout_replaces_everybodys_for_it_alone(
    launch: Launch, acme: Partner, other_partner: Partner
) -> None:
    offer = launch()
    offer.pay_partner(acme, BETTER, by=SETUP)

    assert [own_terms(acme), own_terms(other_partner)] == [BETTER, Terms(PayoutType.CPA, Decimal(10))]
    assert Event.objects.get(kind=EventKind.PARTNER_PAYOUT_SET).partner_id == acme.pk


def own_terms(partner: Partner) -> Terms:
    return Offer.objects.for_answer(partner).get().payouts.all()[0].own_terms


def test_what_a_partner_is_told_of_offers_takes_as_many_queries_for_one_as_for_many(
    launch: Launch, acme: Partner
) -> None:
    furnish(launch("First", visibility="require_approval"), acme)
    one = queries_for(acme)
    for number in range(19):
        furnish(launch(f"Offer {number}", visibility="require_approval"), acme)

    assert queries_for(acme) == one


def furnish(offer: Offer, partner: Partner) -> None:
    offer.pay(Terms(PayoutType.CPS, percentage=Decimal(5)), event_name="deposit", by=SETUP)
    offer.pay_partner(partner, BETTER, by=SETUP)
    offer.add_url(name="Sale", destination_url="https://sale.example/", by=SETUP)
    offer.add_creative(name="Text", creative_type=Creative.Type.TEXT, html_code="Light up", by=SETUP)
    offer.apply(partner=partner, by=SETUP)


def queries_for(partner: Partner) -> int:
    with CaptureQueriesContext(connection) as queries:
        for offer in Offer.objects.for_answer(partner):
            assert [payout.own_terms for payout in offer.payouts.all()] and offer.own_applications
            assert offer.category.name and len(offer.urls.all()) == len(offer.creatives.all()) == 1
    return len(queries)


def test_whoever_applies_twice_has_applied_once(launch: Launch, acme: Partner) -> None:
    offer = launch(visibility="require_approval")

    first, second = offer.apply(partner=acme, by=SETUP), offer.apply(partner=acme, by=SETUP)

    assert first == second and first.status == "pending"
    assert Event.objects.filter(kind=EventKind.APPLICATION_MADE).count() == 1


def test_nobody_applies_for_a_public_offer(launch: Launch, acme: Partner) -> None:
    with pytest.raises(NeedsNoApproval):
        launch().apply(partner=acme, by=SETUP)

    assert not Application.objects.exists()


def test_an_application_is_decided_once(launch: Launch, acme: Partner) -> None:
    application = launch(visibility="require_approval").apply(partner=acme, by=SETUP)
    seen_before = Application.objects.get()
    application.reject(by=SETUP)

    with pytest.raises(AlreadyDecided):
        seen_before.approve(by=SETUP)

    assert Application.objects.get().status == "rejected"
    assert not Event.objects.filter(kind=EventKind.APPLICATION_APPROVED).exists()


AT = now()


@pytest.mark.parametrize(
    ("model", "values", "constraint"),
    [
        (Offer, {"status": "live"}, "offer_status_is_known"),
        (Offer, {"visibility": "some"}, "offer_visibility_is_known"),
        (Offer, {"weekly_click_cap": -1}, "offer_caps_are_not_negative"),
        (Offer, {"holding_period_days": 366}, "offer_holding_period_is_in_range"),
        (Offer, {"conversion_approval": "never"}, "offer_conversion_approval_is_known"),
        (Offer, {"click_lifespan_days": 0}, "offer_click_lifespan_is_in_range"),
        (Offer, {"redirect_offer": F("pk")}, "offer_redirects_to_another"),
        (
            Advertiser,
            {"token_digest": b"1", "token_hint": "lk_adv_…1234", "token_issued_at": AT},
            "advertiser_token_issued_at_and_by",
        ),
        (Advertiser, {"token_digest": b"1"}, "advertiser_token_is_whole"),
        (OfferPayout, {"revenue_type": "cpa"}, "offer_revenue_type_is_known"),
        (OfferPayout, {"revenue_amount": -1}, "offer_revenue_is_in_range"),
        (OfferPayout, {"revenue_percentage": 5}, "offer_revenue_comes_by_its_type"),
        (OfferPayout, {"payout_type": "cpx"}, "offer_payout_type_is_known"),
        (OfferPayout, {"amount": -1}, "offer_payout_is_in_range"),
        (OfferPayout, {"percentage": 5}, "offer_payout_pays_by_its_type"),
        (PartnerPayout, {"payout_type": "cpx"}, "partner_payout_type_is_known"),
        (PartnerPayout, {"amount": -1}, "partner_payout_is_in_range"),
        (PartnerPayout, {"payout_type": "cps"}, "partner_payout_pays_by_its_type"),
        (Creative, {"creative_type": "smell"}, "creative_type_is_known"),
        (Creative, {"html_code": ""}, "creative_has_something_to_show"),
        (Creative, {"creative_type": "image"}, "creative_has_something_to_show"),
        (Creative, {"width": -1}, "creative_size_is_not_negative"),
        (Application, {"applied_by": ""}, "application_applied_at_and_by"),
        (Application, {"approved_at": AT}, "application_approved_at_and_by"),
        (Application, {"rejected_by": "Vera"}, "application_rejected_at_and_by"),
        (
            Application,
            {"approved_at": AT, "approved_by": "Vera", "rejected_at": AT, "rejected_by": "Vera"},
            "application_has_one_decision",
        ),
    ],
)
def test_the_database_refuses_what_cannot_be(
    model: Any, values: dict[str, Any], constraint: str, launch: Launch, acme: Partner
) -> None:
    offer = launch(visibility="require_approval")
    offer.pay_partner(acme, BETTER, by=SETUP)
    offer.add_creative(name="Text", creative_type=Creative.Type.TEXT, html_code="Light up", by=SETUP)
    offer.apply(partner=acme, by=SETUP)

    with pytest.raises(IntegrityError, match=constraint):
        model.objects.update(**values)


@pytest.mark.parametrize(
    ("again", "constraint"),
    [
        (lambda: Advertiser.sign_up(name="Tallow & Reed", by=SETUP), "advertiser_name_is_unique"),
        (lambda: Category.add(name="Home", by=SETUP), "category_name_is_unique"),
        (lambda: copy_of(OfferPayout), "offer_pays_once_for_an_event"),
        (lambda: copy_of(PartnerPayout), "payout_is_replaced_once_for_a_partner"),
        (lambda: copy_of(OfferUrl), "offer_url_name_is_unique"),
        (lambda: copy_of(Application), "partner_applies_once_for_an_offer"),
    ],
)
def test_what_there_is_once_is_not_there_twice(
    again: Callable[[], object], constraint: str, launch: Launch, acme: Partner
) -> None:
    offer = launch(visibility="require_approval")
    offer.pay_partner(acme, BETTER, by=SETUP)
    offer.add_url(name="Sale", destination_url="https://sale.example/", by=SETUP)
    offer.apply(partner=acme, by=SETUP)

    with pytest.raises(IntegrityError, match=constraint):
        again()


def copy_of(model: Any) -> None:
    row = model.objects.get()
    row.pk = None
    row.save(force_insert=True)
