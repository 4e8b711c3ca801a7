"""The people who follow the demo's links: where they are, what they use, and how both are written down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import NamedTuple


class City(NamedTuple):
    region_code: str
    region: str
    name: str
    postal_code: str
    weight: int
    dma: str = ""


@dataclass(frozen=True)
class Country:
    """``size`` is how much of a world-wide audience is there."""

    timezone: str
    language: str
    size: int
    isps: tuple[str, ...]
    carriers: tuple[str, ...]
    cities: tuple[City, ...]
    # How many use a phone or a tablet, of a hundred.
    mobile: int = 58


COUNTRIES: dict[str, Country] = {
    "US": Country(
        "America/Chicago",
        "en",
        340,
        ("Cascade Cable", "Prairie Fiber", "Bluebird Broadband", "Union Telephone"),
        ("Beacon Wireless", "Crest Mobile", "Liberty Cellular"),
        (
            City("NY", "New York", "New York", "10011", 20, "501"),
            City("CA", "California", "Los Angeles", "90026", 15, "803"),
            City("IL", "Illinois", "Chicago", "60614", 10, "602"),
            City("TX", "Texas", "Houston", "77006", 8, "618"),
            City("TX", "Texas", "Dallas", "75204", 8, "623"),
            City("GA", "Georgia", "Atlanta", "30312", 6, "524"),
            City("WA", "Washington", "Seattle", "98103", 5, "819"),
            City("FL", "Florida", "Miami", "33137", 6, "528"),
            City("AZ", "Arizona", "Phoenix", "85014", 4, "753"),
            City("CO", "Colorado", "Denver", "80209", 4, "751"),
            City("MA", "Massachusetts", "Boston", "02118", 5, "506"),
            City("OH", "Ohio", "Columbus", "43215", 3, "535"),
        ),
    ),
    "GB": Country(
        "Europe/London",
        "en",
        90,
        ("Albion Broadband", "Severn Fibre", "Moorland Telecom"),
        ("Harbour Mobile", "Thistle"),
        (
            City("ENG", "England", "London", "N1 7AA", 12),
            City("ENG", "England", "Manchester", "M4 1HQ", 5),
            City("ENG", "England", "Leeds", "LS1 4DY", 3),
            City("SCT", "Scotland", "Glasgow", "G2 4JR", 3),
            City("WLS", "Wales", "Cardiff", "CF10 1EP", 1),
        ),
    ),
    "CA": Country(
        "America/Toronto",
        "en",
        45,
        ("Maple Cable", "Laurentian Fibre"),
        ("Northern Mobile", "Loon Wireless"),
        (
            City("ON", "Ontario", "Toronto", "M5V 2T6", 8),
            City("QC", "Quebec", "Montreal", "H2X 1Y4", 5),
            City("BC", "British Columbia", "Vancouver", "V6B 1A1", 4),
        ),
    ),
    "AU": Country(
        "Australia/Sydney",
        "en",
        35,
        ("Southern Cross Net", "Wattle Broadband"),
        ("Outback Mobile",),
        (
            City("NSW", "New South Wales", "Sydney", "2010", 6),
            City("VIC", "Victoria", "Melbourne", "3000", 6),
            City("QLD", "Queensland", "Brisbane", "4000", 3),
        ),
    ),
    "DE": Country(
        "Europe/Berlin",
        "de",
        80,
        ("Rheinnetz", "Nordlicht Kabel", "Alpenglas"),
        ("Funkwerk", "Elster Mobil"),
        (
            City("BE", "Berlin", "Berlin", "10115", 6),
            City("BY", "Bavaria", "Munich", "80331", 4),
            City("HH", "Hamburg", "Hamburg", "20095", 4),
            City("NW", "North Rhine-Westphalia", "Cologne", "50667", 4),
            City("HE", "Hesse", "Frankfurt am Main", "60311", 3),
        ),
        mobile=52,
    ),
    "FR": Country(
        "Europe/Paris",
        "fr",
        60,
        ("Lumière Fibre", "Garonne Câble"),
        ("Mistral Mobile", "Azur Télécom"),
        (
            City("IDF", "Île-de-France", "Paris", "75011", 8),
            City("ARA", "Auvergne-Rhône-Alpes", "Lyon", "69002", 4),
            City("PAC", "Provence-Alpes-Côte d'Azur", "Marseille", "13001", 3),
        ),
    ),
    "ES": Country(
        "Europe/Madrid",
        "es",
        40,
        ("Meseta Fibra", "Ebro Cable"),
        ("Sol Móvil",),
        (
            City("MD", "Madrid", "Madrid", "28004", 6),
            City("CT", "Catalonia", "Barcelona", "08001", 5),
            City("AN", "Andalusia", "Seville", "41001", 2),
        ),
    ),
    "IT": Country(
        "Europe/Rome",
        "it",
        45,
        ("Appia Fibra", "Tirreno Net"),
        ("Vela Mobile",),
        (City("25", "Lombardy", "Milan", "20121", 6), City("62", "Lazio", "Rome", "00184", 5)),
    ),
    "NL": Country(
        "Europe/Amsterdam",
        "nl",
        30,
        ("Polder Glasvezel", "Maas Kabel"),
        ("Zwaluw Mobiel",),
        (City("NH", "North Holland", "Amsterdam", "1012", 5), City("ZH", "South Holland", "Rotterdam", "3011", 3)),
        mobile=50,
    ),
    "IE": Country(
        "Europe/Dublin",
        "en",
        12,
        ("Shannon Fibre",),
        ("Claddagh Mobile",),
        (City("L", "Leinster", "Dublin", "D02", 1),),
    ),
    "AT": Country(
        "Europe/Vienna", "de", 14, ("Donaunetz",), ("Enzian Mobil",), (City("9", "Vienna", "Vienna", "1070", 1),)
    ),
    "CH": Country(
        "Europe/Zurich", "de", 14, ("Gotthard Net",), ("Firn Mobile",), (City("ZH", "Zurich", "Zurich", "8004", 1),)
    ),
    "PL": Country(
        "Europe/Warsaw",
        "pl",
        32,
        ("Wisła Net", "Bałtyk Światłowód"),
        ("Bocian Mobile",),
        (City("14", "Mazovia", "Warsaw", "00-001", 5), City("12", "Lesser Poland", "Krakow", "31-001", 3)),
    ),
    "CZ": Country(
        "Europe/Prague", "cs", 12, ("Vltava Net",), ("Lípa Mobil",), (City("10", "Prague", "Prague", "110 00", 1),)
    ),
    "RO": Country(
        "Europe/Bucharest",
        "ro",
        16,
        ("Carpat Net",),
        ("Zimbru Mobil",),
        (City("B", "Bucharest", "Bucharest", "010011", 1),),
    ),
    "SE": Country(
        "Europe/Stockholm",
        "sv",
        16,
        ("Mälaren Fiber",),
        ("Älg Mobil",),
        (City("AB", "Stockholm", "Stockholm", "111 20", 1),),
    ),
    "DK": Country(
        "Europe/Copenhagen",
        "da",
        10,
        ("Øresund Net",),
        ("Svane Mobil",),
        (City("84", "Capital Region", "Copenhagen", "1050", 1),),
    ),
    "NO": Country("Europe/Oslo", "nb", 10, ("Fjord Fiber",), ("Rype Mobil",), (City("03", "Oslo", "Oslo", "0150", 1),)),
    "FI": Country(
        "Europe/Helsinki",
        "fi",
        9,
        ("Saimaa Net",),
        ("Karhu Mobiili",),
        (City("18", "Uusimaa", "Helsinki", "00100", 1),),
    ),
    "PT": Country(
        "Europe/Lisbon", "pt", 12, ("Tejo Fibra",), ("Gaivota Móvel",), (City("11", "Lisbon", "Lisbon", "1100", 1),)
    ),
    "TR": Country(
        "Europe/Istanbul",
        "tr",
        30,
        ("Boğaz Net",),
        ("Lale Mobil",),
        (City("34", "Istanbul", "Istanbul", "34430", 1),),
        mobile=70,
    ),
    "AE": Country(
        "Asia/Dubai", "ar", 10, ("Falcon Net",), ("Dune Mobile",), (City("DU", "Dubai", "Dubai", "", 1),), mobile=72
    ),
    "IN": Country(
        "Asia/Kolkata",
        "en",
        85,
        ("Deccan Broadband", "Ganga Fibernet"),
        ("Mor Mobile", "Banyan Cellular"),
        (
            City("MH", "Maharashtra", "Mumbai", "400001", 5),
            City("DL", "Delhi", "New Delhi", "110001", 4),
            City("KA", "Karnataka", "Bengaluru", "560001", 4),
        ),
        mobile=82,
    ),
    "ID": Country(
        "Asia/Jakarta",
        "id",
        40,
        ("Nusantara Net",),
        ("Cendana Seluler",),
        (City("JK", "Jakarta", "Jakarta", "10110", 1),),
        mobile=84,
    ),
    "SG": Country(
        "Asia/Singapore", "en", 10, ("Merlion Fibre",), ("Orchid Mobile",), (City("", "", "Singapore", "018956", 1),)
    ),
    "JP": Country(
        "Asia/Tokyo",
        "ja",
        50,
        ("Sumida Hikari", "Kamo Net"),
        ("Tsubame Mobile",),
        (City("13", "Tokyo", "Tokyo", "150-0001", 6), City("27", "Osaka", "Osaka", "530-0001", 3)),
    ),
    "KR": Country(
        "Asia/Seoul",
        "ko",
        22,
        ("Hangang Net",),
        ("Kkachi Mobile",),
        (City("11", "Seoul", "Seoul", "04524", 1),),
        mobile=68,
    ),
    "NZ": Country(
        "Pacific/Auckland",
        "en",
        8,
        ("Kauri Fibre",),
        ("Tui Mobile",),
        (City("AUK", "Auckland", "Auckland", "1010", 1),),
    ),
    "BR": Country(
        "America/Sao_Paulo",
        "pt",
        60,
        ("Paraná Fibra", "Ipê Telecom"),
        ("Tucano Celular",),
        (
            City("SP", "São Paulo", "São Paulo", "01001-000", 6),
            City("RJ", "Rio de Janeiro", "Rio de Janeiro", "20010-000", 4),
        ),
        mobile=72,
    ),
    "MX": Country(
        "America/Mexico_City",
        "es",
        40,
        ("Anáhuac Fibra",),
        ("Colibrí Celular",),
        (City("CMX", "Mexico City", "Mexico City", "06000", 1),),
        mobile=74,
    ),
    "ZA": Country(
        "Africa/Johannesburg",
        "en",
        14,
        ("Karoo Fibre",),
        ("Springbok Mobile",),
        (City("GP", "Gauteng", "Johannesburg", "2001", 1),),
        mobile=70,
    ),
}


class Device(NamedTuple):
    device_type: str
    make: str
    model: str
    platform: str
    os_version: str
    browser: str
    browser_version: str
    weight: int
    agent: str


MOZILLA, WEBKIT, CHROME = (
    "Mozilla/5.0",
    "AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "AppleWebKit/537.36 (KHTML, like Gecko)",
)
ON_WINDOWS, ON_MAC = f"{MOZILLA} (Windows NT 10.0; Win64; x64)", f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = (
    f"{MOZILLA} (iPhone; CPU iPhone OS {{os}} like Mac OS X) {WEBKIT} Version/{{browser}} Mobile/15E148 Safari/604.1"
)
IPAD = f"{MOZILLA} (iPad; CPU OS {{os}} like Mac OS X) {WEBKIT} Version/{{browser}} Mobile/15E148 Safari/604.1"
ANDROID = f"{MOZILLA} (Linux; Android {{os}}; {{model}}) {CHROME} Chrome/{{browser}} Mobile Safari/537.36"
TABLET = f"{MOZILLA} (Linux; Android {{os}}; {{model}}) {CHROME} Chrome/{{browser}} Safari/537.36"
GALAXY = (
    f"{MOZILLA} (Linux; Android {{os}}; SAMSUNG {{model}}) {CHROME} SamsungBrowser/{{browser}} Chrome/125.0.0.0 "
    "Mobile Safari/537.36"
)
WINDOWS = f"{ON_WINDOWS} {CHROME} Chrome/{{browser}} Safari/537.36"
EDGE = f"{WINDOWS} Edg/{{browser}}"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{browser}) Gecko/20100101 Firefox/{browser}"
MAC_SAFARI = f"{ON_MAC} {WEBKIT} Version/{{browser}} Safari/605.1.15"
MAC_CHROME = f"{ON_MAC} {CHROME} Chrome/{{browser}} Safari/537.36"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:{browser}) Gecko/20100101 Firefox/{browser}"

MOBILE = (
    *(
        Device("Mobile", "Apple", "iPhone", "iOS", os, "Mobile Safari", browser, weight, IPHONE)
        for os, browser, weight in (
            ("18.6", "18.6", 20),
            ("18.5", "18.5", 12),
            ("17.7", "17.7", 8),
            ("16.7", "16.6", 3),
        )
    ),
    *(
        Device("Mobile", make, model, "Android", os, "Chrome Mobile", browser, weight, ANDROID)
        for make, model, os, browser, weight in (
            ("Samsung", "SM-S921B", "15", "141.0.0.0", 8),
            ("Samsung", "SM-A546B", "14", "140.0.0.0", 7),
            ("Samsung", "SM-G991B", "13", "138.0.0.0", 4),
            ("Google", "Pixel 8", "15", "141.0.0.0", 4),
            ("Google", "Pixel 9 Pro", "16", "142.0.0.0", 3),
            ("Xiaomi", "2201117TY", "13", "139.0.0.0", 5),
            ("OnePlus", "CPH2449", "14", "140.0.0.0", 2),
            ("Motorola", "moto g84 5G", "14", "140.0.0.0", 2),
        )
    ),
    Device("Mobile", "Samsung", "SM-S911B", "Android", "14", "Samsung Internet", "27.0", 5, GALAXY),
    Device("Tablet", "Apple", "iPad", "iOS", "18.5", "Mobile Safari", "18.5", 5, IPAD),
    Device("Tablet", "Samsung", "SM-X210", "Android", "14", "Chrome", "140.0.0.0", 2, TABLET),
)
DESKTOP = (
    Device("Desktop", "", "", "Windows", "10", "Chrome", "141.0.0.0", 26, WINDOWS),
    Device("Desktop", "", "", "Windows", "10", "Chrome", "139.0.0.0", 12, WINDOWS),
    Device("Desktop", "", "", "Windows", "10", "Edge", "141.0.0.0", 14, EDGE),
    Device("Desktop", "", "", "Windows", "10", "Firefox", "143.0", 8, FIREFOX),
    Device("Desktop", "Apple", "Mac", "macOS", "10.15.7", "Safari", "18.6", 12, MAC_SAFARI),
    Device("Desktop", "Apple", "Mac", "macOS", "10.15.7", "Chrome", "141.0.0.0", 12, MAC_CHROME),
    Device("Desktop", "", "", "Linux", "", "Firefox", "143.0", 3, LINUX),
)
# Robots that say so; they sit in data centres.
ROBOTS = (
    ("Googlebot", "2.1", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    ("bingbot", "2.0", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
    ("AhrefsBot", "7.0", "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
    (
        "HeadlessChrome",
        "140.0.0",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/140.0.0.0 Safari/537.36",
    ),
    ("curl", "8.14.1", "curl/8.14.1"),
)

# What a visitor comes to in a row, in this order; every row of traffic has them beside each other.
VISITOR_COLUMNS = (
    *("user_agent", "country_code", "region", "city", "dma", "carrier", "isp", "connection_type", "place"),
    *("platform", "os_version", "device_type", "device_make", "device_model", "browser", "browser_version"),
    *("language", "is_robot"),
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with one device in one city; ``text`` is VISITOR_COLUMNS in COPY's format.

    ``network`` is the first half of the addresses there: 240.0.0.0/4, which belongs to nobody.
    """

    text: str
    network: str
    agent: str


