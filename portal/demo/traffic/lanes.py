"""Who sends whom where: partners' ways of working, the offers they may run, and what those pay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from random import Random
from urllib.parse import quote_plus, urlencode, urlsplit

from django.conf import settings

from partners.models import Partner
from partners.offers.codes import code_of_offer, code_of_partner
from partners.offers.models import Application, CouponCode, Creative, Offer, OfferPayout, PartnerPayout, Revenue, Terms
from portal.demo.traffic.binary import EMPTY, NULL, bigint, boolean, jsonb, numeric, smallint, text
from portal.demo.traffic.visitors import COUNTRIES
from portal.demo.traffic.words import CAMPAIGNS, GROUPS, SITES, keywords
from portal.network.currencies import DECIMALS
from portal.network.models import Network

# Money here is whole ten-thousandths of its currency, percentages ten-thousandths of a percent: what the columns hold.
UNIT = 10_000
# What all clicks together come to, of a hundred.
CONVERSIONS = 3.2
MOST_LINKS = 1500
# As long as the numbers that partners with click ids give their clicks.
CLICK_ID = 16 * "0"
# Most links say what many others do.
QUOTED = cache(quote_plus)
WRITTEN = cache(text)
SHOWN = (Creative.Type.IMAGE, Creative.Type.VIDEO, Creative.Type.HTML)


@dataclass(frozen=True, slots=True)
class Rate:
    """One side of a bargain, the partner's or the network's: what a click, an impression or a conversion brings."""

    kind: str
    amount: int
    percentage: int

    @classmethod
    def of(cls, bargain: Terms | Revenue) -> Rate:
        kind = bargain.payout_type if isinstance(bargain, Terms) else bargain.revenue_type
        return cls(str(kind), in_units(bargain.amount), in_units(bargain.percentage))

    @property
    def of_click(self) -> int:
        return self.amount if self.kind in ("cpc", "rpc") else 0

    @property
    def of_impression(self) -> Decimal:
        """As it is written, because a thousandth is finer than any other money."""
        return Decimal(self.amount).scaleb(-7) if self.kind in ("cpm", "rpm") else Decimal(0)

    def of_conversion(self, sale: int) -> int:
        if self.kind in ("cpc", "rpc", "cpm", "rpm"):
            return 0
        return self.amount + (sale * self.percentage + 500_000) // 1_000_000


@dataclass(frozen=True, slots=True)
class Goal:
    """What is paid for: the conversion, or by name an event after it, which ``share`` of the customers reach."""

    event_name: str
    payout: Rate
    revenue: Rate
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Link:
    """In COPY's binary format: ``head`` is LINK_COLUMNS, ``redirected_from`` that column, and ``clicked`` that and the
    address that was clicked. Where links carry click ids, each click adds its own to that."""

    head: bytes
    redirected_from: bytes = NULL
    clicked: bytes = b""


LINK_COLUMNS = (
    *("partner_id", "offer_id", "payout_type", "revenue_type", "tracking_domain", "offer_url_id", "creative_id"),
    *("coupon_code", "source_id", "sub1", "sub2", "sub3", "sub5", "sub6", "sub7", "sub8", "sub9", "sub10", "referer"),
)


@dataclass(slots=True)
class Lane:
    """All that one partner sends to one offer."""

    habits: Habits
    offer: Offer
    partner_id: int
    offer_id: int
    # Before that the partner could not have.
    since: datetime
    # Its share of all clicks, once every lane has been running.
    weight: float
    audience: dict[str, float]
    # Where the offer takes visitors from; empty: everywhere.
    countries: frozenset[str]
    base: Goal
    events: list[Goal]
    conversion_rate: float
    # An ordinary sale in the offer's currency, and what sales are rounded to; a basket of 0 is no sale.
    basket: int
    smallest: int
    holding_days: int
    lifespan_days: int
    is_approved_by_hand: bool
    # The partner's own codes, each with the number of its coupon.
    coupons: list[tuple[str, int]]
    order_prefix: str
    shows_banners: bool
    has_click_ids: bool
    number: int = 0
    links: list[Link] = field(default_factory=list)
    # In COPY's binary format: the first of LINK_COLUMNS; what a unique click comes to, from "payout" to "parameters";
    # and an impression, from "sub4" on.
    terms: bytes = b""
    clicked: bytes = b""
    shown: bytes = b""

    def __post_init__(self) -> None:
        pays, earns = self.base.payout, self.base.revenue
        self.terms = bigint(self.partner_id) + bigint(self.offer_id) + text(pays.kind) + text(earns.kind)
        self.clicked = click_comes_to(pays.of_click, earns.of_click, is_unique=True)
        self.shown = EMPTY + numeric(pays.of_impression) + numeric(earns.of_impression)

    def add_links(self, count: int) -> None:
        self.links = [self.habits.link(self) for _ in range(count)]

    def coupon(self, code: str) -> Link:
        """A coupon code that leads to sales without a click: nothing else is known."""
        return Link(b"".join((self.terms, EMPTY, bigint(0), bigint(0), text(code), 11 * EMPTY)))


@dataclass(frozen=True, slots=True)
class Style:
    """A way to work: with how many sub-affiliates, campaigns, and keywords or placements."""

    share: int
    sources: int
    campaigns: int
    words: int
    # How readily its visitors buy, compared with others.
    conversion: float
    referers: tuple[str, ...]
    shows_banners: bool = False
    has_click_ids: bool = False


STYLES = {
    "search": Style(26, 0, 14, 6000, 1.3, ("https://www.google.com/", "https://www.bing.com/"), has_click_ids=True),
    "coupons": Style(22, 6, 8, 60, 1.5, ("{site}coupons", "{site}deals/today", "{site}"), shows_banners=True),
    "content": Style(18, 0, 10, 400, 0.8, ("{site}guides", "{site}best-of", "{site}"), shows_banners=True),
    "social": Style(14, 12, 16, 900, 0.6, ("https://www.facebook.com/", "https://t.co/", ""), has_click_ids=True),
    "sub-network": Style(12, 240, 20, 3000, 0.7, SITES, has_click_ids=True),
    "display": Style(8, 40, 12, 700, 0.5, SITES, shows_banners=True),
}


class Market:
    """What the database says of offers, terms and rights, once for all lanes."""

    def __init__(self, offers: Iterable[Offer], *, random: Random) -> None:
        self.random = random
        self.offers = {offer.pk: offer for offer in offers}
        self.payouts: defaultdict[int, list[OfferPayout]] = defaultdict(list)
        for payout in OfferPayout.objects.filter(offer__in=self.offers).order_by("offer", "event_name"):
            self.payouts[payout.offer_id].append(payout)
        self.own_terms = {
            (own.replaces_id, own.partner_id): own.terms
            for own in PartnerPayout.objects.filter(replaces__offer__in=self.offers)
        }
        approved = Application.objects.approved().filter(offer__in=self.offers)
        self.admitted = {
            (offer, partner): at for offer, partner, at in approved.values_list("offer", "partner", "approved_at") if at
        }
        self.coupons: defaultdict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)
        for coupon in (
            CouponCode.objects.filter(offer__in=self.offers, withdrawn_at=None).exclude(partner=None).order_by("pk")
        ):
            self.coupons[coupon.offer_id, coupon.partner_id or 0].append((coupon.code, coupon.pk))
        ranks = list(range(1, len(self.offers) + 1))
        random.shuffle(ranks)
        self.popularity = dict(zip(sorted(self.offers), (rank**-0.7 for rank in ranks), strict=True))
        # What converts well does so for everybody; nothing sold, or a basket of its own.
        self.appeal = {pk: random.lognormvariate(0, 0.5) for pk in sorted(self.offers)}
        self.baskets = {pk: random.choice((24, 38, 55, 72, 95, 140, 210)) * UNIT for pk in sorted(self.offers)}
        self.banners = {
            pk: [creative.pk for creative in offer.creatives.all() if creative.creative_type in SHOWN]
            for pk, offer in self.offers.items()
        }
        self.urls = {pk: [url.pk for url in offer.urls.all()] for pk, offer in self.offers.items()}
        self.codes = {pk: code_of_offer(pk) for pk in self.offers}
        self.redirecting: defaultdict[int, list[Offer]] = defaultdict(list)
        for offer in self.offers.values():
            if offer.redirect_offer_id is not None:
                self.redirecting[offer.redirect_offer_id].append(offer)
        self.keywords = keywords()
        here = urlsplit(settings.BASE_URL)
        domain = Network.load().tracking_domain
        self.domain, self.scheme = (domain, "https") if domain else (here.netloc, here.scheme)

    def lanes(self, partners: Sequence[Partner], *, clicks: int, until: datetime) -> list[Lane]:
        """The offers that each partner may run and does; none for a partner who is not active."""
        lanes: list[Lane] = []
        for rank, partner in enumerate(partners, start=1):
            # Who came first has grown the most, more or less.
            size = rank**-0.95 * self.random.lognormvariate(0, 0.35)
            # The demo's first partner is said to run coupon sites.
            drawn = self.random.choices(list(STYLES), [style.share for style in STYLES.values()])[0]
            style = STYLES["coupons" if rank == 1 else drawn]
            if partner.status == Partner.Status.ACTIVE:
                habits = Habits(self, partner, style)
                for offer in self.chosen_by(partner, rank):
                    lane = habits.lane(offer, size=size)
                    if lane.since < until and lane.audience:
                        lane.number = len(lanes)
                        lanes.append(lane)
        weight = sum(lane.weight for lane in lanes)
        rate = sum(lane.weight * lane.conversion_rate for lane in lanes) / (weight or 1)
        for lane in lanes:
            lane.weight /= weight
            lane.conversion_rate = min(lane.conversion_rate / rate * CONVERSIONS / 100, 0.25)
            lane.add_links(min(MOST_LINKS, 4 + round(clicks * lane.weight / 25)))
        return lanes

    def chosen_by(self, partner: Partner, rank: int) -> list[Offer]:
        """The largest partners run nearly everything they may, the smallest a few."""
        pks = Offer.objects.runnable_by(partner).filter(pk__in=self.offers).order_by("pk").values_list("pk", flat=True)
        offers = [self.offers[pk] for pk in pks]
        most = max(2, round(len(offers) * min(1.0, 1.5 * rank**-0.35)))
        taste = {offer.pk: self.popularity[offer.pk] * self.random.lognormvariate(0, 0.8) for offer in offers}
        return sorted(offers, key=lambda offer: -taste[offer.pk])[:most]

    def goals(self, offer: Offer, partner: Partner) -> tuple[Goal, list[Goal]]:
        base, *events = [
            Goal(
                payout.event_name,
                Rate.of(self.own_terms.get((payout.pk, partner.pk), payout.terms)),
                Rate.of(payout.revenue),
                share=0.18 + 0.3 * self.random.random(),
            )
            for payout in self.payouts[offer.pk]
        ]
        return base, events


class Habits:
    """What one partner's links say: its campaigns, its keywords or placements, its sub-affiliates."""

    def __init__(self, market: Market, partner: Partner, style: Style) -> None:
        self.market, self.partner, self.style, self.random = market, partner, style, market.random
        self.code = code_of_partner(partner.pk)
        self.home = partner.country_code if partner.country_code in COUNTRIES else "US"
        self.campaigns = self.random.sample(CAMPAIGNS, style.campaigns)
        self.words = self.random.sample(market.keywords, style.words)
        self.sources = [str(number) for number in self.random.sample(range(1000, 9999), style.sources)]
        site = partner.website or "https://www.example.com/"
        self.referers = [referer.format(site=site) for referer in style.referers]

    def lane(self, offer: Offer, *, size: float) -> Lane:
        market, random = self.market, self.random
        base, events = market.goals(offer, self.partner)
        sells = "cps" in base.payout.kind or "rps" in base.revenue.kind or offer.pk % 3 == 0
        is_at_home = not offer.countries or self.home in offer.countries
        admitted_at = market.admitted.get((offer.pk, self.partner.pk), offer.created_at)
        return Lane(
            habits=self,
            offer=offer,
            partner_id=self.partner.pk,
            offer_id=offer.pk,
            since=max(self.partner.created_at, offer.created_at, admitted_at),
            weight=size * market.popularity[offer.pk] * random.lognormvariate(0, 0.5) * (1.0 if is_at_home else 0.2),
            audience=self.audience(offer),
            countries=frozenset(offer.countries),
            base=base,
            events=events,
            conversion_rate=market.appeal[offer.pk] * self.style.conversion * random.lognormvariate(0, 0.25),
            basket=market.baskets[offer.pk] if sells else 0,
            smallest=UNIT // 10 ** DECIMALS[offer.currency],
            holding_days=offer.holding_period_days,
            lifespan_days=offer.click_lifespan_days,
            is_approved_by_hand=offer.conversion_approval == Offer.ConversionApproval.MANUAL,
            coupons=market.coupons[offer.pk, self.partner.pk],
            order_prefix=f"{random.choice('ABCDEFGHKMNPRSTW')}{offer.pk}",
            shows_banners=self.style.shows_banners and bool(market.banners[offer.pk]),
            has_click_ids=self.style.has_click_ids,
        )

    def audience(self, offer: Offer) -> dict[str, float]:
        """Countries and their parts of the visitors: mostly the partner's own, and a few whom the offer refuses."""
        home = self.home
        allowed = [code for code in COUNTRIES if code in offer.countries or not offer.countries]
        if not allowed:
            return {}
        home_share = 0.62 if home in allowed else 0.02
        sizes = {code: COUNTRIES[code].size * self.random.lognormvariate(0, 0.6) for code in allowed if code != home}
        chosen = sorted(sizes, key=lambda code: -sizes[code])[:8]
        rest = sum(sizes[code] for code in chosen)
        parts = {code: (1 - home_share) * sizes[code] / rest for code in chosen} | {home: home_share}
        if offer.countries:
            stray = self.random.choice(list(COUNTRIES))
            parts[stray] = parts.get(stray, 0) + 0.02
        total = sum(parts.values())
        return {code: part / total for code, part in parts.items()}

    def link(self, lane: Lane) -> Link:
        market, random, offer = self.market, self.random, lane.offer
        target, redirected_from = offer, NULL
        if market.redirecting[offer.pk] and random.random() < 0.03:
            target = random.choice(market.redirecting[offer.pk])
            redirected_from = bigint(target.pk)
        url_id = random.choice(market.urls[offer.pk]) if market.urls[offer.pk] and random.random() < 0.3 else 0
        creative_id = random.choice(market.banners[offer.pk]) if lane.shows_banners else 0
        coupon_code = random.choice(lane.coupons)[0] if lane.coupons and random.random() < 0.2 else ""
        source_id = frequent(self.sources, random) if self.sources else ""
        said = {"sub1": frequent(self.campaigns, random), "sub2": frequent(self.words, random)}
        if self.style.words > 500:
            said["sub3"] = frequent(GROUPS, random)
        carried = {"url_id": url_id, "creative_id": creative_id, "coupon_code": coupon_code, "source_id": source_id}
        query = urlencode({name: value for name, value in (said | carried).items() if value}, quote_via=QUOTED)
        url = f"{market.scheme}://{market.domain}/t/{self.code}/{market.codes[target.pk]}/?{query}"
        clicked = text(f"{url}&sub4={CLICK_ID}").removesuffix(CLICK_ID.encode()) if lane.has_click_ids else text(url)
        words = map(WRITTEN, (coupon_code, source_id, said["sub1"], said["sub2"], said.get("sub3", "")))
        head = (lane.terms, WRITTEN(market.domain), bigint(url_id), bigint(creative_id), *words, 6 * EMPTY)
        return Link(b"".join(head) + WRITTEN(random.choice(self.referers)), redirected_from, redirected_from + clicked)


def frequent(items: Sequence[str], random: Random) -> str:
    """One of the items: the second comes up half as often as the first, the third a third as often, and so on."""
    return items[int(len(items) ** random.random()) - 1]


def in_units(amount: Decimal) -> int:
    return int(amount * UNIT)


def money(units: int) -> bytes:
    return numeric(Decimal(units).scaleb(-4))


def click_comes_to(payout: int, revenue: int, *, is_unique: bool, refusal: int = 0) -> bytes:
    """The columns of a click from "payout" to "parameters"."""
    return money(payout) + money(revenue) + boolean(is_unique) + smallint(refusal) + jsonb("{}")
