"""The postbacks of some partners of the demo network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks.models import Postback

if TYPE_CHECKING:
    from portal.demo.story import Story


@dataclass(frozen=True)
class Told:
    """A postback that somebody set up ``age`` days ago, and perhaps paused some days ago."""

    partner: str
    by: str
    age: int
    fields: dict[str, Any]
    is_for_one_offer: bool = False
    paused: int | None = None


POSTBACKS = (
    Told(
        "Acme Media",
        "paul",
        380,
        {"url": "https://s2s.acme.example/in?click={sub1}&tid={transaction_id}&payout={payout_amount}&cur={currency}"},
    ),
    Told(
        "Acme Media",
        "paul",
        210,
        {
            "url": "https://s2s.acme.example/events/{event_name}?tid={transaction_id}&order={order_id}&at={timestamp}",
            "pixel_type": "post_conversion",
            "delay_ms": 1500,
        },
    ),
    Told(
        "Acme Media",
        "vera",
        90,
        {"url": "https://coupons.acme.example/notify/{coupon_code}?sale={sale_amount}&status={status}"},
        is_for_one_offer=True,
    ),
    Told(
        "Acme Media",
        "paul",
        60,
        {
            "delivery_method": "html",
            "html_code": (
                '<img src="https://pixel.acme.example/p.gif?c={conversion_id}&amp;s={source_id}" '
                'width="1" height="1" alt="">'
            ),
        },
        is_for_one_offer=True,
        paused=12,
    ),
    Told(
        "Bluefin Leads",
        "vera",
        340,
        {"url": "https://track.bluefin-leads.example/postback?cid={sub1}&sum={payout_amount}&txid={conversion_id}"},
    ),
    Told(
        "Bluefin Leads",
        "vera",
        33,
        {"url": "https://staging.bluefin-leads.example/postback?cid={sub1}", "delay_ms": 60_000},
        paused=30,
    ),
    Told(
        "Daybreak Coupons",
        "vera",
        240,
        {"url": "https://daybreak.example/api/conversions/{conversion_id}?offer={offer_id}&code={coupon_code}"},
    ),
)


def plan_postbacks(story: Story) -> None:
    for told in POSTBACKS:
        set_up: list[Postback] = []
        story.at(story.days_ago(told.age), partial(add, story, told, set_up))
        if told.paused is not None:
            story.at(story.days_ago(told.paused), partial(pause, story, told, set_up))


def add(story: Story, told: Told, set_up: list[Postback]) -> None:
    partner = Partner.objects.get(name=told.partner)
    offer = Offer.objects.runnable_by(partner).order_by("pk").first() if told.is_for_one_offer else None
    postback = Postback.add(partner=partner, offer=offer, by=story.by(told.by), **told.fields)
    story.backdate(postback, "created_at", "updated_at")
    set_up.append(postback)


def pause(story: Story, told: Told, set_up: list[Postback]) -> None:
    for postback in set_up:
        postback.pause(by=story.by(told.by))
        story.backdate(postback, "paused_at", "updated_at")
