from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import TrafficBlock, TrafficControl
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

CONTROLS = "/traffic-controls/"
RULE: dict[str, Any] = {
    "name": "No coupons",
    "control_type": "blacklist",
    "variable": "source_id",
    "comparison_method": "contains",
}


@pytest.fixture
def client(vera: User, browse: Browse) -> Client:
    return browse(vera)


def control(**said: Any) -> TrafficControl:
    return TrafficControl.add(by=SETUP, **{**RULE, "values": ["coupon"], **said})


def test_a_control_is_added_with_its_values_a_line_each(client: Client, acme: Partner, offer: Offer) -> None:
    sent = {**RULE, "values": "coupon\n\n deal \ncoupon", "offer": offer.pk, "partners": [acme.pk]}

    answer = client.post(f"{CONTROLS}add/", sent, follow=True)

    [shown] = page(answer).region("control-table").records
    assert shown["Name"] == "No coupons"
    assert shown["Rule"] == "Keeps out source_id that contains coupon , deal"
    assert (shown["Offer"], shown["Partners"], shown["Status"]) == ("Summer Shoes", "Acme Media", "In force")
    assert "No coupons was added" in page(answer).text


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"values": " \n "}, "This field is required."),
        ({"values": ""}, "This field is required."),
        ({"values": "x" * 501}, "A value has at most 500 characters."),
        ({"values": "a", "name": ""}, "This field is required."),
        ({"values": "a", "variable": "sub11"}, "sub11 is not one of the available choices"),
    ],
)
def test_a_control_that_cannot_be_is_refused_beside_its_field(client: Client, said: Any, error: str) -> None:
    answer = client.post(f"{CONTROLS}add/", {**RULE, **said})

    assert answer.status_code == 422
    assert any(error in shown for shown in page(answer).errors)
    assert not TrafficControl.objects.exists()


def test_a_control_is_changed_from_what_it_was(client: Client, acme: Partner) -> None:
    one = control(partners=[acme])
    url = f"{CONTROLS}{one.pk}/edit/"
    fields = page(client.get(url)).form(url).fields
    assert (fields["values"], fields["name"], fields["partners"]) == ("coupon", "No coupons", str(acme.pk))

    client.post(url, {**fields, "values": "coupon\nvoucher", "partners": []})

    one.refresh_from_db()
    assert (one.values, one.is_for_all_partners) == (["coupon", "voucher"], True)
    assert Event.objects.get(kind="traffic_control.changed").details["partners"] == ["Acme Media", "all"]


def test_a_control_is_paused_and_resumed_after_a_confirmation(client: Client) -> None:
    one = control()

    assert "may send traffic again" in page(client.get(f"{CONTROLS}{one.pk}/pause/")).text
    paused = client.post(f"{CONTROLS}{one.pk}/pause/", follow=True)
    again = client.post(f"{CONTROLS}{one.pk}/pause/", follow=True)
    resumed = client.post(f"{CONTROLS}{one.pk}/resume/", follow=True)

    assert page(paused).region("control-table").records[0]["Status"] == "Paused"
    assert "was paused already" in page(again).text
    assert page(resumed).region("control-table").records[0]["Status"] == "In force"


def test_a_change_of_controls_is_told_to_the_list_under_htmx(client: Client) -> None:
    answer = client.post(f"{CONTROLS}{control().pk}/pause/", headers={"HX-Request": "true"})

    assert answer.status_code == 204
    assert "controls:changed" in answer["HX-Trigger"]


def test_without_controls_the_list_says_what_they_are_for(client: Client) -> None:
    assert "keep out sources that you do not want" in page(client.get(CONTROLS)).region("control-table").text


def test_controls_take_the_same_number_of_queries_for_one_row_and_twenty(
    client: Client, acme: Partner, offer: Offer
) -> None:
    control(offer=offer, partners=[acme])
    with CaptureQueriesContext(connection) as for_one:
        assert len(page(client.get(CONTROLS)).region("control-table").rows) == 1
    for number in range(19):
        control(name=f"Rule {number}", offer=offer, partners=[acme])

    with CaptureQueriesContext(connection) as for_twenty:
        assert len(page(client.get(CONTROLS)).region("control-table").rows) == 20

    assert len(for_twenty) == len(for_one)


def test_traffic_of_a_partner_is_blocked_and_the_block_lifted(client: Client, acme: Partner, offer: Offer) -> None:
    url = f"/partners/{acme.pk}/blocks/"
    assert "Nothing is blocked" in page(client.get(url)).text

    blocked = client.post(
        f"{url}add/", {"variable": "sub1", "value": "bots", "offer": offer.pk, "reason": "Robots"}, follow=True
    )
    block = TrafficBlock.objects.get()
    confirmation = page(client.get(f"{url}{block.pk}/lift/")).text
    lifted = client.post(f"{url}{block.pk}/lift/", follow=True)
    again = client.post(f"{url}{block.pk}/lift/", follow=True)

    assert "sub1 is bots" in page(blocked).region("traffic-blocks").text
    assert "On Summer Shoes · Robots" in page(blocked).region("traffic-blocks").text
    assert "count again, on Summer Shoes" in " ".join(confirmation.split())
    assert "Nothing is blocked" in page(lifted).region("traffic-blocks").text
    assert "was lifted already" in page(again).text


def test_the_same_traffic_is_not_blocked_twice(client: Client, acme: Partner) -> None:
    TrafficBlock.block(partner=acme, variable="sub1", value="bots", by=SETUP)

    answer = client.post(f"/partners/{acme.pk}/blocks/add/", {"variable": "sub1", "value": "bots"})

    assert answer.status_code == 422
    assert "This is blocked already." in page(answer).errors


def test_partner_details_show_the_blocks_as_a_region(client: Client, acme: Partner) -> None:
    assert f"/partners/{acme.pk}/blocks/" in client.get(f"/partners/{acme.pk}/").content.decode()
    region = client.get(f"/partners/{acme.pk}/blocks/", headers={"HX-Request": "true", "HX-Target": "traffic-blocks"})

    assert page(region).has("traffic-blocks") and not page(region).title


def test_a_block_of_another_partner_is_not_lifted_here(client: Client, acme: Partner, other_partner: Partner) -> None:
    theirs = TrafficBlock.block(partner=other_partner, variable="sub1", value="bots", by=SETUP)

    assert client.post(f"/partners/{acme.pk}/blocks/{theirs.pk}/lift/").status_code == 404
    assert TrafficBlock.objects.get().is_standing