NOBODY = Visitor("\t".join(["", *[""] * 7, "{}", *[""] * 8, "f"]), "", "")


def visitors_of(code: str, count: int, random: Random) -> list[Visitor]:
    """So many visitors of a country, in the mix of its cities and devices."""
    country = COUNTRIES[code]
    cities = random.choices(range(len(country.cities)), [city.weight for city in country.cities], k=count)
    return [visitor_in(code, number, random) for number in cities]


def visitor_in(code: str, number: int, random: Random) -> Visitor:
    country = COUNTRIES[code]
    city = country.cities[number]
    is_mobile = random.random() * 100 < country.mobile
    devices = MOBILE if is_mobile else DESKTOP
    device = random.choices(devices, [device.weight for device in devices])[0]
    is_cellular = device.device_type == "Mobile" and random.random() < 0.55
    carrier = random.choice(country.carriers) if is_cellular else ""
    isp = carrier or random.choice(country.isps)
    agent = device.agent.format(
        os=device.os_version.replace(".", "_") if device.platform == "iOS" else device.os_version,
        model=device.model,
        browser=device.browser_version,
    )
    place = {
        "region_code": city.region_code,
        "postal_code": city.postal_code,
        "timezone": country.timezone,
        "is_proxy": False,
    }
    # A few read the web in another language than most around them.
    language = country.language if random.random() < 0.93 else random.choice(("en", "es", "fr", "ar"))
    texts = (
        *(agent, code, city.region, city.name, city.dma, carrier, isp),
        *("Cellular" if is_cellular else "Cable/DSL", json.dumps(place)),
        *(device.platform, device.os_version, device.device_type, device.make, device.model),
        *(device.browser, device.browser_version, language, "f"),
    )
    return Visitor("\t".join(texts), network_of(code, number, is_cellular=is_cellular), agent)


def robots(count: int, random: Random) -> list[Visitor]:
    made = []
    for _ in range(count):
        name, version, agent = random.choice(ROBOTS)
        texts = (agent, "US", "Virginia", "Ashburn", "511", "", "Quarry Hosting", "Corporate", '{"is_proxy": false}')
        text = "\t".join((*texts, "", "", "Robot", "", "", name, version, "", "t"))
        made.append(Visitor(text, f"255.{random.randrange(8)}", agent))
    return made


def network_of(code: str, city: int, *, is_cellular: bool) -> str:
    """Every city has addresses of its own, and so have the phones in it."""
    country = list(COUNTRIES).index(code)
    number = country * 40 + city * 2 + is_cellular
    return f"{240 + number // 256}.{number % 256}"
