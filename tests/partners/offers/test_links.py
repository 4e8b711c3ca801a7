from __future__ import annotations

from collections.abc import Callable

import pytest

from partners.models import Partner
from partners.offers.links import Links, tracking_link
from partners.offers.models import Creative, Offer
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

Launch = Callable[..., Offer]


@pytest.fixture
def links(acme: Partner) -> Links:
    return Links.of(acme)


@pytest.mark.parametrize(("kind", "ampersand"), [("html", "&amp;"), ("email", "&amp;"), ("text", "&")])
def test_a_link_stands_in_a_creative_as_that_can_hold_it(
    kind: str, ampersand: str, launch: Launch, links: Links
) -> None:
    offer = launch()
    creative = offer.add_creative(name="Mail", creative_type=Creative.Type(kind), html_code="{tracking_link}", by=SETUP)

    code = links.code(creative, offer, sub1="x")

    assert code == links.click(offer, sub1="x", creative_id=creative.pk).replace("&", ampersand)


def test_a_banner_is_a_link_and_its_impression_is_counted(launch: Launch, links: Links) -> None:
    offer = launch()
    creative = offer.add_creative(
        name='Wide "sale"',
        creative_type=Creative.Type.IMAGE,
        resource_url="https://cdn.example/w.png?a=1&b=2",
        width=728,
        height=90,
        by=SETUP,
    )

    banner, pixel = links.code(creative, offer).splitlines()

    assert banner == (
        f'<a href="{links.click(offer, creative_id=creative.pk)}"><img src="https://cdn.example/w.png?a=1&amp;b=2"'
        ' width="728" height="90" alt="Wide &quot;sale&quot;"></a>'
    )
    assert pixel == f'<img src="{links.impression(offer, creative_id=creative.pk)}" width="1" height="1" alt="">'


def test_a_film_is_shown_as_one(launch: Launch, links: Links) -> None:
    offer = launch()
    film = offer.add_creative(
        name="Film", creative_type=Creative.Type.VIDEO, resource_url="https://cdn.example/f.mp4", by=SETUP
    )

    assert '<video src="https://cdn.example/f.mp4" autoplay muted' in links.code(film, offer)


def test_a_link_carries_nothing_but_what_it_can(launch: Launch, acme: Partner) -> None:
    with pytest.raises(KeyError, match="sub11"):
        tracking_link(acme, launch(), sub1="x", sub11="y")
