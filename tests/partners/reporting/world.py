"""A little world of traffic, at random: partners, offers in three currencies, rates, and rows around clock changes."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from partners.models import Partner
from partners.offers.models import Advertiser, Category, Creative, Offer, OfferUrl, PayoutType, Terms
from partners.traffic.models import Click, Conversion, Impression
from portal.accounts.models import User
from portal.network.countries import COUNTRIES
from portal.network.models import ExchangeRate, Network
from portal.web.ids import first_id_at
from tests.conftest import SETUP
from tests.partners.reporting.naive import SAME, World

# The clock changes in New York and on Lord Howe Island, where it does so by half an hour; and two ordinary days.
ANCHORS = [
    datetime(2025, 10, 4, 15, tzinfo=UTC),
    datetime(2025, 11, 2, 6, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 5, 10, 12, tzinfo=UTC),
]
TEXTS = ["", "a", "A", "b", "ä", "=1", "a b", "%s"]
CODES = ["", "US", "DE", "NP", "XX"]
EVENTS = ["Sign-up", "upsell"]


def populate(seed: int, rows: int = 600) -> World:
    chance = random.Random(seed)
    Network(name="Northwind", currency="USD").change(by=SETUP, timezone="America/New_York")
    managers = [
        User.invite(email=f"{name.lower()}@latchkey.example", name=name, by=SETUP, is_superuser=True)
        for name in ("Mona", "Milo")
    ]
    advertisers = [Advertiser.sign_up(name=name, by=SETUP) for name in ("Shoe House", "Tea House")]
    categories = [Category.add(name=name, by=SETUP) for name in ("Fashion", "Food")]
    partners = [
        Partner.create(by=SETUP, name=f"Partner {n}", status="active", manager=manager)
        for n, manager in enumerate([*managers, None, managers[0]])
    ]
    offers = [
        Offer.launch(
            name=f"Offer {n}",
            advertiser=chance.choice(advertisers),
            category=chance.choice(categories),
            status="active",
            visibility="public",
            destination_url="https://shop.example/",
            currency=currency,
            pays=Terms(PayoutType.CPA, Decimal(10)),
            by=SETUP,
        )
        for n, currency in enumerate(["USD", "USD", "EUR", "EUR", "JPY"])
    ]
    urls = [
        offer.add_url(name=f"Landing {offer.pk}", destination_url="https://a.example/", by=SETUP) for offer in offers
    ]
    creatives = [
        offer.add_creative(name=f"Text {offer.pk}", creative_type=Creative.Type.TEXT, html_code="Hello", by=SETUP)
        for offer in offers
    ]
    rates = {
        "EUR": [
            (date(2025, 10, 20), Decimal("1.0837")),
            (date(2025, 11, 2), Decimal("1.1")),
            (date(2026, 3, 8), Decimal("1.17")),
        ],
        "JPY": [(date(2026, 4, 5), Decimal("0.0066713"))],
    }
    for currency, known in rates.items():
        for since, rate in known:
            ExchangeRate.record(currency=currency, since=since, rate=rate, by=SETUP)
    made: list[Any] = [row(chance, partners, offers, urls, creatives) for _ in range(rows)]
    kinds: list[Any] = [Click, Impression, Conversion]
    for kind in kinds:
        kind.objects.bulk_create([each for each in made if isinstance(each, kind)])
    return World(
        rows=made,
        offers={offer.pk: offer for offer in offers},
        partners={partner.pk: partner for partner in partners},
        names={
            "offer": {offer.pk: offer.name for offer in offers},
            "affiliate": {partner.pk: partner.name for partner in partners},
            "advertiser": {advertiser.pk: advertiser.name for advertiser in advertisers},
            "category": {category.pk: category.name for category in categories},
            "affiliate_manager": {manager.pk: manager.name for manager in managers},
            "creative": {creative.pk: creative.name for creative in creatives},
            "offer_url": {url.pk: url.name for url in urls},
        },
        countries=COUNTRIES,
        rates=rates,
    )


def moment(chance: random.Random) -> datetime:
    anchor = chance.choice(ANCHORS)
    if chance.random() < 0.3:
        # On the dot, where one bucket ends and the next begins.
        return anchor + timedelta(minutes=15 * chance.randint(-200, 200))
    return anchor + timedelta(milliseconds=chance.randint(-2 * 86_400_000, 2 * 86_400_000))


def amount(chance: random.Random) -> Decimal:
    return Decimal(chance.choice([0, 0, 1, 5, 12_345, 33_333, chance.randint(0, 200_000)])) / 10_000


def row(
    chance: random.Random,
    partners: list[Partner],
    offers: list[Offer],
    urls: list[OfferUrl],
    creatives: list[Creative],
) -> Click | Impression | Conversion:
    at, offer = moment(chance), chance.choice(offers)
    told: dict[str, Any] = {name: chance.choice(TEXTS) if chance.random() < 0.5 else "" for name in SAME}
    told |= {
        "partner": chance.choice(partners),
        "offer": offer,
        "at": at,
        "id": UUID(int=first_id_at(at).int | chance.getrandbits(72)),
        "country_code": chance.choice(CODES),
        "sub1": chance.choice(TEXTS),
        "offer_url_id": chance.choice([0, chance.choice(urls).pk]),
        "creative_id": chance.choice([0, chance.choice(creatives).pk, 999_999]),
        "payout_type": "cpa",
        "revenue_type": "rpa",
        "payout": amount(chance),
        "revenue": amount(chance),
    }
    redirected = chance.choice([None, None, offers[0].pk])
    kind = chance.choices(["click", "invalid", "impression", "conversion"], [5, 1, 3, 4])[0]
    if kind == "impression":
        # A thousandth of what a thousand pay.
        return Impression(**{**told, "payout": told["payout"] / 1000, "revenue": told["revenue"] / 1000})
    if kind == "invalid":
        told |= {"payout": Decimal(0), "revenue": Decimal(0), "error_code": chance.choice([1, 9, 11])}
    if kind != "conversion":
        unique = kind == "click" and chance.random() < 0.7
        return Click(**told, is_unique=unique, redirected_from=redirected, tracking_url="/t/")
    is_event = chance.random() < 0.3
    return Conversion(
        **told,
        transaction_id=uuid4(),
        status=chance.choice(["approved", "approved", "approved", "pending", "rejected", "invalid", "on_hold"]),
        is_event=is_event,
        event_name=chance.choice(EVENTS) if is_event else "",
        is_view_through=chance.random() < 0.2,
        sale_amount=amount(chance),
        redirected_from=redirected,
    )
