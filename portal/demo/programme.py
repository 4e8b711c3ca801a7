"""How the demo network came by its offers: launched one by one, applied for, answered."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.templatetags.static import static

from partners.models import Partner
from partners.offers.models import Advertiser, Category, Creative, Offer, PayoutType, Terms
from portal.demo.offers import ADVERTISERS, CATEGORIES, FEEDS, PROGRAMMES, Coupon, Deal, Programme, products_of

if TYPE_CHECKING:
    from datetime import datetime

    from portal.demo.story import Story

FILM = "https://cdn.{domain}/launch.mp4"


class Launches:
    """Plans the programme into a story; ``seed`` decides who does what when, apart from the rest of the story."""

    def __init__(self, story: Story, *, seed: int) -> None:
        self.story = story
        self.random = random.Random(seed)  # noqa: S311 -- it invents company life, not secrets

    def plan(self) -> None:
        self.story.at(self.story.now - timedelta(days=430), self.found_the_catalogue)
        for programme in PROGRAMMES:
            launched = self.days_ago(programme.age)
            self.story.at(launched, partial(self.launch, programme))
            self.plan_applications(programme, launched)
            if programme.status in ("paused", "deleted"):
                self.story.at(self.days_ago(programme.age * 0.2), partial(self.close, programme))
            for coupon in programme.coupons:
                first = max(launched, self.joined(coupon.partner)) if coupon.partner else launched
                self.story.at(first + timedelta(days=9), partial(self.add_coupon, programme, coupon))
            if programme.takes_over:
                # The other one may be the younger of the two.
                self.story.at(self.days_ago(61), partial(self.redirect, programme))
            for name, terms in programme.own_terms.items():
                self.story.at(
                    max(launched, self.joined(name)) + timedelta(days=6),
                    partial(self.agree_on_terms, programme, name, terms),
                )

    def days_ago(self, days: float) -> datetime:
        return self.story.now - timedelta(days=days, minutes=self.random.randrange(0, 240))

    def joined(self, partner: str) -> datetime:
        return self.story.joined[partner]

    def found_the_catalogue(self) -> None:
        for name in CATEGORIES.values():
            self.story.backdate(Category.add(name=name, by=self.story.by("nadia")), "created_at")
        for name in ADVERTISERS:
            advertiser = Advertiser.sign_up(name=name, by=self.story.by("nadia"))
            advertiser.issue_token(by=self.story.by("nadia"))
            self.story.backdate(advertiser, "created_at", "token_issued_at")

    def launch(self, programme: Programme) -> None:
        by, domain = self.story.by("nadia"), ADVERTISERS[programme.advertiser]
        last_day = None if programme.ends_in is None else self.story.now.date() + timedelta(days=programme.ends_in)
        offer = Offer.launch(
            by=by,
            advertiser=Advertiser.objects.get(name=programme.advertiser),
            category=Category.objects.get(name=CATEGORIES[programme.category]),
            name=programme.name,
            status="pending" if programme.status == "pending" else "active",
            visibility=programme.visibility,
            currency=programme.currency,
            countries=list(programme.countries),
            description=programme.description,
            terms_and_conditions=programme.terms,
            destination_url=landing(domain, "/"),
            preview_url=f"https://www.{domain}/",
            live_until=last_day,
            pays=programme.pays,
            earns=programme.earns,
            **programme.more,
        )
        for name, (pays, earns) in programme.events.items():
            offer.pay(pays, earns=earns, event_name=name, by=by)
        for name, path in programme.urls:
            offer.add_url(name=name, destination_url=landing(domain, path), by=by)
        self.add_creatives(offer, programme, domain)
        for deal in programme.deals:
            self.add_deal(offer, programme, deal)
        if programme.name in FEEDS:
            feed = offer.add_feed(name=FEEDS[programme.name][0], by=by)
            feed.fill(products_of(programme.name), by=by)
            self.story.backdate(feed, "created_at")
        self.story.backdate(offer, "created_at", "updated_at")
        for made in (*offer.payouts.all(), *offer.urls.all(), *offer.creatives.all(), *offer.deals.all()):
            self.story.backdate(made, "created_at")

    def add_creatives(self, offer: Offer, programme: Programme, domain: str) -> None:
        by = self.story.by("nadia")
        for name, width, height in (("Rectangle", 300, 250), ("Leaderboard", 728, 90)):
            # The pictures are our own, because the companies and their servers are invented.
            picture = settings.BASE_URL + static(f"img/demo/{programme.category}-{width}x{height}.svg")
            offer.add_creative(
                name=name,
                creative_type=Creative.Type.IMAGE,
                resource_url=picture,
                width=width,
                height=height,
                by=by,
            )
        text = f"{programme.name.partition(':')[0]}: have a look at {{tracking_link}}"
        offer.add_creative(name="Short text", creative_type=Creative.Type.TEXT, html_code=text, by=by)
        if programme.pays.payout_type == PayoutType.CPM:
            film = FILM.format(domain=domain)
            offer.add_creative(
                name="Film", creative_type=Creative.Type.VIDEO, resource_url=film, width=640, height=360, by=by
            )
        if programme.urls:
            html = (
                f"<h2>{programme.advertiser}</h2>\n<p>{programme.description.partition('.')[0]}.</p>\n"
                '<p><a href="{tracking_link}">To the shop</a></p>'
            )
            offer.add_creative(name="Newsletter", creative_type=Creative.Type.EMAIL, html_code=html, by=by)

    def add_deal(self, offer: Offer, programme: Programme, deal: Deal) -> None:
        today = self.story.now.date()
        offer.add_deal(
            name=deal.name,
            brand_name=programme.advertiser,
            deal_type=deal.deal_type,
            description=deal.description,
            coupon_code=deal.coupon_code,
            discount_percentage=deal.percentage,
            discount_amount=deal.amount,
            discount_currency=programme.currency if deal.amount else "",
            valid_from=today - timedelta(days=deal.since),
            valid_to=None if deal.until is None else today + timedelta(days=deal.until),
            by=self.story.by("nadia"),
        )

    def add_coupon(self, programme: Programme, coupon: Coupon) -> None:
        last_day = None if coupon.until is None else self.story.now.date() + timedelta(days=coupon.until)
        given = offer_called(programme.name).add_coupon(
            code=coupon.code,
            description=coupon.description,
            partner=Partner.objects.get(name=coupon.partner) if coupon.partner else None,
            valid_to=last_day,
            by=self.story.by("amir"),
        )
        self.story.backdate(given, "created_at")
        if coupon.withdrawn:
            given.withdraw(by=self.story.by("amir"))
            self.story.backdate(given, "withdrawn_at")

    def agree_on_terms(self, programme: Programme, partner: str, terms: Terms) -> None:
        own = offer_called(programme.name).pay_partner(
            Partner.objects.get(name=partner), terms, by=self.story.by("amir")
        )
        self.story.backdate(own, "created_at")

    def plan_applications(self, programme: Programme, launched: datetime) -> None:
        for partner, outcome in programme.applied.items():
            if outcome == "pending":
                applied = self.days_ago(self.random.uniform(0.5, 9))
            else:
                applied = max(launched, self.joined(partner)) + timedelta(days=self.random.uniform(4, 6))
            self.story.at(applied, partial(self.apply, programme, partner))
            if outcome != "pending":
                answered = applied + timedelta(days=self.random.uniform(0.2, 2))
                self.story.at(answered, partial(self.answer, programme, partner, outcome))

    def apply(self, programme: Programme, partner: str) -> None:
        applicant = Partner.objects.get(name=partner)
        # Of most companies the demo has nobody who signs in; then their account manager has noted it.
        by = self.story.by("paul" if partner == "Acme Media" else "otto" if partner == "Orbit Deals" else "amir")
        application = offer_called(programme.name).apply(partner=applicant, by=by)
        self.story.backdate(application, "applied_at")

    def answer(self, programme: Programme, partner: str, outcome: str) -> None:
        application = offer_called(programme.name).applications.get(partner__name=partner)
        if outcome == "approved":
            application.approve(by=self.story.by("amir"))
        else:
            application.reject(by=self.story.by("vera"))
        self.story.backdate(application, f"{outcome}_at")

    def close(self, programme: Programme) -> None:
        offer = offer_called(programme.name)
        offer.change(by=self.story.by("nadia"), status=programme.status)
        self.story.backdate(offer, "updated_at")

    def redirect(self, programme: Programme) -> None:
        offer = offer_called(programme.name)
        offer.change(by=self.story.by("nadia"), redirect_offer=offer_called(programme.takes_over))
        self.story.backdate(offer, "updated_at")


def offer_called(name: str) -> Offer:
    return Offer.objects.get(name=name)


def landing(domain: str, path: str) -> str:
    return f"https://www.{domain}{path}?click={{transaction_id}}&source={{source_id}}"
