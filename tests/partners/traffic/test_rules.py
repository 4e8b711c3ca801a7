from __future__ import annotations

from typing import Any

import pytest

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import (
    AlreadyActive,
    AlreadyBlocked,
    AlreadyLifted,
    AlreadyPaused,
    TrafficBlock,
    TrafficControl,
)
from portal.accounts.models import Event
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

RULE: dict[str, Any] = {
    "name": "No coupons",
    "control_type": "blacklist",
    "variable": "source_id",
    "comparison_method": "contains",
    "values": ["coupon"],
}


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="traffic").order_by("pk").values_list("kind", flat=True))


def test_traffic_is_blocked_until_the_block_is_lifted(acme: Partner, offer: Offer) -> None:
    block = TrafficBlock.block(partner=acme, offer=offer, variable="sub1", value="bad", reason="Bots", by=SETUP)
    assert list(acme.traffic_blocks.standing()) == [block]

    block.lift(by=SETUP)

    assert not acme.traffic_blocks.standing().exists()
    assert (block.is_standing, block.lifted_by) == (False, "tests")
    assert kinds() == ["traffic.blocked", "traffic.block_lifted"]
    event = Event.objects.filter(kind="traffic.blocked").get()
    assert (event.partner_id, event.details) == (acme.pk, {"offer": "Summer Shoes", "reason": "Bots"})


def test_the_same_traffic_is_not_blocked_twice_nor_a_block_lifted_twice(acme: Partner, offer: Offer) -> None:
    block = TrafficBlock.block(partner=acme, variable="sub1", value="bad", by=SETUP)
    with pytest.raises(AlreadyBlocked):
        TrafficBlock.block(partner=acme, variable="sub1", value="bad", by=SETUP)
    TrafficBlock.block(partner=acme, offer=offer, variable="sub1", value="bad", by=SETUP)

    again = TrafficBlock.objects.get(pk=block.pk)
    block.lift(by=SETUP)

    with pytest.raises(AlreadyLifted):
        again.lift(by=SETUP)
    assert kinds() == ["traffic.blocked", "traffic.blocked", "traffic.block_lifted"]


def test_a_control_concerns_all_partners_or_those_it_names(acme: Partner, other_partner: Partner) -> None:
    for_all = TrafficControl.add(by=SETUP, **RULE)
    for_acme = TrafficControl.add(by=SETUP, partners=[acme], **{**RULE, "name": "Only theirs"})

    assert set(TrafficControl.objects.for_partner(acme)) == {for_all, for_acme}
    assert set(TrafficControl.objects.for_partner(other_partner)) == {for_all}


def test_a_control_is_paused_and_put_into_force_again(acme: Partner) -> None:
    control = TrafficControl.add(by=SETUP, **RULE)

    control.pause(by=SETUP)
    with pytest.raises(AlreadyPaused):
        control.pause(by=SETUP)

    assert not TrafficControl.objects.active().exists()
    assert control.status == "inactive"
    control.resume(by=SETUP)
    with pytest.raises(AlreadyActive):
        control.resume(by=SETUP)
    assert list(TrafficControl.objects.active()) == [control]
    assert kinds() == ["traffic_control.added", "traffic_control.paused", "traffic_control.resumed"]


def test_a_change_of_a_control_tells_what_it_was_and_nothing_when_nothing_changed(acme: Partner, offer: Offer) -> None:
    control = TrafficControl.add(by=SETUP, **RULE)

    control.change(by=SETUP, partners=[acme], offer=offer, values=["coupon", "deal"])
    control.change(by=SETUP, partners=[acme], offer=offer, values=["coupon", "deal"])

    stored = TrafficControl.objects.get()
    assert (stored.offer, stored.values, stored.is_for_all_partners) == (offer, ["coupon", "deal"], False)
    assert Event.objects.get(kind="traffic_control.changed").details == {
        "rule": ["source_id contains coupon", "source_id contains coupon, deal"],
        "offer": ["every offer", "Summer Shoes"],
        "partners": ["all", "Acme Media"],
    }
    control.change(by=SETUP, partners=[])
    assert TrafficControl.objects.get().is_for_all_partners
