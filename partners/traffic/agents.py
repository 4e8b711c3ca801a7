"""What a user agent says it is: the platform, the device, the browser, and whether anybody sits in front of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from ua_parser import Domain, Parser
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from portal.web.storable import storable

# One of these is recognised in about 60 µs; what comes again, as most do, costs nothing.
REMEMBERED = 16_384
# What is longer is no browser's, and would only keep the patterns busy.
LONGEST = 500

# The library knows some eight hundred crawlers. These are the programs that it takes for browsers. Cubot makes phones.
PROGRAM = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|headless|phantomjs|puppeteer|playwright|selenium|^curl/|^wget/|^python|aiohttp"
    r"|^go-http-client|^java/|^apache-httpclient|^okhttp|^axios/|^node-fetch|^undici|^ruby|^perl|libwww|^php"
    r"|guzzlehttp|scrapy|^postman|^insomnia|monitor(?:ing)?\b|uptime|pingdom|link ?check|preview|fetcher|validator",
    re.IGNORECASE,
)
TELEVISION = re.compile(
    r"smart-?tv|apple ?tv|googletv|android tv|hbbtv|netcast|web0s|bravia|\broku|\baft[a-z]+\b|crkey|viera|philipstv"
    r"|\btv\b|chromecast",
    re.IGNORECASE,
)
CONSOLE = re.compile(r"playstation|xbox|nintendo", re.IGNORECASE)
TABLET = re.compile(r"ipad|tablet|kindle|playbook|android(?!.*mobile)", re.IGNORECASE)
MOBILE = re.compile(r"mobi|iphone|ipod|android|windows phone|blackberry|opera mini", re.IGNORECASE)
DESKTOP = re.compile(r"windows|macintosh|x11|cros|linux", re.IGNORECASE)
KINDS = (("TV", TELEVISION), ("Console", CONSOLE), ("Tablet", TABLET), ("Mobile", MOBILE), ("Desktop", DESKTOP))

PLATFORMS = {"Mac OS X": "macOS"}
# What the library says of a device that it knows nothing of, and what browsers say that will not tell theirs.
NO_MAKE = re.compile(r"generic_?|spider", re.IGNORECASE)
NO_MODEL = frozenset({"K", "Desktop", "Smartphone", "Feature Phone", "Other"})


@dataclass(frozen=True, slots=True)
class Agent:
    platform: str = ""
    os_version: str = ""
    device_type: str = ""
    device_make: str = ""
    device_model: str = ""
    browser: str = ""
    browser_version: str = ""
    is_robot: bool = False


@lru_cache(maxsize=REMEMBERED)
def agent_of(text: str) -> Agent:
    """What the text of a User-Agent header says. Who says nothing is a robot: there is no browser that keeps silent."""
    text = storable(text, LONGEST)
    if not text.strip():
        return Agent(device_type="Robot", is_robot=True)
    found = parser()(text, Domain.ALL)
    system, device, browser = found.os, found.device, found.user_agent
    is_robot = bool(device and device.brand == "Spider") or PROGRAM.search(text) is not None
    make = (device.brand or "") if device else ""
    model = (device.model or "") if device else ""
    is_known = not is_robot and not NO_MAKE.match(make)
    return Agent(
        platform=storable(PLATFORMS.get(system.family, system.family), 40) if system else "",
        os_version=storable(version(system.major, system.minor, system.patch), 40) if system else "",
        device_type="Robot" if is_robot else kind_of(text),
        device_make=storable(make, 60) if is_known else "",
        device_model=storable(model, 80) if not is_robot and model not in NO_MODEL else "",
        browser=storable(browser.family, 60) if browser else "",
        browser_version=storable(version(browser.major, browser.minor, browser.patch), 40) if browser else "",
        is_robot=is_robot,
    )


def kind_of(text: str) -> str:
    return next((kind for kind, sign in KINDS if sign.search(text)), "")


def version(*parts: str | None) -> str:
    return ".".join(part for part in parts if part)


@cache
def parser() -> Parser:
    # 0.3 s to make, once by a process.
    return Parser(Resolver(load_lazy_builtins()))


def language_of(accepted: str) -> str:
    """The language that an Accept-Language header names first, without its region: "de"."""
    found = re.match(r"\s*([A-Za-z]{2,8})(?=[-_,; ]|$)", accepted)
    return found[1].lower() if found else ""
