"""The links by which a partner's traffic is told from everybody else's (wire.md section 11)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import quote, urlencode

from django.conf import settings

from partners.models import Partner
from partners.offers.codes import code_of_partner
from partners.offers.models import Creative, Offer
from portal.network.models import Network

# What a link may carry, in the order it does.
PARAMETERS = (
    *(f"sub{number}" for number in range(1, 11)),
    "source_id",
    "creative_id",
    "url_id",
    "product_id",
    "coupon_code",
)
TRACKING_LINK = "{tracking_link}"


@dataclass(frozen=True, slots=True)
class Links:
    """Makes a partner's links; ``site`` is where they lead first, such as ``https://go.example.com``."""

    site: str
    partner_code: str

    @classmethod
    def of(cls, partner: Partner) -> Links:
        """Asks for the network's settings once, for any number of links."""
        domain = Network.load().tracking_domain
        return cls(f"https://{domain}" if domain else settings.BASE_URL, code_of_partner(partner.pk))

    def click(self, offer: Offer, **parameters: object) -> str:
        """Leads a visitor to the offer, and counts the click. Parameters that are empty or 0 are left out.

        :raises KeyError: when a parameter is not one of ``PARAMETERS``
        """
        return self._link("t", offer, parameters)

    def impression(self, offer: Offer, **parameters: object) -> str:
        """A picture that nobody sees; whoever loads it has seen the offer's advertisement."""
        return self._link("i", offer, parameters)

    def code(self, creative: Creative, offer: Offer, **parameters: object) -> str:
        """The creative as a page shows it, with the partner's links in it."""
        given = {**parameters, "creative_id": creative.pk}
        link = self.click(offer, **given)
        if creative.html_code:
            # A text stands by itself, in HTML the link stands in an attribute.
            is_text = creative.creative_type == Creative.Type.TEXT
            return creative.html_code.replace(TRACKING_LINK, link if is_text else escape(link))
        size = f' width="{creative.width}" height="{creative.height}"' if creative.width and creative.height else ""
        shown = f'src="{escape(creative.resource_url)}"{size}'
        return (
            f'<a href="{escape(link)}">{element_of(creative, shown)}</a>\n'
            f'<img src="{escape(self.impression(offer, **given))}" width="1" height="1" alt="">'
        )

    def _link(self, kind: str, offer: Offer, parameters: dict[str, object]) -> str:
        carried = carry(parameters)
        link = f"{self.site}/{kind}/{self.partner_code}/{offer.code}/"
        return f"{link}?{carried}" if carried else link


def element_of(creative: Creative, shown: str) -> str:
    if creative.creative_type == Creative.Type.VIDEO:
        return f"<video {shown} autoplay muted loop playsinline></video>"
    return f'<img {shown} alt="{escape(creative.name)}">'


def carry(parameters: dict[str, object]) -> str:
    """The parameters as a query string.

    :raises KeyError: for one that links do not carry
    """
    if unknown := parameters.keys() - set(PARAMETERS):
        raise KeyError(min(unknown))
    given = [(name, parameters[name]) for name in PARAMETERS if parameters.get(name) not in (None, "", 0)]
    return urlencode(given, quote_via=quote, safe="")


def tracking_link(partner: Partner, offer: Offer, **parameters: object) -> str:
    """One link; for several, ``Links.of(partner)`` asks for the network's settings once."""
    return Links.of(partner).click(offer, **parameters)


def impression_link(partner: Partner, offer: Offer, **parameters: object) -> str:
    return Links.of(partner).impression(offer, **parameters)
