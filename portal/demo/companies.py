"""The partners of the demo network. Every company, person and domain here is invented."""

from __future__ import annotations

from dataclasses import dataclass

NETWORK_TIMEZONE = "America/New_York"


@dataclass(frozen=True)
class Company:
    name: str
    domain: str
    country_code: str
    timezone: str
    currency: str
    status: str = "active"
    # Who looks after it: a name of the cast or a colleague; empty for nobody.
    manager: str = "amir"
    contact: str = ""
    # Days since it joined, and how many keys it was given since then.
    age: int = 200
    keys: int = 0
    notes: str = ""
    # Flags as (kind, note, whether it was closed again).
    flags: tuple[tuple[str, str, bool], ...] = ()


COMPANIES: tuple[Company, ...] = (
    Company(
        "Acme Media",
        "acme.example",
        "US",
        "America/New_York",
        "USD",
        contact="Ada Park",
        age=412,
        keys=3,
        notes="Runs the coupon sites we see most of our retail volume from. Prefers mail over calls.",
        flags=(("quality", "Late spike in returns for March; settled after they changed the landing page.", True),),
    ),
    Company("Orbit Deals", "orbit-deals.example", "GB", "Europe/London", "GBP", contact="Theo Marsh", age=96),
    Company(
        "Bluefin Leads", "bluefin-leads.example", "US", "America/Chicago", "USD", "active", "vera", "Marcy Dole", 377, 2
    ),
    Company(
        "Cobalt & Sons", "cobalt-sons.example", "CA", "America/Toronto", "CAD", "active", "lena", "Ivy Cobalt", 301, 1
    ),
    Company(
        "Daybreak Coupons",
        "daybreak.example",
        "AU",
        "Australia/Sydney",
        "AUD",
        manager="vera",
        contact="Noel Harding",
        age=265,
        keys=2,
    ),
    Company(
        "Elderflower Press",
        "elderflower.example",
        "IE",
        "Europe/Dublin",
        "EUR",
        "active",
        "lena",
        "Maeve Tully",
        233,
        1,
    ),
    Company(
        "Fernway Digital",
        "fernway.example",
        "DE",
        "Europe/Berlin",
        "EUR",
        manager="tomas",
        contact="Jonas Brandt",
        age=340,
        keys=3,
        flags=(("quality", "Sub-affiliate 4471 sends clicks without referrers.", False),),
    ),
    Company("Gilded Hare", "gildedhare.example", "FR", "Europe/Paris", "EUR", "active", "amir", "Colette Vasseur", 188),
    Company(
        "Harbour Lane Studio",
        "harbourlane.example",
        "NZ",
        "Pacific/Auckland",
        "NZD",
        "onboarding",
        "vera",
        "Kiri Mako",
        9,
    ),
    Company(
        "Inkwell Traffic",
        "inkwell-traffic.example",
        "PL",
        "Europe/Warsaw",
        "PLN",
        manager="tomas",
        contact="Ola Zielony",
        age=290,
        keys=2,
        flags=(("fraud", "Conversions from one /24 at night, all with the same user agent.", False),),
    ),
    Company(
        "Juniper Rewards", "juniper.example", "SE", "Europe/Stockholm", "SEK", "active", "lena", "Sven Asp", 171, 1
    ),
    Company("Kestrel Compare", "kestrel.example", "GB", "Europe/London", "GBP", "active", "amir", "Dina Royle", 398, 2),
    Company("Lantern Loop", "lanternloop.example", "SG", "Asia/Singapore", "SGD", "active", "vera", "Wei Tan", 142, 1),
    Company("Meridian Cashback", "meridian.example", "ES", "Europe/Madrid", "EUR", "active", "tomas", "", 219, 1),
    Company(
        "Nimbus Native",
        "nimbusnative.example",
        "US",
        "America/Los_Angeles",
        "USD",
        "active",
        "amir",
        "Rhea Stone",
        324,
        2,
    ),
    Company(
        "Oakmoss Shopping Club", "oakmoss.example", "AT", "Europe/Vienna", "EUR", "active", "lena", "Toni Wimmer", 128
    ),
    Company(
        "Pepperbird",
        "pepperbird.example",
        "BR",
        "America/Sao_Paulo",
        "BRL",
        "paused",
        "vera",
        "Caio Ramos",
        355,
        2,
        notes="Asked to pause until their new site is live.",
    ),
    Company(
        "Quillstone Reviews",
        "quillstone.example",
        "NL",
        "Europe/Amsterdam",
        "EUR",
        "active",
        "tomas",
        "Fenna Bos",
        206,
        1,
    ),
    Company("Redwing Offers", "redwing.example", "US", "America/Denver", "USD", "active", "amir", "Hal Pruitt", 253, 1),
    Company(
        "Saltmarsh Social",
        "saltmarsh.example",
        "ZA",
        "Africa/Johannesburg",
        "ZAR",
        manager="vera",
        contact="Thandi Nkosi",
        age=117,
        flags=(("quality", "Brand terms in paid search; warned once.", True),),
    ),
    Company("Tidewater Mobile", "tidewater.example", "ID", "Asia/Jakarta", "IDR", "active", "", "Putri Lestari", 84, 1),
    Company(
        "Umber Creative",
        "umber.example",
        "IT",
        "Europe/Rome",
        "EUR",
        "paused",
        "lena",
        "",
        309,
        1,
        flags=(("fraud", "Cookie stuffing found in their browser extension.", False),),
    ),
    Company(
        "Velvet Fox Media", "velvetfox.example", "CZ", "Europe/Prague", "CZK", "active", "tomas", "Petra Ruzova", 162, 1
    ),
    Company(
        "Willow & Wire", "willow-wire.example", "US", "America/New_York", "USD", "active", "amir", "Jules Amari", 275, 2
    ),
    Company("Xylo Performance", "xylo.example", "IN", "Asia/Kolkata", "INR", "active", "vera", "Arjun Sethi", 193, 2),
    Company("Yarrow Lifestyle", "yarrow.example", "DK", "Europe/Copenhagen", "DKK", "onboarding", "lena", "", 14),
    Company("Zephyr Price Watch", "zephyr.example", "JP", "Asia/Tokyo", "JPY", "active", "tomas", "Emi Sato", 149, 1),
    Company(
        "Amberline Search", "amberline.example", "US", "America/Phoenix", "USD", "onboarding", "amir", "Gus Ortega", 5
    ),
    Company("Brightkite Affiliates", "brightkite.example", "MX", "America/Mexico_City", "MXN", "active", "", "", 61),
    Company(
        "Copper Canyon Media", "coppercanyon.example", "US", "America/Denver", "USD", "active", "vera", "Lou Begay", 226
    ),
    Company(
        "Dovetail Partners", "dovetail.example", "CH", "Europe/Zurich", "CHF", "paused", "amir", "Reto Keller", 331, 1
    ),
    Company("Everglow Beauty", "everglow.example", "KR", "Asia/Seoul", "KRW", "active", "lena", "Min Seo", 78, 1),
    Company("Foxglove Finance", "foxglove.example", "GB", "Europe/London", "GBP", "onboarding", "", "", 2),
    Company(
        "Grainfield",
        "grainfield.example",
        "RO",
        "Europe/Bucharest",
        "RON",
        manager="tomas",
        contact="Ilinca Pop",
        age=109,
        keys=1,
        flags=(
            ("fraud", "Click injection suspected on two Android apps.", True),
            ("quality", "Two apps are still under review.", False),
        ),
    ),
    Company(
        "Hollowtree Games", "hollowtree.example", "FI", "Europe/Helsinki", "EUR", "active", "amir", "Aino Lehto", 134, 1
    ),
    Company("متجر النخيل", "nakheel.example", "AE", "Asia/Dubai", "AED", "active", "vera", "Huda Salem", 101, 1),
    Company(
        "さくらポイント", "sakura-points.example", "JP", "Asia/Tokyo", "JPY", "onboarding", "tomas", "Ren Mori", 11
    ),
    Company(
        "The Independent Bureau of Travel Bargains, City Breaks and Last-Minute Departures",
        "bureau-of-bargains.example",
        "PT",
        "Europe/Lisbon",
        "EUR",
        "active",
        "lena",
        "Ines Falcao",
        156,
        1,
    ),
    Company("Larkspur Newsletter", "larkspur.example", "US", "America/New_York", "USD", "paused", "", "Bea Lark", 247),
    Company(
        "Mosaic Loyalty",
        "mosaic-loyalty.example",
        "TR",
        "Europe/Istanbul",
        "TRY",
        status="onboarding",
        manager="vera",
        contact="Deniz Aksoy",
        age=7,
        flags=(("quality", "Their sample traffic does not match the application.", False),),
    ),
    Company(
        "Northgate Vouchers", "northgate.example", "NO", "Europe/Oslo", "NOK", "active", "amir", "Liv Haugen", 183, 2
    ),
)

LABELS = (
    "Reporting script",
    "Data warehouse",
    "Nightly import",
    "Dashboard",
    "Conversion sync",
    "Finance export",
    "Staging",
)
CLIENTS = (
    "python-requests/2.32.5",
    "curl/8.14.1",
    "axios/1.12.2",
    "GuzzleHttp/7",
    "Go-http-client/1.1",
    "okhttp/5.1.0",
)
