"""What partners call their campaigns, and what their visitors searched for."""

from __future__ import annotations

CAMPAIGNS = (
    *("brand", "generic", "spring-sale", "summer-sale", "back-to-school", "black-friday", "newsletter", "retargeting"),
    *("lookalike-2", "competitors", "long-tail", "evergreen", "flash-48h", "new-customers", "win-back", "weekend"),
    *("bundle-test", "influencers", "app-push", "gift-guide"),
)
GROUPS = ("exact", "phrase", "broad", "top", "sidebar", "in-feed", "footer", "story", "reel", "carousel")
QUALIFIERS = (
    *("best", "cheap", "buy", "compare", "top rated", "discount", "online", "new", "used", "free shipping", "outlet"),
    *(
        "review",
        "near me",
        "deal",
        "coupon",
        "promo code",
        "for beginners",
        "for women",
        "for men",
        "2026",
        "affordable",
    ),
)
NOUNS = (
    *("running shoes", "travel insurance", "mattress", "meal kit", "vpn", "web hosting", "credit card", "headphones"),
    *("garden furniture", "contact lenses", "flight to lisbon", "hotel rome", "language course", "dog food", "e-bike"),
    *("coffee machine", "winter jacket", "savings account", "car loan", "fitness tracker", "yoga mat", "skin care"),
    *("air fryer", "robot vacuum", "electric toothbrush", "backpack", "sunglasses", "phone plan", "office chair"),
    *("standing desk", "board games", "baby stroller", "camping tent", "hiking boots", "protein powder", "wine club"),
    *("photo book", "online degree", "tax software", "password manager", "streaming box", "smart lock", "solar panels"),
)
ENDINGS = (
    "",
    "",
    "",
    " online",
    " sale",
    " price",
    " uk",
    " test",
    " offers",
    " store",
    " brands",
    " ideas",
    " size guide",
)
SITES = (
    *("https://www.thriftlantern.example/", "https://blog.paperkite.example/saving", "https://forum.hagglers.example/"),
    *("https://news.morningpost.example/shopping", "https://apps.tapstack.example/", "https://video.reelroom.example/"),
    "",
)


def keywords() -> list[str]:
    """Some ten thousand, in no order that means anything."""
    return [
        f"{qualifier} {noun}{ending}" for ending in dict.fromkeys(ENDINGS) for noun in NOUNS for qualifier in QUALIFIERS
    ]
