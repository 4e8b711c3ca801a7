"""The people who follow the demo's links: where they are, what they use, and how both are written down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from partners.traffic.agents import agent_of
from portal.demo.traffic.binary import EMPTY, FALSE, boolean, jsonb, network_of_addresses, text


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


CHROME, SAFARI = "AppleWebKit/537.36 (KHTML, like Gecko)", "AppleWebKit/605.1.15 (KHTML, like Gecko)"
ON_WINDOWS, ON_MAC = "Mozilla/5.0 (Windows NT 10.0; Win64; x64", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"


def iphone(os: str, version: str) -> str:
    system = f"iPhone; CPU iPhone OS {os.replace('.', '_')} like Mac OS X"
    return f"Mozilla/5.0 ({system}) {SAFARI} Version/{version} Mobile/15E148 Safari/604.1"


def android(os: str, model: str, version: str, kind: str = "Mobile ") -> str:
    return f"Mozilla/5.0 (Linux; Android {os}; {model}) {CHROME} Chrome/{version}.0.0.0 {kind}Safari/537.36"


# What people browse with, by how many of a hundred or so do. All that is told of a device is read from these.
MOBILE = {
    iphone("18.6", "18.6"): 20,
    iphone("18.5", "18.5"): 12,
    iphone("17.7", "17.7"): 8,
    iphone("16.7", "16.6"): 3,
    android("15", "SM-S921B", "141"): 8,
    android("14", "SM-A546B", "140"): 7,
    android("13", "SM-G991B", "138"): 4,
    android("15", "Pixel 8", "141"): 4,
    android("16", "Pixel 9 Pro", "142"): 3,
    android("13", "2201117TY", "139"): 5,
    android("14", "CPH2449", "140"): 2,
    android("14", "moto g84 5G", "140"): 2,
    f"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S911B) {CHROME} SamsungBrowser/27.0 Chrome/125.0.0.0 "
    "Mobile Safari/537.36": 5,
    f"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) {SAFARI} Version/18.5 Mobile/15E148 Safari/604.1": 5,
    android("14", "SM-X210", "140", kind=""): 2,
}
DESKTOP = {
    f"{ON_WINDOWS}) {CHROME} Chrome/141.0.0.0 Safari/537.36": 26,
    f"{ON_WINDOWS}) {CHROME} Chrome/139.0.0.0 Safari/537.36": 12,
    f"{ON_WINDOWS}) {CHROME} Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0": 14,
    f"{ON_WINDOWS}; rv:143.0) Gecko/20100101 Firefox/143.0": 8,
    f"{ON_MAC} {SAFARI} Version/18.6 Safari/605.1.15": 12,
    f"{ON_MAC} {CHROME} Chrome/141.0.0.0 Safari/537.36": 12,
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0": 3,
}
# Robots that say so; they sit in data centres.
ROBOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    f"Mozilla/5.0 (X11; Linux x86_64) {CHROME} HeadlessChrome/140.0.0.0 Safari/537.36",
    "curl/8.14.1",
)
AGENTS = {agent: number for number, agent in enumerate((*MOBILE, *DESKTOP, *ROBOTS))}

# What a visitor comes to in a row, in this order; every row of traffic has them beside each other.
VISITOR_COLUMNS = (
    *("user_agent", "country_code", "region", "city", "dma", "carrier", "isp", "connection_type", "place"),
    *("platform", "os_version", "device_type", "device_make", "device_model", "browser", "browser_version"),
    *("language", "is_robot"),
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with one device in one city; ``fields`` is VISITOR_COLUMNS in COPY's binary format.

    ``network`` is an address there without its last two bytes: in 240.0.0.0/4, which belongs to nobody. ``key`` is a
    number of 40 bits for the network and the user agent; the last 16 are left to the rest of an address.
    """

    fields: bytes
    network: bytes
    key: int

    @classmethod
    def described(cls, agent: str, whereabouts: tuple[str, ...], language: str, *, network: tuple[int, int]) -> Visitor:
        """Where tracking would find the same in the user agent; ``whereabouts`` ends with the place, as JSON."""
        found = agent_of(agent)
        *where, place = whereabouts
        system = (found.platform, found.os_version, found.device_type, found.device_make, found.device_model)
        browser = (found.browser, found.browser_version, language)
        before, after = (b"".join(map(text, said)) for said in ((agent, *where), (*system, *browser)))
        fields = before + jsonb(place) + after + boolean(found.is_robot)
        return cls(fields, network_of_addresses(*network), int.from_bytes((*network, AGENTS[agent], 0, 0)))


NOBODY = Visitor(8 * EMPTY + jsonb("{}") + 8 * EMPTY + FALSE, b"", 0)


def visitors_of(code: str, count: int, random: Random) -> list[Visitor]:
    """So many visitors of a country, in the mix of its cities and devices."""
    country = COUNTRIES[code]
    cities = random.choices(range(len(country.cities)), [city.weight for city in country.cities], k=count)
    return [visitor_in(code, number, random) for number in cities]


def visitor_in(code: str, number: int, random: Random) -> Visitor:
    country = COUNTRIES[code]
    city = country.cities[number]
    devices = MOBILE if random.random() * 100 < country.mobile else DESKTOP
    agent = random.choices(list(devices), list(devices.values()))[0]
    is_cellular = agent_of(agent).device_type == "Mobile" and random.random() < 0.55
    carrier = random.choice(country.carriers) if is_cellular else ""
    isp = carrier or random.choice(country.isps)
    place = {
        "region_code": city.region_code,
        "postal_code": city.postal_code,
        "timezone": country.timezone,
        "is_proxy": False,
    }
    # A few read the web in another language than most around them.
    language = country.language if random.random() < 0.93 else random.choice(("en", "es", "fr", "ar"))
    whereabouts = (code, city.region, city.name, city.dma, carrier, isp, "Cellular" if is_cellular else "Cable/DSL")
    network = network_of(code, number, is_cellular=is_cellular)
    return Visitor.described(agent, (*whereabouts, json.dumps(place)), language, network=network)


def robots(count: int, random: Random) -> list[Visitor]:
    hosting = ("US", "Virginia", "Ashburn", "511", "", "Quarry Hosting", "Corporate", '{"is_proxy": false}')
    agents = random.choices(ROBOTS, k=count)
    return [Visitor.described(agent, hosting, "", network=(255, random.randrange(8))) for agent in agents]


def network_of(code: str, city: int, *, is_cellular: bool) -> tuple[int, int]:
    """Every city has addresses of its own, and so have the phones in it."""
    country = list(COUNTRIES).index(code)
    number = country * 40 + city * 2 + is_cellular
    return 240 + number // 256, number % 256
