"""What the demo network keeps out: sources of everybody's, of a few partners', and blocked words of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import TrafficBlock, TrafficControl

if TYPE_CHECKING:
    from portal.demo.story import Story


@dataclass(frozen=True)
class Kept:
    """A control that somebody put into force ``age`` days ago, and perhaps paused some days ago."""

    by: str
    age: int
    name: str
    variable: str
    values: tuple[str, ...]
    control_type: str = "blacklist"
    comparison_method: str = "contains"
    partners: tuple[str, ...] = ()
    offer: str = ""
    paused: int | None = None


@dataclass(frozen=True)
class Blocked:
    """What was blocked of one partner ``age`` days ago, and perhaps let in again some days ago."""

    by: str
    age: int
    partner: str
    variable: str
    value: str
    reason: str = ""
    lifted: int | None = None


# None of these words is in the traffic that is invented: the history has no click that they would have kept out.
CONTROLS = (
    Kept("nadia", 320, "No pop-unders", "source_id", ("popunder", "popup", "interstitial-push")),
    Kept("vera", 150, "No paid surveys", "sub1", ("survey-wall", "paid-to-click"), comparison_method="exact"),
    Kept(
        "vera",
        75,
        "Sorrel: no voucher toolbars",
        "source_id",
        ("toolbar-",),
        comparison_method="starts_with",
        partners=("Daybreak Coupons", "Bluefin Leads"),
        offer="Sorrel Skincare: the whole shop",
    ),
    Kept(
        "amir",
        200,
        "Quickmend: own shops alone",
        "source_id",
        ("own-shop-berlin", "own-shop-hamburg"),
        control_type="whitelist",
        comparison_method="exact",
        offer="Quickmend: telephone insurance",
        paused=160,
    ),
)
BLOCKS = (
    Blocked("vera", 48, "Acme Media", "sub1", "forum-bots", "Two hundred clicks a minute from one form."),
    Blocked("nadia", 20, "Acme Media", "source_id", "mirror-site", "A copy of the partner’s site. It knows."),
    Blocked("vera", 130, "Bluefin Leads", "sub2", "incent", "Rewards for a click.", lifted=100),
)


def plan_rules(story: Story) -> None:
    for kept in CONTROLS:
        controls: list[TrafficControl] = []
        story.at(story.now - timedelta(days=kept.age), partial(control, story, kept, controls))
        if kept.paused is not None:
            story.at(story.now - timedelta(days=kept.paused), partial(pause, story, kept, controls))
    for blocked in BLOCKS:
        blocks: list[TrafficBlock] = []
        story.at(story.now - timedelta(days=blocked.age), partial(block, story, blocked, blocks))
        if blocked.lifted is not None:
            story.at(story.now - timedelta(days=blocked.lifted), partial(lift, story, blocked, blocks))


def control(story: Story, kept: Kept, controls: list[TrafficControl]) -> None:
    told: dict[str, Any] = {
        name: getattr(kept, name) for name in ("name", "variable", "control_type", "comparison_method")
    }
    offer = Offer.objects.get(name=kept.offer) if kept.offer else None
    partners = Partner.objects.filter(name__in=kept.partners)
    added = TrafficControl.add(by=story.by(kept.by), values=list(kept.values), offer=offer, partners=partners, **told)
    story.backdate(added, "created_at", "updated_at")
    controls.append(added)


def pause(story: Story, kept: Kept, controls: list[TrafficControl]) -> None:
    for added in controls:
        added.pause(by=story.by(kept.by))
        story.backdate(added, "updated_at")


def block(story: Story, blocked: Blocked, blocks: list[TrafficBlock]) -> None:
    added = TrafficBlock.block(
        partner=Partner.objects.get(name=blocked.partner),
        variable=blocked.variable,
        value=blocked.value,
        reason=blocked.reason,
        by=story.by(blocked.by),
    )
    story.backdate(added, "blocked_at")
    blocks.append(added)


def lift(story: Story, blocked: Blocked, blocks: list[TrafficBlock]) -> None:
    for added in blocks:
        added.lift(by=story.by(blocked.by))
        story.backdate(added, "lifted_at")
