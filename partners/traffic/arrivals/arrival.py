"""Someone who follows a link or loads its picture, as the request says: before anything is asked of the database."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import parse_qsl
from uuid import UUID

from django.http import HttpRequest

from partners.offers.codes import LARGEST_PK
from partners.traffic.agents import Agent, agent_of, language_of
from partners.traffic.arrivals.writing import Row
from partners.traffic.models.visits import SUBS, TEXT_LENGTH
from partners.traffic.places import Place, place_of
from portal.web.client_ip import Address, client_ip
from portal.web.ids import moment_of, new_id
from portal.web.storable import from_wire, storable

COUPON_LENGTH = 80
REFERER_LENGTH = 1000
URL_LENGTH = 2000
DOMAIN_LENGTH = 253
# Of what a link carries besides the parameters that we know.
MOST_PARAMETERS = 50
NAME_LENGTH = 100

KNOWN = ("coupon_code", "source_id", *SUBS)
NUMBERS = frozenset({"creative_id", "url_id", "product_id"})
NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


@dataclass(slots=True)
class Arrival:
    id: UUID
    at: datetime
    partner_id: int
    offer_id: int
    # What the link carries; texts as they are stored, the numbers apart. 0: none, or no number.
    said: dict[str, str]
    creative_id: int
    url_id: int
    product_id: int
    parameters: dict[str, str]
    ip: Address | None
    user_agent: str
    agent: Agent
    place: Place
    language: str
    referer: str
    tracking_domain: str
    tracking_url: str
    # The visitor: the address and the user agent, digested.
    fingerprint: str

    @classmethod
    def of(cls, request: HttpRequest, partner_id: int, offer_id: int) -> Arrival:
        meta = request.META
        query = from_wire(meta.get("QUERY_STRING", ""))
        given, numbers, others = sorted_out(query)
        user_agent = storable(from_wire(meta.get("HTTP_USER_AGENT", "")), TEXT_LENGTH)
        ip = client_ip(request)
        visit_id = new_id()
        url = f"{request.path_info}?{query}" if query else request.path_info
        return cls(
            id=visit_id,
            at=moment_of(visit_id),
            partner_id=partner_id,
            offer_id=offer_id,
            said=given,
            creative_id=numbers.get("creative_id", 0),
            url_id=numbers.get("url_id", 0),
            product_id=numbers.get("product_id", 0),
            parameters=others,
            ip=ip,
            user_agent=user_agent,
            agent=agent_of(user_agent),
            place=place_of(ip),
            language=language_of(meta.get("HTTP_ACCEPT_LANGUAGE", "")),
            referer=storable(from_wire(meta.get("HTTP_REFERER", "")), REFERER_LENGTH),
            tracking_domain=domain_of(meta.get("HTTP_HOST", "")),
            tracking_url=storable(url, URL_LENGTH),
            fingerprint=blake2b(f"{ip}\n{user_agent}".encode(), digest_size=16).hexdigest(),
        )

    @property
    def row(self) -> Row:
        """What is known before anything is decided, by the columns of its row."""
        return {
            **row_of_place(self.place),
            **row_of_agent(self.agent),
            **self.said,
            "partner_id": self.partner_id,
            "id": self.id.hex,
            "at": str(self.at),
            "referer": self.referer,
            "ip": str(self.ip) if self.ip else None,
            "user_agent": self.user_agent,
            "language": self.language,
            "tracking_domain": self.tracking_domain,
        }


@lru_cache(maxsize=1024)
def row_of_place(place: Place) -> Row:
    known = asdict(place)
    return {name: value for name, value in (known | {"place": json.loads(known.pop("more"))}).items() if value}


@lru_cache(maxsize=4096)
def row_of_agent(agent: Agent) -> Row:
    return {name: value for name, value in asdict(agent).items() if value}


def sorted_out(query: str) -> tuple[dict[str, str], dict[str, int], dict[str, str]]:
    """What a link carries: the texts we know, the numbers, and what else there is. Of a name that comes twice the
    last counts. What is too long is cut and what is no number is none: a click is worth more than its parameters."""
    texts: dict[str, str] = {}
    numbers: dict[str, int] = {}
    others: dict[str, str] = {}
    for name, value in parse_qsl(query, errors="replace"):
        if name in TEXTS:
            texts[name] = storable(value, TEXTS[name])
        elif name in NUMBERS:
            numbers[name] = number_in(value)
        elif len(others) < MOST_PARAMETERS:
            others[storable(name, NAME_LENGTH)] = storable(value, TEXT_LENGTH)
    return texts, numbers, others


TEXTS = dict.fromkeys(KNOWN, TEXT_LENGTH) | {"coupon_code": COUPON_LENGTH}


def number_in(text: str) -> int:
    number = int(text) if NUMBER.fullmatch(text) else 0
    return number if number <= LARGEST_PK else 0


@lru_cache(maxsize=256)
def domain_of(host: str) -> str:
    """The host name by which the link was reached, without a port."""
    return storable(from_wire(re.sub(r":[0-9]*$", "", host.strip())).lower(), DOMAIN_LENGTH)
