"""The programme of the demo network: whose offers it runs, and on what terms. Every company and product is invented."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from partners.offers.models import PayoutType, ProductFeedItem, Revenue, RevenueType, Terms

# Name by the first part of the pictures in static/img/demo.
CATEGORIES = {
    "home": "Home & Garden",
    "outdoor": "Sports & Outdoor",
    "telecom": "Telecom & Energy",
    "finance": "Finance & Insurance",
    "family": "Family & Toys",
    "food": "Food & Drink",
    "travel": "Travel",
    "games": "Games & Apps",
    "beauty": "Beauty & Health",
}

# Name and domain.
ADVERTISERS = {
    "Tallow & Reed": "tallow-reed.example",
    "Fjordline Outdoor": "fjordline.example",
    "Brightpan Kitchens": "brightpan.example",
    "Lumen Broadband": "lumen-broadband.example",
    "Cedar & Coin Bank": "cedarcoin.example",
    "Hopscotch Toys": "hopscotch-toys.example",
    "Northlight Energy": "northlight-energy.example",
    "Verdant Meal Kits": "verdant-kits.example",
    "Atlas Stays": "atlas-stays.example",
    "Pixelforge Games": "pixelforge.example",
    "Sorrel Skincare": "sorrel.example",
    "Quickmend Insurance": "quickmend.example",
}


@dataclass(frozen=True)
class Deal:
    name: str
    deal_type: str
    description: str = ""
    coupon_code: str = ""
    percentage: int = 0
    amount: int = 0
    # From so many days ago to so many days ahead; None: without an end.
    since: int = 20
    until: int | None = 40


@dataclass(frozen=True)
class Coupon:
    code: str
    description: str
    # Whose it is; empty for everybody's.
    partner: str = ""
    until: int | None = None
    withdrawn: bool = False


@dataclass(frozen=True)
class Programme:
    name: str
    advertiser: str
    category: str
    pays: Terms
    earns: Revenue
    # Days since its launch.
    age: int
    description: str
    visibility: str = "public"
    status: str = "active"
    currency: str = "USD"
    countries: tuple[str, ...] = ()
    terms: str = ""
    # Name and path of further landing pages.
    urls: tuple[tuple[str, str], ...] = ()
    # What events after the conversion pay and earn.
    events: dict[str, tuple[Terms, Revenue]] = field(default_factory=dict)
    deals: tuple[Deal, ...] = ()
    coupons: tuple[Coupon, ...] = ()
    # Who is paid something else.
    own_terms: dict[str, Terms] = field(default_factory=dict)
    # What became of whose application: approved, pending, rejected.
    applied: dict[str, str] = field(default_factory=dict)
    # Days from now to its last day; negative when that is over.
    ends_in: int | None = None
    takes_over: str = ""
    # Further columns of the offer: caps, holding period and the like.
    more: dict[str, Any] = field(default_factory=dict)


def per_conversion(amount: str, earned: str) -> tuple[Terms, Revenue]:
    return Terms(PayoutType.CPA, Decimal(amount)), Revenue(RevenueType.RPA, Decimal(earned))


def share_of_sale(percentage: str, earned: str) -> tuple[Terms, Revenue]:
    return (
        Terms(PayoutType.CPS, percentage=Decimal(percentage)),
        Revenue(RevenueType.RPS, percentage=Decimal(earned)),
    )


def per_click(amount: str, earned: str) -> tuple[Terms, Revenue]:
    return Terms(PayoutType.CPC, Decimal(amount)), Revenue(RevenueType.RPC, Decimal(earned))


def per_thousand(amount: str, earned: str) -> tuple[Terms, Revenue]:
    return Terms(PayoutType.CPM, Decimal(amount)), Revenue(RevenueType.RPM, Decimal(earned))


def both(amount: str, percentage: str, earned: str, earned_percentage: str) -> tuple[Terms, Revenue]:
    return (
        Terms(PayoutType.CPA_CPS, Decimal(amount), Decimal(percentage)),
        Revenue(RevenueType.RPA_RPS, Decimal(earned), Decimal(earned_percentage)),
    )


PROGRAMMES: tuple[Programme, ...] = (
    Programme(
        "Tallow & Reed: candles by post",
        "Tallow & Reed",
        "home",
        *share_of_sale("8", "11"),
        age=388,
        currency="EUR",
        description="Beeswax and soy candles, poured to order and sent in plain paper. Baskets of about 42 euros; "
        "every fifth customer orders again within the year.",
        terms="No bidding on “tallow reed” and its misspellings. No pop-unders. Prices in texts have to be current.",
        urls=(("Beeswax", "/beeswax"), ("Gift sets", "/gifts"), ("Sale", "/sale")),
        deals=(
            Deal("Free shipping from 30 euros", "free_shipping", "Within the EU, Switzerland and Norway.", until=None),
            Deal("15 % off beeswax", "discount", "All beeswax candles.", "GLOW15", percentage=15, since=6, until=12),
        ),
        coupons=(
            Coupon("GLOW15", "15 % off beeswax candles", until=12),
            Coupon("ACMEGLOW", "10 % off the first order", partner="Acme Media"),
            Coupon("WINTERWICK", "5 euros off gift sets", until=-45),
        ),
        own_terms={"Acme Media": Terms(PayoutType.CPS, percentage=Decimal("9.5"))},
        more={"holding_period_days": 21},
    ),
    Programme(
        "Fjordline Outdoor: the whole shop",
        "Fjordline Outdoor",
        "outdoor",
        *share_of_sale("6", "8.5"),
        age=402,
        currency="EUR",
        countries=("DE", "AT", "CH", "NL", "DK", "SE", "NO", "FI"),
        description="Tents, packs and boots from one of the larger outdoor shops of the north. Returns run at 18 %, "
        "so conversions are held for a month.",
        terms="Coupon sites may show only the codes that stand here.",
        urls=(("Tents", "/tents"), ("Boots", "/boots")),
        deals=(Deal("Two-season clearance", "discount", "Up to 40 % off last year’s tents.", percentage=40),),
        coupons=(Coupon("TRAIL20", "20 euros off orders from 150 euros", until=60),),
        own_terms={"Fernway Digital": Terms(PayoutType.CPS, percentage=Decimal(7))},
        more={"holding_period_days": 30},
    ),
    Programme(
        "Fjordline Outdoor: newsletter sign-up",
        "Fjordline Outdoor",
        "outdoor",
        *per_conversion("0.90", "1.40"),
        age=244,
        currency="EUR",
        countries=("DE", "AT", "CH"),
        description="A confirmed subscription, one per household. The confirmation mail has to be opened.",
        terms="No incentives for signing up.",
        more={"daily_conversion_cap": 400, "click_lifespan_days": 7},
    ),
    Programme(
        "Brightpan Kitchens: cookware",
        "Brightpan Kitchens",
        "home",
        *share_of_sale("10", "14"),
        age=331,
        countries=("US", "CA"),
        description="Pans and knives with a lifetime guarantee. The average basket is 118 dollars.",
        urls=(("Bestsellers", "/bestsellers"), ("Wedding list", "/weddings")),
        deals=(
            Deal("A paring knife with every set", "gift", "While stocks last."),
            Deal("25 dollars off", "discount", "Orders from 200 dollars.", "PAN25", amount=25, until=9),
        ),
        coupons=(Coupon("PAN25", "25 dollars off orders from 200 dollars", until=9),),
    ),
    Programme(
        "Brightpan Kitchens: request a showroom visit",
        "Brightpan Kitchens",
        "home",
        *per_conversion("18", "26"),
        age=120,
        countries=("US",),
        description="A visit to one of 31 showrooms, booked with name and telephone number.",
        visibility="require_approval",
        applied={"Acme Media": "approved", "Nimbus Native": "approved", "Redwing Offers": "pending"},
        more={"conversion_approval": "manual", "daily_conversion_cap": 40},
    ),
    Programme(
        "Lumen Broadband: fibre contracts",
        "Lumen Broadband",
        "telecom",
        *per_conversion("85", "120"),
        age=365,
        currency="GBP",
        countries=("GB",),
        description="24-month fibre contracts. A conversion counts once the line is live, which takes two weeks.",
        terms="No cold calls. No comparison tables that leave the installation fee out.",
        visibility="require_approval",
        urls=(("Availability check", "/check"), ("Student tariff", "/students")),
        applied={
            "Acme Media": "approved",
            "Kestrel Compare": "approved",
            "Orbit Deals": "pending",
            "Saltmarsh Social": "rejected",
        },
        own_terms={"Kestrel Compare": Terms(PayoutType.CPA, Decimal(97))},
        more={"holding_period_days": 45, "monthly_conversion_cap": 2500},
    ),
    Programme(
        "Lumen Broadband: SIM only",
        "Lumen Broadband",
        "telecom",
        *per_conversion("14.50", "21"),
        age=201,
        currency="GBP",
        countries=("GB",),
        description="Monthly SIM plans that can be cancelled at any time. Counted with the first payment.",
        deals=(Deal("First month for a pound", "discount", "New customers only.", until=18),),
    ),
    Programme(
        "Cedar & Coin: current account",
        "Cedar & Coin Bank",
        "finance",
        *per_conversion("42", "60"),
        age=378,
        countries=("US",),
        description="A current account without fees. Counted when the account is opened and identified; a first "
        "deposit pays again.",
        terms="All texts have to be approved. No claims about interest rates.",
        visibility="require_approval",
        events={"deposit": per_conversion("25", "35")},
        applied={
            "Acme Media": "pending",
            "Bluefin Leads": "approved",
            "Kestrel Compare": "approved",
            "Willow & Wire": "approved",
            "Umber Creative": "rejected",
        },
        own_terms={"Bluefin Leads": Terms(PayoutType.CPA, Decimal(48))},
        more={"conversion_approval": "manual", "holding_period_days": 14},
    ),
    Programme(
        "Cedar & Coin: travel card",
        "Cedar & Coin Bank",
        "finance",
        *per_conversion("31", "45"),
        age=163,
        currency="EUR",
        countries=("DE", "FR", "ES", "IT", "NL", "IE", "PT"),
        description="A debit card without foreign fees, delivered within a week.",
        visibility="require_approval",
        applied={"Acme Media": "rejected", "Quillstone Reviews": "approved", "Meridian Cashback": "pending"},
        more={"holding_period_days": 14},
    ),
    Programme(
        "Hopscotch Toys: wooden toys",
        "Hopscotch Toys",
        "family",
        *share_of_sale("9", "12"),
        age=352,
        countries=("US", "CA", "GB", "AU", "NZ"),
        description="Building sets and puzzles for ages one to eight, made of beech. Peaks from October to December.",
        urls=(("By age", "/ages"), ("Puzzles", "/puzzles")),
        deals=(Deal("Three puzzles for two", "bundle", "The cheapest one is free.", until=25),),
        coupons=(
            Coupon("HOP10", "10 % off everything"),
            Coupon("DAYBREAKHOP", "12 % off everything", partner="Daybreak Coupons"),
        ),
    ),
    Programme(
        "Hopscotch Toys: birthday club",
        "Hopscotch Toys",
        "family",
        *per_conversion("2.20", "3.10"),
        age=96,
        countries=("US", "CA"),
        description="Parents who join the birthday club with the month their child was born in.",
        more={"weekly_conversion_cap": 1500, "weekly_payout_cap": Decimal(3300)},
    ),
    Programme(
        "Northlight Energy: switch to green power",
        "Northlight Energy",
        "telecom",
        *per_conversion("55", "80"),
        age=289,
        currency="EUR",
        countries=("DE", "AT"),
        description="Electricity from wind and water. Counted when the old supplier has confirmed the switch.",
        terms="No telephone marketing, no price promises.",
        visibility="require_approval",
        applied={"Acme Media": "approved", "Fernway Digital": "approved", "Oakmoss Shopping Club": "pending"},
        more={"holding_period_days": 60, "conversion_approval": "manual"},
    ),
    Programme(
        "Verdant Meal Kits: first box",
        "Verdant Meal Kits",
        "food",
        *both("12", "5", "17", "7"),
        age=310,
        countries=("US", "CA"),
        description="Dinner for two or four, three days a week. A first box pays an amount and a share of its price; "
        "the second box pays once more.",
        terms="The introductory discount has to be named together with the regular price.",
        events={"second_box": per_conversion("6", "9")},
        urls=(("Vegetarian", "/veggie"), ("Family box", "/family")),
        deals=(Deal("Half the price of the first box", "discount", percentage=50, coupon_code="VERDANT50"),),
        coupons=(
            Coupon("VERDANT50", "Half the price of the first box"),
            Coupon("ACMEFRESH", "55 % off the first box", partner="Acme Media"),
            Coupon("SPRINGBOX", "Free dessert", withdrawn=True),
        ),
        own_terms={"Acme Media": Terms(PayoutType.CPA_CPS, Decimal(14), Decimal(6))},
    ),
    Programme(
        "Verdant Meal Kits: gift cards",
        "Verdant Meal Kits",
        "food",
        *share_of_sale("5", "7"),
        age=77,
        countries=("US", "CA"),
        description="Gift cards from 30 to 200 dollars, sent by mail or printed at home.",
    ),
    Programme(
        "Atlas Stays: hotels worldwide",
        "Atlas Stays",
        "travel",
        *share_of_sale("4.5", "6.5"),
        age=415,
        description="Two hundred thousand hotels, in every country where this network has partners. Counted after "
        "the stay, so holds are long.",
        terms="No bidding on hotel names together with “official”.",
        urls=(("City breaks", "/city-breaks"), ("Last minute", "/last-minute"), ("Apartments", "/apartments")),
        deals=(
            Deal("Late summer in the mountains", "discount", "Up to 20 % off in the Alps.", percentage=20, until=30),
        ),
        own_terms={"Kestrel Compare": Terms(PayoutType.CPS, percentage=Decimal("5.2"))},
        more={"holding_period_days": 60, "click_lifespan_days": 45},
    ),
    Programme(
        "Atlas Stays: hotel search",
        "Atlas Stays",
        "travel",
        *per_click("0.0450", "0.0700"),
        age=226,
        countries=("US", "GB", "DE", "FR", "ES", "IT", "CA", "AU"),
        description="Pays for every valid click on the search, whatever comes of it.",
        terms="No traffic from pop-ups, toolbars or parked domains.",
        more={"daily_click_cap": 60_000},
    ),
    Programme(
        "Pixelforge: Lanternfall (Android)",
        "Pixelforge Games",
        "games",
        *per_conversion("1.35", "2.05"),
        age=188,
        description="An adventure for the way to work. Counted with the first start; level 10 pays again.",
        events={"level_10": per_conversion("0.80", "1.25")},
        more={"click_lifespan_days": 3, "daily_conversion_cap": 3000},
    ),
    Programme(
        "Pixelforge: Lanternfall (iOS)",
        "Pixelforge Games",
        "games",
        *per_conversion("2.10", "3.20"),
        age=188,
        description="The same adventure on the other telephone. Counted with the first start; level 10 pays again.",
        events={"level_10": per_conversion("1.10", "1.70")},
        more={"click_lifespan_days": 3, "daily_conversion_cap": 2000},
    ),
    Programme(
        "Pixelforge: summer campaign",
        "Pixelforge Games",
        "games",
        *per_thousand("2.40", "3.60"),
        age=142,
        description="Banners and short films for the launch of Lanternfall, paid by the thousand impressions.",
        more={"global_payout_cap": Decimal(25_000)},
    ),
    Programme(
        "Sorrel Skincare: the whole shop",
        "Sorrel Skincare",
        "beauty",
        *share_of_sale("12", "16"),
        age=274,
        currency="GBP",
        countries=("GB", "IE"),
        description="Creams and soaps without perfume. Three customers in ten come back within three months.",
        urls=(("Starter set", "/starter"),),
        deals=(Deal("A hand cream with every order", "gift", until=None),),
        coupons=(Coupon("SORREL5", "5 pounds off orders from 35 pounds"),),
    ),
    Programme(
        "Sorrel Skincare: creators",
        "Sorrel Skincare",
        "beauty",
        *both("3", "10", "5", "13"),
        age=110,
        currency="GBP",
        countries=("GB", "IE"),
        description="For creators who show the products themselves. By invitation.",
        visibility="private",
        applied={"Everglow Beauty": "approved", "Saltmarsh Social": "approved"},
    ),
    Programme(
        "Quickmend: telephone insurance",
        "Quickmend Insurance",
        "finance",
        *per_conversion("16", "23"),
        age=256,
        countries=("US",),
        description="Cracked screens repaired within a day. Counted with the first premium.",
        visibility="require_approval",
        applied={"Tidewater Mobile": "approved", "Nimbus Native": "approved", "Brightkite Affiliates": "pending"},
    ),
    Programme(
        "Quickmend: bicycle insurance",
        "Quickmend Insurance",
        "finance",
        *per_conversion("11", "16"),
        age=148,
        currency="EUR",
        countries=("DE", "NL", "DK"),
        description="Theft and repair, also for electric bicycles. Closed while the advertiser changes its tariffs.",
        status="paused",
        takes_over="Fjordline Outdoor: the whole shop",
    ),
    Programme(
        "Quickmend: leads by telephone",
        "Quickmend Insurance",
        "finance",
        *per_conversion("28", "40"),
        age=171,
        countries=("US",),
        description="Calls of more than ninety seconds. For partners with a call centre of their own.",
        visibility="private",
        applied={"Bluefin Leads": "approved"},
        more={"daily_conversion_cap": 60, "conversion_approval": "manual"},
    ),
    Programme(
        "Atlas Stays: ski season",
        "Atlas Stays",
        "travel",
        *share_of_sale("6", "8"),
        age=240,
        currency="EUR",
        countries=("DE", "AT", "CH", "FR", "IT", "NL"),
        description="Hotels beside the lift. The season is over; traffic goes on to the whole programme.",
        ends_in=-63,
        takes_over="Atlas Stays: hotels worldwide",
    ),
    Programme(
        "Tallow & Reed: candle workshops",
        "Tallow & Reed",
        "home",
        *per_conversion("7", "10"),
        age=66,
        currency="EUR",
        countries=("DE", "NL"),
        description="Evenings at which people pour their own candles. Waits for the advertiser’s landing page.",
        status="pending",
    ),
    Programme(
        "Hopscotch Toys: spring raffle",
        "Hopscotch Toys",
        "family",
        *per_conversion("0.60", "0.90"),
        age=190,
        description="Ended early because most entries came from raffle directories.",
        status="deleted",
    ),
)

FEEDS = {
    "Tallow & Reed: candles by post": ("All candles", ("Beeswax", "Soy", "Rapeseed wax"), "tallow-reed.example"),
    "Fjordline Outdoor: the whole shop": ("Tents and packs", ("Ridge", "Skerry", "Moor"), "fjordline.example"),
}
SHAPES = {
    "All candles": ("taper", "pillar", "tea light", "jar"),
    "Tents and packs": ("tent", "rucksack", "daypack", "bivouac"),
}
SIZES = {"All candles": ("small", "medium", "large"), "Tents and packs": ("light", "classic", "expedition")}


def products_of(offer: str) -> list[ProductFeedItem]:
    """A shop's whole range, each kind in each shape and size."""
    name, kinds, domain = FEEDS[offer]
    base = Decimal("6.40") if name == "All candles" else Decimal(64)
    return [
        ProductFeedItem(
            sku=f"{kind[:2].upper()}{number:02}-{size[0].upper()}",
            name=f"{kind} {shape}, {size}",
            description=f"{kind} {shape} in {size}. Made to last.",
            url_link=f"https://www.{domain}/products/{kind[:2].lower()}{number:02}-{size[0]}",
            price=(base * number * (rank + 1)).quantize(Decimal("0.01")),
            image_url=f"https://cdn.{domain}/{kind[:2].lower()}{number:02}-{size[0]}.jpg",
            brand=offer.partition(":")[0],
            availability="out of stock" if (number + rank) % 7 == 0 else "in stock",
        )
        for kind in kinds
        for number, shape in enumerate(SHAPES[name], 1)
        for rank, size in enumerate(SIZES[name])
    ]
